"""The usage log against a list of its records: whatever was folded, merged, sent again or cut off, both say the same."""

from __future__ import annotations

import math
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pointsman.admin.store import postgres_usage_deleting, postgres_usage_reading, usage_deleting, usage_log
from pointsman.admin.store.database_url import PostgresPlace, database_place
from pointsman.admin.store.postgres import PostgresServer
from pointsman.admin.store.postgres_usage import UsageTables
from pointsman.admin.store.usage import UsageStore
from pointsman.admin.store.usage_columns import PACKED, PLAIN, Block, Damaged, pack
from pointsman.admin.store.usage_facts import VALUES
from pointsman.admin.store.usage_file import UsageFile
from pointsman.admin.store.usage_groups import By, SessionTotals
from pointsman.admin.store.usage_query import Totals, UsageFilter
from pointsman.errors import PointsmanError
from pointsman.ledger.blocks import MONEY, TOKENS, UsageBlock, block_of, columns_of
from pointsman.ledger.periods import zone_of
from pointsman.ledger.records import NANO, UsageRecord
from tests.children import child
from tests.postgres import Cluster

FIELDS = ("model", "target", "protocol", "outcome", "status", "key_id", "mapping_id", "client", "session")
HOUR = 3600.0

count = st.one_of(st.none(), st.integers(0, 50))


@st.composite
def some_records(draw: st.DrawFn) -> list[UsageRecord]:
    found = []
    for number in range(draw(st.integers(1, 12))):
        life = draw(st.sampled_from(["req_aaaaaaaaaa", "req_bbbbbbbbbb", "x"]))
        request = f"{life}{draw(st.integers(0, 40)):08x}"
        other = draw(st.integers(0, 2))
        found.append(
            UsageRecord(
                f"{request}/{other}" if other else request,
                draw(st.one_of(st.integers(0, 5 * 3600).map(float), st.floats(0, 5 * HOUR))),
                draw(st.sampled_from(["openai_chat", ""])), "/v1/x", draw(st.sampled_from(["m", "é" * 3])),
                draw(st.sampled_from([None, "openai:m", "local/box:m"])), 1 + number,
                draw(st.sampled_from([None, "connect"])), draw(st.sampled_from([200, 500])),
                draw(st.sampled_from(["ok", "error", "aborted"])), draw(st.booleans()),
                draw(count), draw(count), draw(count), draw(count),
                draw(st.one_of(st.none(), st.floats(0, 1e6))), draw(st.one_of(st.none(), st.floats(0, 1e6))),
                draw(st.one_of(st.none(), st.integers(1, 2))), draw(st.one_of(st.none(), st.integers(1, 2))),
                draw(st.sampled_from([request, ""])) if not other else request, other, draw(st.booleans()), None,
                draw(st.sampled_from(["", "codex"])), draw(st.sampled_from([None, None, "s1", "s2"])),
                draw(count), draw(st.sampled_from([None, "estimated"])), draw(count),
                draw(st.one_of(st.none(), st.integers(-50, 50))), draw(st.sampled_from([None, "flex"])), draw(count),
                draw(count), draw(count), draw(st.one_of(st.none(), st.floats(0, 1e4, width=32))),
                draw(st.sampled_from([None, None, "dropped:top_k"])), draw(count),
                draw(count), draw(st.sampled_from([None, None, "system[0].text"])),
            )
        )  # fmt: skip
    return found


filters = st.builds(
    UsageFilter,
    model=st.sampled_from([None, None, "m", ["m", "none"]]),
    target=st.sampled_from([None, None, "openai:m", ["openai:m", "local/box:m"]]),
    backend=st.sampled_from([[], [], ["openai"], ["local/box", "nobody"]]),
    failed=st.sampled_from([False, False, True]),
    local=st.sampled_from([False, False, False, True]),
    rescued=st.sampled_from([False, False, False, True]),
    text=st.sampled_from([None, None, None, "OPENAI 200", "box", "codex m", "100%"]),
    outcome=st.sampled_from([None, None, "ok", "error"]),
    status=st.sampled_from([None, 200]),
    key_id=st.sampled_from([None, None, 1]),
    client=st.sampled_from([None, None, "codex"]),
    session=st.sampled_from([None, None, None, "s1", "s3"]),
    left_machine=st.sampled_from([False, False, True]),
    request=st.sampled_from([None, None, "req_aaaaaaaaaa00000001", "x00000002"]),
    since=st.one_of(st.none(), st.integers(0, 6 * 3600)),
    until=st.one_of(st.none(), st.integers(0, 6 * 3600)),
)


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def own(record: UsageRecord) -> bool:
    return not record.request or record.request == record.id


def words(record: UsageRecord) -> str:
    said = (
        record.model,
        record.target,
        record.client,
        record.outcome,
        record.status,
        record.protocol,
        record.path,
    )
    return " ".join(str(one or "") for one in said).lower()


def passes(record: UsageRecord, asked: UsageFilter) -> bool:
    return (
        all(
            getattr(asked, n) in (None, []) or getattr(record, n) in listed(getattr(asked, n)) for n in FIELDS
        )
        and (not asked.backend or (record.target or "").partition(":")[0] in asked.backend)
        and (not asked.left_machine or (record.target or "local/").partition("/")[0] != "local")
        and (not asked.failed or (own(record) and record.outcome not in ("ok", "aborted")))
        and (not asked.local or (own(record) and (record.target or "").startswith("local/")))
        and (not asked.rescued or (own(record) and record.outcome == "ok" and record.fallback is not None))
        and all(word in words(record) for word in (asked.text or "").lower().split())
        and (asked.request is None or asked.request == (record.request or record.id))
        and (asked.since is None or record.at >= asked.since.timestamp())
        and (asked.until is None or record.at < asked.until.timestamp())
    )


def summed(values: list[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def check(usage: UsageStore, stored: dict[str, UsageRecord], asked: UsageFilter) -> None:
    expected = sorted(
        (one for one in stored.values() if passes(one, asked)), key=lambda one: (one.at, one.id), reverse=True
    )
    found: list[UsageRecord] = []
    cursor: str | None = None
    while True:
        page, cursor = usage.page(asked, cursor, 3)
        found += page
        if cursor is None:
            break
    assert found == expected
    adds_up(usage.totals(asked), expected)
    check_chart(usage, asked, expected)
    check_left(usage, asked, expected)
    for by in By:
        grouped: dict[object, list[UsageRecord]] = {}
        for one in expected:
            for name in [NAMES[by](one)]:
                grouped.setdefault(name, []).append(one)
        if by is By.SESSION:
            grouped = {name: some for name, some in grouped.items() if some[0].session is not None}
        rows = usage.by(by, asked, GUYANA)
        assert len(rows) == len(grouped)
        for row in rows:
            some = grouped[GROUP_NAMES[by](row)]
            adds_up(row, some)
            if isinstance(row, SessionTotals):
                assert row.first_at.timestamp() == pytest.approx(min(one.at for one in some), abs=1e-5)
                assert row.last_at.timestamp() == pytest.approx(max(one.at for one in some), abs=1e-5)


def check_left(usage: UsageStore, asked: UsageFilter, expected: list[UsageRecord]) -> None:
    left: dict[tuple[object, str], list[UsageRecord]] = {}
    for one in expected:
        if one.target is not None and not one.target.startswith("local/"):
            left.setdefault((NAMES[By.DAY](one), one.target), []).append(one)
    rows = usage.left_machine(asked, GUYANA)
    assert [row.day for row in rows] == sorted(day for day, _ in left)
    assert {(row.day, f"{row.backend}:{row.model}") for row in rows} == set(left)
    for row in rows:
        adds_up(row, left[row.day, f"{row.backend}:{row.model}"])


def check_chart(usage: UsageStore, asked: UsageFilter, expected: list[UsageRecord]) -> None:
    """Two of three days; the middle one of Guyana's."""
    begin = 3 * HOUR + 45 * 60
    spans = [(begin - 24 * HOUR, begin), (begin, begin + 24 * HOUR)]
    within = asked.model_copy(update={"since": None, "until": None})
    everything = [one for one in usage.page(within, None, 1000)[0] if spans[0][0] <= one.at < spans[1][1]]
    for by in (By.DAY, By.MODEL):
        made = usage.chart(by, spans, 1, within, GUYANA)
        assert made.total.total[VALUES.index("attempts")] == sum(one.target is not None for one in everything)
        each = [sum(begin <= one.at for one in everything), sum(one.at < begin for one in everything)]
        unpriced = VALUES.index("unpriced")
        assert [values is not None for values in made.total.each] == [bool(each[1]), bool(each[0])]
        assert made.total.total[unpriced] == sum(one.cost is None for one in everything)
        if by is By.MODEL and everything:
            assert sum(one.many for one in made.series) == len({one.model for one in everything})
            assert sum(one.total[unpriced] or 0 for one in made.series) == made.total.total[unpriced]
    latest = usage.by(By.SESSION, asked, GUYANA, 1)
    full = usage.by(By.SESSION, asked, GUYANA)
    assert [one.last_at for one in latest if isinstance(one, SessionTotals)] == [
        one.last_at for one in full[:1] if isinstance(one, SessionTotals)
    ]
    assert all(one in full for one in latest)


GUYANA = "America/Guyana"  # its day began at 3:45 UTC then, within an hour of the sums
NAMES: dict[By, Callable[[UsageRecord], object]] = {
    By.DAY: lambda one: datetime.fromtimestamp(one.at, zone_of(GUYANA)).date(),
    By.MODEL: lambda one: one.model,
    By.BACKEND: lambda one: one.target and one.target.partition(":")[0],
    By.KEY: lambda one: one.key_id,
    By.CLIENT: lambda one: one.client,
    By.MAPPING: lambda one: one.mapping_id,
    By.SESSION: lambda one: one.session and (one.session, one.client, one.key_id),
}
GROUP_NAMES: dict[By, Callable[[Any], object]] = {
    By.DAY: lambda row: row.day,
    By.MODEL: lambda row: row.model,
    By.BACKEND: lambda row: row.backend,
    By.KEY: lambda row: row.key_id,
    By.CLIENT: lambda row: row.client,
    By.MAPPING: lambda row: row.mapping_id,
    By.SESSION: lambda row: (row.session, row.client, row.key_id),
}


def adds_up(totals: Totals, records: list[UsageRecord]) -> None:
    own = [one for one in records if one.request in ("", one.id)]
    assert (totals.requests, totals.failed) == (len(own), sum(one.outcome != "ok" for one in own))
    assert totals.aborted == sum(one.outcome == "aborted" for one in own)
    assert totals.rescued == sum(one.outcome == "ok" and one.fallback is not None for one in own)
    assert totals.local == sum((one.target or "").startswith("local/") for one in own)
    assert totals.attempts == sum(one.target is not None for one in records)
    for name in (*TOKENS, "cache_write_tokens", "sent_bytes"):
        assert getattr(totals, name) == summed([getattr(one, name) for one in records])
    for name in MONEY:
        nano = summed([getattr(one, name) for one in records])
        assert getattr(totals, name) == (None if nano is None else nano / NANO)
    assert totals.unpriced == sum(one.cost is None for one in records)


def check_spent(
    usage: UsageStore, stored: dict[str, UsageRecord], deleted: list[UsageRecord], since: float | None
) -> None:
    since_hour = None if since is None else since // HOUR * HOUR
    for keys, backend in (([1], None), ([1, 2], None), ([], "openai"), ([], "local/box")):
        some = [
            one
            for least, among in ((since, stored.values()), (since_hour, deleted))
            for one in among
            if (least is None or one.at >= least)
            and (one.key_id in keys if backend is None else (one.target or "").startswith(f"{backend}:"))
        ]
        tokens = sum((one.input_tokens or 0) + (one.output_tokens or 0) for one in some)
        found = usage.spent(keys, backend=backend, since=since)
        if len(keys) == 1 and backend is None:
            assert usage.spent_by_key(since).get(keys[0], (0, 0)) == found, (
                "read with all others it is the same"
            )
        assert found == (tokens, sum(one.cost or 0 for one in some))


steps = st.lists(
    st.one_of(
        some_records(),
        some_records(),
        st.sampled_from(["tend", "reopen"]),
        st.one_of(
            st.floats(0, 5 * HOUR), st.integers(0, 5).map(lambda hour: hour * HOUR)
        ),  # delete before that
    ),
    min_size=1,
    max_size=12,
)


moments = st.one_of(
    st.none(),
    st.floats(0, 5 * HOUR),
    st.builds(
        math.nextafter,
        st.integers(0, 5).map(lambda hour: hour * HOUR),
        st.sampled_from([math.inf, -math.inf]),
    ),
)


def same_times(steps: list[Any]) -> list[Any]:
    """A record that comes again is the same record: of an id there is one time, and none that PostgreSQL cannot divide."""
    times: dict[str, float] = {}
    return [
        [
            msgspec.structs.replace(one, at=times.setdefault(one.id, one.at if one.at > 1e-9 else 0.0))
            for one in step
        ]
        if isinstance(step, list)
        else step
        for step in steps
    ]


def says_what_a_list_says(
    open_usage: Callable[[], UsageStore],
    given_steps: list[Any],
    asked: list[UsageFilter],
    since: float | None,
) -> None:
    deleted: list[UsageRecord] = []
    usage, stored = open_usage(), dict[str, UsageRecord]()
    usage.by(By.DAY, None, GUYANA)  # somebody looks at its days, which are kept from then on
    for step in given_steps:
        if step == "tend":
            usage.tend()
        elif step == "reopen":
            usage.close()
            usage = open_usage()
        elif isinstance(step, float):
            old = [one for one in stored.values() if one.at < step]
            assert usage.delete_before(step).records == len(old)
            deleted += old
            stored = {name: one for name, one in stored.items() if one.at >= step}
        else:
            new = {one.id: one for one in reversed(step) if one.id not in stored}
            assert usage.add(block_of(step)) == len(new)
            stored |= new
    for _ in range(2):
        for one in [UsageFilter(), *asked]:
            check(usage, stored, one)
        check_spent(usage, stored, deleted, since)
        usage.tend()
    assert usage.integrity() == []
    usage.close()


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(steps, st.lists(filters, min_size=1, max_size=4), moments)
def test_it_says_what_a_list_of_its_records_says(
    given_steps: list[Any], asked: list[UsageFilter], since: float | None
) -> None:
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setattr(usage_log, "MANY_BLOCKS", 3)
        patch.setattr(usage_log, "LARGE", 8)
        patch.setattr(usage_log, "ENOUGH", 4)
        patch.setattr(usage_deleting, "AT_ONCE", 2)
        patch.setattr(usage_deleting, "LONGEST_HOURS", 10**9)
        path = Path(folder) / "usage.db"
        says_what_a_list_says(lambda: UsageFile(path), given_steps, asked, since)


@settings(deadline=None, max_examples=10, suppress_health_check=list(HealthCheck))
@given(steps, st.lists(filters, min_size=1, max_size=4), moments)
def test_a_postgresql_says_what_a_list_of_its_records_says(
    server: PostgresServer, given_steps: list[Any], asked: list[UsageFilter], since: float | None
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(postgres_usage_deleting, "HOURS_AT_ONCE", 2)
        patch.setattr(postgres_usage_deleting, "LONGEST_HOURS", 10**9)
        patch.setattr(postgres_usage_reading, "_SUMS_AT_ONCE", 3)
        patch.setattr(postgres_usage_reading, "_FEW_KINDS", 2)
        emptied(server)
        says_what_a_list_says(lambda: UsageTables(server), same_times(given_steps), asked, since)


@pytest.fixture
def server(cluster: Cluster, tmp_path: Path) -> Iterator[PostgresServer]:
    place = database_place(tmp_path, cluster.database())
    assert isinstance(place, PostgresPlace)
    with closing(PostgresServer(place)) as opened:
        yield opened


def emptied(server: PostgresServer) -> None:
    UsageTables(server).totals()  # makes the tables
    with server.raw() as driver:
        names = "usage, usage_hour, usage_session_hour, usage_minute, usage_carried, usage_answer"
        driver.execute(f"TRUNCATE {names}".encode())


def plain(number: int, **fields: Any) -> UsageRecord:
    values: dict[str, Any] = {
        "id": f"req_aaaaaaaaaa{number:08x}", "at": 1000.0 + number, "protocol": "p", "path": "/", "model": "m",
        "target": None, "attempts": 1, "fallback": None, "status": 200, "outcome": "ok", "stream": False,
        "input_tokens": 1, "request": f"req_aaaaaaaaaa{number:08x}", "attempt": 1,
    }  # fmt: skip
    return UsageRecord(**(values | fields))


tail = st.one_of(st.integers(0, 99).map("{:08x}".format), st.text("0a\n/\u00e9_", max_size=12))
odd_ids = st.lists(
    st.one_of(
        st.builds(
            "{}{}".format, st.sampled_from(["req_aaaaaaaaaa", "req_bbbbbbbbbb", "req_\naaaaaaaaa"]), tail
        ),
        st.text(max_size=24).filter(lambda text: text.isprintable()),
    ),
    min_size=1,
    max_size=6,
)


@given(odd_ids)
def test_ids_of_any_form_come_out_of_a_block_as_they_went_in(ids: list[str]) -> None:
    records = [plain(n, id=name, request=name) for n, name in enumerate(ids)]
    for form in (PLAIN, PACKED):
        block = Block(pack(columns_of(records), [1] * len(ids), form), len(ids))
        assert block.ids() == ids
        assert [block.id(index) for index in range(len(ids))] == ids


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(some_records())
def test_records_come_out_of_a_block_as_they_went_in(records: list[UsageRecord]) -> None:
    made = block_of(records)
    assert made.read() == records
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(made), type=UsageBlock) == made


@pytest.mark.parametrize(
    "fields",
    [
        {"id": "x" * 600, "request": "x" * 600},
        {"request": "x" * 600},
        {"input_tokens": 2**63},
        {"output_tokens": 2**70},
    ],
    ids=["id", "request", "just over", "far over"],
)
def test_one_odd_record_does_not_keep_its_batch_out(tmp_path: Path, fields: dict[str, Any]) -> None:
    usage = UsageFile(tmp_path / "usage.db")
    assert usage.add(block_of([plain(1), plain(2, **fields), plain(3)])) == 3
    usage.tend()
    (odd,) = [one for one in usage.page()[0] if one.at == 1002.0]
    changed = {name: value[:512] if isinstance(value, str) else None for name, value in fields.items()}
    assert odd == plain(2, **changed)
    assert usage.totals().input_tokens == (2 if "input_tokens" in fields else 3)
    usage.close()


@pytest.mark.parametrize("form", [PLAIN, PACKED])
def test_a_block_that_is_not_what_was_written_is_damaged(form: int) -> None:
    raw = pack(columns_of([plain(n) for n in range(20)]), [1] * 20, form)
    assert Block(raw, 20).ids() == [plain(n).id for n in range(20)]
    for place in range(len(raw)):
        with pytest.raises(Damaged):
            Block(raw[:place] + bytes((raw[place] ^ 1,)) + raw[place + 1 :], 20)
    with pytest.raises(Damaged):
        Block(raw, 19)
    with pytest.raises(Damaged):
        Block(raw[:7], 20)


def test_a_damaged_block_is_told_and_never_left_out_silently(tmp_path: Path) -> None:
    path = tmp_path / "usage.db"
    usage = UsageFile(path)
    for number in range(80):
        usage.add(block_of([plain(number)]), again=False)
    usage.tend()
    with closing(sqlite3.connect(path)) as other:
        other.execute("UPDATE block SET body = zeroblob(length(body)) WHERE id = (SELECT max(id) FROM block)")
        other.commit()
    with pytest.raises(PointsmanError, match="damaged") as caught:
        usage.page()
    assert caught.value.status == 503
    (told,) = usage.integrity()
    assert "damaged" in told
    assert usage.totals().requests == 80, "the sums of hours have it"
    assert usage.add(block_of([plain(99, id="req_bbbbbbbbbb00000001")]), again=False) == 1, (
        "new ones are taken"
    )
    for _ in range(3):
        usage.tend()
    assert len(usage.integrity()) == 1
    usage.close()


def test_small_blocks_become_large_ones(tmp_path: Path) -> None:
    usage = UsageFile(tmp_path / "usage.db")
    for number in range(300):
        usage.add(block_of([plain(number)]), again=False)
        if number % 64 == 0:
            usage.tend()
    usage.tend()
    with closing(sqlite3.connect(tmp_path / "usage.db")) as connection:
        assert connection.execute("SELECT count(*), sum(records) FROM block").fetchone()[1] == 300
        assert connection.execute("SELECT count(*) FROM block").fetchone()[0] < usage_log.MANY_BLOCKS
    assert usage.totals().requests == 300
    page, _ = usage.page(UsageFilter(request=plain(7).id))
    assert [one.id for one in page] == [plain(7).id]
    usage.close()


@pytest.mark.parametrize("hour", [0.0, HOUR, 3 * HOUR, 500_000 * HOUR])
@pytest.mark.parametrize("tended", [False, True])
def test_what_came_right_before_a_budgets_period_is_not_spent_in_it(
    tmp_path: Path, hour: float, tended: bool
) -> None:
    """A period that begins the least after a whole hour; the hour's sum was taken for it."""
    usage = UsageFile(tmp_path / "usage.db")
    after = math.nextafter(hour, math.inf)
    usage.add(block_of([plain(n, at=at, key_id=1) for n, at in enumerate([hour, after, hour + 60])]))
    if tended:
        usage.tend()
    assert usage.spent([1], since=hour)[0] == 3
    assert usage.spent([1], since=after)[0] == 2
    assert usage.spent_by_key(after)[1][0] == 2
    assert usage.spent([1], since=math.nextafter(hour, -math.inf))[0] == 3
    usage.close()


def test_totals_from_the_middle_of_an_hour_read_its_blocks(tmp_path: Path) -> None:
    usage = UsageFile(tmp_path / "usage.db")
    usage.add(block_of([plain(n, at=n * 600.0) for n in range(60)]))
    usage.tend()
    between = UsageFilter(
        since=datetime.fromtimestamp(5400, UTC), until=datetime.fromtimestamp(5400 + 4 * 3600, UTC)
    )
    assert usage.totals(between).requests == 24
    usage.close()


def told(number: int) -> UsageRecord:
    """One that all sums are made of."""
    return plain(number, cost=2, client="codex", session=f"s{number % 3}" if number % 4 else None, key_id=1)


_WRITER = """
import sys
from pathlib import Path
from pointsman.admin.store.usage_file import UsageFile
from pointsman.ledger.blocks import block_of
from tests.admin.store.test_usage_log import told
usage = UsageFile(Path(sys.argv[1]))
begin = int(sys.argv[2])
print(usage.add(block_of([told(n) for n in range(begin, begin + 50)])), flush=True)
for batch in range(1, 100000):
    at = begin + 50 * batch
    usage.add(block_of([told(n) for n in range(at, at + 50)]), again=False)
    print(at, flush=True)
    if batch % 5 == 0:
        usage.tend()
"""


def killed(path: Path, begin: int, seconds: float) -> int:
    """The number after the last record that a writer said is stored before it was killed."""
    with child(
        [sys.executable, "-c", _WRITER, str(path), str(begin)], stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        first = writer.stdout.readline()
        time.sleep(seconds)
        os.kill(writer.pid, signal.SIGKILL)
        said = writer.stdout.read().split()
    assert int(first) in (0, 50), "of a batch that comes again, all of it or nothing is there"
    return (int(said[-1]) if said else begin) + 50


@pytest.mark.slow
def test_kill_9_loses_and_doubles_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    rounds = int(os.environ.get("POINTSMAN_KILLS", "4"))
    path, end = tmp_path / "usage.db", 0
    for number in range(rounds):
        end = killed(
            path, end, 0.02 + 0.013 * (number % 20)
        )  # begins with what may not have been acknowledged
    usage = UsageFile(path)
    last = usage.totals().requests
    assert last in (end, end + 50), "all that was acknowledged, and at most the batch that was not"
    assert (usage.totals().input_tokens, usage.totals().cost) == (last, 2 * last / NANO)
    assert usage.spent([1]) == (last, 2 * last)
    sessions = {row.session: row.requests for row in usage.by(By.SESSION)}  # type: ignore[union-attr]
    assert sessions == Counter(told(number).session for number in range(last) if number % 4)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT sum(records) FROM block").fetchone() == (last,)
    assert usage.integrity() == []
    print(f"{rounds} kills, {last} records, sums exact")
    usage.close()


def test_a_session_that_is_asked_for_by_name_is_found_however_old_it_is(tmp_path: Path) -> None:
    usage = UsageFile(tmp_path / "usage.db")
    records = [plain(number, at=number * HOUR, session=f"s{number}") for number in (1, 2, 3)]
    usage.add(block_of(records))
    usage.tend()  # into sums
    for asked in (UsageFilter(session="s1"), UsageFilter(request=records[0].id)):
        for most in (1, None):
            found = usage.by(By.SESSION, asked, "UTC", most)
            assert [row.session for row in found] == ["s1"], (asked, most)  # type: ignore[union-attr]
    usage.close()
