"""Sums of records by hour and dimension, and of an agent's session beside them: made of a block, added together, put into
the file. Not here: blocks and dimensions (usage_log.py), what is asked of the sums (usage_sums.py).
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from typing import Any

from ...ledger.blocks import LARGEST, SUMMED, full

HOUR = 3600
SUMS = (*SUMMED, "unpriced")
_COST = SUMMED.index("cost")

Values = list[int | None]
"""Records, a sum for each of SUMMED, None where nobody reported that, and how many records had no cost."""
Sums = dict[tuple[int, int], Values]
"""By (hour, dimension)."""
SessionSums = dict[tuple[int, int, int], tuple[Values, float, float]]
"""By (hour, dimension, session); with the times of the first and the last record."""
Dims = Sequence[Any]
"""Of each record what its sum goes by, beside the hour; one where all are alike."""


def hour_of(at: float) -> int:
    """The whole hour that these unix seconds lie in. By a division without a remainder, which is exact: at / HOUR is
    rounded, and a moment right before an hour would count as that hour."""
    return int(at // HOUR)


def hour_from(at: float) -> int:
    """The first whole hour that does not begin before these unix seconds."""
    return -int(-at // HOUR)


_ADDED_UP = "records = records + excluded.records, " + ", ".join(
    f"{name} = CASE WHEN excluded.{name} IS NULL THEN {name} ELSE"
    f" min(ifnull({name}, 0), {LARGEST} - excluded.{name}) + excluded.{name} END"
    for name in SUMS
)
_ADD_HOURLY = (
    f"INSERT INTO hourly (hour, dim, records, {', '.join(SUMS)})"  # noqa: S608
    f" VALUES (?, ?, ?, {', '.join('?' * len(SUMS))}) ON CONFLICT DO UPDATE SET {_ADDED_UP}"
)
_ADD_SESSIONS = (
    f"INSERT INTO session_hourly (hour, dim, session, records, {', '.join(SUMS)}, first_at, last_at)"  # noqa: S608
    f" VALUES (?, ?, ?, ?, {', '.join('?' * len(SUMS))}, ?, ?) ON CONFLICT DO UPDATE SET {_ADDED_UP},"
    " first_at = min(first_at, excluded.first_at), last_at = max(last_at, excluded.last_at)"
)


class Pending:
    """What the file's sums have not yet."""

    __slots__ = ("hourly", "sessions")

    def __init__(self) -> None:
        self.hourly: Sums = {}
        self.sessions: SessionSums = {}

    def add(self, more: Pending) -> None:
        """Put them together."""
        add_up(self.hourly, more.hourly)
        for key, (values, first, last) in more.sessions.items():
            before = self.sessions.get(key)
            if before is not None:
                values, first, last = _both(before[0], values), min(first, before[1]), max(last, before[2])
            self.sessions[key] = values, first, last

    def clear(self) -> None:
        """They are in the file."""
        self.hourly.clear()
        self.sessions.clear()

    def largest(self) -> int:
        """Of all its values."""
        return max(max(filter(None, values)) for values in self.hourly.values())

    def write(self, connection: sqlite3.Connection) -> None:
        """Into the file's sums."""
        connection.executemany(_ADD_HOURLY, [(*key, *map(bounded, one)) for key, one in self.hourly.items()])
        rows = [(*key, *map(bounded, one), first, last) for key, (one, first, last) in self.sessions.items()]
        connection.executemany(_ADD_SESSIONS, rows)


def pending_of(
    at: Sequence[float],
    times: tuple[float, float],
    dims: Dims,
    summed: Sequence[Sequence[int | None]],
    sessions: Sequence[int | None],
) -> Pending:
    """at: of each record. times: of the oldest and the newest. dims, sessions and each of SUMMED: one where all are
    alike. sessions: their numbers, None of who names none."""
    made = Pending()
    columns = [*summed, [int(one is None) for one in summed[_COST]]]
    made.hourly = sums_of(at, times, dims, columns)
    if sessions.count(None) == len(sessions):
        return made
    records = len(at)
    if None in sessions:
        known = [index for index, one in enumerate(sessions) if one is not None]
        at = [at[index] for index in known]
        times = min(at), max(at)
        columns = [column if len(column) == 1 else [column[index] for index in known] for column in columns]
        dims = dims if len(dims) == 1 else [dims[index] for index in known]
        sessions, records = [sessions[index] for index in known], len(known)
    if len(dims) > 1 or len(sessions) > 1:
        dims = list(zip(full(dims, records), full(sessions, records), strict=True))
    else:
        dims = [(dims[0], sessions[0])]
    spans: dict[Any, tuple[float, float]] = {}
    for moment, key in zip(at, full(dims, records), strict=True):
        hour = hour_of(moment)
        first, last = spans.get((hour, key), (moment, moment))
        spans[hour, key] = min(first, moment), max(last, moment)
    for (hour, key), values in sums_of(at, times, dims, columns).items():
        made.sessions[hour, *key] = (values, *spans[hour, key])
    return made


def sums_of(
    at: Sequence[float], times: tuple[float, float], dims: Dims, columns: Sequence[Sequence[int | None]]
) -> dict[Any, Values]:
    """By (hour, dimension). columns: each of SUMS, one value where all are alike."""
    hour, last = map(hour_of, times)
    records = len(at)
    if hour == last and len(dims) == 1:
        return {(hour, dims[0]): [records, *[_sum(column, records) for column in columns]]}
    keys: Sequence[Any] = dims
    if hour != last:
        keys = [(hour_of(one), dim) for one, dim in zip(at, full(dims, records), strict=True)]
    found: dict[Any, Values] = {key: [count] for key, count in Counter(keys).items()}
    for column in columns:
        if len(column) == 1:
            value = column[0]
            for sums in found.values():
                sums.append(None if value is None else value * (sums[0] or 0))
            continue
        totals: dict[Any, int | None] = dict.fromkeys(found)
        for key, one in zip(keys, column, strict=True):
            if one is not None:
                before = totals[key]
                totals[key] = one if before is None else before + one
        for key, total in totals.items():
            found[key].append(total)
    return {(hour, key): sums for key, sums in found.items()} if keys is dims else found


def add_up(sums: MutableMapping[Any, Values], more: Mapping[Any, Values]) -> None:
    """Put more to them."""
    for key, values in more.items():
        have = sums.get(key)
        sums[key] = list(values) if have is None else _both(have, values)


def _both(one: Iterable[int | None], other: Iterable[int | None]) -> Values:
    pairs = zip(one, other, strict=True)
    return [b if a is None else a if b is None else a + b for a, b in pairs]


def _sum(column: Sequence[int | None], records: int) -> int | None:
    if len(column) == 1:
        return None if column[0] is None else column[0] * records
    known = [value for value in column if value is not None]
    return sum(known) if known else None


def bounded(value: int | None) -> int | None:
    """As SQLite takes it."""
    return None if value is None else min(value, LARGEST)
