"""What an upstream's answer means for the walk (docs/reliability-promises.md#verdicts). Pure. Not
here: the table of statuses (statuses.py), and the servers' own words (providers/wordings.py)."""

from __future__ import annotations

from collections.abc import Iterable
from email.utils import parsedate_to_datetime

from ..kinds import FallbackReason
from ..statuses import MEANINGS

_AGAINST_HEALTH = frozenset(
    {
        FallbackReason.CONNECT,
        FallbackReason.TIMEOUT,
        FallbackReason.UPSTREAM_ERROR,
        FallbackReason.EMPTY,
        FallbackReason.MALFORMED,
    }
)
_WORTH_A_REPEAT = frozenset({FallbackReason.CONNECT, FallbackReason.UPSTREAM_ERROR, FallbackReason.EMPTY})


def of_status(status: int) -> FallbackReason | None:
    """Why to leave this target for the next one, or None when the answer is the client's."""
    meaning = MEANINGS.get(status)
    return None if meaning is None else meaning[1]


def against_health(reason: FallbackReason) -> bool:
    """Does it count against the target's breaker? Being busy, or a dead key, says nothing about the endpoint."""
    return reason in _AGAINST_HEALTH


def worth_a_repeat(reason: FallbackReason) -> bool:
    """May the only target be asked once more? What took all its time, or cannot be read, would do so again."""
    return reason in _WORTH_A_REPEAT


def retry_after(headers: Iterable[tuple[bytes, bytes]], wall: float) -> float | None:
    """Seconds until a target may be asked again, as it says itself: `retry-after-ms` (OpenAI), `retry-after` in
    seconds or as a date (RFC 9110 section 10.2.3). None when it says nothing that can be read. wall: unix seconds."""
    found: float | None = None
    for name, value in headers:
        if name == b"retry-after-ms":
            seconds = _number(value)
            if seconds is not None:
                return seconds / 1000.0
        elif name == b"retry-after" and found is None:
            found = _number(value)
            if found is None:
                found = _until(value, wall)
    return found


def _number(value: bytes) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return number if 0.0 <= number < 1e9 else None  # also refuses nan


def _until(value: bytes, wall: float) -> float | None:
    try:
        return max(0.0, parsedate_to_datetime(value.decode("ascii")).timestamp() - wall)
    except (ValueError, UnicodeDecodeError, OverflowError):
        return None
