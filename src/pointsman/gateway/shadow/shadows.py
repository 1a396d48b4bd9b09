"""Shadows that wait, run and are over: in this process, behind all requests, bounded in every way.

An engine is asked one at a time over all processes, only while no request of a client runs there or waits for it, and no
more than a share of its time; once a client's request comes for it, the shadow is given up. Those that wait are few and
small, and what was not asked is counted. Not here: how one is asked (asking.py).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from typing import Any

import msgspec

from ...errors import PointsmanError
from ...ledger.metrics import SHADOWS
from ...ledger.shadows import Comparison, NotAsked
from ...link.messages import Shadowed
from ...resilience.shadow_turns import ShadowTurns
from ...routing.specs import SHADOW_BUSY
from ..data_plane import DataPlane
from ..own.wanted import wanted_by_clients
from .asking import Forbidden, Shadow, Way, ask, way_of

log = logging.getLogger("pointsman.gateway")

MOST_WAITING = 32
MOST_BYTES = 32 * 1024 * 1024
"""Of requests and answers that wait, in one process."""
WAIT_SECONDS = 600.0
LOOK_SECONDS = 0.02
"""How often it is looked whether an engine is wanted, while a shadow runs there."""
LOOK_BESIDE_SECONDS = 0.25
"""How often other processes are asked."""
TELL_SECONDS = 1.0
MOST_UNTOLD = 1_000
"""Comparisons, and sums of what was not asked, that are kept while the control plane takes none."""


class Shadows:
    """Of one process. Is called as what ticks (data_plane.Ticking) while there is anything to do."""

    def __init__(self, plane: DataPlane) -> None:
        self._plane = plane
        self._turns = ShadowTurns()
        self._waiting: list[Shadow] = []
        self._size = 0
        self._running: dict[asyncio.Task[bool], tuple[Shadow, Way, str]] = {}
        self._looking: asyncio.TimerHandle | None = None
        self._compared: list[Comparison] = []
        self._not_asked: Counter[tuple[int, str, str, str]] = Counter()
        self._told = 0.0  # monotonic
        self._closed = False

    def asks(self, engine: str) -> bool:
        """Does one run there?"""
        return self._turns.asks(engine)

    def offer(self, shadow: Shadow) -> None:
        """Ask it, when its engine has time. Never waits."""
        if self._closed:
            return
        if len(self._waiting) >= MOST_WAITING or self._size + shadow.size > MOST_BYTES:
            self._drop(shadow, "queue_full")
            return
        self._waiting.append(shadow)
        self._size += shadow.size
        self._go_on(time.monotonic())

    def tick(self, now: float) -> None:
        """Called a few times a second."""
        self._go_on(now)

    def stop(self, error: PointsmanError) -> None:
        """A drain has run out of time."""
        self.close()

    def close(self) -> None:
        """None is asked any more; what is known is told."""
        self._closed = True
        for shadow in self._waiting:
            self._drop(shadow, "ended")
        self._waiting.clear()
        self._size = 0
        for task in self._running:
            task.cancel()
        if self._looking is not None:
            self._looking.cancel()
        self._tell(time.monotonic(), at_once=True)
        self._plane.ticking.discard(self)

    # -- who may go

    def _go_on(self, now: float) -> None:
        """Whatever goes wrong here is no request's affair, and nobody else's tick."""
        try:
            self._advance(now)
        except Exception:
            log.exception("shadows failed inside the gateway: this process has none any more")
            self._closed = True
            self._waiting.clear()
            self._plane.ticking.discard(self)

    def _advance(self, now: float) -> None:
        left: list[Shadow] = []
        for shadow in self._waiting:
            if not self._starts(shadow, now):
                left.append(shadow)
        self._waiting = left
        self._size = sum(one.size for one in left)
        self._tell(now)
        if self._waiting or self._running or self._compared or self._not_asked:
            self._plane.ticking.add(self)
        else:
            self._plane.ticking.discard(self)

    def _starts(self, shadow: Shadow, now: float) -> bool:
        """It is asked, or will not be: False while it waits."""
        if now - shadow.since > WAIT_SECONDS:
            self._drop(shadow, "busy")
            return True
        try:
            way = way_of(self._plane, shadow)
        except Forbidden as why:
            self._drop(shadow, str(why))
            return True
        engine = way.backend.spec.base_url
        if wanted_by_clients(self._plane, engine) or not self._turns.begin(engine, now):
            return False
        name = way.backend.spec.engine
        if name is not None and self._plane.engines.take(name) is None:  # it is not started for this
            self._turns.end(engine, now, 1.0)
            self._drop(shadow, "not_running")
            return True
        task = asyncio.get_running_loop().create_task(self._ask(shadow, way, engine))
        self._running[task] = (shadow, way, engine)
        task.add_done_callback(self._over)
        self._look()
        return True

    def _look(self) -> None:
        """A client's request goes first, also where the shadow has begun."""
        for task, (_, _, engine) in self._running.items():
            if wanted_by_clients(self._plane, engine):
                task.cancel()
        self._looking = None
        if self._running:
            self._looking = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look)

    async def _look_beside(self, engine: str, task: asyncio.Task[Any]) -> None:
        """The same of the other processes."""
        siblings = self._plane.siblings
        while siblings is not None:
            await asyncio.sleep(LOOK_BESIDE_SECONDS)
            if await siblings.wanted(engine):
                task.cancel()
                return

    # -- what comes of it

    async def _ask(self, shadow: Shadow, way: Way, engine: str) -> bool:
        """False where another process wants the engine: then it waits on."""
        beside: asyncio.Task[None] | None = None
        if self._plane.siblings is not None:
            if await self._plane.siblings.wanted(engine):
                return False
            own = asyncio.current_task()
            assert own is not None
            beside = asyncio.get_running_loop().create_task(self._look_beside(engine, own))
        try:
            await self._plane.facts.know(way.backend)
            if self._plane.facts.would_change(way.backend, way.target.model):
                self._drop(shadow, "other_model")
                return True
            done = await ask(self._plane, shadow, way)
        except Forbidden as why:
            self._drop(shadow, str(why))
            return True
        except Exception:
            log.exception("request %s: its shadow failed inside the gateway", shadow.request.id)
            done = msgspec.structs.replace(shadow.known, failed="internal")
        finally:
            if beside is not None:
                beside.cancel()
        self._count(shadow, "compared" if done.failed is None else "failed")
        self._compared = [*self._compared[-MOST_UNTOLD:], done]
        return True

    def _over(self, task: asyncio.Task[bool]) -> None:
        shadow, way, engine = self._running.pop(task)
        if way.backend.spec.engine is not None:
            self._plane.engines.done(way.backend.spec.engine)
        if task.cancelled():
            self._drop(shadow, "ended" if self._closed else "gave_way")
        busy = shadow.plan.rule.shadow_busy
        share = (SHADOW_BUSY if busy is None else busy) / 100.0 / self._plane.workers
        now = time.monotonic()
        put_back = not task.cancelled() and not task.result() and not self._closed
        self._turns.end(engine, now, 1.0 if put_back else share)
        if put_back:
            self._waiting.append(shadow)
        if self._looking is not None and not self._running:
            self._looking.cancel()
            self._looking = None
        if self._closed:
            self._tell(now, at_once=True)
        elif put_back:
            self._size += shadow.size
            self._plane.ticking.add(self)  # until which it is looked at again
        else:
            self._go_on(now)

    def _drop(self, shadow: Shadow, why: str) -> None:
        self._count(shadow, why)
        known = shadow.known
        what = (known.mapping_id, known.model, known.local, why)
        if what not in self._not_asked and len(self._not_asked) >= MOST_UNTOLD:  # clients choose names
            what = (known.mapping_id, "", known.local, why)
        self._not_asked[what] += 1

    def _count(self, shadow: Shadow, result: str) -> None:
        self._plane.counters.count((SHADOWS, self._plane.labels.route(shadow.plan.mapping_id), result))

    def _tell(self, now: float, *, at_once: bool = False) -> None:
        if not (self._compared or self._not_asked) or (not at_once and now - self._told < TELL_SECONDS):
            return
        self._told = now
        at = time.time()
        left = tuple(NotAsked(at, *what, count) for what, count in self._not_asked.items())
        if self._plane.tell_shadowed(Shadowed(tuple(self._compared), left)):
            self._compared.clear()
            self._not_asked.clear()
