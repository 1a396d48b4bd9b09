"""Usage that several gateways keep in one PostgreSQL: each record once, none blocks its batch, and days that come and go."""

from __future__ import annotations

import logging
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import psycopg
import pytest

from pointsman.admin.store import postgres_usage_adding as adding
from pointsman.admin.store.database import Store
from pointsman.admin.store.database_url import PostgresPlace, database_place
from pointsman.admin.store.postgres import PostgresServer
from pointsman.admin.store.postgres_usage import UsageTables
from pointsman.admin.store.postgres_usage_tables import DAY, IN_USE, day_of, name_of
from pointsman.admin.store.usage_file import UsageFile
from pointsman.admin.store.usage_groups import By, SessionTotals
from pointsman.admin.store.usage_opening import open_usage
from pointsman.admin.store.usage_query import UsageFilter
from pointsman.errors import PointsmanError
from pointsman.ledger.blocks import UsageBlock, block_of
from pointsman.ledger.records import UsageRecord
from tests.postgres import Cluster

from .test_usage_log import plain

Gateway = Callable[[], UsageTables]


@pytest.fixture
def url(cluster: Cluster) -> Iterator[str]:
    """Of an empty database: each test changes which partitions there are."""
    made = cluster.database() + "&options=-c%20lock_timeout%3D300ms"
    yield made
    cluster.drop(made)


@pytest.fixture
def gateway(url: str, tmp_path: Path) -> Iterator[Gateway]:
    with ExitStack() as opened:

        def another() -> UsageTables:
            place = database_place(tmp_path, url)
            assert isinstance(place, PostgresPlace)
            return UsageTables(opened.enter_context(closing(PostgresServer(place))))

        yield another


@pytest.fixture
def sql(url: str, gateway: Gateway) -> Iterator[Callable[..., list[tuple[object, ...]]]]:
    with psycopg.connect(url, autocommit=True) as connection:

        def run(statement: str, *given: object) -> list[tuple[object, ...]]:
            cursor = connection.execute(statement.encode(), given or None)
            return cursor.fetchall() if cursor.description else []

        yield run


Sql = Callable[..., list[tuple[object, ...]]]


def batch(first: int, many: int, at: float = 1000.0, **more: object) -> UsageBlock:
    fields = {"cost": 2, "key_id": 1, "target": "openai:m", "session": "s"} | more
    return block_of(plain(number, at=at + number, **fields) for number in range(first, first + many))


def partitions(sql: Sql) -> list[object]:
    rows = sql(
        "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'usage'::regclass ORDER BY 1"
    )
    return [name for (name,) in rows]


def test_a_batch_that_three_gateways_send_at_once_counts_once(gateway: Gateway, sql: Sql) -> None:
    gateways = [gateway() for _ in range(3)]
    gateways[0].add(batch(0, 1))
    blocks = [batch(first, 50) for first in range(0, 300, 25)]  # each record in two of them
    with ThreadPoolExecutor(3) as together:
        rounds = [blocks, blocks[::-1], [*blocks[6:], *blocks[:6]]]
        asked = [
            together.submit(lambda one, some: [one.add(block) for block in some], one, some)
            for one, some in zip(gateways, rounds, strict=True)
        ]
        new = sum(sum(one.result()) for one in asked)
    assert new == 325 - 1
    for one in gateways:
        assert one.totals().requests == 325
        assert one.spent([1]) == (325, 650)
    assert sql("SELECT sum(records), sum(cost) FROM usage_hour") == [(325, 650)]
    assert gateways[1].integrity() == []


def test_gateways_that_change_the_same_in_any_order_do_not_wait_for_each_other_for_ever(
    gateway: Gateway, sql: Sql
) -> None:
    dice = random.Random(7)

    def blocks(life: str) -> list[UsageBlock]:
        """Each of some of 200 sums; and of its records some are in another's batches, too."""
        made = []
        for number in range(20):
            own = [
                plain(0, id=f"req_{life}{number:05}{one:08x}", request="", at=1000.0 + one, model=f"m{one}")
                for one in dice.sample(range(200), dice.randint(5, 150))
            ]
            shared = [plain(one, at=5000.0 + one) for one in range(number * 20, number * 20 + 40)]
            made.append(block_of(dice.sample([*own, *shared], len(own) + 40)))
        return made

    gateways = [gateway() for _ in range(3)]
    every = [blocks(life) for life in ("a" * 5, "b" * 5, "c" * 5)]
    gateways[0].add(
        block_of(plain(0, id=f"x{one}", request="", at=1000.0 + one, model=f"m{one}") for one in range(200))
    )
    with ThreadPoolExecutor(3) as together:
        asked = [
            together.submit(lambda one, some: sum(map(one.add, some)), one, some)
            for one, some in zip(gateways, every, strict=True)
        ]
        new = sum(one.result() for one in asked)
    assert new == len({row.id for some in every for block in some for row in block.read()})
    assert sql("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == [(0,)]
    assert gateways[0].totals().requests == new + 200


def test_what_one_gateway_stored_the_other_tells(gateway: Gateway) -> None:
    here, there = gateway(), gateway()
    here.add(block_of([plain(1, answer_id="resp_1", at=time.time(), target="openai:m", key_id=3)]))
    there.add(block_of([plain(2, at=time.time(), first_output_ms=12.0, outcome="error", status=502)]))
    for one in (here, there):
        assert {row.id for row in one.page()[0]} == {plain(1).id, plain(2).id}
        assert one.answer(3, "resp_1") == ("openai:m", "m")
        assert one.glance(time.time() - 900).median == 12.0
        assert sum(sum(some.values()) for _, some in one.glance(time.time() - 900).minutes) == 2
        assert [row.id for row in one.troubles(9)] == [plain(2).id]


def test_a_connection_that_is_cut_in_a_batch_leaves_nothing_of_it_and_it_can_come_again(
    gateway: Gateway, url: str, sql: Sql
) -> None:
    usage = gateway()
    usage.add(batch(0, 10))
    sql(f"SELECT pg_advisory_lock({IN_USE})")  # it waits where its rows are to be stored
    ended = threading.Thread(target=_end_who_waits, args=(url,))
    ended.start()
    with pytest.raises(PointsmanError) as caught:
        usage.add(batch(5, 10))
    ended.join()
    assert caught.value.status == 503
    sql(f"SELECT pg_advisory_unlock({IN_USE})")
    assert usage.totals().requests == 10
    assert usage.add(batch(5, 10)) == 5
    assert usage.integrity() == []


def _end_who_waits(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as other:
        until = time.monotonic() + 10
        while time.monotonic() < until:
            waits = "wait_event = 'advisory' AND datname = current_database()"
            if other.execute(
                f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {waits}".encode()
            ).fetchall():
                return
            time.sleep(0.005)


@pytest.mark.parametrize("field", ["id", "model", "session", "warnings", "client"])
def test_a_text_that_postgresql_takes_none_of_keeps_no_batch_out(gateway: Gateway, field: str) -> None:
    """A NUL passes everywhere else, and would have come again for ever."""
    usage = gateway()
    odd = plain(2, **{field: "a\0b"}, answer_id="resp\0", at=time.time())
    assert usage.add(block_of([plain(1), odd, plain(3)])) == 3
    assert usage.add(block_of([plain(1), odd, plain(3)])) == 0
    assert getattr(usage.page()[0][0], field) == "a\ufffdb"
    assert usage.answer(None, "resp\0") is None


def test_a_record_of_no_time_is_left_out_and_told_and_the_others_are_stored(
    gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    usage = gateway()
    with caplog.at_level(logging.ERROR, "pointsman.control"):
        odd = [plain(n, at=at) for n, at in enumerate([float("inf"), float("nan"), 1e18], 10)]
        assert usage.add(block_of([plain(1), *odd, plain(3)])) == 2
    assert {line.args[0] for line in caplog.records if isinstance(line.args, tuple)} == {
        one.id for one in odd
    }
    assert usage.totals().requests == 2


def test_a_record_of_two_months_ago_has_its_day_made_and_days_to_come_are_there(
    gateway: Gateway, sql: Sql
) -> None:
    usage, now = gateway(), time.time()
    usage.tend()
    today = day_of(now)
    assert partitions(sql) == [name_of(day) for day in range(today, today + 3)]
    assert usage.add(block_of([plain(1, at=now - 60 * DAY)])) == 1
    assert name_of(today - 60) in partitions(sql)


def test_a_day_that_another_gateway_took_out_is_made_again(gateway: Gateway, sql: Sql) -> None:
    here, there, now = gateway(), gateway(), time.time()
    here.add(block_of([plain(1, at=now - 40 * DAY), plain(2, at=now)]))
    assert there.delete_before(now - 30 * DAY).records == 1
    assert partitions(sql) == [name_of(day_of(now))]
    assert here.add(block_of([plain(3, at=now - 40 * DAY)])) == 1, "it knew the day, and a kind"
    assert [row.id for row in there.page()[0]] == [plain(2).id, plain(3).id]
    assert here.integrity() == []


def test_a_kind_that_another_gateway_forgot_is_known_again(gateway: Gateway, sql: Sql) -> None:
    here, there = gateway(), gateway()
    here.add(block_of([plain(1, model="rare", key_id=1, cost=7)]))
    there.delete_before(2000.0)
    assert sql("SELECT count(*) FROM usage_kind") == [(0,)]
    assert here.add(block_of([plain(2, model="rare", key_id=1, cost=7, at=3000.0)])) == 1
    assert [row.model for row in there.page()[0]] == ["rare"]
    assert there.spent([1])[1] == 14, "what was deleted is carried"


def test_two_kinds_of_one_number_are_told_apart(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    made = adding._kind_row

    def alike(values: tuple[object, ...], salt: int) -> tuple[object, ...]:
        return made(values, salt) if salt else (5, *made(values, salt)[1:])

    monkeypatch.setattr(adding, "_kind_row", alike)
    here, there = gateway(), gateway()
    here.add(block_of([plain(1, model="a"), plain(2, model="b")]))
    there.add(block_of([plain(4, model="b"), plain(5, model="c")]))
    rows = here.page()[0]
    assert {row.id: row.model for row in rows} == {
        plain(number).id: model for number, model in ((1, "a"), (2, "b"), (4, "b"), (5, "c"))
    }


def test_a_day_that_somebody_reads_stays_for_now_and_goes_the_next_time(
    gateway: Gateway, url: str, sql: Sql
) -> None:
    usage, now = gateway(), time.time()
    usage.add(block_of([plain(1, at=now - 40 * DAY), plain(2, at=now)]))
    with psycopg.connect(url) as reader:
        reader.execute("SELECT count(*) FROM usage")  # and its transaction goes on
        assert usage.delete_before(now - 30 * DAY).records == 1
        assert [row.id for row in usage.page()[0]] == [plain(2).id]
        assert usage.totals().requests == 1
        assert usage.add(block_of([plain(3, at=now)])) == 1, "nobody who adds waits"
    assert usage.delete_before(now - 30 * DAY).records == 0
    assert partitions(sql) == [name_of(day_of(now))]
    assert sql("SELECT to_regclass(%s)", name_of(day_of(now - 40 * DAY))) == [(None,)]


def test_rows_of_a_day_that_was_half_taken_out_do_not_come_back(gateway: Gateway, sql: Sql) -> None:
    usage, now = gateway(), time.time()
    old = now - 40 * DAY
    usage.add(block_of([plain(1, at=old), plain(2, at=now)]))
    sql("DELETE FROM usage_hour WHERE hour < %s", int(now - DAY) // 3600)
    sql(f"ALTER TABLE usage DETACH PARTITION {name_of(day_of(old))}")  # and there it was stopped
    assert gateway().add(block_of([plain(3, at=old)])) == 1
    assert [row.id for row in usage.page()[0]] == [plain(2).id, plain(3).id]
    assert usage.integrity() == []


def test_gateways_that_start_at_once_make_the_tables_once(gateway: Gateway) -> None:
    gateways = [gateway() for _ in range(4)]
    with ThreadPoolExecutor(4) as together:
        asked = [together.submit(one.add, batch(9 * n, 9)) for n, one in enumerate(gateways)]
        assert [one.result() for one in asked] == [9, 9, 9, 9]
    assert gateways[0].totals().requests == 36


def test_tables_of_a_newer_version_are_used_where_they_say_that_they_can_be(
    gateway: Gateway, sql: Sql
) -> None:
    gateway().add(batch(0, 3))
    sql("ALTER TABLE usage ADD COLUMN mood TEXT")
    sql("UPDATE usage_state SET version = 9, oldest = 1")
    assert gateway().add(batch(3, 3)) == 3
    sql("UPDATE usage_state SET oldest = 2")
    with pytest.raises(PointsmanError, match="newer Pointsman"):
        gateway().totals()


def test_sums_that_are_not_those_of_their_rows_are_found(gateway: Gateway, sql: Sql) -> None:
    usage = gateway()
    usage.add(batch(0, 30))
    assert usage.integrity() == []
    sql("DELETE FROM usage WHERE id = %s", plain(7).id)
    sql("UPDATE usage_hour SET kind = 77")
    told = usage.integrity()
    assert any("30 records, and there are 29" in line for line in told)
    assert any("no names" in line for line in told)


def test_a_backup_of_one_is_put_back_into_the_other(gateway: Gateway, tmp_path: Path) -> None:
    now = time.time()
    rows: list[UsageRecord] = [
        plain(
            n,
            at=now - n * 7200,
            cost=n,
            key_id=1 + n % 2,
            target="openai:m",
            session=f"s{n % 3}",
            total_ms=n / 7,
        )
        for n in range(500)
    ]
    first = gateway()
    first.add(block_of([*rows, plain(900, at=now, answer_id="resp_1", target="openai:m")]))
    first.delete_before(now - 30 * DAY)
    first.copy_to(tmp_path / "usage.db")
    with closing(UsageFile(tmp_path / "usage.db")) as file:
        _alike(file, first)
        file.add(block_of([plain(901, at=now, key_id=1, cost=1)]))
        first.add(block_of([plain(902, at=now - 3 * DAY, model="is-gone-then")]))
        file.copy_to(tmp_path / "again.db")
        first.put_in(tmp_path / "again.db")
        _alike(file, first)
    assert first.add(block_of([plain(901, at=now, key_id=1, cost=1)])) == 0
    assert first.integrity() == []


def _alike(file: UsageFile, tables: UsageTables) -> None:
    one, other = ([row for row in store.page(limit=1000)[0]] for store in (file, tables))
    assert one == other
    assert len(one) > 300
    assert file.totals() == tables.totals()
    for by in By:
        assert _told(file.by(by)) == _told(tables.by(by))
    for since in (None, time.time() - 40 * DAY, time.time() - 5 * DAY):
        assert file.spent_by_key(since) == tables.spent_by_key(since)
    assert file.answer(None, "resp_1") == tables.answer(None, "resp_1") == ("openai:m", "m")
    week = UsageFilter(since=time.time() - 7 * DAY)
    assert file.left_machine(week) == tables.left_machine(week)


def _told(rows: object) -> list[str]:
    assert isinstance(rows, list)
    times = {"first_at", "last_at"}
    return sorted(
        row.model_dump_json(exclude=times if isinstance(row, SessionTotals) else None) for row in rows
    )


def test_a_gateway_keeps_its_usage_where_its_rules_are(url: str, tmp_path: Path) -> None:
    for where, kind in ((None, UsageFile), (url, UsageTables)):
        with closing(Store.open(tmp_path, where)) as store, closing(open_usage(store, tmp_path)) as usage:
            assert isinstance(usage, kind)
            assert usage.add(batch(0, 3)) == 3
            assert store.backing.integrity() == []


def test_no_driver_is_loaded_where_usage_lies_in_a_file(tmp_path: Path) -> None:
    words = (
        "import sys; from pathlib import Path; from pointsman.admin.store.database import Store;"
        " from pointsman.admin.store.usage_opening import open_usage; path = Path(sys.argv[1]);"
        " open_usage(Store.open(path), path).totals(); sys.exit('psycopg' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", words, str(tmp_path / "data")], check=False).returncode == 0
