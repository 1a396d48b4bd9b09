"""Which days a usage page is about: named ranges and two dates, cut by a zone's calendar into hours, days or weeks. Pure."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from ...errors import PointsmanError
from ...kinds import ErrorKind, Per
from ...ledger.periods import Span, period_at, zone_of

RANGES: Mapping[str, tuple[str, int]] = {
    "today": ("Today", 1),
    "7d": ("7 days", 7),
    "30d": ("30 days", 30),
    "90d": ("90 days", 90),
    "365d": ("12 months", 365),
}
"""By its name in the address: as it is called, and how many days, today among them."""
HOURS_UP_TO, DAYS_UP_TO, MOST_DAYS = 2, 92, 1100
"""Days of which hours are shown, and days; longer ranges have weeks; how long one may be."""
_OTHERS = {Per.HOUR: "hour", Per.DAY: "day", Per.WEEK: "week"}


class Slot(NamedTuple):
    """One step of the chart. text: as it is read aloud and stands in the table; short: below the axis."""

    since: float
    until: float
    text: str
    short: str


class UsageRange(NamedTuple):
    """since, until: unix seconds, whole days of that zone. name: of RANGES, "" where dates were given. per: `hour`, `day` or
    `week`. first, last: its days, the last one included."""

    name: str
    since: float
    until: float
    first: date
    last: date
    zone: str
    per: str
    slots: list[Slot]

    @property
    def words(self) -> str:
        """`in 30 days`, `today`, `on 3 Nov 2026`, `from 1 Nov 2026 to 7 Nov 2026`."""
        if self.name:
            return "today" if self.name == "today" else f"in {RANGES[self.name][0]}"
        if self.first == self.last:
            return f"on {_day(self.first)}"
        return f"from {_day(self.first)} to {_day(self.last)}"


def range_of(
    name: str, first: date | None, last: date | None, zone: str, now: float | None = None
) -> UsageRange:
    """first, last: go before the name. Raises INVALID for a zone that nobody knows and for dates that are none."""
    try:
        place = zone_of(zone)
    except ValueError as error:
        raise PointsmanError(ErrorKind.INVALID, f"{error}.", param="zone") from None
    today = datetime.fromtimestamp(time.time() if now is None else now, place).date()
    if first is None and last is None:
        if name not in RANGES:
            raise PointsmanError(ErrorKind.INVALID, f"range is one of {', '.join(RANGES)}.", param="range")
        first, last = today - timedelta(days=RANGES[name][1] - 1), today
    else:
        name, last = "", last or first or today
        first = first or last
    if first > last:
        raise PointsmanError(ErrorKind.INVALID, "The first day is after the last one.", param="from")
    days = (last - first).days + 1
    if days > MOST_DAYS:
        raise PointsmanError(ErrorKind.INVALID, f"A range has at most {MOST_DAYS} days.", param="from")
    since, until = day_of(first, zone).start, day_of(last, zone).end
    per = Per.HOUR if days <= HOURS_UP_TO else Per.DAY if days <= DAYS_UP_TO else Per.WEEK
    return UsageRange(name, since, until, first, last, zone, _OTHERS[per], _slots(since, until, per, zone))


def day_of(day: date, zone: str) -> Span:
    """That day; where the zone has left it out, the one after. Raises INVALID for a day that no calendar has."""
    try:
        noon = datetime(day.year, day.month, day.day, 12, tzinfo=zone_of(zone)).timestamp()
        return period_at(Per.DAY, zone, noon)
    except (OverflowError, ValueError):
        raise PointsmanError(ErrorKind.INVALID, "A day is written 2026-11-28.", param="from") from None


def _slots(since: float, until: float, per: Per, zone: str) -> list[Slot]:
    place, found, at = zone_of(zone), [], since
    while at < until:
        span = period_at(per, zone, at)
        begin, end = max(span.start, since), min(span.end, until)
        local = datetime.fromtimestamp(begin, place)
        last = datetime.fromtimestamp(end - 1, place)
        if per is Per.HOUR:
            text, short = (
                f"{local:%H:%M} to {datetime.fromtimestamp(end, place):%H:%M}, {_short(local.date())}",
                f"{local:%H:%M}",
            )
        elif per is Per.DAY:
            text, short = day_words(local.date()), _short(local.date())
        else:
            text, short = f"{_short(local.date())} to {_day(last.date())}", _short(local.date())
        found.append(Slot(begin, end, text, short))
        at = end
    return found


def day_words(day: date) -> str:
    """`Fri 27 Nov 2026`."""
    return f"{day:%a} {_day(day)}"


def _day(day: date) -> str:
    return f"{day.day} {day:%b %Y}"


def _short(day: date) -> str:
    return f"{day.day} {day:%b}"


def utc(at: float) -> datetime:
    """For a filter."""
    return datetime.fromtimestamp(at, UTC)
