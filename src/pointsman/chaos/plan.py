"""Faults as words, and who gets which. Pure."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple


class Strikes(Enum):
    """Where a fault strikes."""

    CONNECT = "connect"  # the connection
    BYTES = "bytes"  # the answer, whatever is in it
    INSTEAD = "instead"  # answered by the proxy itself; the backend is not asked
    ANSWER = "answer"  # what the answer says


class FaultRow(NamedTuple):
    """What a fault does. number: what its number means, None = it has none; default: where it is left out."""

    place: Strikes
    what: str
    number: str | None = None
    default: int = 0


_BYTES = "bytes of the answer"
_EVENTS = "events before it"
_RETRY = "seconds of retry-after"
FAULTS: dict[str, FaultRow] = {
    "refuse": FaultRow(Strikes.CONNECT, "takes no connections"),
    "reset": FaultRow(Strikes.CONNECT, "resets each connection at once"),
    "black-hole": FaultRow(Strikes.CONNECT, "takes the request and never answers"),
    "delay": FaultRow(Strikes.BYTES, "waits before it passes the answer on", "milliseconds", 2000),
    "trickle": FaultRow(Strikes.BYTES, "passes the answer on slowly", "bytes a second", 20),
    "cut-at": FaultRow(Strikes.BYTES, "closes in the middle of the answer", _BYTES, 300),
    "reset-at": FaultRow(Strikes.BYTES, "resets the connection in the middle of the answer", _BYTES, 300),
    "stall-at": FaultRow(
        Strikes.BYTES, "stops in the middle of the answer and keeps the connection", _BYTES, 300
    ),
    "401": FaultRow(Strikes.INSTEAD, "refuses the key"),
    "404": FaultRow(Strikes.INSTEAD, "knows no such model"),
    "429": FaultRow(Strikes.INSTEAD, "is busy, with a retry-after", _RETRY, 1),
    "500": FaultRow(Strikes.INSTEAD, "has an internal error"),
    "503": FaultRow(Strikes.INSTEAD, "is unavailable, with a retry-after", _RETRY, 1),
    "529": FaultRow(Strikes.INSTEAD, "is overloaded"),
    "loading": FaultRow(Strikes.INSTEAD, "is loading its model: a 503 that says so"),
    "too-long": FaultRow(Strikes.INSTEAD, "says that the input does not fit its window"),
    "error-body": FaultRow(Strikes.INSTEAD, "answers 200 with an error inside"),
    "redirect": FaultRow(Strikes.INSTEAD, "sends the client elsewhere"),
    "empty": FaultRow(Strikes.INSTEAD, "answers well, with nothing in it"),
    "garbage": FaultRow(Strikes.INSTEAD, "answers something that is not of the protocol"),
    "gzip": FaultRow(Strikes.ANSWER, "compresses the answer though nobody asked for it"),
    "error-event": FaultRow(Strikes.ANSWER, "sends an error inside the stream, then ends", _EVENTS, 3),
    "garbage-event": FaultRow(
        Strikes.ANSWER, "puts an event that cannot be read into the stream, then goes on", _EVENTS, 3
    ),
    "cut-event": FaultRow(Strikes.ANSWER, "closes between two events of the stream", _EVENTS, 3),
    "stall-event": FaultRow(
        Strikes.ANSWER, "stops between two events of the stream and keeps the connection", _EVENTS, 3
    ),
    "no-end": FaultRow(Strikes.ANSWER, "leaves out the stream's last event, and ends in good order"),
}
"""Every fault by its word. One with a number is written word=NUMBER."""


class BadFault(ValueError):
    """A word that is no fault; the text says which there are."""


@dataclass(frozen=True, slots=True)
class Fault:
    """number: see FAULTS; 0 where it has none."""

    word: str
    number: int = 0

    def __str__(self) -> str:
        return f"{self.word}={self.number}" if FAULTS[self.word].number else self.word

    @property
    def place(self) -> Strikes:
        """Where it strikes."""
        return FAULTS[self.word].place


def parse_fault(text: str) -> Fault:
    """`cut-at=300`, `500`. Raises BadFault."""
    word, sign, number = text.strip().lower().partition("=")
    if word not in FAULTS:
        raise BadFault(f"{text.strip()!r} is no fault; they are: {', '.join(FAULTS)}")
    about = FAULTS[word]
    if not sign:
        return Fault(word, about.default)
    if about.number is None:
        raise BadFault(f"{word} takes no number")
    if not (number.isascii() and number.isdigit()) or len(number) > 9:
        raise BadFault(f"{word}= wants a number: {about.number}")
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
