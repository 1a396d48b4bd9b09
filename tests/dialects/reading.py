"""What a dialect's reading says of a stream or a whole answer, in the words that the rows of its folder expect."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from pointsman.conversation.usage import TokenUsage
from pointsman.dialects.base import Seen as Reading
from pointsman.dialects.registry import DIALECTS
from pointsman.kinds import Protocol
from pointsman.wire.sse import EventSplitter


@dataclass(frozen=True)
class Seen:
    """Everything a reading says at the end of a stream."""

    output: bool
    finished: bool
    error: str | None
    usage: TokenUsage | None
    malformed: int


def seen(reading: Reading) -> Seen:
    error = reading.error.public if reading.error is not None else None
    return Seen(reading.output, reading.finished, error, reading.usage, reading.malformed)


def read(protocol: Protocol, pieces: Iterable[bytes]) -> Seen:
    """What the protocol's reading says of a stream that comes in these pieces and then ends."""
    reading = DIALECTS[protocol].seen()
    splitter = EventSplitter()
    for piece in pieces:
        for event in splitter.feed(piece):
            reading.event(event)
    rest = splitter.finish()
    if rest:
        reading.event(rest)
    return seen(reading)


def cut(raw: bytes, places: Iterable[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(raw) + 1) for place in places), len(raw)]
    return [raw[a:b] for a, b in pairwise(edges)]


ALL = TokenUsage(20, 7, 5, 3)
NOTHING = Seen(False, False, None, None, 0)
FAILED = Seen(output=False, finished=False, error="boom", usage=None, malformed=0)
DONE: dict[str, Any] = {"output": True, "finished": True, "error": None, "malformed": 0}


def full(**changes: Any) -> Seen:
    """A stream that gave output, ended well and said its usage, but for these changes."""
    return Seen(**({"output": True, "finished": True, "error": None, "usage": ALL, "malformed": 0} | changes))
