"""Which agent sessions are the latest, so that the sums of a hundred need not those of all. Reads only.

Not here: their sums (usage_sums.py).
"""

from __future__ import annotations

import math
import sqlite3

from .usage_adding import HOUR, Pending, hour_of
from .usage_query import UsageFilter, bounds, conditions

_BEFORE = (
    "SELECT max(hour) FROM session_hourly WHERE hour < ?",
    "SELECT DISTINCT h.session FROM session_hourly h JOIN dimension d ON d.id = h.dim WHERE h.hour = :hour AND ",
)


def latest_sessions(
    driver: sqlite3.Connection, filters: UsageFilter, pending: Pending, most: int
) -> set[int]:
    """Numbers of the `most` latest at least, where there are as many: those of whole hours, from the newest on. Some of them
    may have no record that passes."""
    since, until = bounds(filters)
    where, given = conditions(filters)
    first = -math.inf if math.isinf(since) else hour_of(since)
    whole = math.inf if math.isinf(until) else hour_of(until)
    last = whole if whole * HOUR == until else whole + 1
    found = {session for hour, _, session in pending.sessions if first <= hour < last}
    sure: set[int] = set()
    hour: int | None = min(last, 2**62)  # type: ignore[assignment]
    while len(sure) < most:
        (hour,) = driver.execute(_BEFORE[0], (hour,)).fetchone()
        if hour is None or hour < first:
            break
        rows = {row[0] for row in driver.execute(_BEFORE[1] + where, {**given, "hour": hour})}
        found |= rows
        if hour < whole:
            sure |= rows
    return found
