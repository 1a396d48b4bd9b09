"""The tables of a usage database, and what becomes of files of earlier versions. Not here: what is kept in them
(usage_log.py, usage_adding.py).
"""

from __future__ import annotations

import sqlite3

from ...ledger.blocks import DIMENSIONS, SUMMED, block_of
from ...ledger.records import UsageRecord
from .usage_columns import PACKED
from .usage_facts import VALUES
from .usage_log import LARGE, UsageLog

_SUMMED = ", ".join(SUMMED)
_SESSIONS = (
    "CREATE TABLE session (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE)",
    "CREATE TABLE session_hourly (hour INTEGER NOT NULL, dim INTEGER NOT NULL, session INTEGER NOT NULL,"
    f" records INTEGER NOT NULL, {_SUMMED}, unpriced INTEGER NOT NULL, first_at REAL NOT NULL, last_at REAL NOT NULL,"
    " PRIMARY KEY (hour, dim, session)) WITHOUT ROWID",
    "CREATE INDEX session_hours ON session_hourly (session)",
)
_CARRIED = (
    "CREATE TABLE carried (hour INTEGER NOT NULL, key_id INTEGER NOT NULL, backend TEXT NOT NULL, tokens INTEGER NOT NULL,"
    " cost INTEGER NOT NULL, PRIMARY KEY (hour, key_id, backend)) WITHOUT ROWID"
)
"""Of records that were taken out; see usage_deleting.py. key_id 0: none was needed; backend empty: none was asked."""
_DAYS = (
    "CREATE TABLE IF NOT EXISTS rolled (id INTEGER PRIMARY KEY AUTOINCREMENT, zone TEXT NOT NULL, since REAL NOT NULL,"
    " until REAL NOT NULL)",
    "CREATE INDEX IF NOT EXISTS rolled_since ON rolled (since)",
    f"CREATE TABLE IF NOT EXISTS daily (day INTEGER NOT NULL, dim INTEGER NOT NULL, records INTEGER NOT NULL, {_SUMMED},"
    " unpriced INTEGER NOT NULL, PRIMARY KEY (day, dim)) WITHOUT ROWID",
    f"CREATE TABLE IF NOT EXISTS daily_by (day INTEGER NOT NULL, axis TEXT NOT NULL, name, {', '.join(VALUES)})",
    "CREATE INDEX IF NOT EXISTS daily_axis ON daily_by (day, axis)",
)
"""Sums of days that are over; see usage_days.py."""
_WITH_TARGETS = 8
"""The version from which on sums of days are kept by target, too."""
_TABLES = (
    f"CREATE TABLE dimension (id INTEGER PRIMARY KEY, {', '.join(DIMENSIONS)}, packed BLOB NOT NULL UNIQUE)",
    "CREATE TABLE block (id INTEGER PRIMARY KEY AUTOINCREMENT, records INTEGER NOT NULL, first_at REAL NOT NULL,"
    " last_at REAL NOT NULL, large INTEGER NOT NULL, dims BLOB NOT NULL, body BLOB NOT NULL)",
    "CREATE INDEX block_newest ON block (last_at)",
    "CREATE INDEX block_small ON block (id) WHERE NOT large",
    "CREATE TABLE span (head TEXT NOT NULL, first TEXT NOT NULL, last TEXT NOT NULL, block INTEGER NOT NULL,"
    " PRIMARY KEY (head, first, last, block)) WITHOUT ROWID",
    "CREATE INDEX span_block ON span (block)",
    f"CREATE TABLE hourly (hour INTEGER NOT NULL, dim INTEGER NOT NULL, records INTEGER NOT NULL, {_SUMMED},"
    " unpriced INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (hour, dim)) WITHOUT ROWID",
    "CREATE TABLE folded (block INTEGER NOT NULL)",
    "INSERT INTO folded VALUES (0)",
    *_SESSIONS,
    _CARRIED,
    *_DAYS,
)
"""span: which ids a block holds, by what those of one process begin with. AUTOINCREMENT: in an emptied table numbers
would begin anew, below `folded`, or as another's that somebody remembers."""


def begin(connection: sqlite3.Connection, version: int) -> None:
    """The tables of a file that has none, or what an earlier version has in it: one transaction does all of it. version: the
    file's."""
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'hourly'").fetchone() is not None:
        _from_before(connection, version)
        return
    for statement in _TABLES:
        connection.execute(statement)
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'usage'").fetchone() is None:
        return
    made = UsageLog(connection)
    rows = connection.execute("SELECT * FROM usage ORDER BY at, id")
    names = [column[0] for column in rows.description]
    while some := rows.fetchmany(LARGE):
        records = []
        for row in some:
            values = dict(zip(names, row, strict=True))
            values |= {name: bool(values[name]) for name in ("stream", "joined") if name in values}
            records.append(UsageRecord(**values))
        made.keep(made.add(connection, block_of(records), PACKED))
    made.fold(connection)
    connection.execute("DROP TABLE usage")


def _from_before(connection: sqlite3.Connection, version: int) -> None:
    """A file of version 4, in which nobody knew who asked, in which session, and what it cost; of version 5, without days;
    or of version 7, which knew nothing of bytes."""
    for statement in _DAYS:
        connection.execute(statement)
    if version < _WITH_TARGETS:  # they are made again
        for table in ("rolled", "daily", "daily_by"):
            connection.execute(f"DELETE FROM {table}")  # noqa: S608
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'carried'").fetchone() is None:
        connection.execute("ALTER TABLE dimension ADD COLUMN client DEFAULT ''")
        connection.execute("ALTER TABLE dimension ADD COLUMN flag")
        connection.execute("ALTER TABLE hourly ADD COLUMN unpriced INTEGER NOT NULL DEFAULT 0")
        connection.execute("UPDATE hourly SET unpriced = records")
        for statement in (*_SESSIONS, _CARRIED):
            connection.execute(statement)
    for table in ("hourly", "session_hourly", "daily", "daily_by"):
        there = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
        for name in SUMMED:
            if name not in there:  # null: of what was summed up before nobody knows it
                connection.execute(f"ALTER TABLE {table} ADD COLUMN {name}")
