"""Taking a change back by what the audit has of it: what was created goes, what was changed is as before, what was deleted
is there again under its number. All of it or nothing. Functions take a Session and raise PointsmanError.

Not here: secrets, of which the audit has none: what was done to one stays.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, func, select

from ...errors import PointsmanError
from ...kinds import ErrorKind
from . import key_groups, origins, rows
from .audit_tables import AuditEntry, AuditRow, Did
from .columns import UtcDateTime
from .nouns import TABLE_OF
from .recording import DATABASE, PROGRAM, undoing
from .row import Table, columns_of, shown_values
from .tables import AllowedOrigin, ClientKey, KeyGroup

_KEPT_BACK = {
    "credential": "Its key is not kept here. Set it again: pointsman credential set {name}",
    "local": "Its key is not kept here. Set it again: pointsman local update, or pointsman local add",
    "key": "A client key that was replaced or revoked stays so. Make another: pointsman key create",
    "webhook": "Its secret is not kept here. Add it again: pointsman webhook add",
    "price list": "Its prices are not kept here. Read them in again: pointsman prices update FILE",
    "setting": "It is a secret of the gateway's own.",
}
_TOO_LARGE = "One of its values was too large to be kept here."


def why_never(row: AuditRow) -> str | None:
    """Why what was done to this row cannot be taken back, whatever happened since; None where it can."""
    if row.noun == DATABASE:
        return f"Put back what was there: pointsman restore {row.before.get('kept in', 'FILE')}"
    if row.noun == PROGRAM:
        return f"It is a file. Put it back on the page Connect, or by: pointsman connect {row.row} --undo"
    table = TABLE_OF.get(row.noun)
    if table is None or not {*row.before, *row.after} <= set(columns_of(table)):
        return "It was written by another version of Pointsman."
    if row.noun == "key" and row.did != Did.CHANGED:
        return f"The key may be in use. Revoke it: pointsman key revoke {row.row}"
    if row.noun == "key" and "revoked_at" in row.after:
        return _KEPT_BACK["key"]
    if row.noun == "webhook" and row.did == Did.CHANGED and row.withheld:
        return f"Its secret is sealed for its URL. Change that back: pointsman webhook update {row.row} --url URL"
    if row.withheld and (row.did != Did.CREATED or row.noun == "setting"):
        return _KEPT_BACK.get(row.noun, _TOO_LARGE).format(name=row.name)
    return None


def undo(session: Session, entry: AuditEntry, *, keys_needed: bool) -> None:
    """keys_needed: clients need keys, whatever the database says. Raises CONFLICT where it cannot be undone, or a row has
    changed since."""
    query = select(AuditRow).where(col(AuditRow.entry_id) == entry.id).order_by(col(AuditRow.id).desc())
    found = session.exec(query).all()
    for row in found:
        problem = why_never(row) or _changed_since(session, row)
        if problem is not None:
            raise PointsmanError(ErrorKind.CONFLICT, f"Not undone: {row.noun} {row.name}. {problem}")
    undoing(session, entry.id or 0)
    with session.no_autoflush:
        for row in found:
            restored = _take_back(session, row)
            if isinstance(restored, AllowedOrigin):
                origins.refuse_any(session, restored.origin, keys_needed=keys_needed)
            if isinstance(restored, ClientKey) and restored.group_id is not None:
                _refuse_lost_group(session, restored.group_id)
    session.flush()


def _take_back(session: Session, row: AuditRow) -> Table | None:
    """The row as it stands then; None where it is gone."""
    table = TABLE_OF[row.noun]
    now = _find(session, row)
    if row.did == Did.CREATED:
        assert now is not None
        if isinstance(now, KeyGroup):
            key_groups.delete(session, now.name)  # which looks after the keys in it
        else:
            session.delete(now)
        return None
    if row.did == Did.DELETED:
        columns = {name: _value(table, name, row.before.get(name)) for name in columns_of(table)}
        restored = table(**columns)
        taken = f"Not undone: there is another {row.noun} {row.name} now; remove or rename it first."
        rows.add(session, restored, taken)
        return restored
    assert now is not None
    for name in {*row.before, *row.after}:
        setattr(now, name, _value(table, name, row.before.get(name)))
    rows.add(session, now, f"Not undone: another {row.noun} has taken the place of {row.name}.")
    return now


def _changed_since(session: Session, row: AuditRow) -> str | None:
    later = select(func.max(AuditRow.entry_id)).where(
        col(AuditRow.noun) == row.noun, col(AuditRow.row) == row.row, col(AuditRow.entry_id) > row.entry_id
    )
    number: int | None = session.exec(later).one()
    if number is not None:
        return f"Entry {number} has changed it since; undo that one first."
    now = _find(session, row)
    if row.did == Did.DELETED:
        return None if now is None else "It is there again."
    if now is None:
        return "It is gone."
    shown = shown_values(now)
    same = all(shown.get(name) == row.after.get(name) for name in {*row.before, *row.after})
    return None if same else "It was changed since by somebody who wrote into the database itself."


def _find(session: Session, row: AuditRow) -> Table | None:
    table = TABLE_OF[row.noun]
    (key,) = sa.inspect(table).primary_key
    return session.get(table, int(row.row) if isinstance(key.type, sa.Integer) else row.row)


def _refuse_lost_group(session: Session, group: int) -> None:
    if session.get(KeyGroup, group) is None:
        raise PointsmanError(
            ErrorKind.CONFLICT,
            "Not undone: the group that the key was in is gone; undo that first, or add the key to another.",
        )


def _value(table: type[Table], name: str, told: Any) -> Any:
    column = sa.inspect(table).columns[name]
    return datetime.fromisoformat(told) if told and isinstance(column.type, UtcDateTime) else told
