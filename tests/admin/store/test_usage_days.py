"""Sums of days that are over, beside those of hours: kept, taken out by what comes late, and gone with their records."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest

from pointsman.admin.store.usage import UsageStore
from pointsman.admin.store.usage_days import MOST_ZONES
from pointsman.admin.store.usage_facts import VALUES
from pointsman.admin.store.usage_file import UsageFile
from pointsman.admin.store.usage_glance import Became, three_digits
from pointsman.admin.store.usage_groups import By, DayTotals
from pointsman.admin.store.usage_query import UsageFilter
from pointsman.errors import PointsmanError
from pointsman.ledger.blocks import block_of
from pointsman.ledger.periods import own_zone
from pointsman.ledger.records import UsageRecord

from .conftest import OpenUsage

Usage = TypeVar("Usage", bound=UsageStore)
KOLKATA = "Asia/Kolkata"  # its days begin at half past
DAY = 86400.0
MIDNIGHT = 1_790_000_000 // 86400 * 86400 - 5.5 * 3600


def row(number: int, at: float, **more: Any) -> UsageRecord:
    name = f"req_aaaaaaaaaa{number:08x}"
    fields: dict[str, Any] = {
        "protocol": "openai_chat", "path": "/v1/x", "model": "m", "target": "openai:m", "attempts": 1, "fallback": None,
        "status": 200, "outcome": "ok", "stream": False, "input_tokens": 1, "cost": 5, "request": name, "attempt": 1,
    }  # fmt: skip
    return UsageRecord(id=name, at=at, **(fields | more))


def tended(usage: Usage) -> Usage:
    for _ in range(20):
        usage.tend()
    return usage


def kept(path: Path, zone: str) -> list[tuple[float, float]]:
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT since, until FROM rolled WHERE zone = ? ORDER BY since", (zone,))
        return rows.fetchall()


def days(usage: UsageStore, zone: str = KOLKATA) -> list[tuple[str, int, int | None]]:
    rows = usage.by(By.DAY, UsageFilter(), zone)
    return [(str(one.day), one.requests, one.input_tokens) for one in rows if isinstance(one, DayTotals)]


def three_days(made: UsageStore) -> None:
    """Of Kolkata, with two records each: one in the first half hour and one in the last."""
    days(made)
    times = [MIDNIGHT + day * DAY + into for day in range(3) for into in (10.0, DAY - 10.0)]
    made.add(block_of([row(number, at) for number, at in enumerate(times)]))
    tended(made)


@pytest.fixture
def file(tmp_path: Path) -> Iterator[UsageFile]:
    with closing(UsageFile(tmp_path / "usage.db")) as made:
        three_days(made)
        yield made


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


THREE = [("2026-09-21", 2, 2), ("2026-09-22", 2, 2), ("2026-09-23", 2, 2)]


def test_days_that_are_over_are_kept_as_their_zone_cuts_them(file: UsageFile) -> None:
    assert kept(file.path, KOLKATA) == [
        (MIDNIGHT + day * DAY, MIDNIGHT + (day + 1) * DAY) for day in range(3)
    ]
    assert days(file) == THREE


def test_a_record_that_comes_late_is_counted_at_once_and_its_day_is_summed_up_again(
    file: UsageFile,
) -> None:
    file.add(block_of([row(50, MIDNIGHT + DAY + 5.0)]))
    late = [THREE[0], ("2026-09-22", 3, 3), THREE[2]]
    assert days(file) == late
    file.close()  # and after what a crash leaves
    again = UsageFile(file.path)
    assert days(again) == late
    assert days(tended(again)) == late
    assert len(kept(file.path, KOLKATA)) == 3


def test_what_is_deleted_is_in_no_day(usage: UsageStore) -> None:
    three_days(usage)
    usage.delete_before(MIDNIGHT + 1.5 * DAY)
    assert days(usage) == [("2026-09-22", 1, 1), THREE[2]]
    assert days(tended(usage)) == [("2026-09-22", 1, 1), THREE[2]]


def test_a_day_that_is_not_over_is_none_of_them(tmp_path: Path) -> None:
    usage = UsageFile(tmp_path / "usage.db")
    usage.add(block_of([row(1, time.time())]))
    tended(usage)
    assert kept(usage.path, own_zone()) == []
    assert usage.totals().requests == 1


def test_days_of_one_zone_are_read_and_not_pieces_of_two(file: UsageFile) -> None:
    """Between days of Kolkata and of Lima there would be half hours, to be read record by record."""
    days(file, "America/Lima")
    tended(file)
    file.close()
    with closing(sqlite3.connect(file.path)) as connection:
        connection.execute("UPDATE block SET body = zeroblob(40)")  # nobody reads one
        connection.commit()
    again = UsageFile(file.path)
    assert again.totals(UsageFilter(since=at(MIDNIGHT), until=at(MIDNIGHT + 3 * DAY))).requests == 6


def test_no_more_zones_are_kept_than_a_few(file: UsageFile) -> None:
    for zone in ("Europe/Berlin", "America/Lima", "Asia/Tokyo", "Africa/Cairo"):
        assert sum(requests for _, requests, _ in days(file, zone)) == 6
        tended(file)
        assert kept(file.path, zone)
    with closing(sqlite3.connect(file.path)) as connection:
        found = {zone for (zone,) in connection.execute("SELECT DISTINCT zone FROM rolled WHERE zone <> ''")}
        named = {day for (day,) in connection.execute("SELECT day FROM daily UNION SELECT day FROM daily_by")}
        numbers = {day for (day,) in connection.execute("SELECT id FROM rolled")}
    assert found == {own_zone(), "Asia/Tokyo", "Africa/Cairo"}
    assert len(found) <= MOST_ZONES
    assert named == numbers


def test_hours_that_are_over_serve_a_zone_that_nobody_has_looked_at(usage: UsageStore) -> None:
    now = time.time()
    begin = now // DAY * DAY - 3 * DAY
    rows = [row(number, begin + number * 1800.0, model=f"m{number % 2}") for number in range(100)]
    usage.add(block_of(rows))
    tended(usage)
    if isinstance(usage, UsageFile):
        assert len(kept(usage.path, "")) == 50
    spans = [(begin + 5.5 * 3600, begin + 29.5 * 3600)]
    expected = [one for one in rows if spans[0][0] <= one.at < spans[0][1]]
    for by in (By.DAY, By.MODEL):
        assert usage.chart(by, spans, 9, UsageFilter(), KOLKATA).total.total[VALUES.index("cost")] == 5 * len(
            expected
        )
    usage.add(block_of([row(200, begin + 10 * 3600.0)]))
    usage.tend()
    assert (
        usage.chart(By.MODEL, spans, 9, UsageFilter(), KOLKATA).total.total[VALUES.index("cost")]
        == 5 * len(expected) + 5
    )


def test_a_file_of_the_version_before_has_its_days_summed_up(file: UsageFile) -> None:
    file.close()
    with closing(sqlite3.connect(file.path)) as connection:
        for table in ("rolled", "daily", "daily_by"):
            connection.execute(f"DROP TABLE {table}")
        connection.execute("PRAGMA user_version = 5")
        connection.commit()
    again = UsageFile(file.path)
    assert days(again) == THREE
    tended(again)
    assert len(kept(file.path, KOLKATA)) == 3


def test_a_file_of_before_bytes_were_known_keeps_its_days_and_counts_them_from_then_on(
    file: UsageFile,
) -> None:
    tended(file).close()
    with closing(sqlite3.connect(file.path)) as connection:
        for table in ("hourly", "session_hourly", "daily", "daily_by"):
            connection.execute(f"ALTER TABLE {table} DROP COLUMN sent_bytes")
        connection.execute("DELETE FROM daily_by WHERE axis = 'target'")
        connection.execute("PRAGMA user_version = 7")
        connection.commit()
    again = UsageFile(file.path)
    assert days(again) == THREE
    assert (again.totals().requests, again.totals().sent_bytes) == (6, None)
    late = row(99, MIDNIGHT + DAY + 60, sent_bytes=700, target="groq:m", session="s")
    again.add(block_of([late]))
    for _ in range(2):  # with what waits, and as it is summed up
        left = again.left_machine(UsageFilter(), KOLKATA)
        told = [(one.backend, one.attempts, one.sent_bytes) for one in left]
        assert told == [("openai", 2, None), ("groq", 1, 700), ("openai", 2, None), ("openai", 2, None)]
        (session,) = again.by(By.SESSION)
        assert (again.totals().sent_bytes, session.sent_bytes) == (700, 700)
        tended(again)
    again.delete_before(MIDNIGHT + DAY + 30)
    assert again.totals().sent_bytes == 700
    again.close()


def test_a_damaged_block_is_told_of_and_made_no_day_of(tmp_path: Path) -> None:
    usage = UsageFile(tmp_path / "usage.db")
    days(usage)
    usage.add(block_of([row(1, MIDNIGHT + 10.0)]))
    usage.tend()
    usage.close()
    with closing(sqlite3.connect(usage.path)) as connection:
        connection.execute("DELETE FROM rolled")
        connection.execute("UPDATE block SET body = zeroblob(40)")
        connection.commit()
    again = UsageFile(usage.path)
    with pytest.raises(PointsmanError, match="damaged"):
        days(again)
    tended(again)
    assert kept(usage.path, KOLKATA) == []


def test_a_chart_has_the_greatest_apart_and_the_others_in_one(usage: UsageStore) -> None:
    three_days(usage)
    at = MIDNIGHT + 100.0
    usage.add(
        block_of([row(60 + n, at, model=f"m{n}", cost=100 * n, input_tokens=None) for n in range(1, 6)])
    )
    spans = [(MIDNIGHT + day * DAY, MIDNIGHT + (day + 1) * DAY) for day in range(-1, 3)]
    chart = usage.chart(By.MODEL, spans, 2, UsageFilter(), KOLKATA)
    cost = VALUES.index("cost")
    assert [(one.names, one.total[cost], one.many) for one in chart.series] == [
        (("m5",), 500, 1), (("m4",), 400, 1), (None, 600 + 30, 4),
    ]  # fmt: skip
    assert [values and values[cost] for values in chart.total.each] == [None, 1510, 10, 10]
    assert chart.total.total[cost] == 1530


def test_a_glance_counts_what_became_of_the_last_hours_requests(open_usage: OpenUsage) -> None:
    usage, now = open_usage(), time.time()
    became = [
        row(1, now, first_output_ms=100.0),
        row(2, now, first_output_ms=300.4, fallback="connect"),
        row(3, now, outcome="error", status=502),
        row(4, now, outcome="aborted", status=499, first_output_ms=12.34),
        row(5, now, attempt=1, request="req_aaaaaaaaaa00000001", outcome="failed"),
        row(6, now - 3 * 3600, first_output_ms=50.0),
    ]
    usage.add(block_of(became[:3]))
    seen = usage.glance(now - 600)
    assert sum(some[Became.FAILED] for _, some in seen.minutes) == 1
    usage.add(block_of(became[3:]))
    for store in (usage, open_usage()):  # as it came in, and read again
        seen = store.glance(now - 600)
        assert {one: sum(some[one] for _, some in seen.minutes) for one in Became} == dict.fromkeys(Became, 1)
        assert len(seen.minutes) == 60
        assert (seen.median, seen.slow) == (100.0, 300.0)
        assert store.glance(now - 4 * 3600).median == 50.0


def test_a_glance_forgets_what_was_deleted(usage: UsageStore) -> None:
    now = time.time()
    usage.add(block_of([row(1, now - 120, first_output_ms=100.0)]))
    assert usage.glance(now - 600).median == 100.0
    usage.delete_before(now - 60)
    assert usage.glance(now - 600).median is None


def test_a_busy_days_glance_is_read_bit_by_bit_and_no_bit_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, many in (("AT_ONCE", 10), ("MOST", 40)):
        monkeypatch.setattr(f"pointsman.admin.store.usage_glance.{name}", many)
    usage, now = UsageFile(tmp_path / "usage.db"), time.time()
    for ten in range(6):
        some = [row(10 * ten + one, now - 3000 + 500 * ten + one, first_output_ms=100.0) for one in range(10)]
        usage.add(block_of(some))
    usage.glance(now - 3600)
    usage = UsageFile(usage.path)

    def seen() -> int:
        return sum(sum(some.values()) for _, some in usage.glance(now - 3600).minutes)

    assert (seen(), seen()) == (10, 10), "a look reads the newest, a second look nothing more"
    assert usage.glance(now - 3600).since > now - 1000, "and says since when it counts"
    counts = []
    for _ in range(5):
        usage.tend()
        counts.append(seen())
    assert counts == [20, 30, 40, 40, 40], "the rest comes by and by, so much and no more"
    usage.add(block_of([row(99, now, first_output_ms=100.0)]))
    assert seen() == 41


def test_durations_are_cut_to_what_is_shown() -> None:
    given = [0.0, 0.26, 9.96, 12.4, 310.5, 999.4, 1234.0, 12_345.0, 123_456.0]
    assert [three_digits(one) for one in given] == [0.0, 0.3, 10.0, 12, 310, 999, 1230.0, 12_300.0, 123_000.0]
