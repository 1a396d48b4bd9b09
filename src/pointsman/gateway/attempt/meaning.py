"""What a finished reading of an answer with status 2xx means for the walk: one function, asked on every path.

Not here: the reading (dialects/*/seen.py), and what is done about it (exchange.py).
"""

from __future__ import annotations

from collections.abc import Collection
from enum import Enum, auto

from ...dialects.base import BAD_EVENTS, Seen
from ...kinds import FallbackOn, FallbackReason, at_hand

NO_ANSWER = "its answer is not what the protocol allows"


@at_hand
class Meaning(Enum):
    """What an answer comes to."""

    ANSWERED = auto()
    LEFT = auto()  # the model refused, and the rule leaves that to the next target
    ERROR = auto()  # the backend says inside that it failed
    EMPTY = auto()
    MALFORMED = auto()
    CUT = auto()


ANSWERED = Meaning.ANSWERED


def meaning(seen: Seen | None, onward: Collection[str], whole: bool = False) -> Meaning:
    """seen: None for what cannot be read, which is passed on as it is. onward: the rule's further reasons. whole: it
    was no stream, so that what is not finished is not of its protocol at all."""
    if seen is None:
        return ANSWERED
    if seen.error is not None:
        return Meaning.ERROR
    if seen.malformed and seen.unreadable:
        return Meaning.MALFORMED
    if not seen.output:
        return Meaning.MALFORMED if (seen.malformed or whole) and not seen.finished else Meaning.EMPTY
    if not seen.finished:
        return Meaning.CUT
    return Meaning.LEFT if seen.refused and FallbackOn.REFUSAL in onward else ANSWERED


def reason_of(found: Meaning, seen: Seen) -> tuple[FallbackReason, str]:
    """Of what is neither an answer nor an error of its own: (why it is left, the same in words)."""
    if found is Meaning.CUT:
        return FallbackReason.UPSTREAM_ERROR, "its stream ended before it was finished"
    if found is Meaning.EMPTY:
        detail = "its answer was empty" if seen.finished else "its stream ended before any output"
        return FallbackReason.EMPTY, detail
    if seen.unreadable:
        return FallbackReason.MALFORMED, f"{BAD_EVENTS} of its events could not be read"
    return FallbackReason.MALFORMED, NO_ANSWER
