"""`/api/groups`: client keys that share their limits."""

from __future__ import annotations

from fastapi import APIRouter, Response
from sqlmodel import Session

from ...models import KeyGroup, KeyGroupCreate, KeyGroupResponse, KeyGroupUpdate
from ..control.control_plane import ControlPlane
from ..store import key_groups
from ..store.limits import spent_now
from ..store.shapes import shown
from ..store.versions import expect
from .base import IfMatch, Run, errors

router = APIRouter(prefix="/api/groups", tags=["groups"])


def _shown(control: ControlPlane, session: Session, row: KeyGroup) -> KeyGroupResponse:
    more = {
        "keys": key_groups.keys_of(session, row.id or 0),
        "spent": spent_now(session, control.usage, f"group/{row.id}", row),
    }
    return shown(KeyGroupResponse, row, more)


@router.get("", responses=errors())
def show_list(control: Run) -> list[KeyGroupResponse]:
    """All groups, their keys, and what they have spent."""
    with control.read() as session:
        return [_shown(control, session, row) for row in key_groups.list_all(session)]


@router.post("", status_code=201, responses=errors(409))
def add(control: Run, body: KeyGroupCreate, response: Response) -> KeyGroupResponse:
    """Add a group; 409 when the name is taken."""
    with control.change() as session:
        answer = _shown(control, session, key_groups.create(session, body))
    response.headers["location"] = f"{router.prefix}/{answer.name}"
    return answer


@router.get("/{name}", responses=errors(404))
def show(control: Run, name: str) -> KeyGroupResponse:
    """One group."""
    with control.read() as session:
        return _shown(control, session, key_groups.get(session, name))


@router.patch("/{name}", responses=errors(404, 409, 412))
def change(control: Run, name: str, body: KeyGroupUpdate, version: IfMatch = None) -> KeyGroupResponse:
    """Change what is named; the rest stays. A null clears what can be empty."""
    with control.change() as session:
        expect(session, key_groups.get(session, name), version)
        return _shown(control, session, key_groups.update(session, name, body))


@router.delete("/{name}", status_code=204, responses=errors(404, 409))
def remove(control: Run, name: str) -> None:
    """Remove a group that no live key is in."""
    with control.change() as session:
        key_groups.delete(session, name)
