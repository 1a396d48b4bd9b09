"""Stop sequences, found in text: a model's tokens end where they like, and a stop string may lie across many of them.

Nothing of a stop string and nothing after it is ever let through. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence


class StopText:
    """Text goes in piece by piece; what comes out is safe to show. stops: none empty."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stops)
        self._longest = max(map(len, self._stops), default=0)
        self._held = ""
        self.found: str | None = None
        """The stop string that ended the text. Of several that end it at the same character, the one that began first."""

    def take(self, text: str) -> str:
        """What may be shown now. After a stop string was found: nothing, ever."""
        if self.found is not None or not self._stops:
            return "" if self.found is not None else text
        held = self._held + text
        first = len(self._held) - self._longest + 1
        ends = [
            (at + len(stop), at, stop) for stop in self._stops if (at := held.find(stop, max(0, first))) >= 0
        ]
        if ends:
            _, at, self.found = min(ends)
            self._held = ""
            return held[:at]
        keep = self._could_begin(held)
        self._held = held[len(held) - keep :]
        return held[: len(held) - keep]

    def end(self) -> str:
        """What was held back: the text is at its end, so that no stop string can come."""
        held, self._held = self._held, ""
        return held

    def _could_begin(self, held: str) -> int:
        """Length of the longest end of the text that a stop string begins with."""
        for size in range(min(self._longest - 1, len(held)), 0, -1):
            tail = held[-size:]
            if any(stop.startswith(tail) for stop in self._stops):
                return size
        return 0
