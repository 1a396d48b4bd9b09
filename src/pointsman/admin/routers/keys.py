"""`/api/keys`: client keys. A key is in one answer only, the one that makes it."""

from __future__ import annotations

from fastapi import APIRouter, Response

from ..store import client_keys
from ..store.schemas import ClientKeyCreate, ClientKeyCreated, ClientKeyResponse
from .base import RowId, Run, errors

router = APIRouter(prefix="/api/keys", tags=["keys"])


@router.get("", responses=errors())
def show_list(control: Run) -> list[ClientKeyResponse]:
    """All client keys, revoked ones too, by their first characters."""
    with control.read() as session:
        return [ClientKeyResponse.model_validate(row) for row in client_keys.list_all(session)]


@router.post("", status_code=201, responses=errors())
def add(control: Run, body: ClientKeyCreate, response: Response) -> ClientKeyCreated:
    """Make a key. `secret` is shown this once. From the first key on, every LLM request needs one."""
    with control.change() as session:
        row, secret = client_keys.create(session, body.name)
        answer = ClientKeyResponse.model_validate(row)
    response.headers["location"] = f"{router.prefix}/{answer.id}"
    return ClientKeyCreated(**answer.model_dump(), secret=secret)


@router.get("/{key_id}", responses=errors(404))
def show(control: Run, key_id: RowId) -> ClientKeyResponse:
    """One client key."""
    with control.read() as session:
        return ClientKeyResponse.model_validate(client_keys.get(session, key_id))


@router.delete("/{key_id}", status_code=204, responses=errors(404))
def revoke(control: Run, key_id: RowId) -> None:
    """Revoke a key: worthless when this answers. Doing it again changes nothing."""
    with control.change() as session:
        client_keys.revoke(session, key_id)
