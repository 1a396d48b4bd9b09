"""The main database: made private, migrated (with a backup first), and used through one connection.

Not here: usage records (usage.py) and SQLite's own ways (sqlite.py).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, inspect
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlmodel import Session, SQLModel

from ...config import DATABASE_FILE, DATABASE_VARIABLE
from ...errors import PointsmanError
from ...kinds import ErrorKind
from ...process.private_files import mode_problem
from . import settings
from .columns import SealedText
from .recording import recorded
from .sqlite import FileOptions, SqliteFile, copy_database
from .tables import TABLES

_VERSIONS = Path(__file__).parent / "migrations" / "versions"
HEAD = max(path.name[:4] for path in _VERSIONS.glob("[0-9]*.py"))
"""The newest migration, by its file's name: alembic is imported only when one is due."""

BACKUP_FOLDER = "backups"
_WHAT = "The database"
_HOW = ": in the data folder run `tar xf BACKUP.tar pointsman.db`"


class Store:
    """`with store.write() as session`, `with store.read() as session`: one at a time, all or nothing.

    Raises PointsmanError UNAVAILABLE while the database is locked, full, gone or damaged; the next use tries
    anew.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._whose: str | None = None  # its pepper, once known
        options = FileOptions(_WHAT, "FULL", make_again=False, prepare=self._prepare, watched=True, how=_HOW)
        self._file = SqliteFile(path, options)

    @staticmethod
    def open(data_dir: Path, database_url: str | None = None) -> Store:
        """Makes what is missing, refuses what others can read, migrates. PointsmanError tells the fix."""
        prepare_data_dir(data_dir)
        store = Store(database_path(data_dir, database_url))
        try:
            store._file.open()
            with store.read() as session:
                pepper = settings.get(session, settings.PEPPER)
            if pepper is None:
                with store.write() as session:
                    settings.pepper(session)
                    pepper = settings.get(session, settings.PEPPER)
            store._whose = pepper
        except BaseException:
            store.close()
            raise
        return store

    @staticmethod
    def open_copy(path: Path) -> Store:
        """Of a database that is nobody's yet: its tables are brought up to date. Raises PointsmanError."""
        store = Store(path)
        store._file.open()
        return store

    def write(self, after_commit: Callable[[], None] | None = None) -> AbstractContextManager[Session]:
        """BEGIN IMMEDIATE ... COMMIT. after_commit: run when the change is on disk, before anybody
        can read it.
        """
        return self._session(write=True, after_commit=after_commit)

    def read(self) -> AbstractContextManager[Session]:
        """One consistent view. What is changed in it is not kept."""
        return self._session(write=False)

    def close(self) -> None:
        self._file.close()

    def integrity(self) -> list[str]:
        """What SQLite's own check finds; empty when all is well."""
        return self._file.integrity()

    def is_whose(self, pepper: str) -> bool:
        """Whether a database with that pepper is this gateway's, at another time."""
        return pepper == self._whose

    def copy_to(self, target: Path) -> None:
        """Into a new file, as it is between two changes."""
        with self._file.raw() as connection:
            copy_database(connection, target)

    def put_in(self, source: Path, aside: Path) -> None:
        """Everything as `source` has it, whose tables are up to date, in one step; what was there is kept in `aside`."""
        with closing(sqlite3.connect(source)) as new, self._file.raw() as live:
            copy_database(live, aside)
            (pepper,) = new.execute("SELECT value FROM settings WHERE key = ?", (settings.PEPPER,)).fetchone()
            new.backup(live)
            self._whose = pepper
            live.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def truncate_log(self) -> None:
        """Empties the write-ahead log into the database."""
        with self._file.raw() as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    @contextmanager
    def _session(self, *, write: bool, after_commit: Callable[[], None] | None = None) -> Iterator[Session]:
        with self._file.transaction(write=write, after_commit=after_commit) as connection:
            # expire_on_commit off: rows stay readable after the block, for the answer
            with Session(bind=connection, expire_on_commit=False) as session:
                if not write:
                    yield session
                    return
                with recorded(session):
                    yield session
                session.commit()  # the COMMIT itself is the transaction's, a moment later

    def _prepare(self, connection: Connection) -> None:
        """Guards the freshly opened file against plain keys and brings it to HEAD."""
        SealedText.guard(connection.dialect)
        revision = _revision(connection)
        if self._whose is not None and (revision is None or _pepper(connection) != self._whose):
            raise PointsmanError(
                ErrorKind.UNAVAILABLE,
                f"{_WHAT} was replaced by one that is not this gateway's; put back your own, or stop the gateway first.",
                retry_after=5,
            )
        if revision == HEAD:
            return
        if revision is not None and revision not in known_revisions():
            raise PointsmanError(
                ErrorKind.UNAVAILABLE,
                f"The database was written by a newer Pointsman (its tables are at {revision}, this one knows"
                f" {HEAD}); update Pointsman, or put back a backup from before.",
            )
        anew = revision is None and not _has_tables(connection)
        if not anew:
            driver = connection.connection.driver_connection
            assert isinstance(driver, sqlite3.Connection)
            copy_database(driver, self._backup_path(revision))
        connection.rollback()
        try:
            if anew:
                _make_tables(connection)
            else:
                _upgrade(connection)
        except SQLAlchemyError as error:
            raise PointsmanError(
                ErrorKind.UNAVAILABLE,
                "The database could not be brought up to date; nothing in it was changed. If it had tables, a copy"
                f" of it is in {BACKUP_FOLDER}/ beside it.",
            ) from error

    def _backup_path(self, revision: str | None) -> Path:
        folder = self.path.parent / BACKUP_FOLDER
        folder.mkdir(mode=0o700, exist_ok=True)
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        return folder / f"{self.path.stem}-{revision or 'none'}-{stamp}.db"


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


def prepare_data_dir(data_dir: Path) -> None:
    """Makes the folder 0700; refuses one that others can enter, saying how to mend it."""
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        problem = mode_problem(data_dir)
    except OSError as error:
        raise PointsmanError(
            ErrorKind.UNAVAILABLE,
            f"The data folder {data_dir} cannot be used ({error.strerror}); choose another with --data-dir.",
        ) from error
    if problem is not None:
        raise PointsmanError(ErrorKind.UNAVAILABLE, f"{problem}.")


def database_path(data_dir: Path, database_url: str | None) -> Path:
    """Where the database is. Raises PointsmanError INVALID."""
    if not database_url:
        return data_dir / DATABASE_FILE
    try:
        url = make_url(database_url)
    except ArgumentError:
        raise _bad_url("is not a database URL") from None
    if url.get_backend_name() != "sqlite" or url.drivername not in ("sqlite", "sqlite+pysqlite"):
        raise _bad_url(f"names {url.drivername}, which is not supported yet")
    if not url.database or url.database == ":memory:" or url.database.startswith("file:") or url.query:
        raise _bad_url("does not name a file")
    return Path(url.database).absolute()


def _bad_url(what: str) -> PointsmanError:
    """The URL itself is not quoted: it may hold a password."""
    return PointsmanError(
        ErrorKind.INVALID,
        f"{DATABASE_VARIABLE} {what}; write sqlite:////path/to/file.db, or leave it out.",
        param="database_url",
    )


def _make_tables(connection: Connection) -> None:
    """What all migrations would make of an empty file; without alembic, which takes a quarter of a second."""
    with connection.begin():
        SQLModel.metadata.create_all(connection, TABLES, checkfirst=False)
        connection.exec_driver_sql(
            "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL,"
            " CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
        )
        connection.exec_driver_sql("INSERT INTO alembic_version VALUES (?)", (HEAD,))


def known_revisions() -> set[str]:
    """Of migrations, older ones too."""
    from . import migrations

    return migrations.known_revisions()


def _upgrade(connection: Connection) -> None:
    from .migrations import upgrade

    upgrade(connection)


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    row = connection.exec_driver_sql("SELECT version_num FROM alembic_version").first()
    return None if row is None else str(row[0])


def _pepper(connection: Connection) -> str | None:
    found = connection.exec_driver_sql("SELECT value FROM settings WHERE key = ?", (settings.PEPPER,))
    pepper: str | None = found.scalar()
    return pepper


def _has_tables(connection: Connection) -> bool:
    return bool(inspect(connection).get_table_names())
