"""`/api/credentials`: keys and base URLs of cloud providers. A key comes in here and never goes out."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Response
from sqlmodel import Session

from ...errors import PointsmanError
from ...kinds import BackendType, ErrorKind, backend_key
from ...models import (
    CloudCredential,
    CloudCredentialCreate,
    CloudCredentialResponse,
    CloudCredentialUpdate,
)
from ..control.control_plane import ControlPlane
from ..control.probing import ProbeAsked, ProbeOutcome, try_backend
from ..store import credentials, sealing
from ..store.limits import spent_now
from ..store.shapes import shown
from ..store.versions import expect
from .base import IfMatch, Run, errors

router = APIRouter(prefix="/api/credentials", tags=["credentials"])

Type = Annotated[BackendType, Path(description="`openai` or `anthropic`")]

_PUT_SCHEMA = {
    "requestBody": {
        "required": True,
        "description": "As for POST; `backend_type` and `name` are the path's and may be left out.",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/CloudCredentialPut"}}},
    }
}


def _shown(control: ControlPlane, session: Session, row: CloudCredential) -> CloudCredentialResponse:
    more: dict[str, Any] = {
        "spent": spent_now(session, control.usage, f"backend/{sealing.key_of(row)}", row),
        "warnings": [],
    }
    return shown(CloudCredentialResponse, row, more)


@router.get("", responses=errors())
def show_list(control: Run) -> list[CloudCredentialResponse]:
    """All credentials, without their keys."""
    with control.read() as session:
        return [_shown(control, session, row) for row in credentials.list_all(session)]


@router.post("", status_code=201, responses=errors(409))
def add(control: Run, body: CloudCredentialCreate, response: Response) -> CloudCredentialResponse:
    """Store a key; 409 when there is one of this type and name."""
    with control.change() as session:
        answer = _shown(control, session, credentials.create(session, control.vault, body))
    response.headers["location"] = f"{router.prefix}/{backend_key(body.backend_type, body.name)}"
    return answer


@router.get("/{backend_type}", responses=errors(404))
def show_default(control: Run, backend_type: Type) -> CloudCredentialResponse:
    """The type's default credential."""
    return show(control, backend_type, "")


@router.get("/{backend_type}/{name}", responses=errors(404))
def show(control: Run, backend_type: Type, name: str) -> CloudCredentialResponse:
    """One credential."""
    with control.read() as session:
        return _shown(control, session, credentials.get(session, backend_type, name))


@router.put("/{backend_type}", responses=errors(404, 412), openapi_extra=_PUT_SCHEMA)
def put_default(
    control: Run, backend_type: Type, body: Annotated[dict[str, Any], Body()], version: IfMatch = None
) -> CloudCredentialResponse:
    """Create or replace the type's default credential."""
    return put(control, backend_type, "", body, version)


@router.put("/{backend_type}/{name}", responses=errors(404, 412), openapi_extra=_PUT_SCHEMA)
def put(
    control: Run,
    backend_type: Type,
    name: str,
    body: Annotated[dict[str, Any], Body()],
    version: IfMatch = None,
) -> CloudCredentialResponse:
    """Create or replace a credential, whole: what is left out gets its default."""
    for field, value in (("backend_type", backend_type.value), ("name", name)):
        if body.get(field, value) != value:
            raise PointsmanError(
                ErrorKind.INVALID, f"{field} differs from the path's; leave it out.", param=field
            )
    data = CloudCredentialCreate.model_validate({**body, "backend_type": backend_type, "name": name})
    with control.change() as session:
        if version:
            expect(session, credentials.get(session, backend_type, name), version)
        return _shown(control, session, credentials.put(session, control.vault, data))


@router.patch("/{backend_type}", responses=errors(404, 412))
def change_default(
    control: Run, backend_type: Type, body: CloudCredentialUpdate, version: IfMatch = None
) -> CloudCredentialResponse:
    """Change how the type's default credential is used."""
    return change(control, backend_type, "", body, version)


@router.patch("/{backend_type}/{name}", responses=errors(404, 412))
def change(
    control: Run, backend_type: Type, name: str, body: CloudCredentialUpdate, version: IfMatch = None
) -> CloudCredentialResponse:
    """Change what is named; the key and where it goes stay. A null clears what can be empty."""
    with control.change() as session:
        expect(session, credentials.get(session, backend_type, name), version)
        return _shown(control, session, credentials.update(session, backend_type, name, body))


@router.delete("/{backend_type}", status_code=204, responses=errors(404))
def remove_default(control: Run, backend_type: Type) -> None:
    """Forget the type's default key."""
    remove(control, backend_type, "")


@router.delete("/{backend_type}/{name}", status_code=204, responses=errors(404))
def remove(control: Run, backend_type: Type, name: str) -> None:
    """Forget a key."""
    with control.change() as session:
        credentials.delete(session, backend_type, name)


@router.post("/{backend_type}/test", responses=errors(404))
async def try_default(control: Run, backend_type: Type, body: ProbeAsked | None = None) -> ProbeOutcome:
    """List the provider's models with the stored key: one cheap call, told in parts. With `one_token` that model is
    asked for one token, which may cost."""
    return await try_backend(control, backend_type, "", body)


@router.post("/{backend_type}/{name}/test", responses=errors(404))
async def try_one(
    control: Run, backend_type: Type, name: str, body: ProbeAsked | None = None
) -> ProbeOutcome:
    """The same for a named credential."""
    return await try_backend(control, backend_type, name, body)
