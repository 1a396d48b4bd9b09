"""What has changed, told to open pages: a set of topics, and one ear a page. Not here: what a page does about it
(web/stream.py), and the data plane.
"""

from __future__ import annotations

import asyncio
import threading

TOPICS = frozenset(
    {"requests", "backends", "rules", "keys", "engines", "models", "spending", "webhooks", "bodies"}
)
MOST_EARS = 64
"""Open pages at a time; a browser has one stream a page."""


class Ear:
    """What one page has not been told yet. Topics are joined, so that a slow reader holds nothing up."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._loop = asyncio.get_running_loop()
        self._topics: set[str] = set()
        self._there = asyncio.Event()

    async def changed(self, seconds: float) -> set[str] | None:
        """What has changed since the last time; empty when nothing has within so many seconds, None at the end."""
        try:
            await asyncio.wait_for(self._there.wait(), seconds)
        except TimeoutError:
            return set()
        self._there.clear()
        if self._live.closed:
            return None
        topics, self._topics = self._topics, set()
        return topics

    def close(self) -> None:
        self._live.leave(self)

    def tell(self, topic: str | None) -> None:
        """From any thread."""
        try:
            self._loop.call_soon_threadsafe(self._add, topic)
        except RuntimeError:  # its loop has ended
            self.close()

    def _add(self, topic: str | None) -> None:
        if topic is not None:
            self._topics.add(topic)
        self._there.set()


class Live:
    """Who listens, and which change of each topic was the last. epoch: of the process, one that is not this one's has
    missed everything."""

    def __init__(self, epoch: str) -> None:
        self._ears: set[Ear] = set()
        self._lock = threading.Lock()
        self._epoch = epoch
        self._changes = 0
        self._last: dict[str, int] = {}
        self.closed = False

    @property
    def heard(self) -> bool:
        """Whether any page is open."""
        return bool(self._ears)

    def changed(self, *topics: str) -> None:
        """Tell every open page. From any thread."""
        assert TOPICS.issuperset(topics), topics
        with self._lock:
            self._changes += 1
            self._last |= dict.fromkeys(topics, self._changes)
            ears = list(self._ears)
        for ear in ears:
            for topic in topics:
                ear.tell(topic)

    @property
    def now(self) -> str:
        """A mark for listen(). A page takes it before it reads what it shows."""
        return f"{self._epoch}.{self._changes}"

    def listen(self, mark: str = "") -> Ear | None:
        """From the loop of who listens. None when as many listen as may. With a mark it is told first what has changed
        since: a page is made before its stream begins."""
        with self._lock:
            if len(self._ears) >= MOST_EARS or self.closed:
                return None
            ear = Ear(self)
            self._ears.add(ear)
            missed = self._since(mark)
        for topic in missed:
            ear.tell(topic)
        return ear

    def _since(self, mark: str) -> list[str]:
        epoch, _, count = mark.partition(".")
        if not mark:
            return []
        if epoch != self._epoch or not (count.isascii() and count.isdigit() and len(count) < 20):
            return sorted(TOPICS)
        return [topic for topic, change in self._last.items() if change > int(count)]

    def leave(self, ear: Ear) -> None:
        with self._lock:
            self._ears.discard(ear)

    def close(self) -> None:
        """Ends every stream: a server that shuts down waits for them."""
        self.closed = True
        with self._lock:
            ears = list(self._ears)
        for ear in ears:
            ear.tell(None)
