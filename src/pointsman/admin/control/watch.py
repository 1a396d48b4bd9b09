"""What data-plane processes say of backends, as events: one is down, is back, refuses our key. Told once a change, by
what all of them together say.

Down is a local server that takes no connection, or a backend one of whose models is passed over after failures. Not here:
who is passed over (resilience/board.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ...link.messages import BackendHealth
from .process_status import StatusBoard

Tell = Callable[[str, Mapping[str, Any]], None]
KEY_REFUSED = "it refuses the stored key; the page Backends says in which words"
"""Its own words may quote what it was asked, and are told to nobody outside."""


@dataclass(frozen=True, slots=True)
class _Seen:
    down: tuple[str, ...] | None
    benched: str | None


class Watch:
    """look() after every word of a process."""

    def __init__(self, board: StatusBoard, tell: Tell, clock: Callable[[], float] = time.monotonic) -> None:
        self._board = board
        self._tell = tell
        self._clock = clock
        self._seen: dict[str, _Seen] = {}
        self.since: dict[str, float] = {}  # by backend, unix seconds of its last change

    def look(self) -> None:
        """Tell of what has changed."""
        for key, health in self._board.health(self._clock()).items():
            before, now = self._seen.get(key, _Seen(None, None)), _seen(health)
            if before == now:
                continue
            self._seen[key] = now
            self.since[key] = time.time()
            if (before.down is None) != (now.down is None):
                self._tell_of_a_change(key, health, now)
            if now.benched is not None and before.benched is None:
                self._tell("key.refused", {"backend": key, "reason": KEY_REFUSED})

    def _tell_of_a_change(self, key: str, health: BackendHealth, now: _Seen) -> None:
        if now.down is None:
            self._tell("backend.up", {"backend": key})
        else:
            facts = {"backend": key, "models": list(now.down), "reason": health.last_reason}
            self._tell("backend.down", facts)


def _seen(health: BackendHealth) -> _Seen:
    """down: the models that are passed over, none of a server that takes no connection at all."""
    models = tuple(sorted(one.model for one in health.targets if one.state != "closed"))
    return _Seen(models if models or health.down else None, health.benched)
