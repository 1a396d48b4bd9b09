"""Idle connections by backend, newest first, with an age and an idle limit. Opening goes through egress.

Not here: limits on how many requests a backend gets at once.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from .backend import Backend, Way
from .connection import UpstreamConnection
from .egress import Egress

T = TypeVar("T")

MAX_IDLE = 256
"""Idle connections kept a backend."""
IDLE_SECONDS = 50.0
"""Below the 60 s after which common servers close, so that few stale ones are met."""
MAX_AGE_SECONDS = 600.0
"""So that a moved DNS name is noticed."""


class StaleConnection(Exception):
    """A kept connection turned out to be dead: no byte of an answer came back on it."""


class Pool:
    """take() an idle connection or open() one; a connection comes back by itself when its answer is complete."""

    def __init__(self, egress: Egress) -> None:
        self.egress = egress
        self._idle: dict[Way, list[UpstreamConnection]] = {}
        self._settled: dict[Way, Callable[[UpstreamConnection], None]] = {}

    def take(self, backend: Backend, local_only: bool) -> UpstreamConnection | None:
        """The most recently used idle connection, or None."""
        idle = self._idle.get(backend.way)
        while idle:
            conn = idle.pop()
            if conn.usable and (conn.peer_local or not local_only):
                return conn
            conn.close()
        return None

    async def open(self, backend: Backend, local_only: bool) -> UpstreamConnection:
        """A fresh connection. Raises ConnectFailed or EgressRefused."""
        way = backend.way
        settled = self._settled.get(way)
        if settled is None:
            settled = self._settled[way] = partial(self._settle, way)
        return await self.egress.open(backend, settled, local_only=local_only)

    def _settle(self, way: Way, conn: UpstreamConnection) -> None:
        """It is idle, or gone."""
        idle = self._idle.setdefault(way, [])
        if not conn.usable:
            if conn in idle:
                idle.remove(conn)
        elif len(idle) < MAX_IDLE and time.monotonic() - conn.created < MAX_AGE_SECONDS:
            idle.append(conn)
        else:
            conn.close()

    async def ask(
        self,
        backend: Backend,
        local_only: bool,
        send: Callable[[UpstreamConnection, bool], Awaitable[T]],
        *,
        once: bool = False,
        first: Awaitable[T] | None = None,
    ) -> T:
        """What `send(conn, kept)` gives: on a kept connection, and where it raises StaleConnection
        on a fresh one, once more. once: on a fresh one only, since nobody can tell whether a server
        that closed a kept one without a word had read the request (RFC 9112 section 9.3.1). first: what it
        gives on a kept connection that it has been sent on already. Raises ConnectFailed, EgressRefused, and what
        `send` raises."""
        if first is None and not once and (conn := self.take(backend, local_only)) is not None:
            first = send(conn, True)
        if first is not None:
            try:
                return await first
            except StaleConnection:
                pass  # its server had closed it; a request that was not answered may be sent again
        return await send(await self.open(backend, local_only), False)

    def tick(self, now: float) -> None:
        """Close what has been idle too long; oldest stand first."""
        for idle in self._idle.values():
            while idle and now - idle[0].idle_since > IDLE_SECONDS:
                idle.pop(0).close()

    def close(self) -> None:
        """Close every idle connection."""
        for idle in self._idle.values():
            while idle:
                idle.pop().close()
