"""What is asked of the usage log: filters, the newest records that pass them, sums. Reads only.

Sums of whole hours are in `hourly`; only the hours in which `since` and `until` lie are read block by block. Not here:
pages and cursors (usage.py).
"""

from __future__ import annotations

import heapq
import math
import sqlite3
from collections.abc import Callable, Iterator
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, Field, WithJsonSchema

from ...ledger.blocks import MAX_TEXT, MONEY, NANO, SUMMED
from ...ledger.records import UsageRecord
from .usage_columns import Block, Damaged
from .usage_log import HOUR, SUMS, Sums, blocks_with, dimensions, dims_of
from .values import MAX_ID

Text = Annotated[str | None, Field(max_length=MAX_TEXT)]
Id = Annotated[int | None, Field(ge=1, le=MAX_ID)]
_TIMES: dict[str, Any] = {
    "anyOf": [{"type": "string", "format": "date-time"}, {"type": "number"}, {"type": "null"}]
}
Time = Annotated[
    AwareDatetime | None,
    Field(description="ISO 8601 with a time zone, or unix seconds."),
    WithJsonSchema(_TIMES),
]


class UsageFilter(BaseModel):
    """Which requests; what is left out lets everything through. since <= at < until."""

    model: Text = None
    target: Text = None
    protocol: Text = None
    outcome: Text = None
    status: Annotated[int | None, Field(ge=100, le=599)] = None
    key_id: Id = None
    mapping_id: Id = None
    request: Text = None
    since: Time = None
    until: Time = None


def in_dollars(values: dict[str, Any]) -> dict[str, Any]:
    """The same, its money in USD."""
    return values | {name: None if values[name] is None else values[name] / NANO for name in MONEY}


class Totals(BaseModel):
    """Sums over the filtered requests; tokens and money over all their attempts, since each is paid for. A token sum is
    null when no backend reported that count, money (USD) when none is known; unpriced: attempts whose cost is not known,
    and so not in `cost`."""

    requests: int
    failed: int
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None
    reasoning_tokens: int | None
    cache_write_tokens: int | None
    cost: float | None
    saved: float | None
    extra: float | None
    unpriced: int


_SHARED = ("model", "target", "protocol", "outcome", "status", "key_id", "mapping_id")
"""Filters that the dimensions alone decide."""

_Found = tuple[float, str, Block, int]
"""(at, id, its block, its place there)."""


def newest(
    driver: sqlite3.Connection, filters: UsageFilter, before: tuple[float, str] | None, limit: int
) -> list[UsageRecord]:
    """By time and id, newest first, at most `limit`. before: only those older than this time and id. Raises Damaged."""
    wanted = _wanted(driver, filters)
    if wanted is not None and not wanted:
        return []
    top = math.inf if before is None else before[0]
    found: list[_Found] = []
    for last_at, block in _blocks(driver, filters, wanted, top):
        if len(found) == limit and found[-1][0] > last_at:
            break
        found += _passing(block, filters, wanted, before, limit)
        found.sort(key=lambda one: one[:2], reverse=True)
        del found[limit:]
    shared = dimensions(driver, [block.dims[index] for *_, block, index in found])
    return [block.record(index, shared[block.dims[index]]) for *_, block, index in found]


def add_together(driver: sqlite3.Connection, filters: UsageFilter, pending: Sums) -> list[int | None]:
    """Requests, how many of them failed, and each of SUMS. pending: what `hourly` has not yet. Raises Damaged."""
    own = dict(_own(driver, filters))
    since, until = _bounds(filters)
    sums: list[int | None] = [0, 0, *[None] * len(SUMMED), 0]
    if filters.request is not None:
        _add_blocks(driver, filters, own, (since, until), sums)
        return sums
    first, last = _whole(math.ceil, since), _whole(math.floor, until)
    if first > last:
        _add_blocks(driver, filters, own, (since, until), sums)
        return sums
    _add_hours(driver, filters, (first, last), sums)
    for (hour, dim), values in pending.items():
        if first <= hour < last and dim in own:
            _add(sums, own[dim], values)
    if first * HOUR > since:
        _add_blocks(driver, filters, own, (since, first * HOUR), sums)
    if last * HOUR < until:
        _add_blocks(driver, filters, own, (last * HOUR, until), sums)
    return sums


def damaged(driver: sqlite3.Connection) -> list[str]:
    """The blocks that are not what was written, in words."""
    found = []
    for number, records, body in driver.execute("SELECT id, records, body FROM block ORDER BY id"):
        try:
            Block(body, records)
        except Damaged:
            found.append(f"block {number} of the usage log, of {records} records, is damaged")
    return found


def _bounds(filters: UsageFilter) -> tuple[float, float]:
    since, until = filters.since, filters.until
    return (
        -math.inf if since is None else since.timestamp(),
        math.inf if until is None else until.timestamp(),
    )


def _whole(rounded: Callable[[float], int], at: float) -> float:
    return at if math.isinf(at) else rounded(at / HOUR)


def _conditions(filters: UsageFilter) -> tuple[str, dict[str, Any]]:
    """On the dimensions: SQL, and its values by name."""
    given = {name: value for name in _SHARED if (value := getattr(filters, name)) is not None}
    return " AND ".join(["1", *[f"{name} = :{name}" for name in given]]), given


def _wanted(driver: sqlite3.Connection, filters: UsageFilter) -> set[int] | None:
    """The dimensions that pass; None: all do."""
    where, given = _conditions(filters)
    if not given:
        return None
    return {row[0] for row in driver.execute(f"SELECT id FROM dimension WHERE {where}", given)}  # noqa: S608


def _own(driver: sqlite3.Connection, filters: UsageFilter) -> Iterator[tuple[int, tuple[int, int]]]:
    """Of each dimension that passes: (does it stand for its request, and has that failed)."""
    where, given = _conditions(filters)
    query = f"SELECT id, own, own AND outcome <> 'ok' FROM dimension WHERE {where}"  # noqa: S608
    for dim, own, failed in driver.execute(query, given):
        yield dim, (own, failed)


def _blocks(
    driver: sqlite3.Connection, filters: UsageFilter, wanted: set[int] | None, top: float
) -> Iterator[tuple[float, Block]]:
    """(time of its newest record, block) of all that may hold what passes, the newest first. top: nothing is newer."""
    since, until = _bounds(filters)
    rows: Any
    if filters.request is not None:
        some = ", ".join(str(number) for number, *_ in blocks_with(driver, [filters.request], attempts=True))
        among = f" AND id IN ({some})"
    else:
        among = ""
    rows = driver.execute(
        "SELECT id, records, last_at, dims FROM block WHERE last_at >= ? AND first_at < ? AND first_at <= ?"  # noqa: S608
        f"{among} ORDER BY last_at DESC",
        (since, until, top),
    )
    for number, records, last_at, dims in rows:
        if wanted is not None and wanted.isdisjoint(dims_of(dims)):
            continue
        (body,) = driver.execute("SELECT body FROM block WHERE id = ?", (number,)).fetchone()
        yield last_at, Block(body, records)


def _passing(
    block: Block, filters: UsageFilter, wanted: set[int] | None, before: tuple[float, str] | None, limit: int
) -> list[_Found]:
    """Those of a block that pass, the newest `limit` and what is as new as the last of them."""
    since, until = _bounds(filters)
    top = math.inf if before is None else before[0]
    passing = [
        (at, index)
        for index, (at, dim) in enumerate(zip(block.at, block.dims, strict=True))
        if since <= at < until and at <= top and (wanted is None or dim in wanted)
    ]
    if filters.request is not None:
        of = _of_request(block, filters.request)
        passing = [one for one in passing if of[one[1]]]
    if before is None and len(passing) > limit:
        least = heapq.nlargest(limit, passing)[-1][0]
        passing = [one for one in passing if one[0] >= least]
    found = [(at, block.id(index), block, index) for at, index in passing]
    return found if before is None else [one for one in found if one[:2] < before]


def _of_request(block: Block, request: str) -> list[bool]:
    """Of each record, is it of that request? One without a request is known by its id alone."""
    pairs = zip(block.ids(), block.values("request"), strict=True)
    return [(of or name) == request for name, of in pairs]


def _add_hours(
    driver: sqlite3.Connection, filters: UsageFilter, hours: tuple[float, float], sums: list[int | None]
) -> None:
    where, given = _conditions(filters)
    summed = ", ".join(f"sum(h.{name})" for name in SUMS)
    row = driver.execute(
        "SELECT ifnull(sum(d.own * h.records), 0), ifnull(sum((d.own AND d.outcome <> 'ok') * h.records), 0),"  # noqa: S608
        f" {summed} FROM hourly h JOIN dimension d ON d.id = h.dim"
        f" WHERE h.hour >= :first AND h.hour < :last AND {where}",
        {**given, "first": hours[0], "last": hours[1]},
    ).fetchone()
    for index, value in enumerate(row):
        if value is not None:
            sums[index] = (sums[index] or 0) + value


def _add_blocks(
    driver: sqlite3.Connection,
    filters: UsageFilter,
    own: dict[int, tuple[int, int]],
    times: tuple[float, float],
    sums: list[int | None],
) -> None:
    """Put what lies between these times to the sums, record by record."""
    since, until = times
    for _, block in _blocks(driver, filters, None, math.inf):
        columns = [block.values(name) for name in SUMMED]
        columns.append([int(one is None) for one in columns[SUMMED.index("cost")]])
        of = None if filters.request is None else _of_request(block, filters.request)
        for index, (at, dim) in enumerate(zip(block.at, block.dims, strict=True)):
            if not since <= at < until or dim not in own:
                continue
            if of is None or of[index]:
                _add(sums, own[dim], [1, *[column[index] for column in columns]])


def _add(sums: list[int | None], own: tuple[int, int], values: list[int | None]) -> None:
    """values: records, and each of SUMS."""
    records, *summed = values
    for index, value in enumerate([own[0] * (records or 0), own[1] * (records or 0), *summed]):
        if value is not None:
            sums[index] = (sums[index] or 0) + value
