"""Which models the backends list: cached, refreshed in the background, never waited for longer than 2 s.

Local ones are asked by themselves, and routed by (ModelLists): again every few seconds, so that one that stops leaves, and
one that comes back or has a new model is seen, without a client that asks. Models that their server sends on to another
machine are left out (docs/protocols/engines.md#habits). A provider is asked only when somebody wants the list and a rule
sends it names as they come (ProviderLists). Not here: what `/v1/models` answers (pages.py).
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Iterable
from dataclasses import dataclass

from ..engines.engine import LIST, Reply
from ..engines.registry import forwarding, nameless
from ..errors import PointsmanError
from ..routing.specs import PRACTICE_KEY
from ..wire.answer import Answer
from .backend import Backend
from .egress import ConnectFailed
from .fetch import fetch, model_names, reply_of
from .pool import Pool

log = logging.getLogger("pointsman.models")

WAIT_SECONDS = 2.0
FRESH_SECONDS = 15.0
"""A list younger than this is not asked for again."""
ROUND_SECONDS = 10.0
"""Between two questions to a local server that nobody waits for, up to a tenth more or less: what stops or comes back is
seen within 15 s."""
ROUND_AGENT = b"pointsman-round"
"""Who asks in a round, for the server's log; the scripted upstream keeps these apart (practice/scripted.py)."""
_ROUND_WAIT = 3.0
_SILENT_ROUNDS = 2
"""A server that is there and gives no list is asked so often before its models are forgotten: it may be busy."""
_NO_PAGE_SECONDS = 600.0
"""How long a server is not asked again which models it sends on, that has no such page."""


@dataclass(slots=True)
class _Followed:
    """One local backend. silent: rounds without a list. away: names that it last said it sends on. no_page: until when it is
    not asked for them. timer: of its next round."""

    backend: Backend
    asked: float = -FRESH_SECONDS
    silent: int = 0
    away: frozenset[str] = frozenset()
    no_page: float = 0.0
    task: asyncio.Task[None] | None = None
    timer: asyncio.TimerHandle | None = None

    def stop(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
        if self.task is not None:
            self.task.cancel()


class ModelLists:
    """known: backend key -> its model names, from its last answer. version: grows when any list changed. every: seconds
    between two rounds; None: only who wants the lists asks for them."""

    def __init__(self, pool: Pool, every: float | None = None) -> None:
        self._pool = pool
        self._every = every
        self._chance = random.random
        self._followed: dict[str, _Followed] = {}
        self._last: dict[str, frozenset[str]] = {}  # of engines that are started on demand
        self.known: dict[str, frozenset[str]] = {}
        self.version = 0

    def follow(self, backends: dict[str, Backend]) -> None:
        """These are the backends now; a changed one is asked anew in the background."""
        locals_now = {
            key: b
            for key, b in backends.items()
            if b.local and b.spec.problem is None and b.spec.recording is None
        }
        for key in [key for key in self._followed if key not in locals_now]:
            self._followed.pop(key).stop()
            self.known.pop(key, None)
            self._last.pop(key, None)
        self.version += 1
        for key, backend in locals_now.items():
            before = self._followed.get(key)
            if before is not None and before.backend is backend:
                continue
            if before is not None:
                before.stop()
            self._followed[key] = _Followed(backend)
            if backend.asleep:
                self.known[key] = self._last.get(key) or frozenset(backend.spec.models)
            else:
                self._ask(key)

    async def refresh(self) -> None:
        """Ask every backend whose list is not fresh; returns when all have answered, at most WAIT_SECONDS later."""
        for key, one in self._followed.items():
            if time.monotonic() - one.asked >= FRESH_SECONDS and not one.backend.asleep:
                self._ask(key)
        running = [one.task for one in self._followed.values() if one.task is not None]
        if running:
            await asyncio.wait(running, timeout=WAIT_SECONDS)

    def close(self) -> None:
        """Stop asking."""
        self._every = None
        for one in self._followed.values():
            one.stop()

    def _ask(self, key: str, *, round: bool = False) -> None:
        one = self._followed[key]
        if one.task is None:
            one.asked = time.monotonic()
            one.task = asyncio.get_running_loop().create_task(self._fetch(key, one, round))
            one.task.add_done_callback(lambda _: self._asked(key, one))

    def _asked(self, key: str, one: _Followed) -> None:
        one.task = None
        if self._every is None or key == PRACTICE_KEY or self._followed.get(key) is not one:
            return
        if one.timer is not None:
            one.timer.cancel()
        wait = self._every * (0.9 + 0.2 * self._chance())
        one.timer = asyncio.get_running_loop().call_later(wait, self._round, key, one)

    def _round(self, key: str, one: _Followed) -> None:
        if self._followed.get(key) is one:
            self._ask(key, round=True)

    async def _fetch(self, key: str, one: _Followed, round: bool) -> None:
        seconds, agent = (_ROUND_WAIT, ROUND_AGENT) if round else (10.0, b"")
        try:
            answer, names = await model_names(self._pool, one.backend, seconds, agent)
            if names is not None:
                names = await self._here(one, answer, names, agent)
            default = "" if names or answer.status != 200 else nameless(answer.headers)
            if default:
                names = [default]
        except PointsmanError as error:
            log.info("%s gave no model list: %s", key, error.public)
            one.asked = -FRESH_SECONDS
            self._missed(key, one, gone=isinstance(error, ConnectFailed) and error.step != "http")
            return
        one.backend.learn_server(answer.headers)
        if names is None:
            self._missed(key, one, gone=False)
            return
        one.silent = 0
        self._know(key, one, frozenset(names))

    def _missed(self, key: str, one: _Followed, *, gone: bool) -> None:
        """gone: nobody listens there any more."""
        one.silent += 1
        if self._every is not None and (gone or one.silent >= _SILENT_ROUNDS):
            self._know(key, one, None)

    def _know(self, key: str, one: _Followed, listed: frozenset[str] | None) -> None:
        if self._followed.get(key) is not one or self.known.get(key) == listed:
            return
        if listed is None:
            del self.known[key]
        else:
            self.known[key] = listed
            if one.backend.spec.engine is not None:
                self._last[key] = listed
        self.version += 1

    async def _here(self, one: _Followed, answer: Answer, names: list[str], agent: bytes) -> list[str]:
        """Those of them that this server does not send on to another machine, by its own words."""
        listing = reply_of(answer)
        engine = forwarding({LIST: listing})
        if engine is None or engine.forwards is None:
            return names
        page = await self._page(one, engine.forwards.path, agent)
        if page is not None and engine.forwards.recognizes(page.body):
            models = engine.models({LIST: listing, engine.forwards.path: page})
            one.away = frozenset(model.name for model in models if model.elsewhere)
        return [name for name in names if name not in one.away and not engine.forwards.by_name(name)]

    async def _page(self, one: _Followed, path: str, agent: bytes) -> Reply | None:
        now = time.monotonic()
        if now < one.no_page:
            return None
        try:
            answer = await fetch(self._pool, one.backend, path.encode(), WAIT_SECONDS, agent=agent)
        except PointsmanError:
            return None
        if answer.status == 404:
            one.no_page = now + _NO_PAGE_SECONDS
        return reply_of(answer)


PROVIDER_FRESH_SECONDS = 600.0
PROVIDER_RETRY_SECONDS = 60.0
_MOST_NAMES = 2000
_LONGEST_NAME = 256


def has_list(backend: Backend) -> bool:
    """Is it a provider that can be asked for its models with a key of ours?"""
    return not backend.local and not backend.spec.login_only and backend.spec.problem is None


class ProviderLists:
    """known: backend key -> the names that the provider lists for its key, from its last answer."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._due: dict[str, tuple[Backend, float]] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self.known: dict[str, frozenset[str]] = {}

    async def refresh(self, backends: Iterable[Backend]) -> None:
        """Ask these where their list is not fresh, and forget all others; returns when all have answered, at most
        WAIT_SECONDS later."""
        now = time.monotonic()
        wanted = {backend.spec.key: backend for backend in backends}
        for key in [key for key in self.known if key not in wanted]:
            del self.known[key]
            self._due.pop(key, None)
        for key, backend in wanted.items():
            asked = self._due.get(key)
            if key in self._running or (asked is not None and asked[0] is backend and now < asked[1]):
                continue
            if asked is not None and asked[0] is not backend:
                self.known.pop(key, None)  # of another key or address
            self._due[key] = (backend, now + PROVIDER_RETRY_SECONDS)
            task = asyncio.get_running_loop().create_task(self._fetch(key, backend))
            self._running[key] = task
            task.add_done_callback(lambda _, one=key: self._running.pop(one, None))  # type: ignore[misc]
        if self._running:
            await asyncio.wait(list(self._running.values()), timeout=WAIT_SECONDS)

    def close(self) -> None:
        """Stop asking."""
        for task in self._running.values():
            task.cancel()

    async def _fetch(self, key: str, backend: Backend) -> None:
        try:
            _, names = await model_names(self._pool, backend, 10.0)
        except PointsmanError as error:
            log.info("%s gave no model list: %s", key, error.public)
            return
        if names is None or self._due[key][0] is not backend:
            return
        self.known[key] = frozenset([one for one in names if 0 < len(one) <= _LONGEST_NAME][:_MOST_NAMES])
        self._due[key] = (backend, time.monotonic() + PROVIDER_FRESH_SECONDS)
