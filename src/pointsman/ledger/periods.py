"""Periods of a budget: hour, day, week and month by the calendar of an IANA zone, or all time. Pure.

A day begins at the first instant of its local date that there is, so that one has 23 or 25 hours where clocks are put
forward or back. Weeks begin on Monday (ISO 8601). Not here: what is spent in one (accounts.py).
"""

from __future__ import annotations

import math
import os
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import NamedTuple

from ..kinds import Per

UTC_NAME = "UTC"
_LINK = "/etc/localtime"
_FOLDER = "zoneinfo/"
_STEP = 60
"""Seconds: rules of zones that are in use move clocks by whole minutes."""
_HOUR = 3600
_FAR = 26 * _HOUR
"""Seconds that a local date's first instant lies from the same date's in UTC at most, and an hour more than a day."""


class Span(NamedTuple):
    """Unix seconds: start <= at < end; of all time -inf and inf."""

    start: float
    end: float

    @property
    def since(self) -> float | None:
        """Its start, None of all time."""
        return None if math.isinf(self.start) else self.start

    @property
    def until(self) -> float | None:
        """Its end, None of all time."""
        return None if math.isinf(self.end) else self.end


ALL_TIME = Span(-math.inf, math.inf)


def period_at(per: Per, zone: str, at: float) -> Span:
    """The period in which that moment lies. at: unix seconds. Raises ValueError for a zone that nobody knows."""
    if per is Per.TOTAL:
        return ALL_TIME
    return _period(per, zone, int(at // 60) * 60)


@lru_cache(maxsize=4096)
def _period(per: Per, zone: str, minute: int) -> Span:
    place = zone_of(zone)
    if per is Per.HOUR:
        return _hour(place, minute)
    local = datetime.fromtimestamp(minute, place).date()
    if per is Per.DAY:
        first, after = local, local + timedelta(days=1)
    elif per is Per.WEEK:
        first = local - timedelta(days=local.weekday())
        after = first + timedelta(days=7)
    else:
        first = local.replace(day=1)
        after = (first + timedelta(days=32)).replace(day=1)
    return Span(_begins(place, first), _begins(place, after))


def _hour(place: tzinfo, minute: int) -> Span:
    """The clock's hour: it lasts as long as the clock shows it without a jump."""

    def shown(at: int) -> tuple[date, int, timedelta | None]:
        local = datetime.fromtimestamp(at, place)
        return local.date(), local.hour, local.utcoffset()

    start = end = minute
    now = shown(minute)
    while shown(start - _STEP) == now:
        start -= _STEP
    while shown(end) == now:
        end += _STEP
    return Span(float(start), float(end))


def _begins(place: tzinfo, day: date) -> float:
    """Its first instant; where a zone has left it out, that of the day after."""
    near = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
    low, high = near - _FAR, near + _FAR  # before it, and not before it
    while high - low > 1:
        middle = (low + high) // 2
        if datetime.fromtimestamp(middle, place).date() < day:
            low = middle
        else:
            high = middle
    return float(high)


@lru_cache(maxsize=64)
def zone_of(name: str) -> tzinfo:
    """Raises ValueError with what to write instead."""
    if name == UTC_NAME:
        return UTC  # which a computer without a zone database has, too
    from zoneinfo import ZoneInfo  # a quarter of a megabyte, which few gateways need

    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        raise ValueError(f"{name!r} is no time zone; write one such as Europe/Berlin or UTC") from None


def own_zone() -> str:
    """The name of this computer's zone: by TZ, else by what /etc/localtime leads to; UTC where neither tells one."""
    named = os.environ.get("TZ", "").lstrip(":")
    for name in (named, os.path.realpath(_LINK).partition(_FOLDER)[2]):
        try:
            zone_of(name)
        except ValueError:
            continue
        return name
    return UTC_NAME
