"""One SQLite file behind one connection and one lock, with errors said in our words.

One connection because SQLite before 3.51.3 can lose committed pages when two of them write and checkpoint at
once (docs/reliability-promises.md#one-connection-to-sqlite). Not here: tables.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import StaticPool

from ...errors import PointsmanError
from ...kinds import ErrorKind
from ...process.private_files import mode_problem

_RETRY_AFTER = 5
_INCREMENTAL = 2
_PAGES = 2000
"""Given back at a time; of 4 KB."""
_WAL_RESET_FIXED = (3, 51, 3)
_WAL_RESET_BACKPORTS = ((3, 50, 7), (3, 44, 6))

_TROUBLE = {
    sqlite3.SQLITE_BUSY: "is locked by another process; stop whatever else has it open",
    sqlite3.SQLITE_LOCKED: "is locked by another process; stop whatever else has it open",
    sqlite3.SQLITE_FULL: "has no room left: the disk is full; free some space",
    sqlite3.SQLITE_READONLY: "cannot be written; make its folder writable to this user",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened; check that its folder is there and belongs to this user",
    sqlite3.SQLITE_IOERR: "cannot be read or written: the disk reports an error",
    sqlite3.SQLITE_CORRUPT: "is damaged; put back a backup{how}",
    sqlite3.SQLITE_NOTADB: "is not a database; put back a backup{how}",
}
_KEEP_CONNECTION = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL}


@dataclass(frozen=True, slots=True)
class FileOptions:
    """what: how errors call the file. synchronous: FULL or NORMAL. make_again: a vanished file is begun anew
    (nothing in it that cannot be missed), else it is an error until it is put back. prepare: brings a freshly
    opened file's tables up to date; runs outside a transaction, under the lock. watched: what others write into the file
    is noticed, and it is checked and opened anew; therefore nothing of ours waits in a log beside it. shrinks: what is
    deleted is given back to the disk when compact() is called. how: behind "put back a backup", how that is done."""

    what: str
    synchronous: str
    make_again: bool
    prepare: Callable[[Connection], None]
    busy_seconds: float = 5.0
    watched: bool = False
    shrinks: bool = False
    how: str = ""


class SqliteFile:
    """`with file.transaction(write=True) as connection`: one at a time; commits, or rolls back and raises
    PointsmanError UNAVAILABLE. Opens the file again by itself when it was replaced or an error spoiled it."""

    def __init__(self, path: Path, options: FileOptions) -> None:
        self.path = path
        self._options = options
        self._lock = threading.Lock()
        self._holder: int | None = None
        self._engine: Engine | None = None
        self._identity: tuple[int, int] | None = None
        self._left: tuple[int, int] | None = None  # the file as our last use left it
        self._opened = False
        self._closed = False

    def open(self) -> None:
        """Opens or makes the file. Raises PointsmanError with the fix."""
        with self._locked(), self._errors():
            self._connect(make=True)

    def close(self) -> None:
        with self._locked():
            self._closed = True
            self._disconnect()

    @contextmanager
    def transaction(
        self, *, write: bool, after_commit: Callable[[], None] | None = None
    ) -> Iterator[Connection]:
        """after_commit: run when the change is on disk and before anybody else may read it."""
        with self._locked(), self._errors():
            engine = self._ready()
            begin = "BEGIN IMMEDIATE" if write else "BEGIN"
            with engine.connect().execution_options(pointsman_begin=begin) as connection:
                with connection.begin() as transaction:
                    yield connection
                    if not write:
                        transaction.rollback()
            if write:
                self._leave(engine)
            if after_commit is not None:
                after_commit()

    def forget(self) -> None:
        """Lets go of the connection; the next use opens and prepares the file anew."""
        with self._locked():
            self._disconnect()

    @contextmanager
    def raw(self) -> Iterator[sqlite3.Connection]:
        """The driver's own connection, outside any transaction: for backups and pragmas."""
        with self._locked(), self._errors():
            fairy = self._ready().raw_connection()
            try:
                connection = fairy.driver_connection
                assert isinstance(connection, sqlite3.Connection)
                yield connection
            finally:
                fairy.close()
                self._left = _state(self.path)

    def integrity(self) -> list[str]:
        """What SQLite's own check finds; empty when all is well."""
        with self.raw() as connection:
            found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check").fetchall()]
        return [] if found == ["ok"] else found

    def compact(self) -> None:
        """Gives free pages back to the disk, some at a time, so that others have their turn; a file that was made before it
        could shrink is written anew, once."""
        with self.raw() as connection:
            if connection.execute("PRAGMA auto_vacuum").fetchone()[0] != _INCREMENTAL:
                connection.execute("PRAGMA auto_vacuum=INCREMENTAL").close()
                connection.execute("VACUUM").close()
        free, before = -1, 0
        while free and free != before:
            before = free
            with self.raw() as connection:
                connection.execute(f"PRAGMA incremental_vacuum({_PAGES})").fetchall()
                free = connection.execute("PRAGMA freelist_count").fetchone()[0]
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        if self._holder == threading.get_ident():
            raise RuntimeError("a transaction inside another one of the same file would wait for itself")
        # longer than a waiting holder takes to give up, so that a queue behind a locked file drains with answers
        if not self._lock.acquire(timeout=3 * self._options.busy_seconds):
            raise self._unavailable("is busy; try again")
        try:
            self._holder = threading.get_ident()
            yield
        finally:
            self._holder = None
            self._lock.release()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            origin = error.orig
            if isinstance(origin, sqlite3.IntegrityError) or not isinstance(origin, sqlite3.DatabaseError):
                raise
            raise self._trouble(origin) from error
        except sqlite3.DatabaseError as error:
            raise self._trouble(error) from error

    def _trouble(self, error: sqlite3.DatabaseError) -> PointsmanError | sqlite3.DatabaseError:
        """Our words for it; an SQL mistake of our own stays what it is."""
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code not in _TROUBLE:
            return error
        if code not in _KEEP_CONNECTION:
            self._disconnect()
        return self._unavailable(_TROUBLE[code])

    def _unavailable(self, what: str) -> PointsmanError:
        told = what.format(how=self._options.how)
        return PointsmanError(
            ErrorKind.UNAVAILABLE, f"{self._options.what} {told}.", retry_after=_RETRY_AFTER
        )

    def _ready(self) -> Engine:
        """A connection to the file that is there now: SQLite would go on writing into a deleted one."""
        if self._closed:
            raise self._unavailable("is closed")
        if self._engine is not None and self._identity != _identity(self.path):
            self._disconnect()
        if self._engine is not None and self.path.stat().st_size == 0:
            _let_go(self.path)  # SQLite would go on with what it remembers
            self._disconnect()
        if self._engine is not None and self._options.watched and self._left != _state(self.path):
            self._disconnect()  # SQLite would go on with the pages that it remembers
        if self._engine is None:
            self._connect(make=self._options.make_again)
        assert self._engine is not None
        return self._engine

    def _connect(self, *, make: bool) -> None:
        if make:
            _make_private(self.path, self._options.what)
        elif not self.path.exists():
            raise self._unavailable("is gone; put it back from your backup{how}")
        elif self.path.stat().st_size == 0:
            raise self._unavailable("is empty; put it back from your backup{how}")
        self._refuse_open_modes()
        engine = _engine(self.path, self._options)
        try:
            with engine.connect() as connection:
                if self._opened and self._options.watched:
                    self._refuse_damage(connection)
                self._options.prepare(connection)
        except BaseException:
            engine.dispose()
            raise
        self._engine, self._identity, self._opened = engine, _identity(self.path), True
        self._leave(engine)

    def _refuse_damage(self, connection: Connection) -> None:
        """Of a file that somebody else wrote: each page, which takes a millisecond a megabyte."""
        if connection.exec_driver_sql("PRAGMA quick_check(1)").scalar() != "ok":
            raise self._unavailable(_TROUBLE[sqlite3.SQLITE_CORRUPT])
        connection.rollback()

    def _leave(self, engine: Engine) -> None:
        """All of it in the file itself: a log beside it would be read into whatever is put in its place. One that cannot be
        emptied now, as another program reads, is emptied after the next change."""
        if self._options.watched:
            with suppress(DBAPIError), engine.connect() as connection:
                driver = connection.connection.driver_connection
                assert isinstance(driver, sqlite3.Connection)
                with suppress(sqlite3.Error):
                    driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            self._left = _state(self.path)

    def _refuse_open_modes(self) -> None:
        for suffix in ("", "-wal", "-shm", "-journal"):
            beside = self.path.with_name(self.path.name + suffix)
            try:
                problem = mode_problem(beside)
            except FileNotFoundError:
                continue
            if problem is not None:
                raise PointsmanError(ErrorKind.UNAVAILABLE, f"{problem}.")

    def _disconnect(self) -> None:
        engine, self._engine, self._identity = self._engine, None, None
        if engine is not None:
            engine.dispose()


def version_problem(version: tuple[int, int, int] = sqlite3.sqlite_version_info) -> str | None:
    """What doctor says about the linked SQLite, or None
    (docs/reliability-promises.md#one-connection-to-sqlite)."""
    if version >= _WAL_RESET_FIXED or any(
        version[:2] == fix[:2] and version >= fix for fix in _WAL_RESET_BACKPORTS
    ):
        return None
    text = ".".join(map(str, version))
    return (
        f"SQLite {text} can lose pages when two connections write at once (fixed in 3.51.3, 3.50.7, 3.44.6)."
        " Pointsman uses one connection, so it is safe; do not write to its database with other programs"
        " while it runs"
    )


def _engine(path: Path, options: FileOptions) -> Engine:
    engine = create_engine(
        f"sqlite:///{path}",
        poolclass=StaticPool,
        connect_args={"check_same_thread": False, "timeout": options.busy_seconds},
        hide_parameters=True,  # values never stand in an exception's text
    )

    @event.listens_for(engine, "connect")
    def _setup(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # the driver must not begin transactions behind our back
        try:
            for pragma in (
                *(("auto_vacuum=INCREMENTAL",) if options.shrinks else ()),  # of a file without tables
                "journal_mode=WAL",
                f"synchronous={options.synchronous}",
                "foreign_keys=ON",
                "secure_delete=ON",  # a removed key's bytes do not stay in free pages
                "trusted_schema=OFF",
            ):
                connection.execute(f"PRAGMA {pragma}").close()
        except sqlite3.Error:
            connection.close()  # the pool does not know it yet
            raise

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get("pointsman_begin", "BEGIN"))

    return engine


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        info = os.stat(path)
    except OSError:
        return None
    return info.st_dev, info.st_ino


def _state(path: Path) -> tuple[int, int] | None:
    """What changes when somebody writes into it."""
    try:
        info = os.stat(path)
    except OSError:
        return None
    return info.st_size, info.st_mtime_ns


def _let_go(path: Path) -> None:
    """Puts another empty file in an emptied one's place, and its log aside: a connection that closes writes the log into
    the file that it has open, and what comes of that is a database with holes."""
    log = path.with_name(path.name + "-wal")
    with suppress(OSError):
        empty = path.with_name(f".{path.name}.{os.getpid()}")
        os.close(os.open(empty, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
        os.replace(empty, path)
        os.replace(log, path.with_name(path.name + "-wal.of-the-emptied"))
        path.with_name(path.name + "-shm").unlink(missing_ok=True)


def _make_private(path: Path, what: str) -> None:
    """An empty 0600 file: SQLite would make one by the process's umask. Its -wal and -shm follow its mode."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise PointsmanError(
            ErrorKind.UNAVAILABLE,
            f"{what} cannot be opened ({error.strerror}); check that its folder belongs to this user.",
            retry_after=_RETRY_AFTER,
        ) from error


def copy_database(source: sqlite3.Connection, target: Path) -> None:
    """Into a new file that only its owner may read."""
    os.close(os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    copy = sqlite3.connect(target)
    try:
        source.backup(copy)
    finally:
        copy.close()
