"""Faults as words, and who gets which. Pure."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

FAULTS: dict[str, tuple[str, str | None]] = {
    # word: (what it does, what its number means or None)
    "refuse": ("takes no connections", None),
    "reset": ("resets each connection at once", None),
    "black-hole": ("takes the request and never answers", None),
    "delay": ("waits before it passes the answer on", "milliseconds"),
    "trickle": ("passes the answer on slowly", "bytes a second"),
    "cut-at": ("closes in the middle of the answer", "bytes of the answer"),
    "reset-at": ("resets the connection in the middle of the answer", "bytes of the answer"),
    "stall-at": ("stops in the middle of the answer and keeps the connection", "bytes of the answer"),
    "401": ("refuses the key", None),
    "404": ("knows no such model", None),
    "429": ("is busy, with a retry-after", "seconds of retry-after"),
    "500": ("has an internal error", None),
    "503": ("is unavailable, with a retry-after", "seconds of retry-after"),
    "529": ("is overloaded", None),
    "loading": ("is loading its model: a 503 that says so", None),
    "too-long": ("says that the input does not fit its window", None),
    "error-body": ("answers 200 with an error inside", None),
    "redirect": ("sends the client elsewhere", None),
    "empty": ("answers well, with nothing in it", None),
    "garbage": ("answers something that is not of the protocol", None),
    "gzip": ("compresses the answer though nobody asked for it", None),
    "error-event": ("sends an error inside the stream, then ends", "events before it"),
    "garbage-event": ("puts an event that cannot be read into the stream, then goes on", "events before it"),
    "cut-event": ("closes between two events of the stream", "events before it"),
    "stall-event": ("stops between two events of the stream and keeps the connection", "events before it"),
    "no-end": ("leaves out the stream's last event, and ends in good order", None),
}
"""Every fault. Those with a number are written word=NUMBER; the number may be left out where a default stands below."""

DEFAULTS = {
    "delay": 2000,
    "trickle": 20,
    "cut-at": 300,
    "reset-at": 300,
    "stall-at": 300,
    "429": 1,
    "503": 1,
    "error-event": 3,
    "garbage-event": 3,
    "cut-event": 3,
    "stall-event": 3,
}
ON_CONNECT = frozenset({"refuse", "reset", "black-hole"})
ON_BYTES = frozenset({"delay", "trickle", "cut-at", "reset-at", "stall-at"})
INSTEAD = frozenset(
    {
        "401",
        "404",
        "429",
        "500",
        "503",
        "529",
        "loading",
        "too-long",
        "error-body",
        "redirect",
        "empty",
        "garbage",
    }
)
"""Answered by the proxy itself; the backend is not asked."""
ON_ANSWER = frozenset(FAULTS) - ON_CONNECT - ON_BYTES - INSTEAD


class BadFault(ValueError):
    """A word that is no fault; the text says which there are."""


@dataclass(frozen=True, slots=True)
class Fault:
    """number: see FAULTS; 0 where it has none."""

    word: str
    number: int = 0

    def __str__(self) -> str:
        return f"{self.word}={self.number}" if self.word in DEFAULTS else self.word


def parse_fault(text: str) -> Fault:
    """`cut-at=300`, `500`. Raises BadFault."""
    word, sign, number = text.strip().lower().partition("=")
    if word not in FAULTS:
        raise BadFault(f"{text.strip()!r} is no fault; they are: {', '.join(FAULTS)}")
    meaning = FAULTS[word][1]
    if not sign:
        return Fault(word, DEFAULTS.get(word, 0))
    if meaning is None:
        raise BadFault(f"{word} takes no number")
    if not number.isdigit() or len(number) > 9:
        raise BadFault(f"{word}= wants a number: {meaning}")
    return Fault(word, int(number))


@dataclass(slots=True)
class FaultPlan:
    """faults: played in turns. share: of the requests that get one, 0 to 100 percent. after: so many requests pass
    first. seed: makes the choice the same every time."""

    faults: list[Fault] = field(default_factory=list)
    share: float = 100.0
    after: int = 0
    seed: int | None = None
    _seen: int = 0
    _played: int = 0
    _chance: random.Random | None = None

    def next(self) -> Fault | None:
        """What the next request gets, None = nothing."""
        if self._chance is None:
            self._chance = random.Random(self.seed)  # noqa: S311 -- picks who gets a fault
        self._seen += 1
        if not self.faults or self._seen <= self.after or self._chance.random() * 100.0 >= self.share:
            return None
        fault = self.faults[self._played % len(self.faults)]
        self._played += 1
        return fault

    @property
    def refuses(self) -> bool:
        """Is there no listener at all? Only when it is the one fault, and for everybody."""
        return (
            self.share >= 100.0 and self._seen >= self.after and [f.word for f in self.faults] == ["refuse"]
        )
