"""Usage records: each counted once, newest first, and the file comes back by itself."""

from __future__ import annotations

import sqlite3
import stat
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pointsman.admin.store import usage as usage_module
from pointsman.admin.store import usage_log
from pointsman.admin.store.usage import MAX_LIMIT, UsageStore
from pointsman.admin.store.usage_file import UsageFile
from pointsman.admin.store.usage_log import UsageLog
from pointsman.admin.store.usage_query import RowFilter, UsageFilter
from pointsman.errors import PointsmanError
from pointsman.ledger.blocks import block_of
from pointsman.ledger.records import UsageRecord


@pytest.fixture
def file(tmp_path: Path) -> Iterator[UsageFile]:
    opened = UsageFile(tmp_path / "usage.db")
    yield opened
    opened.close()


def record(number: int = 0, **fields: Any) -> UsageRecord:
    values: dict[str, Any] = {
        "id": f"req_{number:06}", "at": 1000.0 + number, "protocol": "openai_chat",
        "path": "/v1/chat/completions", "model": "gpt-4o", "target": "openai:gpt-4o", "attempts": 1,
        "fallback": None, "status": 200, "outcome": "ok", "stream": False,
    }  # fmt: skip
    return UsageRecord(**(values | fields))


def test_a_record_comes_back_as_it_was(usage: UsageStore) -> None:
    full = record(
        1, fallback="throttled", stream=True, input_tokens=5, output_tokens=0, cached_tokens=3,
        reasoning_tokens=1, first_output_ms=12.5, total_ms=99.0, key_id=3, mapping_id=4,
    )  # fmt: skip
    assert usage.add(block_of([full, record(0, target=None)])) == 2
    rows, cursor = usage.page()
    assert rows == [full, record(0, target=None)]
    assert cursor is None
    assert rows[1].output_tokens is None, "unknown is never 0"


def test_an_id_counts_once(usage: UsageStore) -> None:
    batch = [record(n) for n in range(5)]
    assert usage.add(block_of(batch)) == 5
    assert usage.add(block_of(batch)) == 0
    assert usage.add(block_of([*batch, record(9), record(9)])) == 1
    assert usage.totals().requests == 6
    assert usage.add(block_of([])) == 0


def test_pages_do_not_shift_when_rows_come_in(usage: UsageStore) -> None:
    usage.add(block_of(record(n, at=1000.0 + n // 3) for n in range(100)))  # three at the same moment
    seen: list[str] = []
    cursor: str | None = None
    while True:
        rows, cursor = usage.page(cursor=cursor, limit=7)
        seen += [row.id for row in rows]
        usage.add(block_of([record(1000 + len(seen), at=5000.0)]))
        if cursor is None:
            break
    assert seen == [f"req_{n:06}" for n in reversed(range(100))]


@pytest.mark.parametrize(("limit", "got"), [(0, 1), (-5, 1), (3, 3), (10_000, MAX_LIMIT)])
def test_the_limit_is_kept_within_bounds(usage: UsageStore, limit: int, got: int) -> None:
    usage.add(block_of(record(n) for n in range(MAX_LIMIT + 5)))
    rows, cursor = usage.page(limit=limit)
    assert len(rows) == got
    assert cursor is not None


@pytest.mark.parametrize("cursor", ["", "x", "!!!", "bm9wZQ", "WyJhIiwxXQ", "e30", "é"])
def test_a_cursor_that_is_not_ours_is_refused(usage: UsageStore, cursor: str) -> None:
    with pytest.raises(PointsmanError) as caught:
        usage.page(cursor=cursor)
    assert (caught.value.status, caught.value.param) == (422, "cursor")


@pytest.mark.parametrize(
    ("filters", "numbers"),
    [
        (UsageFilter(), {0, 1, 2, 3}), (UsageFilter(model="b"), {1}), (UsageFilter(target="local/box:q"), {2}),
        (UsageFilter(status=503), {3}), (UsageFilter(since=1002.0), {2, 3}), (UsageFilter(until=1002.0), {0, 1}),
        (UsageFilter(since=1001.0, until=1003.0), {1, 2}), (UsageFilter(outcome="error"), {3}),
        (UsageFilter(key_id=7), {1}), (UsageFilter(mapping_id=8), {2}), (UsageFilter(protocol="embeddings"), {0}),
        (UsageFilter(model="b", status=503), set()), (UsageFilter(model="%"), set()),
        (UsageFilter(model="' OR 1=1 --"), set()),
    ],
)  # fmt: skip
def test_filters(usage: UsageStore, filters: UsageFilter, numbers: set[int]) -> None:
    usage.add(
        block_of(
            [
                record(0, protocol="embeddings"),
                record(1, model="b", key_id=7),
                record(2, target="local/box:q", mapping_id=8),
                record(3, status=503, outcome="error"),
            ]
        )
    )
    rows, _ = usage.page(filters)
    assert {int(row.id[4:]) for row in rows} == numbers
    assert usage.totals(filters).requests == len(numbers)


def test_totals_keep_unknown_apart_from_zero(usage: UsageStore) -> None:
    usage.add(
        block_of(
            [
                record(0, input_tokens=5, output_tokens=0),
                record(1, input_tokens=7),
                record(2, outcome="error"),
            ]
        )
    )
    totals = usage.totals()
    assert (totals.requests, totals.failed, totals.input_tokens, totals.output_tokens) == (3, 1, 12, 0)
    assert (totals.cached_tokens, totals.reasoning_tokens) == (None, None)
    nothing = usage.totals(UsageFilter(model="none"))
    assert (nothing.requests, nothing.failed, nothing.input_tokens) == (0, 0, None)


def test_one_odd_record_does_not_stop_its_batch(usage: UsageStore) -> None:
    odd = record(0, model="\ud800" + "x" * 5000, input_tokens=10**30)
    assert usage.add(block_of([odd, record(1)])) == 2
    rows, _ = usage.page()
    assert rows[1].model.startswith("?xxx")
    assert len(rows[1].model) == 512
    assert rows[1].input_tokens is None


def test_the_file_is_private_and_not_so_synchronous(file: UsageFile, tmp_path: Path) -> None:
    file.add(block_of([record()]))
    assert stat.S_IMODE((tmp_path / "usage.db").stat().st_mode) == 0o600
    assert file.integrity() == []


def test_a_file_others_can_read_is_refused_at_start(tmp_path: Path) -> None:
    (tmp_path / "usage.db").touch(mode=0o644)
    (tmp_path / "usage.db").chmod(0o644)
    with pytest.raises(PointsmanError, match="chmod 600"):
        UsageFile(tmp_path / "usage.db")


def test_a_vanished_file_is_begun_anew(file: UsageFile, tmp_path: Path) -> None:
    file.add(block_of([record(0)]))
    for path in tmp_path.iterdir():
        path.unlink()
    assert file.add(block_of([record(1)])) == 1
    assert file.totals().requests == 1


def test_a_damaged_file_is_unavailable_until_it_is_moved_away(tmp_path: Path) -> None:
    path = tmp_path / "usage.db"
    path.write_bytes(b"not a database at all" * 300)
    path.chmod(0o600)
    usage = UsageFile(path)
    for _ in range(2):
        with pytest.raises(PointsmanError) as caught:
            usage.add(block_of([record()]))
        assert caught.value.status == 503
    path.rename(tmp_path / "aside")
    assert usage.add(block_of([record()])) == 1
    usage.close()


@pytest.mark.slow
def test_a_locked_file_keeps_nothing_half_and_comes_back(file: UsageFile, tmp_path: Path) -> None:
    file.add(block_of([record(0)]))
    other = sqlite3.connect(tmp_path / "usage.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(PointsmanError, match="usage database is locked"):
        file.add(block_of([record(n) for n in range(1, 50)]))
    assert file.totals().requests == 1, "reading goes on"
    other.execute("ROLLBACK")
    other.close()
    assert file.add(block_of([record(n) for n in range(1, 50)])) == 49


def test_a_newer_file_is_left_alone(tmp_path: Path) -> None:
    usage = UsageFile(tmp_path / "usage.db")
    usage.add(block_of([record()]))
    usage.close()
    newer = sqlite3.connect(tmp_path / "usage.db")
    newer.execute("PRAGMA user_version = 99")
    newer.close()
    again = UsageFile(tmp_path / "usage.db")
    with pytest.raises(PointsmanError, match="newer Pointsman"):
        again.add(block_of([record(1)]))
    again.close()


_FIRST = (
    "id TEXT NOT NULL PRIMARY KEY, at FLOAT NOT NULL, protocol TEXT NOT NULL, path TEXT NOT NULL, model TEXT NOT NULL,"
    " target TEXT, attempts INTEGER NOT NULL, fallback TEXT, status INTEGER NOT NULL, outcome TEXT NOT NULL,"
    " stream BOOLEAN NOT NULL, input_tokens INTEGER, output_tokens INTEGER, cached_tokens INTEGER,"
    " reasoning_tokens INTEGER, first_output_ms FLOAT, total_ms FLOAT, key_id INTEGER, mapping_id INTEGER"
)
_SECOND = ", request TEXT NOT NULL DEFAULT '', attempt INTEGER NOT NULL DEFAULT 0, joined BOOLEAN NOT NULL DEFAULT 0"


def left_by_version(path: Path, version: int, rows: list[UsageRecord]) -> None:
    """A file as that version (1 to 3) left it."""
    fields = usage_module.COLUMNS[: 19 if version == 1 else 22]
    path.touch(mode=0o600)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"CREATE TABLE usage ({_FIRST}{_SECOND if version > 1 else ''})")
        connection.executemany(
            f"INSERT INTO usage VALUES ({', '.join('?' * len(fields))})",
            [[getattr(row, name) for name in fields] for row in rows],
        )
        connection.execute("CREATE INDEX usage_newest ON usage (at, id)")
        if version == 3:
            connection.execute(
                "CREATE TABLE answers (id TEXT NOT NULL, key_id INTEGER NOT NULL, target TEXT NOT NULL, model TEXT NOT"
                " NULL, at FLOAT NOT NULL, PRIMARY KEY (id, key_id))"
            )
        connection.execute(f"PRAGMA user_version = {version}")
        connection.commit()


def test_a_file_of_the_first_version_is_kept_and_goes_on(tmp_path: Path) -> None:
    left_by_version(tmp_path / "usage.db", 1, [record(1)])
    again = UsageFile(tmp_path / "usage.db")
    again.add(block_of([record(2, request="req_000002", attempt=1)]))
    rows, _ = again.page()
    assert [(row.id, row.request, row.attempt, row.joined) for row in rows] == [
        ("req_000002", "req_000002", 1, False), ("req_000001", "", 0, False),
    ]  # fmt: skip
    assert again.totals().requests == 2
    (old,), _ = again.page(UsageFilter(request="req_000001"))
    assert old.id == "req_000001"
    assert again.integrity() == []
    again.close()
    UsageFile(tmp_path / "new.db").add(block_of([record(1)]))
    assert shape(tmp_path / "usage.db") == shape(tmp_path / "new.db")


def test_totals_count_requests_and_the_tokens_of_every_attempt(usage: UsageStore) -> None:
    usage.add(
        block_of(
            [
                record(
                    0, id="req_a/1", request="req_a", attempt=1, outcome="failed", status=500, input_tokens=3
                ),
                record(1, id="req_a", request="req_a", attempt=2, attempts=2, input_tokens=3),
                record(2, id="req_b", request="req_b", attempt=1, outcome="error", status=502),
            ]
        )
    )
    found = usage.totals()
    assert (found.requests, found.failed, found.input_tokens) == (2, 1, 6)
    rows, _ = usage.page(UsageFilter(request="req_a"))
    assert [row.id for row in rows] == ["req_a", "req_a/1"]


def shape(path: Path) -> tuple[object, ...]:
    """Tables with their columns, and indices."""
    with closing(sqlite3.connect(path)) as connection:
        tables = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
        ).fetchall()
        return (
            connection.execute("PRAGMA user_version").fetchone(),
            [(name, *connection.execute(f"PRAGMA table_info({name})").fetchall()) for (name,) in tables],
            connection.execute(
                "SELECT name FROM sqlite_master WHERE type = 'index' ORDER BY name"
            ).fetchall(),
        )


def test_an_upgrade_that_is_cut_off_is_done_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "usage.db"
    left_by_version(path, 1, [record(number) for number in range(5)])
    before = shape(path)
    opened = UsageFile(path)
    with monkeypatch.context() as patch:
        patch.setattr(usage_log, "LARGE", 2)
        patch.setattr(UsageLog, "fold", broken)  # when the rows are in blocks already
        with pytest.raises(sqlite3.OperationalError, match="as if"):
            opened.totals()
    assert shape(path) == before, "nothing of it is there"
    assert opened.totals().requests == 5
    assert shape(path) != before
    opened.close()


def broken(*_args: object) -> None:
    raise sqlite3.OperationalError("as if")


@pytest.mark.parametrize("version", [1, 2, 3])
def test_the_rows_of_every_version_are_read_as_they_were(tmp_path: Path, version: int) -> None:
    old = version == 1
    rows = [
        record(
            number, at=1000.0 + number * 1800, model=f"m{number % 3}", input_tokens=number, stream=number % 2 == 0,
            total_ms=number / 7, request="" if old else f"req_{number:06}", attempt=0 if old else 1,
        )
        for number in range(100)
    ]  # fmt: skip
    left_by_version(tmp_path / "usage.db", version, rows)
    opened = UsageFile(tmp_path / "usage.db")
    found, _ = opened.page(limit=1000)
    assert found == rows[::-1]
    assert (opened.totals().requests, opened.totals().input_tokens) == (100, sum(range(100)))
    assert opened.add(block_of(rows)) == 0, "they are not counted twice"
    opened.close()


def test_a_request_whose_attempt_failed_is_not_counted_twice_whatever_is_asked_for(usage: UsageStore) -> None:
    usage.add(
        block_of(
            [
                record(0, id="req_a/1", request="req_a", attempt=1, outcome="failed", target="local/box:m"),
                record(1, id="req_a", request="req_a", attempt=2, attempts=2, target="openai:m"),
            ]
        )
    )
    assert usage.totals(UsageFilter(target="openai:m")).requests == 1
    assert usage.totals(UsageFilter(target="local/box:m")).requests == 0
    assert usage.totals(UsageFilter(request="req_a")).requests == 1
    assert len(usage.page(UsageFilter(target="local/box:m"))[0]) == 1


# -- who made an answer


def made(name: str, number: int = 0, **fields: Any) -> UsageRecord:
    values = {"answer_id": name, "at": time.time(), "target": "openai/a:gpt-x", "model": "m"} | fields
    return record(number, **values)


def test_who_made_an_answer_is_told_to_the_key_that_got_it(usage: UsageStore) -> None:
    usage.add(block_of([made("resp_1", key_id=3), made("resp_2", 1), record(2)]))
    assert usage.answer(3, "resp_1") == ("openai/a:gpt-x", "m")
    assert usage.answer(None, "resp_2") == ("openai/a:gpt-x", "m")
    assert [usage.answer(key, "resp_1") for key in (None, 4)] == [None, None]
    assert usage.answer(None, "resp_9") is None
    assert usage.page()[0][0].answer_id is None, "no column of it"


def test_an_id_that_its_backend_gave_to_two_keys_is_told_to_neither(usage: UsageStore) -> None:
    usage.add(
        block_of(
            [made("resp_1", key_id=3), made("resp_1", 1, key_id=4), made("resp_1", 2, target="openai/b:m")]
        )
    )
    assert [usage.answer(key, "resp_1") for key in (3, 4)] == [None, None]
    assert usage.answer(None, "resp_1") == ("openai/b:m", "m"), "another backend's is another answer"


def test_a_record_that_comes_again_tells_the_same(usage: UsageStore) -> None:
    again = block_of([made("resp_1")])
    assert [usage.add(again), usage.add(again)] == [1, 0]
    assert usage.answer(None, "resp_1") is not None
    assert usage.totals().requests == 1


def test_answers_are_forgotten_by_age_and_by_number(
    usage: UsageStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    long_ago = time.time() - usage_module.ANSWERS_SECONDS - 1
    usage.add(block_of([made("resp_old", at=long_ago)]))
    assert usage.answer(None, "resp_old") is None
    for where in ("usage_file", "postgres_usage"):
        monkeypatch.setattr(f"pointsman.admin.store.{where}.MOST_ANSWERS", 10)
    for number in range(30):
        usage.add(block_of([made(f"resp_{number}", number + 1)]))
    usage.tend()
    assert [usage.answer(None, f"resp_{number}") is not None for number in (0, 19, 20, 29)] == [
        False, False, True, True,
    ]  # fmt: skip
    if isinstance(usage, UsageFile):
        with closing(sqlite3.connect(usage.path)) as connection:
            assert connection.execute("SELECT count(*) FROM answers").fetchone() == (10,)


def test_a_file_of_the_second_version_learns_to_keep_them(tmp_path: Path) -> None:
    left_by_version(tmp_path / "usage.db", 2, [record(1)])
    again = UsageFile(tmp_path / "usage.db")
    again.add(block_of([made("resp_1", 2)]))
    assert again.answer(None, "resp_1") is not None
    assert again.totals().requests == 2
    again.close()


def test_rows_are_found_by_how_long_they_took_and_by_the_names_of_their_keys(usage: UsageStore) -> None:
    rows = [
        record(number, total_ms=took, key_id=key)
        for number, (took, key) in enumerate([(5.0, 1), (900.0, 2), (None, 2)])
    ]
    other = record(3, id="req_000001/1", request="req_000001", outcome="failed", total_ms=2000.0)
    usage.add(block_of([*rows, other]))

    def ids(**asked: Any) -> list[str]:
        return [one.id for one in usage.page(RowFilter(**asked).knowing({1: "Laptop", 2: "claude-code"}))[0]]

    assert ids(slower_ms=800) == [other.id, rows[1].id]
    assert ids(slower_ms=800, whole=True) == [rows[1].id]
    assert ids(text="laptop") == [rows[0].id]
    assert ids(text="CLAUDE") == [rows[2].id, rows[1].id]
    assert ids(text="claude laptop") == []


def test_a_search_that_takes_too_long_goes_on_with_its_cursor(
    usage: UsageStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was 2.7 s of a million rows, in one go."""
    for where in ("usage_file", "postgres_usage"):
        monkeypatch.setattr(f"pointsman.admin.store.{where}.LOOK_SECONDS", 0.0)
    monkeypatch.setattr("pointsman.admin.store.postgres_usage_reading.PIECE", 4)
    for number in range(8):  # each a block, which overlaps its neighbours
        usage.add(block_of([record(number * 2 + n, total_ms=float(number * 2 + n)) for n in (0, 3)]))
    found: list[float | None] = []
    cursor, pages = None, 0
    while True:
        rows, cursor = usage.page(RowFilter(slower_ms=4), cursor, 50)
        found += [one.total_ms for one in rows]
        pages += 1
        if cursor is None:
            break
    assert found == sorted(found, key=lambda took: -(took or 0))
    assert sorted(found, key=str) == sorted(
        (float(n) for n in {*range(0, 16, 2), *range(3, 18, 2)} if n > 4), key=str
    )
    assert pages > 3
