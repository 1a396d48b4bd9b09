"""One PostgreSQL behind a small pool of connections, with no wait that has no end.

psycopg, synchronous, used from threads (docs/decisions/0023-postgres.md has what it was measured against). Not here: which
words an error gets (postgres_trouble.py), tables.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from typing import Any

import psycopg
import sqlalchemy as sa
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError, DisconnectionError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import ConnectionPoolEntry

from ...errors import PointsmanError
from ...kinds import ErrorKind
from .database_url import PostgresPlace
from .postgres_approach import Approach
from .postgres_trouble import BUSY, data_words, trouble_of

log = logging.getLogger("pointsman.control")

POOL = 4
"""Connections of one gateway, beside the one that listens: PostgreSQL's usual 100 are enough for 19 gateways."""
MOST_SECONDS = 10.0
"""Of one transaction. What PostgreSQL does not end by then, as its process is stopped or its disk hangs, is cut here."""
_POOL_SECONDS = 15.0
_PING_SECONDS = 2.0
_GENERATION = "generation"
_RETRY_AFTER = 5
_SESSION = (
    "-c idle_in_transaction_session_timeout=5s -c lock_timeout=5s -c statement_timeout=9s -c timezone=UTC -c jit=off"
    " -c tcp_user_timeout=4000 -c tcp_keepalives_idle=3 -c tcp_keepalives_interval=1 -c tcp_keepalives_count=3"
)
"""The server lets go of what a gateway that was cut off had locked; and it compiles no query, which takes longer than any of
ours."""


class _Wide(sa.BigInteger):
    """How a number goes to PostgreSQL."""

    render_bind_cast = True


class PostgresServer:
    """`with server.transaction(write=True) as connection`: commits, or rolls back and raises PointsmanError UNAVAILABLE.
    Several at a time. seconds: of one transaction, after which it is cut."""

    def __init__(self, place: PostgresPlace, seconds: float = MOST_SECONDS) -> None:
        self.place = place
        self._seconds = seconds
        self._generation = 0
        self._engine = self._made()
        self._overdue = Overdue()
        self._approach = Approach()
        self._own = threading.local()
        self._closed = False

    def close(self) -> None:
        self._closed = True
        self._engine.dispose()
        self._overdue.close()

    @property
    def dialect(self) -> Any:
        """SQLAlchemy's, of every connection."""
        return self._engine.dialect

    @contextmanager
    def transaction(
        self,
        *,
        write: bool,
        after_commit: Callable[[], None] | None = None,
        seconds: float | None = None,
    ) -> Iterator[Connection]:
        """A read sees one moment; one inside another transaction of its thread is part of that. seconds: after which it is
        cut, instead of the usual; an answer of which nobody knows whether it was committed is told as an error."""
        around: Connection | None = getattr(self._own, "around", None)
        if around is not None:
            if write:
                raise RuntimeError("a change inside another transaction would wait for itself")
            yield around
            return
        with (
            self._errors(),
            self._connection() as connection,
            self._overdue.within(seconds or self._seconds, _fileno(connection)),
        ):
            connection.execution_options(isolation_level="READ COMMITTED" if write else "REPEATABLE READ")
            with connection.begin() as transaction:
                self._own.around = connection
                try:
                    yield connection
                finally:
                    self._own.around = None
                if not write:
                    transaction.rollback()
        if after_commit is not None:
            after_commit()

    @contextmanager
    def raw(self, seconds: float | None = None) -> Iterator[psycopg.Connection[Any]]:
        """The driver's own connection, each statement by itself."""
        with (
            self._errors(),
            self._connection() as connection,
            self._overdue.within(seconds or self._seconds, _fileno(connection)),
        ):
            connection.execution_options(isolation_level="AUTOCOMMIT")
            driver = driver_of(connection)
            try:
                yield driver
            finally:
                # the pool would try to make it ready for its next use, and log that it cannot
                if driver.closed:
                    connection.invalidate()

    def within(self, seconds: float, link: psycopg.Connection[Any]) -> AbstractContextManager[None]:
        """A connection of connect() is cut after so long."""
        return self._overdue.within(seconds, link.fileno())

    def forget(self) -> None:
        """No connection of now is used again: each is closed where it would be, those that are in use after it."""
        self._generation += 1

    def _connection(self) -> Connection:
        if self._closed:
            raise self._unavailable("is closed")
        return self._engine.connect()

    def _made(self) -> Engine:
        engine = create_engine(
            "postgresql+psycopg://",
            creator=self.connect,
            pool_size=POOL,
            max_overflow=0,
            pool_timeout=_POOL_SECONDS,
            hide_parameters=True,  # values never stand in an exception's text
        )
        # else each value goes as INTEGER, and one above 2^31 is refused for a column that is BIGINT
        engine.dialect.colspecs = {**engine.dialect.colspecs, sa.Integer: _Wide}
        event.listen(engine, "checkout", self._look_at)
        event.listen(engine, "checkin", self._take_back)
        event.listen(engine, "handle_error", _without_values)
        return engine

    def _look_at(self, driver: psycopg.Connection[Any], record: ConnectionPoolEntry, _: object) -> None:
        """One that ended between two uses is replaced, and nobody notices. SQLAlchemy's own look has no end where the
        server's process is stopped."""
        made = record.info.get(_GENERATION)
        record.info[_GENERATION] = self._generation
        if made is not None and (made != self._generation or not self._answers(driver)):
            raise DisconnectionError

    def _answers(self, driver: psycopg.Connection[Any]) -> bool:
        try:
            with self._overdue.within(min(_PING_SECONDS, self._seconds), driver.fileno()):
                driver.autocommit = True
                driver.execute("SELECT 1")
                driver.autocommit = False
        except psycopg.Error:
            return False
        return True

    def _take_back(self, _: object, record: ConnectionPoolEntry) -> None:
        """The pool forgets those that are in use as it is closed, without closing them."""
        if self._closed:
            record.invalidate()

    def connect(self, **more: Any) -> psycopg.Connection[Any]:
        """A new connection. libpq reads its `passfile` for each, so that a changed password is used."""
        link = dict(self.place.link)
        link["options"] = f"{_SESSION} {link.get('options', '')}".strip()
        return self._approach.make(
            partial(psycopg.connect, **link, prepare_threshold=None, **more)  # type: ignore[arg-type]
        )

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except IntegrityError:
            raise
        except DBAPIError as error:
            if not isinstance(error.orig, psycopg.Error):
                raise
            trouble = self.trouble(error.orig)
            if trouble is error.orig:
                raise
            raise trouble from error
        except psycopg.IntegrityError:
            raise
        except psycopg.Error as error:
            raise self.trouble(error) from error
        except PoolTimeoutError as error:
            raise self._unavailable("is busy; try again") from error

    def trouble(self, error: psycopg.Error) -> Exception:
        """Our words for it; an SQL mistake of our own stays what it is."""
        if (invalid := data_words(error)) is not None:
            return PointsmanError(ErrorKind.INVALID, invalid)
        found = trouble_of(error)
        if found is None:
            return error
        code, words = found
        log.debug("PostgreSQL: %s %s", code, error)
        if code not in BUSY:
            self.forget()  # a pool to what was the primary would stay with the replica
        return self._unavailable(words)

    def _unavailable(self, what: str) -> PointsmanError:
        return PointsmanError(
            ErrorKind.UNAVAILABLE, f"The database ({self.place.said}) {what}.", retry_after=_RETRY_AFTER
        )


class Overdue:
    """Cuts connections whose transaction has not ended in time. No setting of libpq or of the server does that while the
    server's process is stopped: the socket is shut, and who waits at it gets an error."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._due: list[tuple[float, int]] = []
        self._open: dict[int, int] = {}  # descriptors of our own, by number
        self._numbers = itertools.count()
        self._thread: threading.Thread | None = None
        self._closed = False

    @contextmanager
    def within(self, seconds: float, descriptor: int) -> Iterator[None]:
        """descriptor: of the socket."""
        own = os.dup(descriptor)
        with self._changed:
            number = next(self._numbers)
            self._open[number] = own
            heapq.heappush(self._due, (time.monotonic() + seconds, number))
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="overdue", daemon=True)
                self._thread.start()
            self._changed.notify()
        try:
            yield
        finally:
            with self._changed:
                self._open.pop(number, None)
            os.close(own)

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _watch(self) -> None:
        with self._changed:
            while not self._closed:
                while self._due and self._due[0][1] not in self._open:
                    heapq.heappop(self._due)
                wait = self._due[0][0] - time.monotonic() if self._due else None
                if wait is None or wait > 0:
                    self._changed.wait(wait)
                    continue
                _, number = heapq.heappop(self._due)
                with suppress(OSError), socket.socket(fileno=os.dup(self._open[number])) as cut:
                    cut.shutdown(socket.SHUT_RDWR)


def driver_of(connection: Connection) -> psycopg.Connection[Any]:
    """The driver's own connection, within the same transaction."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    return driver


def _fileno(connection: Connection) -> int:
    return driver_of(connection).fileno()


def _without_values(context: ExceptionContext) -> None:
    """PostgreSQL puts the row that it refuses beside its message."""
    error, wrapped = context.original_exception, context.sqlalchemy_exception
    if isinstance(error, psycopg.Error) and error.diag.message_primary and wrapped is not None:
        error.args = (error.diag.message_primary,)
        wrapped.args = (f"({type(error).__name__}) {error.diag.message_primary}",)
