"""Asks local servers that are down every 2 s whether they take connections again: one probe at a time each
(docs/reliability-promises.md#a-backend-that-comes-back). Nothing is sent; a server that was
restarted is used again within 3 s. Not here: clouds, whose breakers open by time."""

from __future__ import annotations

import asyncio
import logging

from ...errors import PointsmanError
from ...resilience.board import Board
from ...upstream.backend import Backend
from ...upstream.pool import Pool

log = logging.getLogger("pointsman.probes")


class Probes:
    """seconds: between two probes of one server."""

    def __init__(self, pool: Pool, board: Board, seconds: float = 2.0) -> None:
        self._pool = pool
        self._board = board
        self._seconds = seconds
        self._running: dict[str, tuple[Backend, asyncio.Task[None]]] = {}

    def watch(self, backend: Backend) -> None:
        """It is down: ask until it is not."""
        key = backend.spec.key
        running = self._running.get(key)
        if running is not None:
            if running[0] is backend:
                return
            running[1].cancel()
        task = asyncio.get_running_loop().create_task(self._probe(key, backend))
        self._running[key] = (backend, task)

    def follow(self, backends: dict[str, Backend]) -> None:
        """These are the backends now: what is gone is not asked, what has moved is asked at its new address."""
        for key, (backend, task) in list(self._running.items()):
            if backends.get(key) is not backend:
                task.cancel()
                del self._running[key]
                if key in backends and self._board.backend(key).down:
                    self.watch(backends[key])

    def close(self) -> None:
        """Stop asking."""
        for _, task in self._running.values():
            task.cancel()
        self._running.clear()

    async def _probe(self, key: str, backend: Backend) -> None:
        health = self._board.backend(key)
        try:
            while health.down:
                await asyncio.sleep(self._seconds)
                try:
                    conn = await self._pool.open(backend, False)
                except PointsmanError:
                    continue
                conn.close()
                health.down = False
                log.warning("%s takes connections again", key)
        finally:
            if self._running.get(key, (None,))[0] is backend:
                del self._running[key]
