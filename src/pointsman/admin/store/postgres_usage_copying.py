"""The usage of a PostgreSQL as a SQLite file, and such a file in its place: records, answers, and what is carried of those
that were deleted. In pieces, so that a million take no more memory than a thousand. Not here: what a backup is (backups.py).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import Connection

from ...ledger.blocks import block_of
from ...ledger.records import UsageRecord
from .postgres import PostgresServer, driver_of
from .postgres_usage_adding import Adding, cleaned, put_answers, put_rows, rows_of
from .postgres_usage_reading import COLUMN_NAMES, records_of
from .postgres_usage_tables import IN_USE, Partitions, day_of
from .usage import MAX_LIMIT
from .usage_file import UsageFile
from .usage_log import LARGE

_SECONDS = 12 * 3600.0
_PATIENT = "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0"
_EMPTY = "TRUNCATE usage, usage_hour, usage_session_hour, usage_minute, usage_carried, usage_answer"
_CARRIED = ("hour", "key_id", "backend", "tokens", "cost")
_PUT_CARRIED = f"INSERT INTO usage_carried ({', '.join(_CARRIED)}) VALUES (%s, %s, %s, %s, %s)"  # noqa: S608
_ANSWERS = ("id", "key_id", "target", "model", "at")


def copy_to(server: PostgresServer, target: Path) -> None:
    """See UsageStore. A copy is of one moment."""
    file = UsageFile(target)
    with closing(file), server.transaction(write=False, seconds=_SECONDS) as connection:
        driver_of(connection).execute(_PATIENT)
        file.totals()  # makes it
        for records in _all(connection):
            file.add(block_of(records), again=False)
            file.tend()
        carried = _rows(connection, "usage_carried", _CARRIED)
        answers = _rows(connection, "usage_answer", _ANSWERS)
    with closing(sqlite3.connect(target)) as copy:
        copy.executemany(_insert("carried", _CARRIED), carried)
        copy.executemany(_insert("answers", _ANSWERS), answers)
        copy.commit()


def put_in(server: PostgresServer, adding: Adding, parts: Partitions, source: Path) -> None:
    """See UsageStore. One transaction: whoever reads or adds waits, and is told that it is busy after a while."""
    with closing(UsageFile(source)) as file:
        file.totals()  # brings its tables up to date
        with closing(sqlite3.connect(source)) as copy:
            carried = copy.execute(f"SELECT {', '.join(_CARRIED)} FROM carried").fetchall()  # noqa: S608
            answers = copy.execute(f"SELECT {', '.join(_ANSWERS)} FROM answers ORDER BY rowid").fetchall()  # noqa: S608
        with server.transaction(write=True, seconds=_SECONDS) as connection:
            driver = driver_of(connection)
            driver.execute(f"{_PATIENT}; SELECT pg_advisory_xact_lock({IN_USE}); {_EMPTY}".encode())
            for records in _pages(file):
                block = block_of(records)
                parts.make(connection, {day_of(one.at) for one in records})
                put_rows(connection, cleaned(rows_of(block, adding.numbers(block.kinds, connection))))
                driver.execute("TRUNCATE usage_stage")
            with driver.cursor() as cursor:
                cursor.executemany(_PUT_CARRIED.encode(), carried)
            put_answers(driver, [(name, key, target, model, at) for name, key, target, model, at in answers])


def _pages(file: UsageFile) -> Iterator[list[UsageRecord]]:
    cursor: str | None = None
    while True:
        records, cursor = file.page(None, cursor, MAX_LIMIT)
        if records:
            yield records
        if cursor is None:
            return


def _all(connection: Connection) -> Iterator[list[UsageRecord]]:
    """The oldest first."""
    driver = driver_of(connection)
    with driver.cursor(name="usage_copy") as cursor:
        cursor.execute(f"SELECT {COLUMN_NAMES} FROM usage u ORDER BY u.at".encode())  # noqa: S608
        while rows := cursor.fetchmany(LARGE):
            yield records_of(connection, rows)


def _rows(connection: Connection, table: str, names: tuple[str, ...]) -> list[tuple[Any, ...]]:
    order = "at" if "at" in names else "hour"
    driver: psycopg.Connection[Any] = driver_of(connection)
    return driver.execute(f"SELECT {', '.join(names)} FROM {table} ORDER BY {order}".encode()).fetchall()  # noqa: S608


def _insert(table: str, names: tuple[str, ...]) -> str:
    return f"INSERT OR REPLACE INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"  # noqa: S608
