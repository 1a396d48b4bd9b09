"""Usage comes up the link, is stored once, and is read in pages."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pointsman.ledger.blocks import block_of
from pointsman.ledger.records import UsageRecord
from pointsman.link.messages import UsageBatch

from .plane import Plane, Worker


def record(number: int, **fields: object) -> UsageRecord:
    values: dict[str, object] = {
        "id": f"req_{number:04}",
        "at": 1_700_000_000.0 + number,
        "protocol": "openai_chat",
        "path": "/v1/chat/completions",
        "model": "m",
        "target": "local/box:m",
        "attempts": 1,
        "fallback": None,
        "status": 200,
        "outcome": "ok",
        "stream": False,
        "input_tokens": 2,
    }
    return UsageRecord(**{**values, **fields})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    with Plane(tmp_path_factory.mktemp("usage") / "data") as plane:
        with Worker(plane) as worker:
            rows = [record(n, status=429 if n % 5 == 0 else 200, model=f"m{n % 2}") for n in range(25)]
            worker.send(UsageBatch(batch=1, block=block_of(rows)))
            worker.send(UsageBatch(batch=2, block=block_of(rows[5:])))
            worker.wait(lambda: worker.acks == [1, 2])
        yield plane


def test_a_batch_that_comes_again_is_acknowledged_and_counted_once(filled: Plane) -> None:
    assert len(filled.good("GET", "/api/usage?limit=1000")) == 25
    totals = filled.good("GET", "/api/usage/totals")
    assert (totals["requests"], totals["input_tokens"], totals["output_tokens"]) == (25, 50, None)


def test_pages_follow_the_link_header_to_the_end(filled: Plane) -> None:
    target, ids, pages = "/api/usage?limit=10&model=m1", [], 0
    while target:
        said = filled.call("GET", target)
        ids += [row["id"] for row in said.json()]
        pages += 1
        link = said.headers.get("link")
        assert (link is None) == ("x-next-cursor" not in said.headers)
        target = "" if link is None else link.split(">")[0].lstrip("<")
        if link is not None:
            assert link.endswith('; rel="next"')
            assert "model=m1" in target
    assert pages == 2
    assert ids == [f"req_{n:04}" for n in range(23, 0, -2)]


def test_a_row_says_all_that_is_known(filled: Plane) -> None:
    (row,) = filled.good("GET", "/api/usage?limit=1")
    assert row == {
        "id": "req_0024",
        "at": "2023-11-14T22:13:44Z",
        "protocol": "openai_chat",
        "path": "/v1/chat/completions",
        "model": "m0",
        "target": "local/box:m",
        "attempts": 1,
        "fallback": None,
        "status": 200,
        "outcome": "ok",
        "stream": False,
        "input_tokens": 2,
        "output_tokens": None,
        "cached_tokens": None,
        "reasoning_tokens": None,
        "first_output_ms": None,
        "total_ms": None,
        "key_id": None,
        "mapping_id": None,
        "client": "",
        "session": None,
        "cost": None,
        "flag": None,
        "saved": None,
        "extra": None,
        "tier": None,
        "cache_write_tokens": None,
        "cache_write_long_tokens": None,
        "web_searches": None,
        "overhead_ms": None,
        "changed_at": None,
        "changed_in": None,
        "warnings": None,
        "sent_bytes": None,
        "request": "",
        "attempt": 0,
        "joined": False,
    }


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("status=429", 5),
        ("status=200&model=m0", 10),
        ("target=local/box:m", 25),
        ("target=other", 0),
        ("since=1700000020", 5),
        ("until=1700000020", 20),
        ("since=2023-11-14T22:13:30Z&until=2023-11-14T22:13:31Z", 1),
        ("protocol=openai_chat&outcome=ok", 25),
        ("model=%25", 0),
    ],
)
def test_filters(filled: Plane, query: str, count: int) -> None:
    assert len(filled.good("GET", f"/api/usage?limit=1000&{query}")) == count


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=1001",
        "limit=x",
        "status=7",
        "since=yesterday",
        "cursor=nonsense",
        "colour=red",
        "key_id=x",
        "key_id=99999999999999999999",
        "key_id=9223372036854775808",
        "key_id=-1",
        "key_id=0",
        "key_id=1.5",
        "key_id=NaN",
        "mapping_id=-9223372036854775809",
        "mapping_id=1e3",
        "mapping_id=" + "9" * 400,
        "limit=-5",
        "limit=99999999999999999999",
        "limit=inf",
        "status=99999999999999999999",
        "since=1e400",
        "since=99999999999999999999",
        "since=nan",
        "until=-1e30",
        "until=10000-01-01T00:00:00Z",
        "cursor=WzFlNDAwLCJ4Il0",  # [1e400,"x"]
    ],
)
def test_a_filter_that_is_none_is_a_422(filled: Plane, query: str) -> None:
    assert filled.problem("GET", f"/api/usage?{query}")["param"] == query.partition("=")[0]


@pytest.mark.parametrize(
    "query", ["key_id=99999999999999999999", "mapping_id=-2", "since=1e400", "status=-200"]
)
def test_sums_over_a_filter_that_is_none_are_a_422(filled: Plane, query: str) -> None:
    assert filled.problem("GET", f"/api/usage/totals?{query}")["param"] == query.partition("=")[0]


EDGES = ["since=0001-01-01T00:00:00%2B23:59", "until=9999-12-31T23:59:59-23:59", "key_id=9223372036854775807"]


@pytest.mark.parametrize("query", EDGES)
def test_a_filter_at_the_edge_of_what_there_is_answers(filled: Plane, query: str) -> None:
    filled.good("GET", f"/api/usage?{query}")
    filled.good("GET", f"/api/usage/totals?{query}")


def test_a_batch_that_cannot_be_stored_is_not_acknowledged_and_the_next_try_is(tmp_path: Path) -> None:
    import sqlite3
    from contextlib import closing

    with Plane(tmp_path / "data") as plane, Worker(plane) as worker:
        worker.send(UsageBatch(batch=1, block=block_of([record(1)])))
        worker.wait(lambda: worker.acks == [1])
        with closing(sqlite3.connect(plane.data_dir / "usage.db", isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            worker.send(UsageBatch(batch=2, block=block_of([record(2)])))
            time.sleep(6)
            assert worker.acks == [1]
            other.execute("ROLLBACK")
        worker.send(UsageBatch(batch=2, block=block_of([record(2)])))
        worker.wait(lambda: worker.acks == [1, 2])
        assert len(plane.good("GET", "/api/usage")) == 2


def test_a_request_is_read_with_all_its_attempts_and_counted_once(tmp_path: Path) -> None:
    with Plane(tmp_path / "data") as plane, Worker(plane) as worker:
        rows = (
            record(
                1,
                id="req_a/1",
                request="req_a",
                attempt=1,
                attempts=2,
                outcome="failed",
                status=0,
                fallback="connect",
            ),
            record(
                2, id="req_a", request="req_a", attempt=2, attempts=2, fallback="connect", target="openai:m"
            ),
            record(3, id="req_b", request="req_b", attempt=1, joined=True),
        )
        worker.send(UsageBatch(batch=1, block=block_of(rows)))
        worker.wait(lambda: worker.acks == [1])
        found = plane.good("GET", "/api/usage?request=req_a")
        assert [(row["id"], row["attempt"], row["outcome"], row["status"]) for row in found] == [
            ("req_a", 2, "ok", 200), ("req_a/1", 1, "failed", 0),
        ]  # fmt: skip
        assert plane.good("GET", "/api/usage?request=req_b")[0]["joined"] is True
        assert plane.good("GET", "/api/usage?request=req_c") == []
        totals = plane.good("GET", "/api/usage/totals")
        assert (totals["requests"], totals["failed"], totals["input_tokens"]) == (2, 0, 6)
        assert plane.good("GET", "/api/usage/totals?request=req_a")["requests"] == 1
