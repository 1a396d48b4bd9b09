"""`/api/local`: model servers on this computer or network."""

from __future__ import annotations

from fastapi import APIRouter, Response

from ...kinds import BackendType
from ...models import LocalBackendCreate, LocalBackendResponse, LocalBackendUpdate
from ..control.probing import ProbeAsked, ProbeOutcome, try_backend
from ..store import local_backends
from ..store.versions import expect
from .base import IfMatch, Run, errors

router = APIRouter(prefix="/api/local", tags=["local"])


@router.get("", responses=errors())
def show_list(control: Run) -> list[LocalBackendResponse]:
    """All local servers, by name."""
    with control.read() as session:
        return [LocalBackendResponse.model_validate(row) for row in local_backends.list_all(session)]


@router.post("", status_code=201, responses=errors(409))
def add(control: Run, body: LocalBackendCreate, response: Response) -> LocalBackendResponse:
    """Add a server; 409 when the name is taken."""
    with control.change() as session:
        answer = LocalBackendResponse.model_validate(local_backends.create(session, control.vault, body))
    response.headers["location"] = f"{router.prefix}/{answer.name}"
    return answer


@router.get("/{name}", responses=errors(404))
def show(control: Run, name: str) -> LocalBackendResponse:
    """One server."""
    with control.read() as session:
        return LocalBackendResponse.model_validate(local_backends.get(session, name))


@router.patch("/{name}", responses=errors(404, 412))
def change(
    control: Run, name: str, body: LocalBackendUpdate, version: IfMatch = None
) -> LocalBackendResponse:
    """Change what is named; the rest stays. A null clears what can be empty, the key too."""
    with control.change() as session:
        expect(session, local_backends.get(session, name), version)
        return LocalBackendResponse.model_validate(local_backends.update(session, control.vault, name, body))


@router.delete("/{name}", status_code=204, responses=errors(404))
def remove(control: Run, name: str) -> None:
    """Forget a server."""
    with control.change() as session:
        local_backends.delete(session, name)


@router.post("/{name}/test", responses=errors(404, 409))
async def try_one(control: Run, name: str, body: ProbeAsked | None = None) -> ProbeOutcome:
    """List the server's models: one cheap call, told in parts. With `one_token` that model is asked for one token."""
    return await try_backend(control, BackendType.LOCAL, name, body)
