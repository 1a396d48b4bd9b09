"""Groups of client keys, which share their limits. Not here: the keys (client_keys.py), what is spent (limits.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlmodel import Session, col, select

from ...errors import PointsmanError
from ...kinds import ErrorKind
from . import rows
from .tables import ClientKey, KeyGroup

if TYPE_CHECKING:
    from .schemas import KeyGroupCreate, KeyGroupUpdate


def list_all(session: Session) -> list[KeyGroup]:
    return list(session.exec(select(KeyGroup).order_by(col(KeyGroup.name))))


def get(session: Session, name: str) -> KeyGroup:
    row = session.exec(select(KeyGroup).where(col(KeyGroup.name) == name)).one_or_none()
    if row is None:
        raise PointsmanError(
            ErrorKind.NOT_FOUND,
            f"There is no group {name!r}; add it with: pointsman group add {name}.",
            param="group",
        )
    return row


def names(session: Session) -> dict[int, str]:
    """By id."""
    return {row.id: row.name for row in list_all(session) if row.id is not None}


def keys_of(session: Session, group_id: int) -> list[int]:
    """Revoked ones too: what they have spent stays the group's."""
    found = session.exec(
        select(ClientKey.id).where(col(ClientKey.group_id) == group_id).order_by(col(ClientKey.id))
    )
    return [one for one in found if one is not None]


def create(session: Session, data: KeyGroupCreate) -> KeyGroup:
    """Raises CONFLICT when there is one of that name."""
    row = KeyGroup(**rows.settled(data.model_dump()))
    rows.add(session, row, f"There is a group {data.name!r} already.")
    return row


def update(session: Session, name: str, data: KeyGroupUpdate) -> KeyGroup:
    from .schemas import KeyGroupCreate

    row = get(session, name)
    stands = {field: getattr(row, field) for field in KeyGroupCreate.model_fields}
    whole = rows.valid(KeyGroupCreate, stands | data.model_dump(exclude_unset=True))
    for field, value in rows.settled(whole.model_dump()).items():
        setattr(row, field, value)
    rows.add(session, row, f"There is a group {whole.name!r} already.")
    return row


def delete(session: Session, name: str) -> None:
    """Raises CONFLICT while live keys are in it: they would lose their limits without a word."""
    row = get(session, name)
    live = select(ClientKey.id).where(col(ClientKey.group_id) == row.id, col(ClientKey.revoked_at).is_(None))
    found = [str(one) for one in session.exec(live)]
    if found:
        raise PointsmanError(
            ErrorKind.CONFLICT,
            f"Keys {', '.join(found)} are in the group; take them out first, with: pointsman key update ID --no-group.",
        )
    session.delete(row)
    session.flush()
