"""When each client key was used last, by its records. Reads only."""

from __future__ import annotations

import math
import sqlite3
import time
from collections.abc import Iterable
from itertools import islice

from .usage_adding import HOUR, Pending
from .usage_query import UsageFilter, newest_blocks

EXACT_SECONDS = 24 * 3600.0
"""How far back it is said to the record; what is older is said to the hour."""
MOST_BLOCKS = 32
"""Opened for that, some 65,000 records; what is older is said to the hour, too."""
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
    keys = dict(driver.execute("SELECT id, key_id FROM dimension WHERE key_id IS NOT NULL"))
    wanted = set(key_ids) & set(keys.values())
    hours = _last_hours(driver, wanted)
    for hour, dim in pending.hourly:
        if (key := keys.get(dim)) is not None:
            hours[key] = max(hour, hours.get(key, hour))
    found = {key: float(hours[key] * HOUR) for key in wanted if key in hours}
    recent = (time.time() if now is None else now) - EXACT_SECONDS
    late = {key for key, begin in found.items() if begin > recent}
    if late:
        dims = {dim: key for dim, key in keys.items() if key in late}
        found |= _to_the_record(driver, dims, min(found[key] for key in late))
    return found


def _to_the_record(driver: sqlite3.Connection, keys: dict[int, int], since: float) -> dict[int, float]:
    """keys: by dimension. The newest blocks are read, each once, until none that is older can say more."""
    found: dict[int, float] = {}
    wanted = set(keys)
    blocks = newest_blocks(driver, UsageFilter(), (since, math.inf), wanted, math.inf)
    for last_at, block in islice(blocks, MOST_BLOCKS):
        wanted -= {dim for dim in wanted if found.get(keys[dim], -math.inf) >= last_at}
        if not wanted:
            break
        for at, dim in zip(block.at, block.dims, strict=True):
            if dim in wanted and at > found.get(keys[dim], since):
                found[keys[dim]] = at
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
