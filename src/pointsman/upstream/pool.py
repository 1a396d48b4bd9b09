"""Idle connections by backend, newest first, with an age and an idle limit. Opening goes through egress.

Not here: limits on how many requests a backend gets at once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from .backend import Backend, Way
from .connection import UpstreamConnection
from .egress import Egress

T = TypeVar("T")
Connected = Callable[[Coroutine[Any, Any, UpstreamConnection]], Awaitable[UpstreamConnection]]

MAX_IDLE = 256
"""Idle connections kept a backend."""
IDLE_SECONDS = 50.0
"""Below the 60 s after which common servers close, so that few stale ones are met."""
MAX_AGE_SECONDS = 600.0
"""So that a moved DNS name is noticed."""


class StaleConnection(Exception):
    """A kept connection turned out to be dead: no byte of an answer came back on it."""


class Shelf:
    """The idle connections that go one way. idle: the newest last. settled: settle(), one object for all of them."""

    __slots__ = ("idle", "settled")

    def __init__(self) -> None:
        self.idle: list[UpstreamConnection] = []
        self.settled: Callable[[UpstreamConnection], None] = self.settle

    def take(self, local_only: bool) -> UpstreamConnection | None:
        """The most recently used one, or None."""
        idle = self.idle
        while idle:
            conn = idle.pop()
            if conn.is_free() and (conn.peer_local or not local_only):
                return conn
            conn.close()
        return None

    def settle(self, conn: UpstreamConnection) -> None:
        """It is idle, or gone."""
        idle = self.idle
        if not conn.is_free():
            if conn in idle:
                idle.remove(conn)
        elif len(idle) < MAX_IDLE and conn.idle_since - conn.created < MAX_AGE_SECONDS:
            idle.append(conn)
        else:
            conn.close()


class Pool:
    """take() an idle connection or open() one; a connection comes back by itself when its answer is complete."""

    def __init__(self, egress: Egress) -> None:
        self.egress = egress
        self._shelves: dict[Way, Shelf] = {}

    def shelf(self, backend: Backend) -> Shelf:
        """Where connections to it are kept."""
        found = self._shelves.get(backend.way)
        if found is None:
            found = self._shelves[backend.way] = Shelf()
        return found

    def take(self, backend: Backend, local_only: bool) -> UpstreamConnection | None:
        """The most recently used idle connection, or None."""
        return self.shelf(backend).take(local_only)

    async def open(self, backend: Backend, local_only: bool) -> UpstreamConnection:
        """A fresh connection. Raises ConnectFailed or EgressRefused."""
        return await self.egress.open(backend, self.shelf(backend).settled, local_only=local_only)

    async def ask(
        self,
        backend: Backend,
        local_only: bool,
        send: Callable[[UpstreamConnection, bool], Awaitable[T]],
        *,
        once: bool = False,
        first: Awaitable[T] | None = None,
        connected: Connected | None = None,
    ) -> T:
        """What `send(conn, kept)` gives: on a kept connection, and where it raises StaleConnection
        on a fresh one, once more. once: on a fresh one only, since nobody can tell whether a server
        that closed a kept one without a word had read the request (RFC 9112 section 9.3.1). first: what it
        gives on a kept connection that it has been sent on already. connected: waits for a fresh one in its
        own way. Raises ConnectFailed, EgressRefused, and what `send` and `connected` raise."""
        if first is None and not once and (conn := self.take(backend, local_only)) is not None:
            first = send(conn, True)
        if first is not None:
            try:
                return await first
            except StaleConnection:
                pass  # its server had closed it; a request that was not answered may be sent again
        making = self.open(backend, local_only)
        return await send(await (making if connected is None else connected(making)), False)

    def tick(self, now: float) -> None:
        """Close what has been idle too long; oldest stand first."""
        for shelf in self._shelves.values():
            idle = shelf.idle
            while idle and now - idle[0].idle_since > IDLE_SECONDS:
                idle.pop(0).close()

    def close(self) -> None:
        """Close every idle connection."""
        for shelf in self._shelves.values():
            while shelf.idle:
                shelf.idle.pop().close()
