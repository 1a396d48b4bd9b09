"""Periods by the calendar of a zone (ledger/periods.py)."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.kinds import Per
from pointsman.ledger.periods import ALL_TIME, own_zone, period_at, zone_of

HOUR = 3600
ZONES = (
    "UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe",
    "America/Sao_Paulo", "Pacific/Apia", "Africa/Cairo",
)  # fmt: skip


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@pytest.mark.parametrize(
    ("zone", "moment", "start", "hours"),
    [
        ("UTC", "2026-11-27T22:21:00+00:00", "2026-11-27T00:00:00+00:00", 24),
        ("Europe/Berlin", "2026-11-27T23:30:00+00:00", "2026-11-28T00:00:00+01:00", 24),
        ("Europe/Berlin", "2026-03-29T12:00:00+02:00", "2026-03-29T00:00:00+01:00", 23),
        ("Europe/Berlin", "2026-10-25T12:00:00+01:00", "2026-10-25T00:00:00+02:00", 25),
        # Clocks went from 23:59:59 to 01:00: the day begins at its first instant that there was.
        ("America/Sao_Paulo", "2018-11-04T12:00:00-02:00", "2018-11-04T01:00:00-02:00", 23),
        ("Asia/Kolkata", "2026-11-27T00:10:00+05:30", "2026-11-27T00:00:00+05:30", 24),
        ("Australia/Lord_Howe", "2026-10-04T12:00:00+11:00", "2026-10-04T00:00:00+10:30", 23.5),
    ],
)  # fmt: skip
def test_a_day_is_the_zones_own(zone: str, moment: str, start: str, hours: float) -> None:
    found = period_at(Per.DAY, zone, at(moment))
    assert found == (at(start), at(start) + hours * HOUR)


def test_weeks_begin_on_monday_and_months_on_their_first() -> None:
    moment = at("2026-11-27T12:00:00+01:00")
    assert period_at(Per.WEEK, "Europe/Berlin", moment) == (
        at("2026-11-23T00:00:00+01:00"),
        at("2026-11-30T00:00:00+01:00"),
    )
    assert period_at(Per.MONTH, "Europe/Berlin", moment) == (
        at("2026-11-01T00:00:00+01:00"),
        at("2026-12-01T00:00:00+01:00"),
    )
    assert period_at(Per.TOTAL, "Europe/Berlin", moment) == ALL_TIME == (-math.inf, math.inf)


def test_an_hour_is_the_clocks() -> None:
    assert period_at(Per.HOUR, "Asia/Kolkata", at("2026-11-27T10:10:00+05:30")) == (
        at("2026-11-27T10:00:00+05:30"),
        at("2026-11-27T11:00:00+05:30"),
    )
    # 02:00 summer time comes twice; each is an hour of its own.
    first = period_at(Per.HOUR, "Europe/Berlin", at("2026-10-25T02:10:00+02:00"))
    assert first == (at("2026-10-25T02:00:00+02:00"), at("2026-10-25T03:00:00+02:00"))


@given(
    per=st.sampled_from([Per.HOUR, Per.DAY, Per.WEEK, Per.MONTH]),
    zone=st.sampled_from(ZONES),
    moment=st.datetimes(datetime(2005, 1, 1), datetime(2037, 1, 1)),
)
def test_periods_follow_each_other_without_a_gap(per: Per, zone: str, moment: datetime) -> None:
    when = moment.replace(tzinfo=UTC).timestamp()
    here = period_at(per, zone, when)
    assert here.start <= when < here.end
    assert period_at(per, zone, here.start) == here
    assert period_at(per, zone, here.end - 1) == here
    after = period_at(per, zone, here.end)
    assert after.start == here.end
    longest = {Per.HOUR: 2, Per.DAY: 26, Per.WEEK: 7 * 24 + 2, Per.MONTH: 31 * 24 + 2}[per]
    assert 0 < here.end - here.start <= longest * HOUR


def test_a_zone_that_nobody_knows_is_told() -> None:
    for name in ("Europe/Nowhere", "", "Europe", "../etc/passwd", "\0"):
        with pytest.raises(ValueError, match="no time zone"):
            zone_of(name)


def test_this_computers_zone_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert zone_of(own_zone()).utcoffset(datetime.now(UTC)) is not None
    monkeypatch.setenv("TZ", ":Asia/Kolkata")
    assert own_zone() == "Asia/Kolkata"
    assert zone_of("Asia/Kolkata").utcoffset(datetime.now(UTC)) == timedelta(hours=5.5)
    monkeypatch.setenv("TZ", "nonsense")
    zone_of(own_zone())
