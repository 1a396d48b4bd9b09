"""One PostgreSQL behind a small pool of connections, with errors said in our words and no wait that has no end.

psycopg, synchronous, used from threads (docs/decisions/0023-postgres.md has what it was measured against). Not here: tables.
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
from typing import Any

import psycopg
from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from ...errors import PointsmanError
from ...kinds import ErrorKind
from .database_url import PostgresPlace

log = logging.getLogger("pointsman.control")

POOL = 4
"""Connections of one gateway, beside the one that listens: PostgreSQL's usual 100 are enough for 19 gateways."""
MOST_SECONDS = 10.0
"""Of one transaction. What PostgreSQL does not end by then, as its process is stopped or its disk hangs, is cut here."""
_POOL_SECONDS = 15.0
_RETRY_AFTER = 5
_SESSION = (
    "-c idle_in_transaction_session_timeout=5s -c lock_timeout=5s -c statement_timeout=9s -c timezone=UTC"
    " -c tcp_user_timeout=4000 -c tcp_keepalives_idle=3 -c tcp_keepalives_interval=1 -c tcp_keepalives_count=3"
)
"""The server lets go of what a gateway that was cut off had locked."""

_AWAY = "cannot be reached; start it, or look at the network between"
_TROUBLE = {
    "08": _AWAY,
    "28": "refuses the user or the password in its URL; put the right ones in",
    "3D": "has no database of that name; make it (createdb), or name another",
    "53100": "has no room left: its disk is full; free some space there",
    "53300": "takes no more connections: raise its max_connections, or run fewer gateways",
    "53": "is short of memory or of room; look at its log",
    "55P03": "is locked by another program for too long; see who in pg_stat_activity",
    "57014": "was too slow to answer; look at what else it does",
    "57": "is starting, stopping, or was told to end this connection; it is tried again",
    "25006": "takes no changes here: this is a replica; name the primary, or promote it",
    "42501": "does not let its user do that; the user must own the database's tables",
    "58": "reports an error of its disk; look at its log",
    "XX": "reports that it is damaged; look at its log",
}
"""By SQLSTATE, whole or its class [PostgreSQL docs, Appendix A]."""
_SAID = (
    ("is starting up", "57"),
    ("is shutting down", "57"),
    ("password authentication failed", "28"),
    ("no password supplied", "28"),
    ("no pg_hba.conf entry", "28"),
    ('role "', "28"),
    ('database "', "3D"),
    ("too many clients", "53300"),
    ("remaining connection slots", "53300"),
    ("session is read-only", "25006"),
    ("certificate", "TLS"),
    ("SSL", "TLS"),
)
"""What a refused connection says; it has no SQLSTATE."""
_TLS = "shows no certificate that can be verified; see sslrootcert in docs/scale.md"


class PostgresServer:
    """`with server.transaction(write=True) as connection`: commits, or rolls back and raises PointsmanError UNAVAILABLE.
    Several at a time. prepare: brings the tables up to date, once, before anything else."""

    def __init__(self, place: PostgresPlace) -> None:
        self.place = place
        self._engine = self._made()
        self._overdue = Overdue()
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
        seconds: float = MOST_SECONDS,
    ) -> Iterator[Connection]:
        """A read sees one moment. seconds: after which it is cut; an answer of which nobody knows whether it was
        committed is told as an error."""
        if getattr(self._own, "inside", False):
            raise RuntimeError("a transaction inside another one would wait for itself")
        self._own.inside = True
        try:
            with (
                self._errors(),
                self._connection() as connection,
                self._overdue.within(seconds, _fileno(connection)),
            ):
                connection.execution_options(isolation_level="READ COMMITTED" if write else "REPEATABLE READ")
                with connection.begin() as transaction:
                    yield connection
                    if not write:
                        transaction.rollback()
            if after_commit is not None:
                after_commit()
        finally:
            self._own.inside = False

    @contextmanager
    def raw(self, seconds: float = MOST_SECONDS) -> Iterator[psycopg.Connection[Any]]:
        """The driver's own connection, each statement by itself."""
        with (
            self._errors(),
            self._connection() as connection,
            self._overdue.within(seconds, _fileno(connection)),
        ):
            connection.execution_options(isolation_level="AUTOCOMMIT")
            yield driver_of(connection)

    def within(self, seconds: float, link: psycopg.Connection[Any]) -> AbstractContextManager[None]:
        """A connection of connect() is cut after so long."""
        return self._overdue.within(seconds, link.fileno())

    def forget(self) -> None:
        """Lets go of all connections: the next use opens new ones."""
        self._engine.dispose()

    def _connection(self) -> Connection:
        if self._closed:
            raise self._unavailable("is closed")
        return self._engine.connect()

    def _made(self) -> Engine:
        return create_engine(
            "postgresql+psycopg://",
            creator=self.connect,
            pool_size=POOL,
            max_overflow=0,
            pool_timeout=_POOL_SECONDS,
            pool_pre_ping=True,
            hide_parameters=True,  # values never stand in an exception's text
        )

    def connect(self, **more: Any) -> psycopg.Connection[Any]:
        """A new connection. libpq reads its `passfile` for each, so that a changed password is used."""
        link = dict(self.place.link)
        link["options"] = f"{_SESSION} {link.get('options', '')}".strip()
        return psycopg.connect(**link, prepare_threshold=None, **more)  # type: ignore[arg-type]

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except IntegrityError:
            raise
        except DBAPIError as error:
            if not isinstance(error.orig, psycopg.Error):
                raise
            raise self.trouble(error.orig) from error
        except psycopg.IntegrityError:
            raise
        except psycopg.Error as error:
            raise self.trouble(error) from error
        except PoolTimeoutError as error:
            raise self._unavailable("is busy; try again") from error

    def trouble(self, error: psycopg.Error) -> Exception:
        """Our words for it; an SQL mistake of our own stays what it is."""
        if isinstance(error, psycopg.DataError):
            return PointsmanError(ErrorKind.INVALID, _data(error))
        found = _trouble(error)
        if found is None:
            return error
        code, words = found
        log.debug("PostgreSQL: %s %s", code, error)
        if code != "57014" and code != "55P03":
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


def _trouble(error: psycopg.Error) -> tuple[str, str] | None:
    """(SQLSTATE or what stands for it, our words)."""
    code = error.sqlstate
    if code is None:
        if not isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
            return None
        said = str(error)
        code = next((code for words, code in _SAID if words in said), "08")
    if code == "TLS":
        return code, _TLS
    words = _TROUBLE.get(code) or _TROUBLE.get(code[:2])
    return None if words is None else (code, words)


def _data(error: psycopg.DataError) -> str:
    if "NUL" in str(error):
        return "A text with a NUL character in it cannot be stored; take it out."
    return "A value is too large for the database; write a smaller one."
