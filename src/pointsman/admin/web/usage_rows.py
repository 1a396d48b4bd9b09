"""A usage page's tables and chart: rows with their names, links and numbers, what each of the greatest is in each day, and
what left this machine. Not here: the reading (store/usage_chart.py), the page (pages/usage.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

from ..store.usage_adding import Values
from ..store.usage_chart import Chart, Series
from ..store.usage_groups import NAMES, By, Group, LeftTotals, SessionTotals, totals_of
from ..store.usage_query import Totals
from .links import requests_link
from .usage_range import UsageRange, day_of, day_words

N = TypeVar("N", int, float)
DRAWN = 5
"""Groups that the chart has apart."""
MEASURES: Mapping[str, tuple[str, str]] = {
    "cost": ("Cost", "money"),
    "tokens": ("Tokens", "tokens"),
    "requests": ("Requests", "count"),
}
"""What a chart may show: as it is called, and the filter that writes it."""


class UsageLine(NamedTuple):
    """text: what it is called. mark: its number in the chart, from 1; 0 where it is not drawn. link: its requests, "" where
    nothing shows just those. soft: the text is ours and no name. note: what more is said of it."""

    text: str
    totals: Totals
    link: str
    mark: int = 0
    soft: bool = False
    note: str = ""
    first_at: datetime | None = None
    last_at: datetime | None = None


class LeftLine(NamedTuple):
    """What a backend was given of a day. day: in words. link: its requests, "" where some of them were answered by another
    backend afterwards, so that nothing shows just those."""

    day: str
    totals: LeftTotals
    link: str


class LeftShown(NamedTuple):
    """lines: the newest. many: how many there are in all. requests, and what follows: of all of them, None where nobody
    knows."""

    lines: list[LeftLine]
    many: int
    requests: int
    sent: int | None
    read: int | None
    written: int | None
    cost: float | None


class Drawn(NamedTuple):
    """A series of the chart: a value of each slot, None where there was nothing."""

    text: str
    mark: int
    values: list[float | None]


def lines_of(chart: Chart, by: By, within: UsageRange, keys: Mapping[int, str]) -> list[UsageLine]:
    """A row a group, or a row a slot where that is asked for."""
    if by is By.DAY:
        rows = zip(within.slots, chart.total.each, strict=True)
        return [
            UsageLine(slot.text, _totals(values), requests_link(slot.since, slot.until))
            for slot, values in reversed(list(rows))
            if values is not None
        ]
    apart = _drawn_apart(chart)
    found = []
    for number, series in enumerate(chart.series, 1):
        mark = number if number <= apart else apart + 1 if len(chart.series) > apart else 0
        text, soft = _name(by, series.names, keys)
        if series.names is None:
            text = f"{series.many:,} others"
        found.append(UsageLine(text, _totals(series.total), _link(by, series.names, within), mark, soft))
    return found


def session_lines(rows: list[Group], within: UsageRange, keys: Mapping[int, str]) -> list[UsageLine]:
    """The latest sessions."""
    found = []
    for row in rows:
        if isinstance(row, SessionTotals):
            totals = Totals(**row.model_dump(include=set(Totals.model_fields)))
            link = requests_link(within.since, within.until, session=row.session, key_id=row.key_id)
            note = ", ".join(one for one in (row.client, _key(row.key_id, keys)[0]) if one)
            found.append(UsageLine(row.session, totals, link, 0, False, note, row.first_at, row.last_at))
    return found


def left_of(rows: list[LeftTotals], most: int, zone: str) -> LeftShown:
    """rows: days in order. most: so many lines, the newest days first."""
    newest = sorted(
        rows, key=lambda row: row.day, reverse=True
    )  # what was given the most stays first of its day
    lines = [LeftLine(day_words(row.day), row, _left_link(row, zone)) for row in newest[:most]]
    return LeftShown(
        lines,
        len(rows),
        sum(row.attempts for row in rows),
        _sum(row.sent_bytes for row in rows),
        _sum(row.input_tokens for row in rows),
        _sum(row.output_tokens for row in rows),
        _sum(row.cost for row in rows),
    )


def _left_link(row: LeftTotals, zone: str) -> str:
    if row.attempts != row.requests:
        return ""
    day = day_of(row.day, zone)
    return requests_link(day.start, day.end, target=f"{row.backend}:{row.model}")


def _sum(values: Iterable[N | None]) -> N | None:
    known = [value for value in values if value is not None]
    return sum(known[1:], known[0]) if known else None


def drawn_of(chart: Chart, by: By, measure: str, keys: Mapping[int, str]) -> list[Drawn]:
    """What the chart draws: the greatest, then all others in one; one series where nothing is apart."""
    if not chart.series:
        return [Drawn("All", 1, [_measured(values, measure) for values in chart.total.each])]
    apart = _drawn_apart(chart)
    found = [
        Drawn(_name(by, one.names, keys)[0], number, [_measured(values, measure) for values in one.each])
        for number, one in enumerate(chart.series[:apart], 1)
    ]
    rest = chart.series[apart:]
    if rest:
        many = sum(one.many for one in rest)
        found.append(Drawn(f"{many:,} others", apart + 1, _together(rest, measure)))
    return found


def measure_of(chart: Chart, asked: str) -> str:
    """Cost, unless nothing has one."""
    totals = _totals(chart.total.total)
    if asked:
        return asked
    return "cost" if totals.cost else "tokens" if totals.input_tokens or totals.output_tokens else "requests"


def of_all(chart: Chart) -> Totals:
    """Of everything in the range."""
    return _totals(chart.total.total)


def _drawn_apart(chart: Chart) -> int:
    """One more than that is drawn rather than called `others`."""
    return (
        len(chart.series)
        if len(chart.series) == DRAWN + 1 and chart.series[-1].many == 1
        else min(DRAWN, len(chart.series))
    )


def _totals(values: Values) -> Totals:
    return Totals(**totals_of(values))


def _measured(values: Values | None, measure: str) -> float | None:
    if values is None:
        return None
    totals = _totals(values)
    if measure == "tokens":
        return (totals.input_tokens or 0) + (totals.output_tokens or 0)
    return totals.cost if measure == "cost" else totals.requests


def _together(some: list[Series], measure: str) -> list[float | None]:
    found = []
    for each in zip(*(one.each for one in some), strict=True):
        known = [value for values in each if (value := _measured(values, measure)) is not None]
        found.append(sum(known) if known else None)
    return found


def _name(by: By, names: tuple[Any, ...] | None, keys: Mapping[int, str]) -> tuple[str, bool]:
    """(what it is called, whether the words are ours)."""
    if names is None:
        return "others", True
    if by is By.KEY:
        return _key(names[0], keys)
    if by is By.MAPPING:
        number = names[0]
        return (
            ("no rule", True)
            if number is None
            else (keys.get(number, f"rule {number}, deleted"), number not in keys)
        )
    if not names[0]:
        return {
            By.MODEL: "no model named",
            By.BACKEND: "no backend asked",
            By.CLIENT: "did not say",
        }[by], True
    return str(names[0]), False


def _key(number: int | None, keys: Mapping[int, str]) -> tuple[str, bool]:
    if number is None:
        return "no key", True
    if number not in keys:
        return f"key {number}, deleted", True
    return (keys[number], False) if keys[number] else (f"key {number}", True)


def _link(by: By, names: tuple[Any, ...] | None, within: UsageRange) -> str:
    if names is None or names[0] in (None, ""):
        return ""
    return requests_link(within.since, within.until, **dict(zip(NAMES[by], names, strict=True)))
