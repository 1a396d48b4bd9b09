"""Rules in a PostgreSQL that several gateways may share: each change raises one version, and says so to whoever listens.
Not here: connections (postgres.py), the tables' types (postgres_tables.py), and who listens (control/nodes.py).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from ...errors import PointsmanError
from ...kinds import ErrorKind
from . import settings
from .backing import HEAD, OLDEST, another_gateways, known_revisions, newer, revision_of
from .columns import SealedText
from .copying import copy_all, make_sqlite
from .database_url import PostgresPlace, backups_of
from .postgres import PostgresServer
from .postgres_tables import SHARED, make_tables, widen

CHANNEL = "pointsman_rules"
"""Where each change's version is told."""

_CHANGE = sa.update(SHARED).values(version=SHARED.c.version + 1).returning(SHARED.c.version)
_TELL = sa.text("SELECT pg_notify(:channel, :version)")
_PEPPER = sa.text("SELECT value FROM settings WHERE key = :key").bindparams(key=settings.PEPPER)
_TRY_LOCK = sa.text("SELECT pg_try_advisory_xact_lock(1886353513)")
"""Of who makes or changes tables. Not waited for inside PostgreSQL: there it would stand in the way of its own holder."""
_MIGRATE_SECONDS = 300.0
_WHOLE_SECONDS = 3600.0
"""For all that is in the database, read or written in one go."""
_PATIENT = sa.text(
    "SELECT set_config(name, '0', true) FROM unnest(ARRAY['statement_timeout', 'lock_timeout',"
    " 'idle_in_transaction_session_timeout']) AS name"
)
_LOCK_SECONDS = 0.25
_QUEUE_SECONDS = 15.0
_NOTICE = sa.text("SET LOCAL client_connection_check_interval = '1s'")
"""A gateway that was killed in the midst of a migration keeps no other one waiting until its statement is done."""


class PostgresBacking:
    """See Backing."""

    shared = True

    def __init__(self, place: PostgresPlace, data_dir: Path) -> None:
        self.said = place.said
        self.backups = backups_of(place, data_dir)
        self.whose: str | None = None
        self.server = PostgresServer(place)
        self._writing = threading.Lock()  # so that writers that wait hold no connection

    def is_empty(self) -> bool:
        """See Backing."""
        with self.server.transaction(write=False) as connection:
            return revision_of(connection) is None or connection.scalar(_PEPPER) is None

    def open(self) -> None:
        """See Backing."""
        SealedText.guard(self.server.dialect)
        until = time.monotonic() + _MIGRATE_SECONDS
        while not self._is_ready() and not self._made_ready():
            if time.monotonic() > until:
                raise PointsmanError(
                    ErrorKind.UNAVAILABLE,
                    f"The database ({self.said}) is being brought up to date by another gateway for too long.",
                    retry_after=5,
                )
            time.sleep(_LOCK_SECONDS)

    def close(self) -> None:
        """See Backing."""
        self.server.close()

    @contextmanager
    def transaction(
        self, *, write: bool, after_commit: Callable[[], None] | None = None, seconds: float | None = None
    ) -> Iterator[Connection]:
        """See Backing. seconds: see PostgresServer."""
        if not write:
            with self.server.transaction(
                write=False, after_commit=after_commit, seconds=seconds
            ) as connection:
                yield connection
            return
        if not self._writing.acquire(timeout=_QUEUE_SECONDS):
            raise PointsmanError(
                ErrorKind.UNAVAILABLE, f"The database ({self.said}) is busy; try again.", retry_after=5
            )
        try:
            with self.server.transaction(
                write=True, after_commit=after_commit, seconds=seconds
            ) as connection:
                version = connection.scalar(_CHANGE)
                yield connection
                connection.execute(_TELL, {"channel": CHANNEL, "version": str(version)})
        finally:
            self._writing.release()

    def integrity(self) -> list[str]:
        """That each table can be read to its end; what else PostgreSQL checks by itself (checksums, amcheck) is its own.
        Usage has its own check."""
        with self._whole(write=False) as connection:
            for name in sa.inspect(connection).get_table_names():
                if name.startswith("usage"):
                    continue
                connection.execute(sa.select(sa.func.count()).select_from(sa.table(name)))
        return []

    def copy_to(self, target: Path) -> None:
        """See Backing."""
        with self._whole(write=False) as connection, make_sqlite(target) as copy:
            copy_all(connection, copy)

    def put_in(self, source: Path, aside: Path) -> None:
        """See Backing."""
        engine = sa.create_engine(f"sqlite:///{source}", hide_parameters=True)
        try:
            with engine.connect() as new, self._whole(write=True) as live:
                with make_sqlite(aside) as copy:
                    copy_all(live, copy)
                copy_all(new, live)
                whose = new.scalar(_PEPPER)
        finally:
            engine.dispose()
        self.whose = whose

    @contextmanager
    def _whole(self, *, write: bool) -> Iterator[Connection]:
        """A transaction that may take its time."""
        with self.transaction(write=write, seconds=_WHOLE_SECONDS) as connection:
            connection.execute(_PATIENT)
            yield connection

    def settle(self) -> None:
        """PostgreSQL keeps what was there until it has been vacuumed, and in its log: docs/scale.md says so."""
        with self.server.raw(_MIGRATE_SECONDS) as driver:
            driver.execute("VACUUM cloud_credentials, local_backends, webhooks, settings")

    def version(self, connection: Connection) -> int:
        """See Backing."""
        return int(connection.scalar(sa.select(SHARED.c.version)) or 0)

    def _is_ready(self) -> bool:
        """Whether its tables are those of this version, or ones that this version works with."""
        with self.server.transaction(write=False) as connection:
            revision = revision_of(connection)
            if revision is not None and self.whose is not None and connection.scalar(_PEPPER) != self.whose:
                raise another_gateways()
            if revision is None or revision == HEAD:
                return revision == HEAD
            if revision in known_revisions():
                return False
            if not sa.inspect(connection).has_table(SHARED.name):
                raise PointsmanError(
                    ErrorKind.UNAVAILABLE,
                    f"The database ({self.said}) is another program's: its tables are at {revision[:40]!r}."
                    " Name an empty one.",
                )
            if str(connection.scalar(sa.select(SHARED.c.oldest))) > HEAD:
                raise newer(revision)
            return True  # newer tables, which say that they serve this version, too

    def _made_ready(self) -> bool:
        """False where another gateway is at it."""
        try:
            with self.server.transaction(write=True, seconds=_MIGRATE_SECONDS) as connection:
                if not connection.scalar(_TRY_LOCK):
                    return False
                connection.execute(sa.text("SET LOCAL statement_timeout = 0"))
                with suppress(DBAPIError), connection.begin_nested():  # not every system can
                    connection.execute(_NOTICE)
                revision = revision_of(connection)
                if revision is None:
                    make_tables(connection)
                elif revision != HEAD and revision in known_revisions():
                    _upgrade(connection)
        except SQLAlchemyError as error:
            raise PointsmanError(
                ErrorKind.UNAVAILABLE,
                f"The database ({self.said}) could not be brought up to date; nothing in it was changed.",
            ) from error
        return True


def _upgrade(connection: Connection) -> None:
    from .migrations import upgrade

    upgrade(connection)
    widen(connection)
    connection.execute(sa.update(SHARED).values(oldest=OLDEST))
