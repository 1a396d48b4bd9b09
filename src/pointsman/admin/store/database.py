"""The main database, rules, keys and settings: opened where its URL says, and read and written through sessions.

Not here: usage records (usage.py), and what SQLite and PostgreSQL do each in their own way (backing.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from sqlmodel import Session

from ...errors import PointsmanError
from ...kinds import ErrorKind
from ...process.private_files import mode_problem
from . import settings
from .backing import Backing
from .database_url import PostgresPlace, database_place
from .recording import recorded
from .sqlite_backing import SqliteBacking


class Store:
    """`with store.write() as session`, `with store.read() as session`: all or nothing, and one writes at a time.

    Raises PointsmanError UNAVAILABLE while the database is locked, full, gone, away or damaged; the next use tries
    anew.
    """

    def __init__(self, backing: Backing) -> None:
        self.backing = backing

    @staticmethod
    def open(data_dir: Path, database_url: str | None = None) -> Store:
        """Makes what is missing, refuses what others can read, migrates. PointsmanError tells the fix."""
        prepare_data_dir(data_dir)
        store = Store(backing_of(database_place(data_dir, database_url), data_dir))
        try:
            store.backing.open()
            with store.read() as session:
                pepper = settings.get(session, settings.PEPPER)
            if pepper is None:
                with store.write() as session:
                    settings.pepper(session)
                    pepper = settings.get(session, settings.PEPPER)
            store.backing.whose = pepper
        except BaseException:
            store.close()
            raise
        return store

    @staticmethod
    def open_copy(path: Path) -> Store:
        """Of a database that is nobody's yet: its tables are brought up to date. Raises PointsmanError."""
        store = Store(SqliteBacking(path))
        store.backing.open()
        return store

    def write(self, after_commit: Callable[[], None] | None = None) -> AbstractContextManager[Session]:
        """One change. after_commit: run when it is on disk, before anybody else of this process can read it."""
        return self._session(write=True, after_commit=after_commit)

    def read(self) -> AbstractContextManager[Session]:
        """One consistent view. What is changed in it is not kept."""
        return self._session(write=False)

    def close(self) -> None:
        self.backing.close()

    def is_whose(self, pepper: str) -> bool:
        """Whether a database with that pepper is this gateway's, at another time."""
        return pepper == self.backing.whose

    def version(self, session: Session) -> int:
        """See Backing."""
        return self.backing.version(session.connection())

    @contextmanager
    def _session(self, *, write: bool, after_commit: Callable[[], None] | None = None) -> Iterator[Session]:
        with self.backing.transaction(write=write, after_commit=after_commit) as connection:
            # expire_on_commit off: rows stay readable after the block, for the answer
            with Session(bind=connection, expire_on_commit=False) as session:
                if not write:
                    yield session
                    return
                with recorded(session):
                    yield session
                session.commit()  # the COMMIT itself is the transaction's, a moment later


def backing_of(place: Path | PostgresPlace, data_dir: Path) -> Backing:
    """Not opened yet. PostgreSQL's driver is loaded where it is asked for."""
    if isinstance(place, Path):
        return SqliteBacking(place)
    from .postgres_backing import PostgresBacking

    return PostgresBacking(place, data_dir)


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
