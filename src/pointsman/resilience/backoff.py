"""How long to wait: before the only target is asked again, and until a throttled one is asked at all. Pure.

Throttling and faults have waits of their own (docs/reliability-promises.md#one-retry-loop): a fault
may be over in a moment, whoever says "too many requests" wants to be left alone. chance: 0 <=
chance < 1.
"""

from __future__ import annotations

FAULT_SECONDS = (0.05, 0.25)
"""Least and most before a repeat after a fault; chance decides."""
THROTTLED_SECONDS = (1.0, 1.5)
"""The same after a 429 that names no time."""
LONGEST_WAIT = 3.0
"""Nobody waits longer for a throttled target: the client is told, and may decide for itself."""

COOL_MOST = 300.0
COOL_UNSAID = 60.0
"""After a 429 without a time, doubling: Anthropic sends such a one when a spend limit is reached."""


def after_fault(chance: float) -> float:
    """Seconds before the only target is asked again."""
    least, most = FAULT_SECONDS
    return least + (most - least) * chance


def after_throttling(said: float | None, chance: float) -> float | None:
    """Seconds before the only target is asked again; None when that is too long. said: its own Retry-After."""
    if said is None:
        least, most = THROTTLED_SECONDS
        return least + (most - least) * chance
    return said if said <= LONGEST_WAIT else None


def cooldown(said: float | None, in_a_row: int, spent: bool) -> float:
    """Seconds during which a throttled (key, model) is left alone. in_a_row: how many times it said so before."""
    if spent:
        return COOL_MOST
    if said is not None:
        return min(said, COOL_MOST)
    return min(COOL_UNSAID * 2.0 ** min(in_a_row, 10), COOL_MOST)
