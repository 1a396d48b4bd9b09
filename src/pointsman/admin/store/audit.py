"""Reading the audit: entries newest first, what each changed, and whether it can be taken back now. Functions take a
Session. Not here: writing it (recording.py), taking back (undoing.py).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from pydantic import BaseModel
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, func, select
from sqlmodel.sql.expression import SelectOfScalar

from ...errors import PointsmanError
from ...kinds import ErrorKind
from .asking import Who
from .audit_tables import AuditEntry, AuditRow, Did
from .undoing import why_never

MOST_ROWS = 20
"""Rows that a list shows of one entry."""


class AuditedRow(BaseModel):
    """A row that was created, changed or deleted. name: what it was called then. before and after: of one that was changed
    the changed columns alone. withheld: columns without values here, secret or large ones."""

    noun: str
    row: str
    name: str
    did: Did
    before: dict[str, Any]
    after: dict[str, Any]
    withheld: list[str]


class Audited(BaseModel):
    """A change. session: the web page's sign-in. undoes: the entry that it took back. rows: the first of `changed` rows.
    why_not: why it cannot be undone now; null where it can."""

    id: int
    at: datetime
    who: Who
    session: str
    undoes: int | None
    changed: int
    rows: list[AuditedRow]
    why_not: str | None


def page(
    session: Session,
    *,
    noun: str | None = None,
    row: str | None = None,
    who: Who | None = None,
    before: int | None = None,
    limit: int = 50,
) -> list[Audited]:
    """Newest first, older than entry `before`."""
    query = select(AuditEntry).order_by(col(AuditEntry.id).desc()).limit(limit)
    if before is not None:
        query = query.where(col(AuditEntry.id) < before)
    if who is not None:
        query = query.where(col(AuditEntry.who) == who)
    if row is not None:
        query = query.where(col(AuditEntry.id).in_(_about(noun, row)))
    elif noun is not None:  # most entries have it: the newest are looked at, not all of them found
        query = query.where(_about(noun, row).where(col(AuditRow.entry_id) == col(AuditEntry.id)).exists())
    return _told(session, session.exec(query).all(), MOST_ROWS)


def _about(noun: str | None, row: str | None) -> SelectOfScalar[int]:
    """The entries of a kind, of a row."""
    named = select(AuditRow.entry_id)
    if noun is not None:
        named = named.where(col(AuditRow.noun) == noun)
    return named if row is None else named.where(col(AuditRow.row) == row)


def get(session: Session, number: int) -> Audited:
    """One entry with all of its rows."""
    return _told(session, [entry(session, number)], None)[0]


def entry(session: Session, number: int) -> AuditEntry:
    found = session.get(AuditEntry, number)
    if found is None:
        raise PointsmanError(
            ErrorKind.NOT_FOUND, f"There is no entry {number}; list them with: pointsman audit list."
        )
    return found


def last_of(session: Session, noun: str, row: str) -> AuditEntry | None:
    """The newest entry about a row."""
    named = select(func.max(AuditRow.entry_id)).where(col(AuditRow.noun) == noun, col(AuditRow.row) == row)
    number: int | None = session.exec(named).one()
    return None if number is None else session.get(AuditEntry, number)


def _told(session: Session, entries: Iterable[AuditEntry], most: int | None) -> list[Audited]:
    found = list(entries)
    numbers = [one.id or 0 for one in found]
    rows: dict[int, list[AuditRow]] = defaultdict(list)
    for row in session.exec(
        select(AuditRow).where(col(AuditRow.entry_id).in_(numbers)).order_by(col(AuditRow.id))
    ):
        rows[row.entry_id].append(row)
    later = _changed_since(session, numbers)
    return [_one(one, rows[one.id or 0], later.get(one.id or 0), most) for one in found]


def _one(entry: AuditEntry, rows: list[AuditRow], later: int | None, most: int | None) -> Audited:
    why_not = next(filter(None, map(why_never, rows)), None)
    if why_not is None and later is not None:
        why_not = f"Changed since by entry {later}; undo that one first."
    return Audited(
        id=entry.id or 0,
        at=entry.at,
        who=Who(entry.who),
        session=entry.session,
        undoes=entry.undoes,
        changed=len(rows),
        rows=[AuditedRow.model_validate(row, from_attributes=True) for row in rows[:most]],
        why_not=why_not,
    )


def _changed_since(session: Session, numbers: Collection[int]) -> dict[int, int]:
    """Of these entries those whose rows a later entry touched, and the newest one that did."""
    other = aliased(AuditRow)
    newest = (
        select(other.entry_id)
        .where(col(other.noun) == col(AuditRow.noun), col(other.row) == col(AuditRow.row))
        .order_by(col(other.id).desc())
        .limit(1)
        .correlate(AuditRow)
        .scalar_subquery()
    )
    query = (
        select(AuditRow.entry_id, func.max(newest))
        .where(col(AuditRow.entry_id).in_(numbers))
        .group_by(col(AuditRow.entry_id))
    )
    return {number: later for number, later in session.exec(query) if later > number}
