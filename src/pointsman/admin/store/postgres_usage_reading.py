"""Records of the usage in PostgreSQL: the newest that pass, by the hours and kinds that are known to have some; and what
somebody who looks at the gateway sees at once. Reads only; everything is called within a transaction. Not here: sums
(postgres_usage_sums.py).
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, text

from ...errors import PointsmanError
from ...kinds import ErrorKind
from ...ledger.blocks import DIMENSIONS
from ...ledger.records import UsageRecord
from .postgres_usage_sums import KIND_BACKEND, OF_REQUEST, finite
from .postgres_usage_tables import COLUMNS
from .usage_adding import HOUR, hour_of
from .usage_glance import DAY_SECONDS, MINUTE, MINUTES, MOST, QUARTER, Became, Glance, three_digits
from .usage_query import ALL, RowFilter, UsageFilter, bounds, conditions

PIECE = 20_000
"""Records that are looked through at once where nothing but a row itself tells whether it passes."""
_FEW_KINDS = 64
"""Of so many the newest are looked up by kind; of more, one by one from the newest."""
_SUMS_AT_ONCE = 500
_TROUBLES = "d.own AND (d.outcome <> 'ok' OR d.fallback IS NOT NULL)"
COLUMN_NAMES = ", ".join(f"u.{name}" for name in COLUMNS)
_KINDS = text("SELECT id, packed FROM usage_kind WHERE id = ANY(:kinds)")
_decode = msgspec.msgpack.Decoder(tuple[Any, ...]).decode

Before = tuple[float, str]
"""Time and id of a record."""
_Hour = tuple[int, int, int, float, float]
"""(hour, kind, records, first, last) that may pass."""


class _Run(NamedTuple):
    """Where the next of them are: lo <= at < hi. kinds: those that pass and have a record there."""

    lo: float
    hi: float
    kinds: set[int]


def newest(
    connection: Connection,
    filters: UsageFilter,
    before: Before | None,
    limit: int,
    seconds: float,
    where: str | None = None,
) -> tuple[list[UsageRecord], float | None]:
    """By time and id, newest first, at most `limit`. before: only those older than this time and id. where: a condition on
    kinds instead of the filter's. seconds: it is looked for no longer than that; then also the time up to which nothing was
    looked at."""
    asked, given = conditions(filters, KIND_BACKEND)
    asked = where or asked
    more = ""
    rows: list[UsageRecord] = []
    if before is not None:
        more += " AND u.at <= :top AND (u.at < :top OR u.id < :top_id)"
        given |= {"top": before[0], "top_id": before[1]}
    for name, term in (("session", "u.session = :session"), ("request", OF_REQUEST)):
        if getattr(filters, name) is not None:
            more, given[name] = f"{more} AND {term}", getattr(filters, name)
    slower = filters.slower_ms if isinstance(filters, RowFilter) else None
    if slower is not None:
        more, given["slower"] = more + " AND coalesce(u.total_ms, 0) > :slower", slower
    since, until = bounds(filters)
    top = until if before is None else min(until, math.nextafter(before[0], math.inf))
    given |= {"since": since, "until": until}
    more += " AND u.at >= :since AND u.at < :until"
    if filters.request is not None:
        within = f"u.kind IN (SELECT d.id FROM usage_kind d WHERE {asked}){more}"  # noqa: S608
        return _records(connection, _select(within), {**given, "many": limit}), None
    ends, looked = time.monotonic() + seconds, False
    most = PIECE if slower is not None else math.inf
    for run in _runs(connection, filters, (since, top), (asked, given), limit, most):
        if rows and len(rows) >= limit:
            break
        if looked and time.monotonic() > ends:
            return rows, math.nextafter(run.hi, -math.inf)
        looked = True
        many = {"lo": run.lo, "hi": run.hi, "many": limit - len(rows), "kinds": [*run.kinds]}
        narrow = asked != ALL or filters.session is not None
        rows += _records(connection, _within(run, more, narrow=narrow), {**given, **many})
    return rows, None


def troubles(connection: Connection, limit: int) -> list[UsageRecord]:
    """See UsageStore.troubles()."""
    return newest(connection, UsageFilter(), None, limit, math.inf, _TROUBLES)[0]


def glance_of(connection: Connection, since: float, now: float) -> tuple[Glance, int]:
    """See UsageStore.glance(); and how many rows were read for it. Of a busy day the newest are read."""
    last = int(now // MINUTE)
    minutes: dict[int, dict[Became, int]] = {
        one: dict.fromkeys(Became, 0) for one in range(last - MINUTES + 1, last + 1)
    }
    query = text(
        "SELECT minute, became, requests FROM usage_minute WHERE minute > :first AND minute <= :last"
    )
    for minute, became, requests in connection.execute(query, {"first": last - MINUTES, "last": last}):
        minutes[minute][Became(became)] = int(requests)
    begin = max(math.floor(since / QUARTER), math.floor((now - DAY_SECONDS) / QUARTER)) * QUARTER
    given = {"begin": begin, "most": MOST}
    many, oldest, shares = connection.execute(_FIRSTS, given).one()
    median, slow = (None, None) if shares is None else map(three_digits, shares)
    counted = max(since, begin) if many < MOST else max(since, oldest)
    return Glance([*minutes.items()], median, slow, counted), many


_FIRSTS = text(
    "SELECT count(*), min(at), percentile_disc(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY first_output_ms) FROM"
    " (SELECT u.at, u.first_output_ms FROM usage u JOIN usage_kind d ON d.id = u.kind WHERE u.at >= :begin AND d.own"
    " AND u.first_output_ms IS NOT NULL ORDER BY u.at DESC LIMIT :most) u"
)


def _runs(
    connection: Connection,
    filters: UsageFilter,
    times: tuple[float, float],
    asked: tuple[str, dict[str, Any]],
    limit: int,
    most: float,
) -> Iterator[_Run]:
    """From the newest back, each of as many whole hours as have `limit` records, where so many are left; most: records of
    one, whose hours are cut where they have more."""
    since, top = times
    some: list[_Hour] = []
    enough = 0
    for hour, kinds in _by_hour(_hours(connection, filters, times, asked)):
        records = sum(one[2] for one in kinds)
        if some and enough + records > most:
            yield _run(some, filters, top)
            top, some, enough = float(some[-1][0] * HOUR), [], 0
        some += kinds
        if hour * HOUR >= since and (hour + 1) * HOUR <= times[1]:
            enough += records
        if records > most:
            yield from _pieces(_run(some, filters, top), float(hour * HOUR), math.ceil(records / most))
        elif enough >= limit and most == math.inf:
            yield _run(some, filters, top)
        else:
            continue
        top, some, enough = float(hour * HOUR), [], 0
    if some:
        yield _run(some, filters, top)


def _run(some: Sequence[_Hour], filters: UsageFilter, top: float) -> _Run:
    lo = float(some[-1][0] * HOUR)
    if filters.session is not None:
        lo = max(lo, min(one[3] for one in some))
        top = min(top, math.nextafter(max(one[4] for one in some), math.inf))
    return _Run(lo, min(top, float((some[0][0] + 1) * HOUR)), {one[1] for one in some})


def _pieces(run: _Run, begin: float, many: int) -> Iterator[_Run]:
    """begin: of its hour, which is cut alike whenever it is looked at."""
    cuts = [begin + HOUR * number / many for number in range(many)]
    hi = run.hi
    for cut in reversed(cuts):
        if cut < hi:
            yield _Run(max(cut, run.lo), hi, run.kinds)
            hi = cut


def _hours(
    connection: Connection,
    filters: UsageFilter,
    times: tuple[float, float],
    asked: tuple[str, dict[str, Any]],
) -> Iterator[_Hour]:
    """The newest first."""
    where, given = asked
    table, span, more = "usage_hour", "0.0::FLOAT8, h.last_at", ""
    if filters.session is not None:
        table, span, more = "usage_session_hour", "h.first_at, h.last_at", " AND h.session = :session"
    query = text(
        f"SELECT h.hour, h.kind, h.records, {span} FROM {table} h JOIN usage_kind d ON d.id = h.kind"  # noqa: S608
        f" WHERE {where}{more} AND h.hour >= :least AND (h.hour < :hour OR h.hour = :hour AND h.kind < :kind)"
        " ORDER BY h.hour DESC, h.kind DESC LIMIT :many"
    )
    since, top = times
    least = finite(since if math.isinf(since) else hour_of(since))
    place = {"hour": finite(top if math.isinf(top) else hour_of(top)), "kind": 2**63 - 1}
    while True:
        rows = connection.execute(query, {**given, **place, "least": least, "many": _SUMS_AT_ONCE}).all()
        yield from (tuple(row) for row in rows)
        if len(rows) < _SUMS_AT_ONCE:
            return
        place = {"hour": rows[-1][0], "kind": rows[-1][1]}


def _by_hour(hours: Iterable[_Hour]) -> Iterator[tuple[int, list[_Hour]]]:
    some: list[_Hour] = []
    for one in hours:
        if some and one[0] != some[0][0]:
            yield some[0][0], some
            some = []
        some.append(one)
    if some:
        yield some[0][0], some


def _select(where: str, order: str = "u.at DESC, u.id DESC") -> str:
    return f"SELECT {COLUMN_NAMES} FROM usage u WHERE {where} ORDER BY {order} LIMIT :many"  # noqa: S608


def _within(run: _Run, more: str, *, narrow: bool) -> str:
    """narrow: not all kinds pass."""
    times = f"u.at >= :lo AND u.at < :hi{more}"
    if not narrow:
        return _select(times)
    if len(run.kinds) > _FEW_KINDS:
        return _select(f"u.kind = ANY(:kinds) AND {times}")
    each = _select(f"u.kind = k.kind AND {times}")
    return (
        "SELECT u.* FROM unnest(CAST(:kinds AS BIGINT[])) k (kind) CROSS JOIN LATERAL"  # noqa: S608
        f" ({each}) u ORDER BY u.at DESC, u.id DESC LIMIT :many"
    )


def _records(connection: Connection, query: str, given: dict[str, Any]) -> list[UsageRecord]:
    rows = connection.execute(text(query), given).all()
    return records_of(connection, rows)


def records_of(connection: Connection, rows: Sequence[Sequence[Any]]) -> list[UsageRecord]:
    """rows: in the order of COLUMNS."""
    wanted = {row[2] for row in rows}
    looked = connection.execute(_KINDS, {"kinds": [*wanted]})
    known = {number: _decode(bytes(packed)) for number, packed in looked}
    if len(known) < len(wanted):
        raise PointsmanError(
            ErrorKind.UNAVAILABLE,
            "The usage tables are damaged: a record's kind is not there (pointsman doctor says more); put back a backup.",
            retry_after=5,
        )
    return [_record(row, known[row[2]]) for row in rows]


def _record(row: Sequence[Any], kind: Sequence[Any]) -> UsageRecord:
    values = dict(zip(COLUMNS, row, strict=True)) | dict(zip(DIMENSIONS, kind, strict=True))
    del values["kind"], values["own"]
    if values["request"] is None:
        values["request"] = values["id"]
    return UsageRecord(**values)
