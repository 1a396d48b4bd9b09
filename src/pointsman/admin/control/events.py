"""What happens, told to webhooks: `tell` never waits and may be called from any thread; each webhook has a bounded queue of
its own, whose events are sent one after the other, and again after a while where they were not taken.

Kept in memory: an event that nobody has taken when the process ends is named in the log, and gone. Not here: how one is
sent (sending.py), what becomes an event (watch.py, accountant.py).
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ...errors import PointsmanError

log = logging.getLogger("pointsman.control")

MOST_TOLD = 1000
MOST_WAITING = 100
WAITS = (1.0, 5.0, 30.0, 120.0, 600.0)
"""Seconds before each further try; then the event is given up."""


@dataclass(frozen=True, slots=True)
class Notice:
    """kind: `budget.reached`; its topic is what stands before the dot. at: in UTC."""

    kind: str
    facts: Mapping[str, Any]
    id: str = field(default_factory=lambda: f"evt_{secrets.token_hex(12)}")
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def topic(self) -> str:
        return self.kind.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Hook:
    """A webhook as events are sent to it. on: topics, none = all. key: signs; None where it cannot be opened,
    and problem says why."""

    id: int
    url: str
    on: tuple[str, ...]
    key: bytes | None = field(repr=False)
    problem: str | None = None

    def wants(self, event: Notice) -> bool:
        return not self.on or event.topic in self.on


@dataclass(slots=True)
class Telling:
    """Since the process began. lost: events that were given up. tried_at: when one was sent last; problem: why that failed,
    None where it was taken."""

    delivered: int = 0
    lost: int = 0
    tried_at: datetime | None = None
    problem: str | None = None
    waiting: deque[Notice] = field(default_factory=deque)
    sending: asyncio.Task[None] | None = None


Send = Callable[[Hook, Notice], Awaitable[str | None]]
"""Posts it: None when it was taken, else why not."""


class Events:
    """load: the webhooks of the moment; called in a thread, may raise PointsmanError. on_change: called when it goes
    otherwise with one."""

    def __init__(
        self,
        load: Callable[[], Sequence[Hook]],
        send: Send,
        waits: tuple[float, ...] = WAITS,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self._load = load
        self._send = send
        self._waits = waits
        self._on_change = on_change
        self._told: deque[Notice] = deque(maxlen=MOST_TOLD)
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake = asyncio.Event()
        self._hooks: dict[int, Hook] = {}
        self._standings: dict[int, Telling] = {}

    def tell(self, kind: str, facts: Mapping[str, Any]) -> None:
        """This has happened. facts: what JSON can say. Never waits."""
        log.info("%s: %s", kind, dict(facts))
        with self._lock:
            self._told.append(Notice(kind, facts))
            loop = self._loop
        if loop is not None:
            with suppress(RuntimeError):  # it has just been closed
                loop.call_soon_threadsafe(self._wake.set)

    def standing(self, webhook_id: int) -> Telling:
        """How it goes with one."""
        return self._standings.get(webhook_id, Telling())

    async def run(self) -> None:
        """Send what is told, until cancelled."""
        with self._lock:
            self._loop = asyncio.get_running_loop()
        try:
            while True:
                await self._hand_out()
                await self._wake.wait()
                self._wake.clear()
        finally:
            self._end()

    async def _hand_out(self) -> None:
        with self._lock:
            told, self._told = list(self._told), deque(maxlen=MOST_TOLD)
        if not told:
            return
        await self._look()
        for event in told:
            for hook in self._hooks.values():
                if hook.wants(event):
                    self._queue(hook, event)

    async def _look(self) -> None:
        """Which webhooks are there? While the database cannot say, those that were."""
        try:
            found = await asyncio.to_thread(self._load)
        except PointsmanError as error:
            log.warning("webhooks cannot be read: %s", error.public)
            return
        except Exception:
            log.exception("webhooks cannot be read")
            return
        self._hooks = {hook.id: hook for hook in found}

    def _queue(self, hook: Hook, event: Notice) -> None:
        standing = self._standings.setdefault(hook.id, Telling())
        if len(standing.waiting) >= MOST_WAITING:
            lost = standing.waiting.popleft()
            standing.lost += 1
            log.error("webhook %s is told no more of %s: too many events wait", hook.id, lost.kind)
        standing.waiting.append(event)
        if standing.sending is None:
            standing.sending = asyncio.get_running_loop().create_task(self._serve(hook.id, standing))

    async def _serve(self, webhook_id: int, standing: Telling) -> None:
        """One webhook's events, in their order, until none waits."""
        try:
            while standing.waiting:
                event = standing.waiting[0]
                if not await self._deliver(webhook_id, event, standing):
                    standing.lost += 1
                    log.error("webhook %s was not told of %s: %s", webhook_id, event.kind, standing.problem)
                if standing.waiting and standing.waiting[0] is event:
                    standing.waiting.popleft()
                self._on_change()
        finally:
            standing.sending = None

    async def _deliver(self, webhook_id: int, event: Notice, standing: Telling) -> bool:
        for wait in (0.0, *self._waits):
            if wait:
                await asyncio.sleep(wait)
                await self._look()
            hook = self._hooks.get(webhook_id)
            if hook is None:
                standing.problem = "it was removed, or switched off"
                return False
            standing.problem = hook.problem or await self._send(hook, event)
            standing.tried_at = datetime.now(UTC)
            self._on_change()
            if standing.problem is None:
                standing.delivered += 1
                return True
            log.warning("webhook %s did not take %s: %s", webhook_id, event.kind, standing.problem)
        return False

    def _end(self) -> None:
        with self._lock:
            self._loop = None
        for webhook_id, standing in self._standings.items():
            if standing.sending is not None:
                standing.sending.cancel()
            for event in standing.waiting:
                log.error("webhook %s was not told of %s: the gateway ends", webhook_id, event.kind)
