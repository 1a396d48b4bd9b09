"""What is asked of the usage log: filters, and the newest records that pass them. Reads only.

Not here: pages and cursors (usage.py), sums (usage_sums.py).
"""

from __future__ import annotations

import heapq
import math
import re
import sqlite3
import time
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Self

from pydantic import AwareDatetime, BaseModel, BeforeValidator, Field, PrivateAttr, WithJsonSchema

from ...ledger.blocks import MAX_TEXT, MONEY
from ...ledger.cost import CACHED
from ...ledger.records import NANO, UsageRecord
from .usage_adding import Pending
from .usage_columns import Block, Damaged
from .usage_facts import BACKEND, COUNTS, LEFT
from .usage_log import blocks_with, dimensions, dims_of
from .values import MAX_ID

MOST_VALUES = 100
"""Of one filter."""


def _several(value: Any) -> Any:
    """One alone, or none, as a list."""
    return value if isinstance(value, list | tuple) else [] if value is None else [value]


_Several = (BeforeValidator(_several), Field(max_length=MOST_VALUES))
Text = Annotated[str | None, Field(max_length=MAX_TEXT)]
Texts = Annotated[list[Annotated[str, Field(max_length=MAX_TEXT)]], *_Several]
Ids = Annotated[list[Annotated[int, Field(ge=1, le=MAX_ID)]], *_Several]
_TIMES: dict[str, Any] = {
    "anyOf": [{"type": "string", "format": "date-time"}, {"type": "number"}, {"type": "null"}]
}
Time = Annotated[
    AwareDatetime | None,
    Field(description="ISO 8601 with a time zone, or unix seconds."),
    WithJsonSchema(_TIMES),
]


_FAILED = "Only what was not answered to the end though its client stayed."
_TEXT = (
    "Words, each of which stands in the model, the target, the name of the client key, the program, the outcome, the status,"
    " the reason of a fallback, the protocol or the path."
)


class UsageFilter(BaseModel):
    """Which requests; what is left out lets everything through, and of what is given several times any will do.
    since <= at < until."""

    model: Texts = []
    target: Texts = []
    backend: Texts = []
    protocol: Texts = []
    outcome: Texts = []
    status: Annotated[list[Annotated[int, Field(ge=100, le=599)]], *_Several] = []
    key_id: Ids = []
    mapping_id: Ids = []
    client: Texts = []
    session: Text = None
    request: Text = None
    left_machine: Annotated[bool, Field(description="Only what went to a backend that is not `local`.")] = (
        False
    )
    rescued: Annotated[bool, Field(description="Only what a later target than the first answered.")] = False
    failed: Annotated[bool, Field(description=_FAILED)] = False
    local: Annotated[bool, Field(description="Only requests that a `local` backend had last.")] = False
    cached: Annotated[bool, Field(description="Only what was answered out of the cache.")] = False
    text: Annotated[str | None, Field(max_length=200, description=_TEXT)] = None
    since: Time = None
    until: Time = None
    _keys: Mapping[int, str] = PrivateAttr(default_factory=dict)

    def knowing(self, keys: Mapping[int, str]) -> Self:
        """With the names of client keys, which `text` looks for, too."""
        self._keys = keys
        return self


class RowFilter(UsageFilter):
    """Also by what each row has of its own."""

    slower_ms: Annotated[
        float | None, Field(ge=0, le=1e12, description="Only what took longer than so much.")
    ] = None
    whole: Annotated[
        bool, Field(description="One row a request: none of the attempts that another followed.")
    ] = False


def in_dollars(values: dict[str, Any]) -> dict[str, Any]:
    """The same, its money in USD."""
    return values | {name: None if values[name] is None else values[name] / NANO for name in MONEY}


class Totals(BaseModel):
    """Sums over the filtered requests; tokens and money over all their attempts, since each is paid for. A token sum is
    null when no backend reported that count, money (USD) when none is known. failed: not answered to the end, `aborted` of
    them since the client left; rescued: answered by a later target than the first; local: answered, or not, by a `local`
    backend; attempts: how often a target was asked; unpriced: records whose cost is not known, and so not in `cost`;
    sent_bytes: head and body of the requests as backends were given them, local ones too, null where no record has it."""

    requests: int
    failed: int
    aborted: int
    rescued: int
    local: int
    attempts: int
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None
    reasoning_tokens: int | None
    cache_write_tokens: int | None
    cost: float | None
    saved: float | None
    extra: float | None
    unpriced: int
    sent_bytes: int | None


_SHARED = ("model", "target", "protocol", "outcome", "status", "key_id", "mapping_id", "client")
"""Filters that the dimensions alone decide, by their columns; `backend` is one, too."""

_WORDS = (
    "lower(d.model || ' ' || coalesce(d.target, '') || ' ' || d.client || ' ' || d.outcome || ' ' || d.status || ' '"
    " || coalesce(d.fallback, '') || ' ' || d.protocol || ' ' || d.path)"
)
_MOST_WORDS = 8
_ODD = re.compile("[!%_]")
"""In a LIKE."""
ALL = "TRUE"
"""The condition that all pass."""

_Found = tuple[float, str, Block, int]
"""(at, id, its block, its place there)."""


def newest_within(
    driver: sqlite3.Connection,
    filters: UsageFilter,
    before: tuple[float, str] | None,
    limit: int,
    pending: Pending,
    seconds: float,
) -> tuple[list[UsageRecord], float | None]:
    """By time and id, newest first, at most `limit`. before: only those older than this time and id. pending: see
    usage_sums.grouped(). seconds: it is looked for no longer than that; then also the time from which on, backwards, nothing
    was looked at. Raises Damaged."""
    wanted = _wanted(driver, filters)
    if wanted is not None and not wanted:
        return [], None
    times = bounds(filters) if filters.session is None else _session_times(driver, filters, pending)
    return _newest(driver, filters, times, wanted, before, limit, seconds)


def _newest(
    driver: sqlite3.Connection,
    filters: UsageFilter,
    times: tuple[float, float],
    wanted: set[int] | None,
    before: tuple[float, str] | None,
    limit: int,
    seconds: float = math.inf,
) -> tuple[list[UsageRecord], float | None]:
    top, until, left = math.inf if before is None else before[0], time.monotonic() + seconds, None
    found: list[_Found] = []
    for last_at, block in newest_blocks(driver, filters, times, wanted, top):
        if len(found) == limit and found[-1][0] > last_at:
            break
        if last_at < top and time.monotonic() > until:
            left = last_at
            found = [one for one in found if one[0] > left]
            break
        found += _passing(block, filters, wanted, before, limit)
        found.sort(key=lambda one: one[:2], reverse=True)
        del found[limit:]
    shared = dimensions(driver, [block.dims[index] for *_, block, index in found])
    return [block.record(index, shared[block.dims[index]]) for *_, block, index in found], left


def troubles(driver: sqlite3.Connection, limit: int) -> list[UsageRecord]:
    """The newest requests that failed, were rescued or whose client left. Raises Damaged."""
    where = "d.own AND (d.outcome <> 'ok' OR d.fallback IS NOT NULL)"
    rows = driver.execute(f"SELECT id FROM dimension d WHERE {where}")  # noqa: S608
    wanted = {number for (number,) in rows}
    return _newest(driver, UsageFilter(), (-math.inf, math.inf), wanted, None, limit)[0]


def damaged(driver: sqlite3.Connection) -> list[str]:
    """The blocks that are not what was written, in words."""
    found = []
    for number, records, body in driver.execute("SELECT id, records, body FROM block ORDER BY id"):
        try:
            Block(body, records)
        except Damaged:
            found.append(f"block {number} of the usage log, of {records} records, is damaged")
    return found


def bounds(filters: UsageFilter) -> tuple[float, float]:
    since, until = filters.since, filters.until
    return (
        -math.inf if since is None else since.timestamp(),
        math.inf if until is None else until.timestamp(),
    )


def conditions(filters: UsageFilter, backend: str = BACKEND) -> tuple[str, dict[str, Any]]:
    """On the dimensions, which are called d: SQL, and its values by name. backend: what tells theirs."""
    given: dict[str, Any] = {}
    terms: list[str] = []
    for name, column in [*((name, f"d.{name}") for name in _SHARED), ("backend", backend)]:
        some = {f"{name}{place}": value for place, value in enumerate(getattr(filters, name))}
        if some:
            terms.append(f"{column} IN ({', '.join(f':{one}' for one in some)})")
            given |= some
    if filters.left_machine:
        terms.append(LEFT)
    terms += [f"({COUNTS[name]})" for name in ("rescued", "failed", "local") if getattr(filters, name)]
    if filters.cached:
        terms.append(f"d.flag = '{CACHED}'")
    if filters.failed:
        terms.append(f"NOT ({COUNTS['aborted']})")
    if isinstance(filters, RowFilter) and filters.whole:
        terms.append("d.own")
    for place, word in enumerate((filters.text or "").lower().split()[:_MOST_WORDS]):
        given[f"word{place}"] = "%" + _ODD.sub(r"!\g<0>", word) + "%"
        named = [str(number) for number, name in filters._keys.items() if word in name.lower()]
        keys = f" OR d.key_id IN ({', '.join(named)})" if named else ""
        terms.append(f"({_WORDS} LIKE :word{place} ESCAPE '!'{keys})")
    return " AND ".join(terms or [ALL]), given


def _wanted(driver: sqlite3.Connection, filters: UsageFilter) -> set[int] | None:
    """The dimensions that pass; None: all do."""
    where, given = conditions(filters)
    if where == ALL:
        return None
    return {row[0] for row in driver.execute(f"SELECT id FROM dimension d WHERE {where}", given)}  # noqa: S608


def newest_blocks(
    driver: sqlite3.Connection,
    filters: UsageFilter,
    times: tuple[float, float],
    wanted: set[int] | None,
    top: float,
) -> Iterator[tuple[float, Block]]:
    """(time of its newest record, block) of all that may hold what passes, the newest first. top: nothing is newer."""
    rows: Any
    if filters.request is not None:
        some = ", ".join(str(number) for number, *_ in blocks_with(driver, [filters.request], attempts=True))
        among = f" AND id IN ({some})"
    else:
        among = ""
    rows = driver.execute(
        "SELECT id, records, last_at, dims FROM block WHERE last_at >= ? AND first_at <= ? AND first_at <= ?"  # noqa: S608
        f"{among} ORDER BY last_at DESC",
        (*times, top),
    )
    for number, records, last_at, dims in rows:
        if wanted is not None and wanted.isdisjoint(dims_of(dims)):
            continue
        (body,) = driver.execute("SELECT body FROM block WHERE id = ?", (number,)).fetchone()
        yield last_at, Block(body, records)


def _session_times(driver: sqlite3.Connection, filters: UsageFilter, pending: Pending) -> tuple[float, float]:
    """When the first and the last of a session may be that pass; nothing lies in between where there is none."""
    since, until = bounds(filters)
    row = driver.execute("SELECT id FROM session WHERE name = ?", (filters.session,)).fetchone()
    if row is None:
        return math.inf, -math.inf
    times = [one[1:] for key, one in pending.sessions.items() if key[2] == row[0]]
    query = "SELECT min(first_at), max(last_at) FROM session_hourly WHERE session = ?"
    first, last = driver.execute(query, row).fetchone()
    if first is not None:
        times.append((first, last))
    begins, ends = zip(*times, strict=True) if times else ((math.inf,), (-math.inf,))
    return max(since, min(begins)), min(until, max(ends))


def _passing(
    block: Block, filters: UsageFilter, wanted: set[int] | None, before: tuple[float, str] | None, limit: int
) -> list[_Found]:
    """Those of a block that pass, the newest `limit` and what is as new as the last of them."""
    since, until = bounds(filters)
    top = math.inf if before is None else before[0]
    passing = [
        (at, index)
        for index, (at, dim) in enumerate(zip(block.at, block.dims, strict=True))
        if since <= at < until and at <= top and (wanted is None or dim in wanted)
    ]
    if filters.request is not None:
        of = of_request(block, filters.request)
        passing = [one for one in passing if of[one[1]]]
    if isinstance(filters, RowFilter) and filters.slower_ms is not None:
        took = block.milliseconds("total_ms")
        passing = [one for one in passing if (took[one[1]] or 0.0) > filters.slower_ms]
    if filters.session is not None:
        passing = [one for one in passing if block.session(one[1]) == filters.session]
    if before is None and len(passing) > limit:
        least = heapq.nlargest(limit, passing)[-1][0]
        passing = [one for one in passing if one[0] >= least]
    found = [(at, block.id(index), block, index) for at, index in passing]
    return found if before is None else [one for one in found if one[:2] < before]


def of_request(block: Block, request: str) -> list[bool]:
    """Of each record, is it of that request? One without a request is known by its id alone."""
    pairs = zip(block.ids(), block.values("request"), strict=True)
    return [(of or name) == request for name, of in pairs]
