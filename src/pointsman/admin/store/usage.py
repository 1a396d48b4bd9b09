"""Usage records in a file of their own, so that a busy or broken log never touches the rules.

SQLAlchemy Core, one connection, synchronous=NORMAL (a power cut may cost the last second). Records come again
until they are acknowledged, and an id that is there already is not counted twice. Not here: prices.
"""

from __future__ import annotations

import base64
import binascii
import json
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, get_args

import msgspec
import sqlalchemy as sa
from pydantic import AwareDatetime, BaseModel, Field, WithJsonSchema
from sqlalchemy import Connection

from ...errors import PointsmanError
from ...kinds import ErrorKind
from ...ledger.records import UsageRecord
from ...process.private_files import mode_problem
from .sqlite import FileOptions, SqliteFile
from .values import MAX_ID

MAX_LIMIT = 1000
MAX_TEXT = 512
_VERSION = 3
COLUMNS = tuple(name for name in UsageRecord.__struct_fields__ if name != "answer_id")
"""Its columns; the answer's id, which comes last, stands in a table of its own."""
ANSWERS_SECONDS = 30 * 24 * 3600.0
"""How long an answer's id is kept: as long as OpenAI keeps the response [OpenAI docs, Your data]."""
MOST_ANSWERS = 200_000
"""About 40 MB with their index."""

_SQL_TYPES = {str: sa.Text, float: sa.Float, int: sa.Integer, bool: sa.Boolean}


def _column(field: msgspec.structs.FieldInfo) -> sa.Column[Any]:
    """As the record declares it. One that rows of version 1 have not says what they stand for."""
    kinds = get_args(field.type) or (field.type,)
    column: sa.Column[Any] = sa.Column(
        field.name, _SQL_TYPES[kinds[0]], primary_key=field.name == "id", nullable=NoneType in kinds
    )
    if not field.required and field.default is not None:
        column.server_default = sa.DefaultClause(sa.literal(field.default))
    return column


_metadata = sa.MetaData()
_usage = sa.Table(
    "usage",
    _metadata,
    *(_column(one) for one in msgspec.structs.fields(UsageRecord) if one.name in COLUMNS),
    sa.Index("usage_request", "request"),
    sa.Index("usage_newest", "at", "id"),
)
_answers = sa.Table(
    "answers",
    _metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("key_id", sa.Integer, primary_key=True, autoincrement=False),  # 0: no client key
    sa.Column("target", sa.Text, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("at", sa.Float, nullable=False),
)
"""Who made the answers that clients may ask for by their id."""
_OWN = sa.or_(_usage.c.request == "", _usage.c.request == _usage.c.id)
"""Rows that stand for their request."""
_ADDED = (
    "request TEXT NOT NULL DEFAULT ''",
    "attempt INTEGER NOT NULL DEFAULT 0",
    "joined BOOLEAN NOT NULL DEFAULT 0",
)
"""Columns since version 2."""
_INSERT = f"INSERT OR IGNORE INTO usage ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608
"""By the driver itself, whose executemany takes a third of the time that bound columns take; the names are our own."""
_INSERT_ANSWER = "INSERT OR REPLACE INTO answers (id, key_id, target, model, at) VALUES (?, ?, ?, ?, ?)"
_FORGET_ANSWERS = (
    "DELETE FROM answers WHERE rowid IN (SELECT rowid FROM (SELECT rowid, at FROM answers ORDER BY rowid LIMIT 1000)"
    " WHERE at < ?1 OR rowid <= (SELECT max(rowid) FROM answers) - ?2)"
)
"""Only the oldest are looked at, which come first."""


Text = Annotated[str | None, Field(max_length=MAX_TEXT)]
Id = Annotated[int | None, Field(ge=1, le=MAX_ID)]
_TIMES: dict[str, Any] = {
    "anyOf": [{"type": "string", "format": "date-time"}, {"type": "number"}, {"type": "null"}]
}
Time = Annotated[
    AwareDatetime | None,
    Field(description="ISO 8601 with a time zone, or unix seconds."),
    WithJsonSchema(_TIMES),
]


class UsageFilter(BaseModel):
    """Which requests; what is left out lets everything through. since <= at < until."""

    model: Text = None
    target: Text = None
    protocol: Text = None
    outcome: Text = None
    status: Annotated[int | None, Field(ge=100, le=599)] = None
    key_id: Id = None
    mapping_id: Id = None
    request: Text = None
    since: Time = None
    until: Time = None


class Totals(BaseModel):
    """Sums over the filtered requests; tokens over all their attempts, since each is paid for. A token sum is null when
    no backend reported that count."""

    requests: int
    failed: int
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None
    reasoning_tokens: int | None


class UsageStore:
    """Raises PointsmanError UNAVAILABLE while the file is locked, full or damaged, and works again after; a
    vanished file is begun anew. What was given in a failed call is not stored at all, so it can come again."""

    def __init__(self, path: Path) -> None:
        """Opens at first use. Raises PointsmanError at once when others can read the file."""
        self.path = path
        problem = mode_problem(path) if path.exists() else None
        if problem is not None:
            raise PointsmanError(ErrorKind.UNAVAILABLE, f"{problem}.")
        options = FileOptions("The usage database", "NORMAL", make_again=True, prepare=_prepare)
        self._file = SqliteFile(path, options)

    def add(self, records: Iterable[UsageRecord]) -> int:
        """How many were new."""
        records = list(records)
        rows = [_row(record) for record in records]
        answers = [_answer(record) for record in records if record.answer_id is not None]
        if not rows:
            return 0
        with self._file.transaction(write=True) as connection:
            before = _changes(connection)
            connection.exec_driver_sql(_INSERT, rows)
            new = _changes(connection) - before
            if answers:
                connection.exec_driver_sql(_INSERT_ANSWER, answers)
                connection.exec_driver_sql(_FORGET_ANSWERS, (time.time() - ANSWERS_SECONDS, MOST_ANSWERS))
            return new

    def answer(self, key_id: int | None, name: str) -> tuple[str, str] | None:
        """(target, model that was asked for) of the answer of that id, given to that key; None where none is known, and
        where its backend gave the same id to another key."""
        known = (_answers.c.id == name, _answers.c.at >= time.time() - ANSWERS_SECONDS)
        own = _answers.c.key_id == (key_id or 0)
        query = sa.select(_answers.c.target, _answers.c.model).where(own, *known)
        with self._file.transaction(write=False) as connection:
            found = connection.execute(query).one_or_none()
            if found is None:
                return None
            backend = found.target.partition(":")[0] + ":"
            same = sa.func.substr(_answers.c.target, 1, len(backend)) == backend
            shared = sa.select(sa.exists().where(~own, same, *known))
            return None if connection.execute(shared).scalar() else (found.target, found.model)

    def page(
        self, filters: UsageFilter | None = None, cursor: str | None = None, limit: int = 100
    ) -> tuple[list[UsageRecord], str | None]:
        """Newest first, and the next page's cursor (None at the end). New rows do not shift pages."""
        limit = max(1, min(limit, MAX_LIMIT))
        query = sa.select(_usage).where(*_conditions(filters))
        if cursor is not None:
            query = query.where(sa.tuple_(_usage.c.at, _usage.c.id) < _parse_cursor(cursor))
        query = query.order_by(_usage.c.at.desc(), _usage.c.id.desc()).limit(limit + 1)
        with self._file.transaction(write=False) as connection:
            rows = connection.execute(query).all()
        found = [_record(row) for row in rows[:limit]]
        return found, _cursor(found[-1]) if len(rows) > limit else None

    def totals(self, filters: UsageFilter | None = None) -> Totals:
        columns = _usage.c
        query = sa.select(
            sa.func.coalesce(sa.func.sum(sa.case((_OWN, 1), else_=0)), 0),
            sa.func.coalesce(sa.func.sum(sa.case((sa.and_(_OWN, columns.outcome != "ok"), 1), else_=0)), 0),
            sa.func.sum(columns.input_tokens),
            sa.func.sum(columns.output_tokens),
            sa.func.sum(columns.cached_tokens),
            sa.func.sum(columns.reasoning_tokens),
        ).where(*_conditions(filters))
        with self._file.transaction(write=False) as connection:
            sums = connection.execute(query).one()
        return Totals(**dict(zip(Totals.model_fields, sums, strict=True)))

    def integrity(self) -> list[str]:
        """What SQLite's own check finds; empty when all is well."""
        return self._file.integrity()

    def close(self) -> None:
        self._file.close()


def _prepare(connection: Connection) -> None:
    """The file keeps its version in user_version: one table needs no migration tool."""
    version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
    if version == _VERSION:
        return
    if version > _VERSION:
        raise PointsmanError(
            ErrorKind.UNAVAILABLE,
            "The usage database was written by a newer Pointsman; update Pointsman, or move usage.db away.",
        )
    if version == 1:  # version 3 only has one more table
        for column in _ADDED:
            connection.exec_driver_sql(f"ALTER TABLE usage ADD COLUMN {column}")
        connection.exec_driver_sql("CREATE INDEX usage_request ON usage (request)")
    _metadata.create_all(connection)
    connection.exec_driver_sql(f"PRAGMA user_version = {_VERSION}")
    connection.commit()


def _changes(connection: Connection) -> int:
    return int(connection.exec_driver_sql("SELECT total_changes()").scalar_one())


def _conditions(filters: UsageFilter | None) -> list[sa.ColumnElement[bool]]:
    if filters is None:
        return []
    found: list[sa.ColumnElement[bool]] = []
    for name in ("model", "target", "status", "protocol", "outcome", "key_id", "mapping_id"):
        value = getattr(filters, name)
        if value is not None:
            found.append(_usage.c[name] == value)
    if filters.request is not None:  # rows of version 1 are known by their id alone
        old = sa.and_(_usage.c.request == "", _usage.c.id == filters.request)
        found.append(sa.or_(_usage.c.request == filters.request, old))
    if filters.since is not None:
        found.append(_usage.c.at >= filters.since.timestamp())
    if filters.until is not None:
        found.append(_usage.c.at < filters.until.timestamp())
    return found


def _row(record: UsageRecord) -> tuple[Any, ...]:
    """One odd record must not stop its whole batch for good: names come from clients, counts from upstreams."""
    values = msgspec.structs.astuple(record)[: len(COLUMNS)]
    for value in values:
        kind = type(value)
        if (kind is str and (len(value) > MAX_TEXT or not value.isascii())) or (
            kind is int and abs(value) >= _HUGE
        ):
            return tuple(_storable(one) for one in values)
    return values


def _answer(record: UsageRecord) -> tuple[Any, ...]:
    found = (record.answer_id, record.key_id or 0, record.target, record.model, record.at)
    return tuple(_storable(one) for one in found)


_HUGE = MAX_ID + 1


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return value[:MAX_TEXT].encode("utf-8", "replace").decode()
    if isinstance(value, int) and abs(value) >= _HUGE:
        return None  # no backend counted that
    return value


def _record(row: Sequence[Any]) -> UsageRecord:
    return UsageRecord(**dict(zip(COLUMNS, row, strict=True)))


def _cursor(record: UsageRecord) -> str:
    text = json.dumps([record.at, record.id], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _parse_cursor(cursor: str) -> tuple[float, str]:
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        at, record_id = msgspec.json.decode(text, type=tuple[float, str])
    except (ValueError, binascii.Error, msgspec.MsgspecError):
        raise PointsmanError(
            ErrorKind.INVALID, "The cursor is not one this list gave; begin without it.", param="cursor"
        ) from None
    return at, record_id
