"""`/api/keys`: client keys. A key is in one answer only, the one that makes it, or rotates it."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter, Response
from sqlmodel import Session

from ...models import (
    ClientKey,
    ClientKeyCreate,
    ClientKeyCreated,
    ClientKeyResponse,
    ClientKeyRotate,
    ClientKeyUpdate,
)
from ..control.control_plane import ControlPlane
from ..store import client_keys, key_groups
from ..store.limits import SpentByKey, moment_of, spent_now
from ..store.shapes import shown
from ..store.versions import expect
from .base import IfMatch, RowId, Run, errors

router = APIRouter(prefix="/api/keys", tags=["keys"])


class _Many:
    """What many keys are told with, read once for all of them."""

    def __init__(self, control: ControlPlane, session: Session, rows: Sequence[ClientKey]) -> None:
        self.used = control.usage.last_used([row.id or 0 for row in rows])
        self.spent = SpentByKey(control.usage)
        self.groups = key_groups.names(session)


def _shown(
    control: ControlPlane, session: Session, row: ClientKey, many: _Many | None = None
) -> ClientKeyResponse:
    known = control.usage.last_used([row.id or 0]) if many is None else many.used
    groups = key_groups.names(session) if many is None else many.groups
    more = {
        "group": groups.get(row.group_id or 0),
        "grace_until": row.before_until if row.before is not None else None,
        "last_used_at": moment_of(known.get(row.id or 0)),
        "spent": spent_now(session, control.usage, f"key/{row.id}", row, many.spent if many else None),
    }
    return shown(ClientKeyResponse, row, more)


@router.get("", responses=errors())
def show_list(control: Run) -> list[ClientKeyResponse]:
    """All client keys, revoked ones too, by their first characters, and what they have spent."""
    with control.read() as session:
        rows = client_keys.list_all(session)
        many = _Many(control, session, rows)
        return [_shown(control, session, row, many) for row in rows]


@router.post("", status_code=201, responses=errors(404))
def add(control: Run, body: ClientKeyCreate, response: Response) -> ClientKeyCreated:
    """Make a key. `secret` is shown this once. From the first key on, every LLM request needs one."""
    with control.change() as session:
        row, secret = client_keys.create(session, body)
        answer = _shown(control, session, row)
    response.headers["location"] = f"{router.prefix}/{answer.id}"
    return ClientKeyCreated(**answer.model_dump(), secret=secret)


@router.get("/{key_id}", responses=errors(404))
def show(control: Run, key_id: RowId) -> ClientKeyResponse:
    """One client key."""
    with control.read() as session:
        return _shown(control, session, client_keys.get(session, key_id))


@router.patch("/{key_id}", responses=errors(404, 409, 412))
def change(control: Run, key_id: RowId, body: ClientKeyUpdate, version: IfMatch = None) -> ClientKeyResponse:
    """Change what is named; the rest stays. A null clears what can be empty. What a budget's period holds already stays
    spent."""
    with control.change() as session:
        expect(session, client_keys.get(session, key_id), version)
        return _shown(control, session, client_keys.update(session, key_id, body))


@router.post("/{key_id}/rotate", responses=errors(404, 409))
def rotate(control: Run, key_id: RowId, body: ClientKeyRotate | None = None) -> ClientKeyCreated:
    """A new secret for the same key, shown this once; the one before is good for `grace_seconds` more."""
    with control.change() as session:
        row, secret = client_keys.rotate(session, key_id, (body or ClientKeyRotate()).grace_seconds)
        answer = _shown(control, session, row)
    return ClientKeyCreated(**answer.model_dump(), secret=secret)


@router.delete("/{key_id}", status_code=204, responses=errors(404))
def revoke(control: Run, key_id: RowId) -> None:
    """Revoke a key: worthless when this answers. Doing it again changes nothing."""
    with control.change() as session:
        client_keys.revoke(session, key_id)
