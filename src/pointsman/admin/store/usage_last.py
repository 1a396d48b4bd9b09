"""When each client key was used last, by its records. Reads only."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable
from datetime import UTC, datetime

from .usage_adding import HOUR, Pending
from .usage_query import UsageFilter, newest

EXACT_SECONDS = 24 * 3600.0
"""How far back it is said to the record; what is older is said to the hour."""
_HOURS = (
    "SELECT d.key_id, max(h.hour) FROM hourly h JOIN dimension d ON d.id = h.dim"
    " WHERE h.hour >= ? AND h.hour < ? AND d.key_id IS NOT NULL GROUP BY d.key_id"
)
_FIRST_LOOK = 24
"""Hours; each further look goes back four times as far: a key in use is found without reading years."""


def last_used(
    driver: sqlite3.Connection, pending: Pending, key_ids: Iterable[int], now: float | None = None
) -> dict[int, float]:
    """Unix seconds by key; a key that was never used, or whose records are deleted, has none. Raises Damaged."""
    key_ids = list(key_ids)
    keys = dict(driver.execute("SELECT id, key_id FROM dimension WHERE key_id IS NOT NULL"))
    hours = _last_hours(driver, set(key_ids) & set(keys.values()))
    for hour, dim in pending.hourly:
        if (key := keys.get(dim)) is not None:
            hours[key] = max(hour, hours.get(key, hour))
    recent = (time.time() if now is None else now) - EXACT_SECONDS
    found: dict[int, float] = {}
    for key in key_ids:
        if key not in hours:
            continue
        begin = float(hours[key] * HOUR)
        found[key] = begin
        if begin > recent:
            since = UsageFilter(key_id=[key], since=datetime.fromtimestamp(begin, UTC))
            found[key] = max((row.at for row in newest(driver, since, None, 1, pending)), default=begin)
    return found


def _last_hours(driver: sqlite3.Connection, wanted: set[int]) -> dict[int, int]:
    """The last hour of each key, from the newest back; read until all that are wanted are found."""
    least, most = driver.execute("SELECT min(hour), max(hour) FROM hourly").fetchone()
    found: dict[int, int] = {}
    if most is None:
        return found
    last, width = most + 1, _FIRST_LOOK
    while last > least and wanted - found.keys():
        found = dict(driver.execute(_HOURS, (last - width, last))) | found
        last, width = last - width, width * 4
    return found
