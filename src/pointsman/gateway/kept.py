"""The way of a data-plane process to answers that are kept (docs/cache.md, docs/replay.md): the control plane has them. Not
here: whose are asked for (request/cached.py, attempt/replayed.py)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from ..ledger.metrics import CACHE_ENTRIES, CACHE_SIZE
from ..link.kept_messages import KeepAnswer, KeepRecorded, KeptFound, ReplayFound

FindKept = Callable[[str, float], Awaitable[KeptFound]]
"""(name of a request, seconds that its answer may be old). Raises PointsmanError while it cannot be looked up."""
FindRecorded = Callable[[str, str, bytes, bytes, int | None], Awaitable[ReplayFound]]
"""(recording, path, request, the same in no protocol's words, most tokens), see ReplayQuestion. Raises
PointsmanError while it cannot be looked up."""


class KeptWay(Protocol):
    """To the control plane; see link/kept.py."""

    async def find(self, name: str, seconds: float) -> KeptFound: ...

    def keep(self, answer: KeepAnswer) -> bool: ...

    async def find_recorded(
        self, recording: str, path: str, asked: bytes, meant: bytes, most: int | None
    ) -> ReplayFound: ...

    def keep_recorded(self, answer: KeepRecorded) -> bool: ...


def _nowhere(answer: KeepAnswer | KeepRecorded) -> bool:
    """Of a plane without a control plane."""
    return False


class KeptAnswers:
    """find, find_recorded: None where nobody can be asked. keep, keep_recorded: hand one up; False of what cannot go now,
    which is lost. entries, size: of all that the cache has, and their bytes on disk, as last told; None before."""

    def __init__(self) -> None:
        self.find: FindKept | None = None
        self.keep: Callable[[KeepAnswer], object] = _nowhere
        self.find_recorded: FindRecorded | None = None
        self.keep_recorded: Callable[[KeepRecorded], bool] = _nowhere
        self.entries: int | None = None
        self.size = 0

    def go(self, way: KeptWay) -> None:
        """From now on so."""
        self.find, self.keep = way.find, way.keep
        self.find_recorded, self.keep_recorded = way.find_recorded, way.keep_recorded

    def gauges(self) -> dict[str, float]:
        """Metric samples; none where nothing was ever looked up."""
        if self.entries is None:
            return {}
        return {CACHE_ENTRIES.sample(): float(self.entries), CACHE_SIZE.sample(): float(self.size)}
