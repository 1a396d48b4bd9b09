"""Asks local servers how they are: those that are down, every 2 s, until they are back, one probe at a time each
(docs/reliability-promises.md#a-backend-that-comes-back); and one whose breaker would open, or that says 404 of
everything, once, by its `/health`. A server that was restarted is used again within 3 s. Not here: clouds, whose
breakers open by time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from time import monotonic
from typing import Any

from ...errors import PointsmanError
from ...resilience.board import Board, Try
from ...upstream.backend import Backend
from ...upstream.fetch import fetch
from ...upstream.pool import Pool

log = logging.getLogger("pointsman.probes")

_HEALTH = b"/health"
"""llama.cpp's, vLLM's, SGLang's and mlx_lm's path (docs/protocols/backends.md#health-of-local-servers)."""
_HEALTH_SECONDS = 2.0


class Probes:
    """seconds: between two probes of one server."""

    def __init__(self, pool: Pool, board: Board, seconds: float = 2.0) -> None:
        self._pool = pool
        self._board = board
        self._seconds = seconds
        self._running: dict[str, tuple[Backend, asyncio.Task[None]]] = {}
        self._asking: dict[Backend, asyncio.Task[int]] = {}
        self._suspected: dict[str, float] = {}
        self._waiting: set[asyncio.Task[None]] = set()

    def watch(self, backend: Backend, *, unwell: bool = False) -> None:
        """It is down: ask until it is not. unwell: it takes connections, and its `/health` says that it is not well; else
        nothing is sent."""
        key = backend.spec.key
        running = self._running.get(key)
        if running is not None:
            if running[0] is backend:
                return
            running[1].cancel()
        task = asyncio.get_running_loop().create_task(self._probe(key, backend, unwell))
        self._running[key] = (backend, task)

    def follow(self, backends: dict[str, Backend]) -> None:
        """These are the backends now: what is gone is not asked, what has moved is asked at its new address."""
        for key, (backend, task) in list(self._running.items()):
            if backends.get(key) is not backend:
                task.cancel()
                del self._running[key]
                if key in backends and self._board.backend(key).down:
                    self.watch(backends[key])

    def doubt(self, backend: Backend, one: Try) -> None:
        """The breaker of that try would open: it does unless the server says that it is well. Then it was the requests that
        failed, and everybody else's are served on."""
        self._start(self._judge(backend, one))

    def suspect(self, backend: Backend) -> None:
        """It lacked a model: mlx_lm says that of everything once the thread that generates is dead, and only its `/health`
        tells. Asked at most as often as a server that is down."""
        now, key = monotonic(), backend.spec.key
        if key in self._running or now - self._suspected.get(key, -self._seconds) < self._seconds:
            return
        self._suspected[key] = now
        self._start(self._examine(key, backend))

    def close(self) -> None:
        """Stop asking."""
        for _, task in self._running.values():
            task.cancel()
        for one in (*self._asking.values(), *self._waiting):
            one.cancel()
        self._running.clear()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    async def _judge(self, backend: Backend, one: Try) -> None:
        status = await self._health(backend)
        if status == 200:
            log.warning(
                "%s fails again and again and says that it is well: its breaker stays closed",
                backend.spec.key,
            )
        self._board.judged(one, status == 200)

    async def _examine(self, key: str, backend: Backend) -> None:
        status = await self._health(backend)
        if status >= 500 and not self._board.backend(key).down:
            self._board.backend(key).down = True
            log.warning("%s says that it is not well (%d)", key, status)
            self.watch(backend, unwell=True)

    async def _health(self, backend: Backend) -> int:
        """The status that it gives of itself, 0 for none; one question at a time, whoever asks."""
        task = self._asking.get(backend)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._ask(backend))
            self._asking[backend] = task
            task.add_done_callback(lambda _: self._asking.pop(backend, None))
        return await asyncio.shield(task)

    async def _ask(self, backend: Backend) -> int:
        try:
            return (await fetch(self._pool, backend, _HEALTH, _HEALTH_SECONDS)).status
        except PointsmanError:
            return 0

    async def _probe(self, key: str, backend: Backend, unwell: bool) -> None:
        health = self._board.backend(key)
        try:
            while health.down:
                await asyncio.sleep(self._seconds)
                if not (await self._is_well(backend) if unwell else await self._connects(backend)):
                    continue
                health.down = False
                log.warning("%s %s again", key, "is well" if unwell else "takes connections")
        finally:
            if self._running.get(key, (None,))[0] is backend:
                del self._running[key]

    async def _connects(self, backend: Backend) -> bool:
        try:
            conn = await self._pool.open(backend, False)
        except PointsmanError:
            return False
        conn.close()
        return True

    async def _is_well(self, backend: Backend) -> bool:
        return 0 < await self._health(backend) < 500
