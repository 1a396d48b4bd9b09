"""A batch of usage records into PostgreSQL: all of it or nothing, each record once, and its sums with it in one statement.

Rows go by binary COPY into a table of the connection's own; one statement puts those among the others that are new, and of
these alone makes the sums, so that a batch that comes twice counts once. What several gateways change at the same time they
change in the order of its key: otherwise they would wait for each other for ever. Not here: partitions
(postgres_usage_tables.py).
"""

from __future__ import annotations

import hashlib
import itertools
import logging
import struct
import time
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from operator import itemgetter
from typing import Any, NamedTuple

import msgspec
import psycopg
from sqlalchemy import Connection

from ...errors import PointsmanError
from ...kinds import ErrorKind
from ...ledger.blocks import (
    DIMENSIONS,
    LARGEST,
    MILLISECONDS,
    SUMMED,
    Answer,
    UsageBlock,
    full,
    storable_value,
)
from .postgres import PostgresServer, driver_of
from .postgres_usage_tables import COLUMNS, IN_USE, STAGE, Partitions, day_of
from .usage_adding import HOUR
from .usage_glance import MINUTE, MINUTES

log = logging.getLogger("pointsman.control")

MOST_KINDS = 50_000
"""That are remembered, about 20 MB."""
_TRIES = 4
_LATER = ("", None)
"""Client and flag of a kind that a process of an earlier version made."""
_PLAIN = tuple(name for name in COLUMNS if name not in ("id", "at", "kind", "session", *MILLISECONDS))
_TARGET = DIMENSIONS.index("target")
_decode_kind = msgspec.msgpack.Decoder(tuple[Any, ...]).decode
_encode = msgspec.msgpack.Encoder().encode
_OID = {"TEXT": "text", "BIGINT": "int8", "BOOLEAN": "bool", "DOUBLE": "float8"}
_TYPES = {name: _OID[kind.split()[0]] for name, kind in COLUMNS.items()}
_NAMES = ", ".join(COLUMNS)

Odd = (psycopg.DataError, OverflowError, ValueError, struct.error)
"""What a value that no column takes is told by."""


def whole_of(seconds: str, size: int) -> str:
    """SQL: which whole piece of that size a moment lies in. A division may round up to the next one."""
    found = f"floor({seconds} / {size})"
    return f"({found} - CASE WHEN {found} * {size} > {seconds} THEN 1 ELSE 0 END)::BIGINT"


def _bounded(value: str) -> str:
    """No sum is more than its column takes; unknown stays unknown."""
    most, least = f"WHEN {value} > {LARGEST} THEN {LARGEST}", f"WHEN {value} < {-LARGEST} THEN {-LARGEST}"
    return f"(CASE {most} {least} ELSE {value} END)::BIGINT"


def _added(table: str, name: str) -> str:
    both = _bounded(f"(coalesce({table}.{name}, 0)::NUMERIC + excluded.{name})")
    return f"{name} = CASE WHEN excluded.{name} IS NULL THEN {table}.{name} ELSE {both} END"


SUMS_OF = ", ".join(
    ["count(*)", *(_bounded(f"sum({name})") for name in SUMMED), "count(*) FILTER (WHERE cost IS NULL)"]
)
"""SQL: of records, as an hour's sum has them."""
_SUM_NAMES = ", ".join(["records", *SUMMED, "unpriced"])


def _add_up(table: str) -> str:
    counts = ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in ("records", "unpriced"))
    last = f"last_at = greatest({table}.last_at, excluded.last_at)"
    return f"DO UPDATE SET {counts}, {', '.join(_added(table, name) for name in SUMMED)}, {last}"


def add_hours(source: str) -> str:
    """SQL: puts the sums of these rows to those that are there."""
    return (
        f"INSERT INTO usage_hour (hour, kind, {_SUM_NAMES}, last_at)"  # noqa: S608
        f" SELECT {whole_of('at', HOUR)} AS hour, kind, {SUMS_OF}, max(at) FROM {source} GROUP BY 1, 2 ORDER BY 1, 2"
        f" ON CONFLICT (hour, kind) {_add_up('usage_hour')}"
    )


def add_sessions(source: str) -> str:
    """SQL: the same by agent session."""
    return (
        f"INSERT INTO usage_session_hour (hour, kind, session, {_SUM_NAMES}, first_at, last_at)"  # noqa: S608
        f" SELECT {whole_of('at', HOUR)} AS hour, kind, session, {SUMS_OF}, min(at), max(at) FROM {source}"
        " WHERE session IS NOT NULL GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
        f" ON CONFLICT (hour, kind, session) {_add_up('usage_session_hour')},"
        " first_at = least(usage_session_hour.first_at, excluded.first_at)"
    )


_BECAME = (
    "CASE WHEN d.outcome = 'ok' THEN CASE WHEN d.fallback IS NULL THEN 'first' ELSE 'rescued' END"
    " WHEN d.outcome = 'aborted' THEN 'aborted' ELSE 'failed' END"
)
"""As usage_glance.Became says it."""
_ADD = f"""WITH n AS (
 INSERT INTO usage ({_NAMES}) SELECT {_NAMES} FROM usage_stage ORDER BY at, id ON CONFLICT DO NOTHING
 RETURNING at, kind, session, {", ".join(SUMMED)}
), h AS ({add_hours("n")}), s AS ({add_sessions("n")}), m AS (
 INSERT INTO usage_minute (minute, became, requests)
 SELECT {whole_of("n.at", MINUTE)}, {_BECAME}, count(*) FROM n JOIN usage_kind d ON d.id = n.kind
 WHERE d.own AND n.at >= %s GROUP BY 1, 2 ORDER BY 1, 2
 ON CONFLICT (minute, became) DO UPDATE SET requests = usage_minute.requests + excluded.requests
) SELECT (SELECT count(*) FROM n), (SELECT count(*) FROM usage_kind WHERE id = ANY(%s))"""  # noqa: S608
_ADD_ANSWERS = (
    "INSERT INTO usage_answer (id, key_id, target, model, at) SELECT * FROM unnest(%s::TEXT[], %s::BIGINT[], %s::TEXT[],"
    " %s::TEXT[], %s::DOUBLE PRECISION[]) ON CONFLICT (id, key_id) DO UPDATE SET target = excluded.target,"
    " model = excluded.model, at = excluded.at"
)
_ADD_KIND = (
    f"INSERT INTO usage_kind (id, {', '.join(DIMENSIONS)}, backend, packed)"  # noqa: S608
    f" VALUES ({', '.join(['%s'] * (len(DIMENSIONS) + 3))}) ON CONFLICT (id) DO NOTHING"
)


class _Forgotten(Exception):
    """Another gateway has taken out a kind that this one knew."""


class Adding:
    """Puts batches in. Called from any thread."""

    def __init__(self, server: PostgresServer, parts: Partitions) -> None:
        self._server = server
        self._partitions = parts
        self._kinds: dict[bytes, int] = {}

    def add(self, given: UsageBlock) -> int:
        """How many were new."""
        for _ in range(_TRIES):
            rows = rows_of(given, self.numbers(given.kinds))
            try:
                return self._stored(rows, given.answers)
            except _Forgotten:
                self._kinds.clear()
            except Odd:
                return self._apart(cleaned(rows), given.answers)
        raise self._busy()

    def _apart(self, given: Rows, answers: Sequence[Answer]) -> int:
        """Of cleaned rows. What is not taken even so is left out, and told: it must not keep the others out for good."""
        try:
            return self._stored(given, answers)
        except Odd as error:
            if len(given.rows) == 1:
                log.error("the usage record %r cannot be stored: %s", given.rows[0][0], error)
                return 0
        half = len(given.rows) // 2
        first, rest = Rows(given.names, given.rows[:half]), Rows(given.names, given.rows[half:])
        return self._apart(first, answers) + self._apart(rest, ())

    def _stored(self, given: Rows, answers: Sequence[Answer]) -> int:
        for _ in range(_TRIES):
            self._partitions.ensure({day_of(row[1]) for row in given.rows})
            try:
                with self._server.transaction(write=True) as connection:
                    found = put_rows(connection, given)
                    put_answers(driver_of(connection), answers)
            except psycopg.errors.CheckViolation:  # another gateway took the day out
                self._partitions.forget()
                continue
            except PointsmanError as error:
                if isinstance(error.__cause__, psycopg.DataError):
                    raise error.__cause__ from None
                raise
            return found
        raise self._busy()

    def _busy(self) -> PointsmanError:
        words = f"The usage tables of the database ({self._server.place.said}) are being changed; try again."
        return PointsmanError(ErrorKind.UNAVAILABLE, words, retry_after=5)

    def numbers(self, kinds: Sequence[bytes], connection: Connection | None = None) -> list[int]:
        """Of each, which is put among those that are there where it is not; within that transaction, if any."""
        found = dict(self._kinds)
        lacking = {kind: _values(kind) for kind in kinds if kind not in found}
        if lacking:
            if len(found) > MOST_KINDS:
                self._kinds.clear()
            with nullcontext(connection) if connection else self._server.transaction(write=True) as within:
                made = _made(driver_of(within), lacking)
            self._kinds |= made
            found |= made
        return [found[kind] for kind in kinds]


def _made(driver: psycopg.Connection[Any], lacking: dict[bytes, tuple[Any, ...]]) -> dict[bytes, int]:
    """A kind's number is made of what it says, so that all gateways find the same without asking each other; where another
    kind has it already, it is the next."""
    found: dict[bytes, int] = {}
    for salt in itertools.count():
        rows = {kind: _kind_row(values, salt) for kind, values in lacking.items() if kind not in found}
        if not rows:
            break
        ordered = sorted(set(rows.values()), key=itemgetter(0))
        with driver.cursor() as cursor:
            cursor.executemany(_ADD_KIND.encode(), ordered)
        looked = driver.execute(
            "SELECT id, packed FROM usage_kind WHERE id = ANY(%s)", ([row[0] for row in rows.values()],)
        )
        there = {(number, bytes(packed)) for number, packed in looked.fetchall()}
        found |= {kind: row[0] for kind, row in rows.items() if (row[0], row[-1]) in there}
    return found


class Rows(NamedTuple):
    """names: of its columns, id, at and kind first; those that no row has anything in are left out."""

    names: Sequence[str]
    rows: Sequence[tuple[Any, ...]]


def rows_of(given: UsageBlock, numbers: Sequence[int]) -> Rows:
    """numbers: of its kinds."""
    reader, many = given.reader(), given.records
    columns: dict[str, Sequence[Any]] = {"id": reader.ids(), "at": reader.at}
    columns["kind"] = full([numbers[which] for which in given.which], many)
    columns["session"] = full(reader.sessions(), many)
    for name in _PLAIN:
        columns[name] = reader.values(name)
    for name in MILLISECONDS:
        columns[name] = reader.milliseconds(name)
    names = [name for name in COLUMNS if columns[name].count(None) < many]
    rows = list(zip(*(columns[name] for name in names), strict=True))
    if len(set(columns["id"])) < many:  # of what is in it twice, the first
        rows = [*{row[:2]: row for row in reversed(rows)}.values()]
    return Rows(names, rows)


def put_rows(connection: Connection, given: Rows) -> int:
    """How many were new. Within a transaction."""
    driver = driver_of(connection)
    driver.execute(f"SELECT pg_advisory_xact_lock_shared({IN_USE}); {STAGE}".encode())
    with driver.cursor() as cursor:
        with cursor.copy(
            f"COPY usage_stage ({', '.join(given.names)}) FROM STDIN (FORMAT BINARY)".encode()
        ) as copy:
            copy.set_types([_TYPES[name] for name in given.names])
            for row in given.rows:
                copy.write_row(row)
        kinds = {row[2] for row in given.rows}
        cursor.execute(_ADD.encode(), (time.time() - 2 * MINUTES * MINUTE, [*kinds]))
        found = cursor.fetchone()
    assert found is not None, "it has no FROM"
    if found[1] < len(kinds):
        raise _Forgotten
    return int(found[0])


def cleaned(given: Rows) -> Rows:
    """As columns take them."""
    return Rows(given.names, [tuple(map(clean, row)) for row in given.rows])


def put_answers(driver: psycopg.Connection[Any], answers: Iterable[Answer]) -> None:
    """The last of each id and key, by these, as all gateways do it."""
    rows = {(clean(name), key): (clean(target), clean(model), at) for name, key, target, model, at in answers}
    rows = {key: values for key, values in sorted(rows.items()) if values[0] is not None}
    if rows:
        columns = zip(*((*key, *values) for key, values in rows.items()), strict=True)
        driver.execute(_ADD_ANSWERS, [list(column) for column in columns])


def clean(value: Any) -> Any:
    """As a column takes it."""
    value = storable_value(value)
    return value.replace("\0", "\ufffd") if isinstance(value, str) else value


def _values(kind: bytes) -> tuple[Any, ...]:
    return tuple(map(clean, (*_decode_kind(kind), *_LATER)[: len(DIMENSIONS)]))


def _kind_row(values: tuple[Any, ...], salt: int) -> tuple[Any, ...]:
    packed = _encode(values)
    digest = hashlib.blake2b(packed, digest_size=8, salt=salt.to_bytes(4, "big")).digest()
    target = values[_TARGET]
    backend = None if target is None else target.partition(":")[0]
    return (int.from_bytes(digest, "big", signed=True), *values, backend, packed)
