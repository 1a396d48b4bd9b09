"""What an upstream's answer means for the walk (docs/reliability-promises.md#verdicts). Pure. Not
here: the table of statuses (statuses.py), the servers' own words (providers/wordings.py), and when they want to be asked
again (comeback.py)."""

from __future__ import annotations

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
