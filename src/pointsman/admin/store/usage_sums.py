"""Sums of the usage log, all in one or by group: day, model, backend, key, client, session. Reads only.

Sums of whole hours are in the file (usage_adding.py), and those of days that are over (usage_days.py); only the hours in
which a span begins and ends are read block by block, so that each sum is exact to the record. Not here: filters
(usage_query.py), what of it the API shows (routers/usage.py).
"""

from __future__ import annotations

import math
import sqlite3
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple
from typing import Protocol as TypingProtocol

from ...ledger.blocks import SUMMED, full
from .usage_adding import HOUR, Pending, Values, hour_from, hour_of, sums_of
from .usage_columns import Block
from .usage_days import hours_of, kept_within
from .usage_facts import AXES, BACKEND, COUNTS, GROUPS, SUMMED_UP, VALUES
from .usage_log import blocks_with
from .usage_query import ALL, UsageFilter, conditions, of_request
from .usage_sessions import latest_sessions

_COST = SUMMED.index("cost")

Span = tuple[float, float]
"""Unix seconds; since <= at < until."""


class Sum(NamedTuple):
    """values: each of COUNTS and of SUMS. first_at, last_at: of a session alone, else 0."""

    values: Values
    first_at: float = 0.0
    last_at: float = 0.0

    def with_(self, other: Sum) -> Sum:
        """Both."""
        pairs = zip(self.values, other.values, strict=True)
        values = [b if a is None else a if b is None else a + b for a, b in pairs]
        return Sum(values, min(self.first_at, other.first_at), max(self.last_at, other.last_at))


Found = dict[tuple[int, tuple[Any, ...]], Sum]
"""By (number of the span, the group)."""
NOTHING = Sum([*[0] * len(COUNTS), *[None] * len(SUMMED), 0])


class SumsReader(TypingProtocol):
    """What sums are read from, within a transaction."""

    def grouped(
        self,
        filters: UsageFilter,
        by: str,
        spans: Sequence[Span],
        sessions: Collection[Any] | None = None,
    ) -> Found:
        """spans: apart from each other, in order; of the filter's own times nothing is asked. by: of GROUPS. sessions: of
        those that latest_sessions told; None: all."""

    def next_hour(self, first: int) -> int | None:
        """The first hour with a record that is no earlier."""

    def latest_sessions(self, filters: UsageFilter, most: int) -> Collection[Any]:
        """The `most` latest at least, where there are as many. Some of them may have no record that passes."""


class FileSums:
    """See SumsReader. pending: what the file's sums have not yet. Raises Damaged."""

    def __init__(self, driver: sqlite3.Connection, pending: Pending) -> None:
        self._driver = driver
        self._pending = pending
        self._waits = sorted(hours_of(pending))

    def grouped(
        self, filters: UsageFilter, by: str, spans: Sequence[Span], sessions: Collection[Any] | None = None
    ) -> Found:
        """See SumsReader."""
        found = _Grouping(self._driver, filters, self._pending, by)
        if sessions is not None:
            found.only(sessions)
        return found.of(spans)

    def next_hour(self, first: int) -> int | None:
        """See SumsReader."""
        (hour,) = self._driver.execute("SELECT min(hour) FROM hourly WHERE hour >= ?", (first,)).fetchone()
        there = [*([] if hour is None else [hour]), *self._waits[bisect_left(self._waits, first) :][:1]]
        return min(there, default=None)

    def latest_sessions(self, filters: UsageFilter, most: int) -> Collection[Any]:
        """See SumsReader."""
        return latest_sessions(self._driver, filters, self._pending, most)


def spent(
    driver: sqlite3.Connection,
    pending: Pending,
    key_ids: Sequence[int],
    backend: str | None,
    since: float | None,
) -> tuple[int, int]:
    """See UsageStore.spent(). Raises Damaged."""
    span = -math.inf if since is None else since, math.inf
    if backend is None:
        where = f"d.key_id IN ({', '.join(map(str, map(int, key_ids)))})"
    else:
        where = f"{BACKEND} = :backend"
    found = _Grouping(driver, UsageFilter(), pending, "all", where, backend=backend).of([span])
    values = dict(zip(VALUES, found.get((0, ()), NOTHING).values, strict=True))
    return (values["input_tokens"] or 0) + (values["output_tokens"] or 0), values["cost"] or 0


def spent_by_key(
    driver: sqlite3.Connection, pending: Pending, since: float | None
) -> dict[int, tuple[int, int]]:
    """spent() of each client key that has any. Raises Damaged."""
    span = -math.inf if since is None else since, math.inf
    found: dict[int, tuple[int, int]] = {}
    for (_, (key,)), summed in _Grouping(driver, UsageFilter(), pending, "key").of([span]).items():
        values = dict(zip(VALUES, summed.values, strict=True))
        tokens = (values["input_tokens"] or 0) + (values["output_tokens"] or 0)
        if key is not None:
            found[key] = tokens, values["cost"] or 0
    return found


class _Grouping:
    """where: a further condition on the dimensions; its names in `given`."""

    def __init__(
        self,
        driver: sqlite3.Connection,
        filters: UsageFilter,
        pending: Pending,
        by: str,
        where: str = ALL,
        **given: object,
    ) -> None:
        self._driver = driver
        self._filters = filters
        self._sessions = by == "session" or filters.session is not None
        self._pending = pending
        self._where, self._given = conditions(filters)
        self._axis = by if self._where == where == ALL and by in AXES else None
        self._where, self._given = f"{self._where} AND {where}", self._given | given
        self._by = GROUPS[by]
        self._named: dict[int, str] = {}
        for number in {key[2] for key in pending.sessions} if self._sessions else ():
            row = driver.execute("SELECT name FROM session WHERE id = ?", (number,)).fetchone()
            self._named[number] = row[0]
        self._found: Found = {}
        self._only = ""
        self._among: set[str] | None = None

    @cached_property
    def _dims(self) -> dict[int, tuple[Any, ...]]:
        """Those that pass: each of COUNTS, and the group."""
        named = [one for one in self._by if one.startswith("d.") or one == BACKEND]
        query = ", ".join(["d.id", *COUNTS.values(), *named])
        rows = self._driver.execute(f"SELECT {query} FROM dimension d WHERE {self._where}", self._given)  # noqa: S608
        return {dim: tuple(rest) for dim, *rest in rows}

    def only(self, sessions: Collection[int]) -> None:
        """Of all sessions these."""
        some = ", ".join(map(str, sessions))
        self._only = f" AND h.session IN ({some})"
        rows = self._driver.execute(f"SELECT id, name FROM session WHERE id IN ({some})")  # noqa: S608
        self._among = {name for _, name in rows}

    def of(self, spans: Sequence[Span]) -> Found:
        """See grouped()."""
        whole: list[tuple[float, float, int]] = []
        parts: list[tuple[float, float, int]] = []
        days: dict[int, int] = {}
        for number, (since, until) in enumerate(spans):
            if self._filters.request is not None:
                parts.append((since, until, number))
                continue
            done = since
            hours = self._axis is not None
            for day in (
                () if self._sessions else kept_within(self._driver, since, until, self._pending, hours=hours)
            ):
                cut(done, day.since, number, whole, parts)
                days[day.number] = number
                done = day.until
            cut(done, until, number, whole, parts)
        if days:
            self._add_days(days)
        for one in whole:
            self._add_hours(*one)
        if whole:
            self._add_pending(whole)
        if parts:
            self._add_blocks(sorted(parts))
        return self._found

    def _add(self, number: int, group: tuple[Any, ...], more: Sum) -> None:
        key = number, group
        before = self._found.get(key)
        self._found[key] = more if before is None else before.with_(more)

    def _add_hours(self, first: float, last: float, number: int) -> None:
        table = "session_hourly h JOIN session s ON s.id = h.session" if self._sessions else "hourly h"
        times = ", min(h.first_at), max(h.last_at)" if self._sessions else ""
        session = self._only + (" AND s.name = :session" if self._filters.session is not None else "")
        groups = ", ".join(self._by)
        query = (
            f"SELECT {SUMMED_UP}{times}{groups and ', ' + groups} FROM {table} JOIN dimension d ON d.id = h.dim"  # noqa: S608
            f" WHERE h.hour >= :first AND h.hour < :last AND {self._where}{session}"
            + (f" GROUP BY {groups}" if groups else " HAVING count(*)")
        )
        given = {**self._given, "first": first, "last": last, "session": self._filters.session}
        many = len(VALUES)
        for row in self._driver.execute(query, given):
            at = row[many : many + 2] if self._sessions else ()
            self._add(number, row[many + len(at) :], Sum(list(row[:many]), *at))

    def _add_days(self, days: Mapping[int, int]) -> None:
        """days: their numbers, and of which span each is."""
        among = f"h.day IN ({', '.join(map(str, days))})"
        if self._axis is not None:
            query = (
                f"SELECT {', '.join(VALUES)}, h.day, h.name FROM daily_by h WHERE {among} AND h.axis = :axis"  # noqa: S608
            )
        else:
            groups = ", ".join(("h.day", *self._by))
            query = (
                f"SELECT {SUMMED_UP}, {groups} FROM daily h JOIN dimension d ON d.id = h.dim"  # noqa: S608
                f" WHERE {among} AND {self._where} GROUP BY {groups}"
            )
        many = len(VALUES)
        for row in self._driver.execute(query, {**self._given, "axis": self._axis}):
            group = row[many + 1 : many + 1 + len(self._by)]
            self._add(days[row[many]], group, Sum(list(row[:many])))

    def _add_pending(self, whole: Sequence[tuple[float, float, int]]) -> None:
        begins = [first for first, *_ in whole]

        def add(hour: int, dim: int, values: Values, session: str | None, at: Span) -> None:
            place = bisect_right(begins, hour) - 1
            if place >= 0 and hour < whole[place][1] and dim in self._dims:
                records, *summed = values
                self._add(whole[place][2], *self._sum(dim, session, records or 0, summed, at))

        if not self._sessions:
            for (hour, dim), values in self._pending.hourly.items():
                add(hour, dim, values, None, (0.0, 0.0))
            return
        for (hour, dim, session), (values, *at) in self._pending.sessions.items():
            name = self._named[session]
            if self._filters.session in (None, name) and (self._among is None or name in self._among):
                add(hour, dim, values, name, (at[0], at[1]))

    def _sum(
        self, dim: int, session: str | None, records: int, summed: Sequence[int | None], at: Span
    ) -> tuple[tuple[Any, ...], Sum]:
        facts = self._dims[dim]
        group = list(facts[len(COUNTS) :])
        if self._sessions and "s.name" in self._by:
            group.insert(self._by.index("s.name"), session)
        return tuple(group), Sum([fact * records for fact in facts[: len(COUNTS)]] + [*summed], *at)

    def _add_blocks(self, parts: Sequence[tuple[float, float, int]]) -> None:
        """Record by record."""
        ends = [until for _, until, _ in parts]
        for first, last, block in self._blocks(parts):
            near = parts[bisect_right(ends, first) :]
            passes = self._passing(block)
            columns = [block.values(name) for name in SUMMED]
            for since, until, number in near[: bisect_right([since for since, *_ in near], last)]:
                piece = [
                    index
                    for index, (at, dim) in enumerate(zip(block.at, block.dims, strict=True))
                    if since <= at < until and dim in self._dims and (passes is None or passes[index])
                ]
                if piece:
                    self._add_piece(block, piece, columns, number)

    def _add_piece(
        self, block: Block, piece: Sequence[int], columns: Sequence[Sequence[int | None]], number: int
    ) -> None:
        """piece: places of records."""
        keys: list[tuple[int, str | None]] = [(block.dims[one], None) for one in piece]
        times: dict[tuple[int, str | None], Span] = {}
        if self._sessions:
            keys = [(block.dims[one], block.session(one)) for one in piece]
            for key, one in zip(keys, piece, strict=True):
                at = block.at[one]
                first, last = times.get(key, (at, at))
                times[key] = min(first, at), max(last, at)
        chosen = [[column[one] for one in piece] for column in columns]
        chosen.append([int(one is None) for one in chosen[_COST]])
        for (_, (dim, session)), (records, *summed) in sums_of(piece, (0.0, 0.0), keys, chosen).items():
            when = times.get((dim, session), (0.0, 0.0))
            self._add(number, *self._sum(dim, session, records or 0, summed, when))

    def _blocks(self, parts: Sequence[tuple[float, float, int]]) -> Iterator[tuple[float, float, Block]]:
        """(oldest, newest, block) of those that have a part in one of them."""
        ends = [until for _, until, _ in parts]
        among = ""
        if self._filters.request is not None:
            some = blocks_with(self._driver, [self._filters.request], attempts=True)
            among = f" AND id IN ({', '.join(str(number) for number, *_ in some)})"
        rows = self._driver.execute(
            f"SELECT id, records, first_at, last_at FROM block WHERE last_at >= ? AND first_at < ?{among}",  # noqa: S608
            (parts[0][0], ends[-1]),
        )
        for number, records, first, last in rows.fetchall():
            place = bisect_right(ends, first)
            if place < len(parts) and parts[place][0] <= last:
                (body,) = self._driver.execute("SELECT body FROM block WHERE id = ?", (number,)).fetchone()
                yield first, last, Block(body, records)

    def _passing(self, block: Block) -> list[bool] | None:
        """Which of its records pass what no dimension decides; None: all."""
        filters = self._filters
        found = None if filters.request is None else of_request(block, filters.request)
        if self._sessions:
            wanted = filters.session
            names = full(block.sessions(), block.records)
            among = self._among
            of = [
                one is not None and wanted in (None, one) and (among is None or one in among) for one in names
            ]
            found = of if found is None else [a and b for a, b in zip(found, of, strict=True)]
        return found


def cut(
    since: float,
    until: float,
    number: int,
    whole: list[tuple[float, float, int]],
    parts: list[tuple[float, float, int]],
) -> None:
    """Of a span: its whole hours, and the parts of hours at its ends."""
    first, last = _whole(hour_from, since), _whole(hour_of, until)
    if since >= until:
        return
    if first >= last:
        parts.append((since, until, number))
        return
    whole.append((first, last, number))
    if first * HOUR > since:
        parts.append((since, first * HOUR, number))
    if last * HOUR < until:
        parts.append((last * HOUR, until, number))


def _whole(rounded: Callable[[float], int], at: float) -> float:
    return at if math.isinf(at) else rounded(at)
