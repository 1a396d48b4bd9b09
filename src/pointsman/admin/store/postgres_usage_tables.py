"""The tables of usage in PostgreSQL: who makes them, and the days that its rows are partitioned by.

A record is a row of `usage`; what many have in common is a row of `usage_kind`; sums of an hour stand in `usage_hour`
and, by agent session, in `usage_session_hour`. There is no default partition: a day is made ahead, or when a record needs
it. Not here: how rows come in (postgres_usage_adding.py) and go (postgres_usage_deleting.py).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from sqlalchemy import Connection, text

from ...errors import PointsmanError
from ...kinds import ErrorKind
from ...ledger.blocks import DIMENSIONS, MILLISECONDS, SUMMED
from .postgres import PostgresServer, driver_of

DAY = 86400
AHEAD = 3
"""Partitions that are made before they come."""
VERSION = 1
"""Of these tables."""
OLDEST = 1
"""The oldest version of them that a gateway may know and yet work with them as they are: what is added has a default."""
IN_USE = 1886353515
"""The lock that who adds shares, and who takes hours out holds alone: within a transaction only."""
_MAKING = 1886353514
_PARTITIONS = 1886353516
_MAKE_SECONDS = 60.0
_POLL_SECONDS = 0.1

_TEXT, _NUMBER, _FLAG, _REAL = 'TEXT COLLATE "C"', "BIGINT", "BOOLEAN", "DOUBLE PRECISION"
COLUMNS = {
    "id": _TEXT, "at": _REAL, "kind": _NUMBER, "request": _TEXT, "session": _TEXT, "attempt": _NUMBER, "attempts": _NUMBER,
    "stream": _FLAG, "joined": _FLAG, **dict.fromkeys(SUMMED, _NUMBER), "tier": _TEXT, "cache_write_long_tokens": _NUMBER,
    "web_searches": _NUMBER, "warnings": _TEXT, "changed_at": _NUMBER, "changed_in": _TEXT,
    **dict.fromkeys(MILLISECONDS, _REAL),
}  # fmt: skip
"""Of a record, and their types: as wide as what a record may hold, since the driver's binary COPY cuts numbers in silence.
request: null where it is the id."""
_NEEDED = ("id", "at", "kind", "attempt", "attempts", "stream", "joined")
_NUMBERS = ("status", "key_id", "mapping_id")
_OPTIONAL = ("target", "fallback", "key_id", "mapping_id", "flag")
_SUMS = ", ".join(f"{name} BIGINT" for name in SUMMED)
_HOUR = f"hour BIGINT NOT NULL, kind BIGINT NOT NULL, %srecords BIGINT NOT NULL, {_SUMS}, unpriced BIGINT NOT NULL"


def _columns(names: Iterable[str], needed: Iterable[str]) -> str:
    return ", ".join(f"{name} {COLUMNS[name]}{' NOT NULL' if name in needed else ''}" for name in names)


def _kind_column(name: str) -> str:
    kind = _FLAG if name == "own" else _NUMBER if name in _NUMBERS else _TEXT
    return f"{name} {kind}{'' if name in _OPTIONAL else ' NOT NULL'}"


_TABLES = (
    f"CREATE TABLE usage ({_columns(COLUMNS, _NEEDED)}, PRIMARY KEY (id, at)) PARTITION BY RANGE (at)",
    "CREATE INDEX usage_newest ON usage (at)",
    "CREATE INDEX usage_newest_of ON usage (kind, at)",
    f"CREATE TABLE usage_kind (id BIGINT PRIMARY KEY, {', '.join(map(_kind_column, DIMENSIONS))}, backend {_TEXT},"
    " packed BYTEA NOT NULL)",
    f"CREATE TABLE usage_hour ({_HOUR % ''}, last_at {_REAL} NOT NULL, PRIMARY KEY (hour, kind)) WITH (fillfactor = 60)",
    f"CREATE TABLE usage_session_hour ({_HOUR % f'session {_TEXT} NOT NULL, '}, first_at {_REAL} NOT NULL,"
    f" last_at {_REAL} NOT NULL, PRIMARY KEY (hour, kind, session)) WITH (fillfactor = 60)",
    "CREATE INDEX usage_session_hours ON usage_session_hour (session, hour)",
    f"CREATE TABLE usage_minute (minute BIGINT NOT NULL, became {_TEXT} NOT NULL, requests BIGINT NOT NULL,"
    " PRIMARY KEY (minute, became)) WITH (fillfactor = 30)",
    f"CREATE TABLE usage_carried (hour BIGINT NOT NULL, key_id BIGINT NOT NULL, backend {_TEXT} NOT NULL, tokens BIGINT"
    " NOT NULL, cost BIGINT NOT NULL, PRIMARY KEY (hour, key_id, backend))",
    f"CREATE TABLE usage_answer (id {_TEXT} NOT NULL, key_id BIGINT NOT NULL, target {_TEXT} NOT NULL, model {_TEXT} NOT"
    f" NULL, at {_REAL} NOT NULL, PRIMARY KEY (id, key_id))",
    "CREATE INDEX usage_answers ON usage_answer (at)",
    "CREATE TABLE usage_state (id BIGINT PRIMARY KEY CHECK (id = 1), version BIGINT NOT NULL, oldest BIGINT NOT NULL)",
    f"INSERT INTO usage_state (id, version, oldest) VALUES (1, {VERSION}, {OLDEST})",  # noqa: S608
)
"""A hour's sums are changed by each batch: room on the page keeps that from growing its index. usage_minute: of the last two
hours, what became of requests. usage_carried: see usage_deleting.py."""
STAGE = f"CREATE TEMP TABLE IF NOT EXISTS usage_stage ({_columns(COLUMNS, ())}) ON COMMIT DELETE ROWS"
"""Where the rows of a batch wait for the one statement that stores them; each connection has its own."""
_LOOK = "SELECT c.relname, i.inhparent, {pending} FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid WHERE" \
    " c.relkind = 'r' AND c.relname ~ '^usage_[0-9]{{8}}$' AND c.relnamespace =" \
    " (SELECT relnamespace FROM pg_class WHERE oid = to_regclass('usage'))"  # fmt: skip
_PENDING = 140000
"""The version of PostgreSQL from which on a partition can be detached while others read."""


def make_ready(server: PostgresServer) -> None:
    """Makes the tables where there are none; refuses those of a newer version that do not serve this one."""
    until = time.monotonic() + _MAKE_SECONDS
    while not _is_ready(server) and not _made(server):
        if time.monotonic() > until:
            raise PointsmanError(
                ErrorKind.UNAVAILABLE,
                f"The usage tables of the database ({server.place.said}) are being made by another gateway for too long.",
                retry_after=5,
            )
        time.sleep(_POLL_SECONDS)


def _is_ready(server: PostgresServer) -> bool:
    with server.transaction(write=False) as connection:
        if connection.scalar(text("SELECT to_regclass('usage_state')")) is None:
            return False
        version, oldest = connection.execute(text("SELECT version, oldest FROM usage_state")).one()
    if version > VERSION and oldest > VERSION:
        raise PointsmanError(
            ErrorKind.UNAVAILABLE,
            f"The usage tables of the database ({server.place.said}) were written by a newer Pointsman; update this one.",
        )
    return True


def _made(server: PostgresServer) -> bool:
    """False where another gateway is at it."""
    with server.transaction(write=True) as connection:
        if not connection.scalar(text(f"SELECT pg_try_advisory_xact_lock({_MAKING})")):
            return False
        if connection.scalar(text("SELECT to_regclass('usage_state')")) is None:
            for statement in _TABLES:
                driver_of(connection).execute(statement)
    return True


def day_of(at: float) -> int:
    """The day since 1970 in which these unix seconds lie, by UTC."""
    return int(at // DAY)


class Partition:
    """Of one day. attached: it is read and written as a part of the table. pending: it is to be so no longer, and somebody
    was stopped at that."""

    def __init__(self, name: str, *, attached: bool, pending: bool) -> None:
        self.name = name
        self.day = (datetime.strptime(name[-8:], "%Y%m%d").replace(tzinfo=UTC) - _FIRST).days
        self.attached = attached
        self.pending = pending


_FIRST = datetime(1970, 1, 1, tzinfo=UTC)


def name_of(day: int) -> str:
    """Of its partition. Raises OverflowError for one that no calendar has."""
    return f"usage_{_FIRST + timedelta(days=day):%Y%m%d}"


def partitions(driver: psycopg.Connection[Any]) -> list[Partition]:
    """All that are there, and what is left of some that were taken out."""
    pending = "coalesce(i.inhdetachpending, FALSE)" if can_detach(driver) else "FALSE"
    rows = driver.execute(_LOOK.format(pending=pending).encode()).fetchall()
    return [Partition(name, attached=of is not None, pending=waits) for name, of, waits in rows]


def can_detach(driver: psycopg.Connection[Any]) -> bool:
    """While others read."""
    return driver.info.server_version >= _PENDING


class Partitions:
    """Which partitions there are, as far as this gateway knows."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self._known: set[int] = set()
        self._lock = threading.Lock()

    def forget(self) -> None:
        """Another gateway may have taken some out."""
        self._known.clear()

    def ensure(self, days: Iterable[int]) -> None:
        """There is a partition for each."""
        lacking = set(days) - self._known
        if not lacking:
            return
        with self._lock, self._server.transaction(write=True) as connection:
            self.make(connection, lacking)
        self._known |= lacking

    def make(self, connection: Connection, days: Iterable[int]) -> None:
        """The same within a transaction, of which it is a part."""
        driver = driver_of(connection)
        driver.execute(f"SELECT pg_advisory_xact_lock({_PARTITIONS})")
        there = {one.day: one for one in partitions(driver)}
        for day in sorted(days):
            one, name = there.get(day), name_of(day)
            if one is not None and one.attached and not one.pending:
                continue
            if one is not None:  # somebody was stopped between taking it out and away
                take_away(driver, one)
            # made beside the table and then attached, for which nobody has to wait who reads or writes
            driver.execute(f"CREATE TABLE {name} (LIKE usage INCLUDING ALL)".encode())
            driver.execute(
                f"ALTER TABLE usage ATTACH PARTITION {name} FOR VALUES FROM ({day * DAY}) TO ({(day + 1) * DAY})".encode()
            )


def take_away(driver: psycopg.Connection[Any], one: Partition) -> None:
    """For good, with its rows."""
    if one.pending:
        driver.execute(f"ALTER TABLE usage DETACH PARTITION {one.name} FINALIZE".encode())
    driver.execute(f"DROP TABLE IF EXISTS {one.name}".encode())
