"""All rows of one database into another one, SQLite or PostgreSQL, and counted there. Ids stay what they are, and none that
was given once is given again. Not here: usage records (usage.py).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.exc import DataError
from sqlmodel import SQLModel

from ...errors import PointsmanError
from ...kinds import ErrorKind
from .backing import HEAD
from .columns import SealedText
from .tables import TABLES

_AT_ONCE = 500
_SQLITE = "sqlite"


def copy_all(source: Connection, target: Connection) -> dict[str, int]:
    """Rows by table. What was in the target is gone. Both are within a transaction, and their tables are HEAD's. Raises
    PointsmanError where a table has not as many rows after as its source."""
    found = {}
    for table in reversed(TABLES):
        target.execute(sa.delete(table))
    for table in TABLES:
        query = sa.select(table).order_by(*table.primary_key)
        rows = source.execute(query, execution_options={"yield_per": _AT_ONCE})
        for some in rows.mappings().partitions():
            _put(target, table, some)
        found[table.name] = _count(source, table)
        if _count(target, table) != found[table.name]:
            raise PointsmanError(
                ErrorKind.UNAVAILABLE,
                f"Nothing was copied: of {table.name} not every row arrived; try again.",
            )
        _go_on(source, target, table)
    return found


def counted(connection: Connection) -> dict[str, int]:
    """Rows by table."""
    return {table.name: _count(connection, table) for table in TABLES}


@contextmanager
def make_sqlite(path: Path) -> Iterator[Connection]:
    """A new file that only its owner may read, with empty tables; what is written is committed at the end."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    engine = sa.create_engine(f"sqlite:///{path}", hide_parameters=True)
    SealedText.guard(engine.dialect)
    try:
        with engine.begin() as connection:
            make_sqlite_tables(connection)
            yield connection
    finally:
        engine.dispose()


def make_sqlite_tables(connection: Connection) -> None:
    """What all migrations would make of an empty file; without alembic, which takes a quarter of a second."""
    SQLModel.metadata.create_all(connection, TABLES, checkfirst=False)
    connection.exec_driver_sql(
        "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL,"
        " CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
    )
    connection.exec_driver_sql("INSERT INTO alembic_version VALUES (?)", (HEAD,))


def _put(target: Connection, table: sa.Table, rows: Sequence[sa.RowMapping]) -> None:
    try:
        target.execute(sa.insert(table), [dict(row) for row in rows])
    except DataError as error:
        (key,) = table.primary_key
        odd = next(
            (row for row in rows if any("\0" in one for one in row.values() if isinstance(one, str))), None
        )
        what = (
            f"the text with a NUL character at {key.name} {odd[key.name]!r}"
            if odd
            else "a value that is too large"
        )
        raise PointsmanError(
            ErrorKind.INVALID, f"Nothing was copied: {table.name} holds what PostgreSQL cannot store, {what}."
        ) from error


def _count(connection: Connection, table: sa.Table) -> int:
    return connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0


def _go_on(source: Connection, target: Connection, table: sa.Table) -> None:
    """The next id comes after the last that was ever given."""
    column = table.autoincrement_column
    if column is None:
        return
    last = _last_id(source, table, column)
    if target.dialect.name == _SQLITE:
        target.execute(sa.text("DELETE FROM sqlite_sequence WHERE name = :name"), {"name": table.name})
        if last:
            target.execute(
                sa.text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :last)"),
                {"name": table.name, "last": last},
            )
    else:
        target.execute(
            sa.text("SELECT setval(pg_get_serial_sequence(:name, :column), :last, :given)"),
            {"name": table.name, "column": column.name, "last": last or 1, "given": bool(last)},
        )


def _last_id(connection: Connection, table: sa.Table, column: sa.Column[int]) -> int:
    """0: none was given yet."""
    if connection.dialect.name == _SQLITE:
        query = sa.text("SELECT seq FROM sqlite_sequence WHERE name = :name")
        return connection.scalar(query, {"name": table.name}) or 0
    name = connection.scalar(
        sa.text("SELECT pg_get_serial_sequence(:name, :column)"), {"name": table.name, "column": column.name}
    )
    given = connection.execute(sa.text(f"SELECT last_value, is_called FROM {name}")).one()  # noqa: S608 -- its own word
    return given.last_value if given.is_called else 0
