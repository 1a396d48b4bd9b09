"""`/api/local`: model servers on this computer or network."""

from __future__ import annotations

from fastapi import APIRouter, Response

from ...kinds import BackendType
from ...models import LocalBackendCreate, LocalBackendResponse, LocalBackendUpdate
from ...store import local_backends
from ..probing import ProbeOutcome, test_backend
from .base import Run, errors

router = APIRouter(prefix="/api/local", tags=["local"])


@router.get("", responses=errors())
def show_list(runtime: Run) -> list[LocalBackendResponse]:
    """All local servers, by name."""
    with runtime.read() as session:
        return [LocalBackendResponse.model_validate(row) for row in local_backends.list_all(session)]


@router.post("", status_code=201, responses=errors(409))
def add(runtime: Run, body: LocalBackendCreate, response: Response) -> LocalBackendResponse:
    """Add a server; 409 when the name is taken."""
    with runtime.change() as session:
        answer = LocalBackendResponse.model_validate(local_backends.create(session, runtime.vault, body))
    response.headers["location"] = f"{router.prefix}/{answer.name}"
    return answer


@router.get("/{name}", responses=errors(404))
def show(runtime: Run, name: str) -> LocalBackendResponse:
    """One server."""
    with runtime.read() as session:
        return LocalBackendResponse.model_validate(local_backends.get(session, name))


@router.patch("/{name}", responses=errors(404))
def change(runtime: Run, name: str, body: LocalBackendUpdate) -> LocalBackendResponse:
    """Change what is named; the rest stays. A null clears what can be empty, the key too."""
    with runtime.change() as session:
        return LocalBackendResponse.model_validate(local_backends.update(session, runtime.vault, name, body))


@router.delete("/{name}", status_code=204, responses=errors(404))
def remove(runtime: Run, name: str) -> None:
    """Forget a server."""
    with runtime.change() as session:
        local_backends.delete(session, name)


@router.post("/{name}/test", responses=errors(404))
async def test(runtime: Run, name: str) -> ProbeOutcome:
    """List the server's models: one cheap call."""
    return await test_backend(runtime, BackendType.LOCAL, name)
