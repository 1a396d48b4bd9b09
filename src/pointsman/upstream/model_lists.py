"""Which models the local backends list: cached, refreshed in the background, never waited for longer than 2 s.

Only local backends are asked: nothing leaves the machine for a list. Not here: what `/v1/models` answers (pages.py).
"""

from __future__ import annotations

import asyncio
import logging
import time

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
