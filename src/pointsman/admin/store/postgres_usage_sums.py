"""Sums of the usage in PostgreSQL: of whole hours from those that are kept, of the rest of a span from its rows. Reads only;
everything is called within a transaction. Not here: what is made of them (usage_groups.py, usage_chart.py).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, text

from .usage_adding import HOUR, SUMS, hour_from, hour_of
from .usage_deleting import IN_ALL
from .usage_facts import BACKEND, COUNTS, GROUPS
from .usage_query import ALL, UsageFilter, bounds, conditions
from .usage_sums import Found, Span, Sum, cut

KIND_BACKEND = "d.backend"
_EVER = 2**62
"""Hours, and unix seconds."""
_HOURS_AT_ONCE = 1000
_PARTS_AT_ONCE = 50
_COUNTED = ", ".join(
    f"coalesce(sum(h.records) FILTER (WHERE {condition}), 0)" for condition in COUNTS.values()
)
_SUMMED_UP = ", ".join(f"sum(h.{name})" for name in SUMS)
_MANY = len(COUNTS) + len(SUMS)
_HOURS = ", ".join(["sum(h.records) AS records", *(f"sum(h.{name}) AS {name}" for name in SUMS)])
_ROWS = ", ".join(
    [
        "count(*) AS records",
        *(f"sum(u.{name}) AS {name}" for name in SUMS if name != "unpriced"),
        "count(*) FILTER (WHERE u.cost IS NULL) AS unpriced",
    ]
)
_NEXT_HOURS = text(
    "WITH RECURSIVE t AS ((SELECT hour FROM usage_hour WHERE hour >= :first ORDER BY hour LIMIT 1) UNION ALL"
    " SELECT (SELECT h.hour FROM usage_hour h WHERE h.hour > t.hour ORDER BY h.hour LIMIT 1) FROM t"
    " WHERE t.hour IS NOT NULL) SELECT hour FROM t WHERE hour IS NOT NULL LIMIT :many"
)
"""Each hour by a look into the index, however many kinds it has."""
OF_REQUEST = (
    "u.id >= :request AND u.id < :request || '0' AND coalesce(nullif(u.request, ''), u.id) = :request"
)
"""The id of an attempt is that of its request, and `/` and its number, which comes before `0`."""
_TOKENS = (
    "coalesce(sum({0}.input_tokens), 0) + coalesce(sum({0}.output_tokens), 0), coalesce(sum({0}.cost), 0)"
)


def group_columns(by: str) -> list[str]:
    """SQL of usage_facts.GROUPS here."""
    return [{BACKEND: KIND_BACKEND, "s.name": "h.session"}.get(one, one) for one in GROUPS[by]]


class TableSums:
    """See SumsReader."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._hours: list[int] = []
        self._known = (math.inf, -math.inf)  # from which hour to which the list has all

    def grouped(
        self, filters: UsageFilter, by: str, spans: Sequence[Span], sessions: Collection[Any] | None = None
    ) -> Found:
        """See SumsReader."""
        asked = _Asked(filters, by, sessions)
        whole: list[tuple[float, float, int]] = []
        parts: list[tuple[float, float, int]] = []
        for number, (since, until) in enumerate(spans):
            if filters.request is not None:
                parts.append((since, until, number))
            else:
                cut(since, until, number, whole, parts)
        found: Found = {}
        if whole:
            firsts, lasts, numbers = zip(*((finite(a), finite(b), n) for a, b, n in whole), strict=True)
            given = {"first": firsts[0], "last": lasts[-1], "number": numbers[0]}
            if len(whole) > 1:
                given |= {"firsts": [*firsts], "lasts": [*lasts], "numbers": [*numbers]}
            self._add(found, asked, asked.of_hours(one=len(whole) == 1), given)
        for first in range(0, len(parts), _PARTS_AT_ONCE):
            some = parts[first : first + _PARTS_AT_ONCE]
            given = {}
            for place, (begin, end, number) in enumerate(some):
                given |= {f"since{place}": begin, f"until{place}": end, f"number{place}": number}
            self._add(found, asked, asked.of_rows(len(some)), given)
        return found

    def next_hour(self, first: int) -> int | None:
        """See SumsReader."""
        if not self._known[0] <= first <= self._known[1]:
            given = {"first": first, "many": _HOURS_AT_ONCE}
            self._hours = [*self._connection.execute(_NEXT_HOURS, given).scalars()]
            full = len(self._hours) == _HOURS_AT_ONCE
            self._known = first, self._hours[-1] if full else math.inf
        place = bisect_left(self._hours, first)
        return self._hours[place] if place < len(self._hours) else None

    def latest_sessions(self, filters: UsageFilter, most: int) -> Collection[Any]:
        """See SumsReader."""
        since, until = bounds(filters)
        where, given = conditions(filters, KIND_BACKEND)
        first, last = finite(hour_of(since) if math.isfinite(since) else since), finite(until)
        whole = last if math.isinf(until) else hour_of(until)
        after = whole if math.isinf(until) or whole * HOUR == until else whole + 1
        before = text("SELECT max(hour) FROM usage_session_hour WHERE hour < :hour")
        of_hour = text(
            "SELECT DISTINCT h.session FROM usage_session_hour h JOIN usage_kind d ON d.id = h.kind"  # noqa: S608
            f" WHERE h.hour = :hour AND {where}"
        )
        found: set[str] = set()
        sure: set[str] = set()
        hour: int | None = after
        while len(sure) < most:
            hour = self._connection.scalar(before, {"hour": hour})
            if hour is None or hour < first:
                break
            there = set(self._connection.execute(of_hour, {**given, "hour": hour}).scalars())
            found |= there
            if hour < whole:
                sure |= there
        return found

    def _add(self, found: Found, asked: _Asked, query: str, given: dict[str, Any]) -> None:
        for row in self._connection.execute(text(query), {**asked.given, **given}):
            values = [None if one is None else int(one) for one in row[1 : 1 + _MANY]]
            times = row[1 + _MANY : 3 + _MANY] if asked.sessions else ()
            key = row[0], tuple(row[1 + _MANY + len(times) :])
            more = Sum(values, *times)
            found[key] = found[key].with_(more) if key in found else more


class _Asked:
    """What is asked, as SQL. The sums of kinds are added up first, and then those of what kinds have in common."""

    def __init__(self, filters: UsageFilter, by: str, sessions: Collection[Any] | None) -> None:
        self.sessions = by == "session" or filters.session is not None
        self.given: dict[str, Any]
        self._where, self.given = conditions(filters, KIND_BACKEND)
        self._groups = group_columns(by)
        self._named = "h.session" in self._groups
        self._more = ""
        if filters.session is not None:
            self._more, self.given["session"] = " AND {0}.session = :session", filters.session
        elif self.sessions:
            self._more = " AND {0}.session IS NOT NULL"
        if sessions is not None:
            self._more += " AND {0}.session = ANY(:sessions)"
            self.given["sessions"] = [*sessions]
        self._request = filters.request
        if self._request is not None:
            self.given["request"] = self._request

    def of_hours(self, *, one: bool) -> str:
        """one: there is one span."""
        table = "usage_session_hour" if self.sessions else "usage_hour"
        inner = f"FROM {table} h WHERE h.hour >= :first AND h.hour < :last"
        number = "CAST(:number AS BIGINT)"
        if not one:  # a row is looked up among the spans, and not each span among the rows
            place = "width_bucket(h.hour, CAST(:firsts AS BIGINT[]))"
            inner += f" AND h.hour < (CAST(:lasts AS BIGINT[]))[{place}]"
            number = f"(CAST(:numbers AS BIGINT[]))[{place}]"
        return self._query(self._added_up(inner + self._passing("h"), _HOURS, number, "h"))

    def of_rows(self, many: int) -> str:
        """Record by record, of so many parts of hours: each by itself, so that only its day is looked at."""
        more = self._passing("u") + (f" AND {OF_REQUEST}" if self._request is not None else "")
        return self._query(
            " UNION ALL ".join(
                self._added_up(
                    f"FROM usage u WHERE u.at >= :since{place} AND u.at < :until{place}{more}",
                    _ROWS,
                    f"CAST(:number{place} AS BIGINT)",
                    "u",
                )
                for place in range(many)
            )
        )

    def _passing(self, name: str) -> str:
        more = self._more.format(name)
        if self._where == ALL:
            return more
        return f" AND {name}.kind IN (SELECT d.id FROM usage_kind d WHERE {self._where}){more}"  # noqa: S608

    def _added_up(self, inner: str, sums: str, number: str, name: str) -> str:
        """By kind."""
        keys = ["1", f"{name}.kind", *([f"{name}.session"] if self._named else [])]
        more = f", {name}.session" if self._named else ""
        if self.sessions:
            first, last = ("h.first_at", "h.last_at") if name == "h" else ("u.at", "u.at")
            more += f", min({first}) AS first_at, max({last}) AS last_at"
        return f"SELECT {number} AS number, {name}.kind{more}, {sums} {inner} GROUP BY {', '.join(keys)}"

    def _query(self, added_up: str) -> str:
        times = ", min(h.first_at), max(h.last_at)" if self.sessions else ""
        groups = "".join(f", {one}" for one in self._groups)
        return (
            f"SELECT h.number, {_COUNTED}, {_SUMMED_UP}{times}{groups} FROM ({added_up}) h"  # noqa: S608
            f" JOIN usage_kind d ON d.id = h.kind GROUP BY h.number{groups}"
        )


def spent(
    connection: Connection, key_ids: Sequence[int], backend: str | None, since: float | None
) -> tuple[int, int]:
    """See UsageStore.spent()."""
    where, carried = "d.key_id = ANY(:keys)", "h.key_id = ANY(:keys)"
    if backend is not None:
        where, carried = "d.backend = :backend", "h.backend = :backend"
    given = {"keys": [*key_ids], "backend": backend}
    tokens = cost = 0
    for query, more in _spendings(since, "", where, carried):
        row = connection.execute(text(query), {**given, **more}).one()
        tokens, cost = tokens + int(row[0]), cost + int(row[1])
    return tokens, cost


def spent_by_key(connection: Connection, since: float | None) -> dict[int, tuple[int, int]]:
    """See UsageStore.spent_by_key()."""
    found: dict[int, tuple[int, int]] = {}
    for query, more in _spendings(since, "{0}.key_id", "d.key_id IS NOT NULL", "h.key_id > 0"):
        for tokens, cost, key in connection.execute(text(query), more):
            before = found.get(key, (0, 0))
            found[key] = before[0] + int(tokens), before[1] + int(cost)
    return found


def _spendings(since: float | None, key: str, where: str, carried: str) -> list[tuple[str, dict[str, Any]]]:
    """Of whole hours, of the part of an hour before them, and of what was taken out."""
    first = -_EVER if since is None else hour_from(since)

    def select(name: str, of: str, rest: str) -> str:
        by = key.format(of)
        tail = f" GROUP BY {by}" if by else ""
        return f"SELECT {_TOKENS.format(name)}{by and ', ' + by} FROM {rest}{tail}"  # noqa: S608

    kinds = f"JOIN usage_kind d ON d.id = h.kind WHERE {where}"
    found: list[tuple[str, dict[str, Any]]] = [
        (select("h", "d", f"usage_hour h {kinds} AND h.hour >= :first"), {"first": first})
    ]
    if since is not None and first * HOUR > since:
        part = select("h", "d", f"usage h {kinds} AND h.at >= :since AND h.at < :until")
        found.append((part, {"since": since, "until": float(first * HOUR)}))
    hour = IN_ALL if since is None else max(hour_of(since), 0)
    by = key.format("h")
    sums = "coalesce(sum(h.tokens), 0), coalesce(sum(h.cost), 0)"
    tail = f" GROUP BY {by}" if by else ""
    gone = f"SELECT {sums}{by and ', ' + by} FROM usage_carried h WHERE h.hour >= :hour AND {carried}{tail}"  # noqa: S608
    return [*found, (gone, {"hour": hour})]


def last_used(connection: Connection, key_ids: Iterable[int]) -> dict[int, float]:
    """See UsageStore.last_used(). From the newest hours back, each look four times as far, until all are found."""
    wanted = set(key_ids)
    query = text(
        "SELECT d.key_id, max(h.last_at) FROM usage_hour h JOIN usage_kind d ON d.id = h.kind"
        " WHERE d.key_id = ANY(:keys) AND h.hour >= :first AND h.hour < :last GROUP BY 1"
    )
    least, most = connection.execute(text("SELECT min(hour), max(hour) FROM usage_hour")).one()
    found: dict[int, float] = {}
    if most is None:
        return found
    last, width = most + 1, 24
    while last > least and wanted - found.keys():
        given = {"keys": [*(wanted - found.keys())], "first": last - width, "last": last}
        found.update((key, at) for key, at in connection.execute(query, given))
        last, width = last - width, width * 4
    return found


def finite(hour: float) -> int:
    """As a column takes it."""
    return int(max(-_EVER, min(hour, _EVER)))
