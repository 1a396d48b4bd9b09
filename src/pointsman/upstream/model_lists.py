"""Which models the backends list: cached, refreshed in the background, never waited for longer than 2 s.

Local ones are asked by themselves (ModelLists), and routed by; a provider only when somebody wants the list and a rule
sends it names as they come (ProviderLists). Not here: what `/v1/models` answers (pages.py).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable

from ..errors import PointsmanError
from .backend import Backend
from .fetch import model_names
from .pool import Pool

log = logging.getLogger("pointsman.models")

WAIT_SECONDS = 2.0
FRESH_SECONDS = 15.0
"""A list younger than this is not asked for again."""


class ModelLists:
    """known: backend key -> its model names, from its last answer. version: grows when any list changed."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._backends: dict[str, Backend] = {}
        self._asked: dict[str, float] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self.known: dict[str, frozenset[str]] = {}
        self.version = 0

    def follow(self, backends: dict[str, Backend]) -> None:
        """These are the backends now; a changed one is asked anew in the background."""
        locals_now = {key: b for key, b in backends.items() if b.local and b.spec.problem is None}
        for key in list(self.known):
            if key not in locals_now:
                del self.known[key]
        changed = [key for key, backend in locals_now.items() if self._backends.get(key) is not backend]
        self._backends = locals_now
        self.version += 1
        for key in changed:
            self._asked.pop(key, None)
            self._ask(key)

    async def refresh(self) -> None:
        """Ask every backend whose list is not fresh; returns when all have answered, at most WAIT_SECONDS later."""
        for key in self._backends:
            self._ask(key)
        if self._running:
            await asyncio.wait(list(self._running.values()), timeout=WAIT_SECONDS)

    def close(self) -> None:
        """Stop asking."""
        for task in self._running.values():
            task.cancel()

    def _ask(self, key: str) -> None:
        if key in self._running or time.monotonic() - self._asked.get(key, -FRESH_SECONDS) < FRESH_SECONDS:
            return
        self._asked[key] = time.monotonic()
        task = asyncio.get_running_loop().create_task(self._fetch(key, self._backends[key]))
        self._running[key] = task
        task.add_done_callback(lambda _: self._running.pop(key, None))

    async def _fetch(self, key: str, backend: Backend) -> None:
        try:
            answer, names = await model_names(self._pool, backend, 10.0)
        except PointsmanError as error:
            log.info("%s gave no model list: %s", key, error.public)
            self._asked.pop(key, None)
            names = None
        else:
            backend.learn_server(answer.headers)
        if names is None or self._backends.get(key) is not backend:
            return
        listed = frozenset(names)
        if self.known.get(key) != listed:
            self.known[key] = listed
            self.version += 1


PROVIDER_FRESH_SECONDS = 600.0
PROVIDER_RETRY_SECONDS = 60.0
_MOST_NAMES = 2000
_LONGEST_NAME = 256


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
