"""How much of an engine shadows may take: one at a time, and no more than a share of its time. Pure; monotonic seconds.

After one that took so long the next may begin when those before it are no more than the share of what has passed. Not here:
whether the engine is free (gateway/shadow/shadows.py).
"""

from __future__ import annotations

_REMEMBERED = 256


class ShadowTurns:
    """Of one process. Engines are told apart by any word for them."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}  # of those that are asked now
        self._open: dict[str, float] = {}  # from when the next one may be

    def begin(self, engine: str, now: float) -> bool:
        """Is it its turn? Then end() is due."""
        if engine in self._since or now < self._open.get(engine, now):
            return False
        self._since[engine] = now
        return True

    def end(self, engine: str, now: float, share: float) -> None:
        """It is over, however. share: of the engine's time, 0 < share <= 1."""
        took = max(0.0, now - self._since.pop(engine))
        self._open.pop(engine, None)
        self._open[engine] = now + took * (1.0 / share - 1.0)
        if len(self._open) > _REMEMBERED:
            del self._open[next(iter(self._open))]

    def asks(self, engine: str) -> bool:
        """Is one there now?"""
        return engine in self._since
