"""Rules in a SQLite file: made private, migrated after a copy of it was made, copied and replaced as one file. Not here:
SQLite's own ways (sqlite.py).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from ...errors import PointsmanError
from ...kinds import ErrorKind
from . import settings
from .backing import HEAD, another_gateways, has_tables, known_revisions, newer, revision_of
from .columns import SealedText
from .copying import make_sqlite_tables
from .database_url import BACKUP_FOLDER
from .sqlite import FileOptions, SqliteFile, copy_database

_WHAT = "The database"
_HOW = ": in the data folder run `tar xf BACKUP.tar pointsman.db`"
_PEPPER = sa.text("SELECT value FROM settings WHERE key = :key").bindparams(key=settings.PEPPER)


class SqliteBacking:
    """See Backing."""

    shared = False

    def __init__(self, path: Path) -> None:
        self.path = path
        self.said = str(path)
        self.backups = path.parent / BACKUP_FOLDER
        self.whose: str | None = None
        options = FileOptions(_WHAT, "FULL", make_again=False, prepare=self._prepare, watched=True, how=_HOW)
        self._file = SqliteFile(path, options)

    def is_empty(self) -> bool:
        """See Backing."""
        return not self.path.exists() or self.path.stat().st_size == 0

    def open(self) -> None:
        """See Backing."""
        self._file.open()

    def close(self) -> None:
        """See Backing."""
        self._file.close()

    def transaction(
        self, *, write: bool, after_commit: Callable[[], None] | None = None
    ) -> AbstractContextManager[Connection]:
        """See Backing."""
        return self._file.transaction(write=write, after_commit=after_commit)

    def integrity(self) -> list[str]:
        """See Backing."""
        return self._file.integrity()

    def copy_to(self, target: Path) -> None:
        """See Backing."""
        with self._file.raw() as connection:
            copy_database(connection, target)

    def put_in(self, source: Path, aside: Path) -> None:
        """See Backing."""
        with closing(sqlite3.connect(source)) as new, self._file.raw() as live:
            copy_database(live, aside)
            (pepper,) = new.execute("SELECT value FROM settings WHERE key = ?", (settings.PEPPER,)).fetchone()
            new.backup(live)
            self.whose = pepper
            live.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def settle(self) -> None:
        """Empties the write-ahead log into the database."""
        with self._file.raw() as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def version(self, connection: Connection) -> int:
        """See Backing."""
        return 0

    def _prepare(self, connection: Connection) -> None:
        """Guards the freshly opened file against plain keys and brings it to HEAD."""
        SealedText.guard(connection.dialect)
        revision = revision_of(connection)
        if self.whose is not None and (revision is None or connection.scalar(_PEPPER) != self.whose):
            raise another_gateways()
        if revision == HEAD:
            return
        if revision is not None and revision not in known_revisions():
            raise newer(revision)
        anew = revision is None and not has_tables(connection)
        if not anew:
            driver = connection.connection.driver_connection
            assert isinstance(driver, sqlite3.Connection)
            copy_database(driver, self._backup_path(revision))
        connection.rollback()
        try:
            if anew:
                with connection.begin():
                    make_sqlite_tables(connection)
            else:
                _upgrade(connection)
        except SQLAlchemyError as error:
            raise PointsmanError(
                ErrorKind.UNAVAILABLE,
                "The database could not be brought up to date; nothing in it was changed. If it had tables, a copy"
                f" of it is in {BACKUP_FOLDER}/ beside it.",
            ) from error

    def _backup_path(self, revision: str | None) -> Path:
        self.backups.mkdir(mode=0o700, exist_ok=True)
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        return self.backups / f"{self.path.stem}-{revision or 'none'}-{stamp}.db"


def migration_is_due(path: Path) -> bool:
    """Whether its tables are older ones. True where that cannot be seen. Leaves no lock and no file beside it."""
    try:
        if not path.exists() or path.stat().st_size == 0:
            return False
        with closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
        ) as connection:
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except (sqlite3.Error, OSError):
        return True
    return row is None or row[0] != HEAD


def _upgrade(connection: Connection) -> None:
    from .migrations import upgrade

    upgrade(connection)
