"""Old usage records taken out: the file becomes smaller, names go, and what budgets count is carried."""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from pointsman.admin.store import usage_query
from pointsman.admin.store.usage import UsageStore
from pointsman.admin.store.usage_file import UsageFile
from pointsman.admin.store.usage_groups import By
from pointsman.ledger.blocks import block_of
from pointsman.ledger.records import UsageRecord

from .conftest import ByHand
from .test_usage_log import HOUR, plain
from .test_usage_v4 import FILE, old

__all__ = ["old"]
DAY = 24 * HOUR


def some(begin: float, count: int, life: str, **more: object) -> list[UsageRecord]:
    found = []
    for number in range(count):
        name = f"req_{life}{number:08x}"
        fields = {
            "cost": 1000,
            "output_tokens": number,
            "key_id": 1,
            "target": "openai:m",
            "total_ms": number / 7,
        }
        found.append(plain(0, id=name, request=name, at=begin + number, **(fields | more)))
    return found


def test_it_becomes_smaller_and_no_name_of_what_went_is_in_it(usage: UsageStore, by_hand: ByHand) -> None:
    now = time.time()
    for batch in range(20):
        begin = now - 10 * DAY + batch * 500
        usage.add(
            block_of(some(begin, 500, f"aaaaaaa{batch:03}", model="secret-name", session="secret-session"))
        )
    usage.add(block_of(some(now - HOUR, 10, "bbbbbbbbbb", session="s-new")))
    done = usage.delete_before(now - DAY)
    assert done.records == 10_000
    assert done.bytes_after < 0.4 * done.bytes_before
    if isinstance(usage, UsageFile):
        assert usage.path.stat().st_size == done.bytes_after, "nothing waits beside it"
        assert b"secret" not in usage.path.read_bytes()
    else:
        assert by_hand("SELECT count(*) FROM usage_kind WHERE model = 'secret-name'")[0][0] == 0
    assert usage.totals().requests == 10
    assert [row.session for row in usage.by(By.SESSION)] == ["s-new"]  # type: ignore[union-attr]
    tokens = 20 * sum(range(500)) + 10_000
    assert usage.spent([1]) == (tokens + sum(range(10)) + 10, 10_010_000)
    assert usage.spent(backend="openai", since=now - 11 * DAY) == usage.spent([1])
    assert usage.spent([1], since=now - 2 * DAY) == (sum(range(10)) + 10, 10_000)
    assert usage.spent([2]) == (0, 0)
    for since in (None, now - 2 * DAY, now - 11 * DAY):
        assert usage.spent_by_key(since) == {1: usage.spent([1], since=since)}
    assert usage.delete_before(now - DAY).records == 0
    assert usage.integrity() == []


def test_what_no_period_needs_by_the_hour_is_carried_in_one_sum(usage: UsageStore, by_hand: ByHand) -> None:
    now = time.time()
    for age in range(30, 50):
        usage.add(block_of(some(now - age * DAY, 3, f"c{age:09}")))
    usage.delete_before(now - 20 * DAY)
    if isinstance(usage, UsageFile):
        with closing(sqlite3.connect(usage.path)) as connection:
            assert connection.execute("SELECT count(*) FROM carried").fetchone()[0] <= 4
    else:
        assert by_hand("SELECT count(*) FROM usage_carried")[0][0] <= 4
    assert usage.spent([1])[1] == 60_000
    assert usage.spent([1], since=now - 31.5 * DAY)[1] in (6000, 3000), "a whole month is known by the hour"


def test_a_file_that_was_made_before_it_could_shrink_is_written_anew_once(old: Path) -> None:
    with closing(sqlite3.connect(old)) as connection:
        assert connection.execute("PRAGMA auto_vacuum").fetchone() == (0,)
    usage = UsageFile(old)
    assert usage.delete_before(3 * HOUR).records == 3
    assert [one.at for one in usage.page()[0]] == [14405.0, 10805.0]
    usage.close()
    with closing(sqlite3.connect(old)) as connection:
        assert connection.execute("PRAGMA auto_vacuum").fetchone() == (2,)
    assert FILE.exists()


def test_a_damaged_block_stays_and_the_rest_goes(tmp_path: Path) -> None:
    path = tmp_path / "usage.db"
    usage = UsageFile(path)
    usage.add(block_of(some(0, 10, "dddddddddd")))
    usage.add(block_of(some(5, 10, "eeeeeeeeee")))
    with closing(sqlite3.connect(path)) as other:
        other.execute("UPDATE block SET body = zeroblob(length(body)) WHERE id = 2")
        other.commit()
    assert usage.delete_before(9).records == 9
    (told,) = usage.integrity()
    assert "damaged" in told
    assert usage.delete_before(100).records == 11
    assert usage.integrity() == []
    assert usage.totals().requests == 0
    usage.close()


def test_new_records_come_in_while_old_ones_go(usage: UsageStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pointsman.admin.store.usage_deleting.AT_ONCE", 1)
    monkeypatch.setattr("pointsman.admin.store.postgres_usage_deleting.HOURS_AT_ONCE", 1)
    for hour in range(50):
        usage.add(block_of(some(hour * HOUR, 2, f"f{hour:09}")))

    def more() -> None:
        for number in range(50):
            usage.add(block_of(some(99 * HOUR, 1, f"a{number:09}")))

    other = threading.Thread(target=more)
    other.start()
    assert usage.delete_before(49 * HOUR).records == 98
    other.join()
    assert usage.totals().requests == 52
    assert usage.integrity() == []


def test_a_key_that_was_used_long_ago_still_says_when(usage: UsageStore) -> None:
    now = time.time()
    assert usage.last_used([1]) == {}
    for key, age in ((1, 200), (2, 3), (3, 0.001), (4, 40)):
        usage.add(block_of(some(now - age * DAY, 1, f"d{key:09}", key_id=key)))
    found = usage.last_used([1, 2, 3, 5])
    assert found.keys() == {1, 2, 3}
    for key, age in ((1, 200), (2, 3), (3, 0.001)):
        assert abs(now - age * DAY - found[key]) <= HOUR


def test_hundreds_of_keys_say_to_the_record_when_they_were_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage, now = UsageFile(tmp_path / "usage.db"), time.time()
    late, opened = {}, []
    for number in range(600):
        late[1 + number % 300] = at = now - 1200 + 2 * number
        usage.add(block_of(some(at, 1, f"e{number:09}", key_id=1 + number % 300)))
    for _ in range(20):
        usage.tend()
    block = usage_query.Block
    monkeypatch.setattr(usage_query, "Block", lambda *given: opened.append(1) or block(*given))
    assert usage.last_used(range(1, 301)) == pytest.approx(late)
    assert len(opened) <= 2, "each block is opened once, not once a key"
    usage.close()
