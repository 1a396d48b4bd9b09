"""The audit's pen: whatever a session writes is entered in the same transaction, so that neither is kept without the other.

SQLAlchemy tells of every row that it is about to write; a statement that goes past it is refused. Not here: migrations,
which have no session, and what is read or taken back (audit.py, undoing.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, event
from sqlmodel import Session

from . import asking
from .audit_tables import AuditEntry, AuditRow, Did
from .columns import utc_now
from .nouns import NOUNS, row_key
from .row import Digest, Table, columns_of, shown_value

MOST_ENTRIES = 10_000
DATABASE = "database"
"""The noun of a change of everything at once."""
PROGRAM = "program"
"""The noun of a change of a program's settings file, which is no row."""
KEPT = timedelta(days=366)
"""What is older, or more, goes with each hundredth that is entered."""
_EACH = 100

_UNDOES, _NOTES = "audit_undoes", "audit_notes"
_WRITES = ("INSERT", "UPDATE", "DELETE", "REPLACE")
_ENTER, _ENTER_ROW = sa.insert(AuditEntry), sa.insert(AuditRow)
_Values = dict[str, Any]


@dataclass(slots=True)
class _Touched:
    """row: it, or what it was. before: its columns as they stood at first; None: it was not there."""

    row: Table
    before: _Values | None
    gone: bool = False
    number: str = ""


@dataclass(slots=True)
class _Pen:
    """What one transaction has touched so far. open: SQLAlchemy, or this module, is writing."""

    session: Session
    touched: dict[int, _Touched] = field(default_factory=dict)
    open: bool = False

    def look(self, session: Session, *_: object) -> None:
        """Before rows are written: what is new, changed or to be deleted."""
        self.open = True
        for row in session.new:
            self._touch(row, None)
        for row in session.dirty:
            if session.is_modified(row):
                self._touch(row, _stood(row))
        for row in session.deleted:
            self._touch(row, _stood(row), gone=True)

    def _touch(self, row: object, before: _Values | None, *, gone: bool = False) -> None:
        if not isinstance(row, Table) or type(row) not in NOUNS:
            return
        one = self.touched.setdefault(id(row), _Touched(row, before))
        one.gone = one.gone or gone
        if before is not None:
            one.number = row_key(row)

    def written(self, *_: object) -> None:
        self.open = False

    def refuse_unseen(self, _c: Connection, _cursor: object, statement: str, *_: object) -> None:
        """A write that SQLAlchemy has not told of would have no entry."""
        if not self.open and statement.lstrip()[:7].upper().startswith(_WRITES):
            raise RuntimeError("a change goes through rows, so that the audit has it; not by a statement")

    def enter(self) -> None:
        """The entry of what was written, if anything was."""
        rows = [found for one in self.touched.values() if (found := _row_of(one)) is not None]
        rows += self.session.info.get(_NOTES, ())
        if not rows:
            return
        who, session = asking.asker()
        connection = self.session.connection()
        self.open = True
        entry = {"at": utc_now(), "who": who, "session": session, "undoes": self.session.info.get(_UNDOES)}
        made = connection.execute(_ENTER, entry).inserted_primary_key
        assert made is not None
        number = made[0]
        connection.execute(_ENTER_ROW, [{"entry_id": number, **row} for row in rows])
        if number % _EACH == 0:
            _forget(connection, number)
        self.open = False
        asking.made_entry(number)


@contextmanager
def recorded(session: Session) -> Iterator[None]:
    """Enters what the session writes meanwhile, when the block ends well. The session is flushed, not committed."""
    pen = _Pen(session)
    event.listen(session, "before_flush", pen.look)
    event.listen(session, "after_flush", pen.written)
    event.listen(session.connection(), "before_cursor_execute", pen.refuse_unseen)
    yield
    session.flush()
    pen.enter()


def undoing(session: Session, entry: int) -> None:
    """What this session writes takes that entry back."""
    session.info[_UNDOES] = entry


def note_restored(session: Session, source: str, aside: str) -> None:
    """Enters that the whole database was put back. source: from which backup; aside: which one has what was there."""
    row = {"noun": DATABASE, "row": "", "name": source, "did": Did.CHANGED, "withheld": []}
    session.info[_NOTES] = [row | {"before": {"kept in": aside}, "after": {"restored from": source}}]


def note_file(session: Session, program: str, title: str, said: Mapping[str, str]) -> None:
    """Enters that a program's settings file was changed. said: which, how, and no value of it."""
    row = {"noun": PROGRAM, "row": program, "name": title, "did": Did.CHANGED, "withheld": []}
    session.info[_NOTES] = [row | {"before": {}, "after": dict(said)}]


def _stood(row: Table) -> _Values:
    """The columns as the database has them, not as they were set since."""
    state = sa.inspect(row)
    values = {}
    for name in columns_of(type(row)):
        history = state.attrs[name].history
        values[name] = history.deleted[0] if history.deleted else getattr(row, name)
    return values


def _row_of(one: _Touched) -> _Values | None:
    """The columns of its AuditRow; None where nothing came of it."""
    row, before = one.row, one.before
    if before is None and one.gone:
        return None
    after = None if one.gone else {name: getattr(row, name) for name in columns_of(type(row))}
    did = Did.CREATED if before is None else Did.DELETED if after is None else Did.CHANGED
    named = [name for name in columns_of(type(row)) if (before or {}).get(name) != (after or {}).get(name)]
    if not named:
        return None
    noun, hidden = NOUNS[type(row)], row.hidden()
    large = {
        n for n in named for side in (before, after) if side and isinstance(shown_value(side[n]), Digest)
    }
    return {
        "noun": noun.name,
        "row": one.number or row_key(row),
        "name": noun.title(row)[:200],
        "did": did,
        "before": _shown(before, named, hidden),
        "after": _shown(after, named, hidden),
        "withheld": [name for name in named if name in hidden or name in large],
    }


def _shown(values: _Values | None, named: list[str], hidden: frozenset[str]) -> _Values:
    return {} if values is None else {n: shown_value(values[n]) for n in named if n not in hidden}


def _forget(connection: Connection, newest: int) -> None:
    """What the audit does not keep any longer."""
    entries = AuditEntry.__table__.c  # type: ignore[attr-defined]
    over = (entries.id <= newest - MOST_ENTRIES) | (entries.at < utc_now() - KEPT)
    connection.execute(sa.delete(AuditEntry).where(over))
