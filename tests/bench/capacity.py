"""What one PostgreSQL carries: `python -m tests.bench.capacity [--seconds N]`.

Measures what each part costs PostgreSQL, one by one: a usage row, a node's sign of life, a change of the rules with 1, 10 and
100 nodes that take it, and how late its notice is. Adds them up for two sizes, runs all parts of those sizes at once, and
prints both; then where each part bends. A cluster of its own that writes as in earnest; nodes are connections, with the
statements that a gateway sends. Not here: limits (leases.py), other ways to store usage (usage_postgres.py).
"""

from __future__ import annotations

import argparse
import select
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
from psycopg import sql

from pointsman.admin.store import mappings, nodes, settings
from pointsman.admin.store.database import Store
from pointsman.admin.store.postgres import PostgresServer
from pointsman.admin.store.postgres_backing import CHANNEL, PostgresBacking
from pointsman.admin.store.postgres_usage import UsageTables
from pointsman.admin.store.schemas import BackendMappingCreate
from pointsman.admin.store.snapshot import compile_snapshot
from pointsman.admin.vault import Vault
from pointsman.kinds import BackendType
from tests.postgres import Cluster

from .usage_postgres import BATCH, blocks, cpu_of, steady

RULES = 50
TOLD: dict[str, Any] = {f"pointsman_requests_total{{route='r{number}'}}": 12345.0 for number in range(100)}
"""What a node says of itself every 5 s."""
NODES = (1, 10, 100)


class Size(NamedTuple):
    """nodes. rows, changes: a second, of all together."""

    nodes: int
    rows: int
    changes: float


SIZES = (Size(3, 1000, 1.0), Size(10, 3000, 2.0))


class Costs(NamedTuple):
    """Seconds of PostgreSQL's CPU. told: a change of a node alone, and more for each node."""

    row: float
    beat: float
    change: float
    told: float

    def of(self, size: Size) -> float:
        """A second."""
        changes = size.changes * (self.change + self.told * size.nodes)
        return size.rows * self.row + size.nodes * self.beat + changes


class Fleet:
    """Nodes that listen, give signs of life where that is wanted, and take each change, in one thread. late: seconds from before a
    change's commit to its notice, of each node."""

    def __init__(
        self, store: Store, vault: Vault, count: int, *, beats: bool = False, takes: bool = True
    ) -> None:
        assert isinstance(store.backing, PostgresBacking)
        self._store, self._vault, self._beats, self._takes = store, vault, beats, takes
        self._links = [store.backing.server.connect(autocommit=True) for _ in range(count)]
        for number, link in enumerate(self._links):
            link.execute(sql.SQL("LISTEN {}").format(sql.Identifier(CHANNEL)))
            link.add_notify_handler(partial(self._told, number))
            nodes.take(link, f"n{number}", "1", 0, "1", "")
        self.late: list[float] = []
        self._heard: list[tuple[int, str]] = []
        self.sent = 0.0
        self.taken = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._live, daemon=True)
        self._thread.start()

    def _told(self, number: int, notice: psycopg.Notify) -> None:
        """What came while a statement was under way."""
        self._hear(number, notice.payload)

    def close(self) -> None:
        self._over.set()
        self._thread.join()
        for number, link in enumerate(self._links):
            nodes.leave(link, f"n{number}", "1")
            link.close()

    def _live(self) -> None:
        places = {link.fileno(): number for number, link in enumerate(self._links)}
        due = [time.monotonic() + number / len(self._links) for number in range(len(self._links))]
        turns = [0] * len(self._links)
        while not self._over.is_set():
            ready, _, _ = select.select([*places], [], [], 0.005)
            for one in ready:
                self._listen(places[one])
            while self._heard:
                self._take(*self._heard.pop(0))
            now = time.monotonic()
            for number in range(len(due)) if self._beats else ():
                if due[number] <= now:
                    due[number] += 1.0
                    turns[number] += 1
                    nodes.beat(self._links[number], f"n{number}", "1", 0, {"requests": 1})
                    if turns[number] % 5 == 0:
                        nodes.tell_metrics(self._links[number], f"n{number}", "1", TOLD)

    def _listen(self, number: int) -> None:
        driver = self._links[number].pgconn
        driver.consume_input()
        while (notice := driver.notifies()) is not None:
            self._hear(number, notice.extra.decode())

    def _hear(self, number: int, version: str) -> None:
        self.late.append(time.monotonic() - self.sent)
        self._heard.append((number, version))

    def _take(self, number: int, version: str) -> None:
        if not self._takes:
            self.taken += 1
            return
        with self._store.read() as session:
            compile_snapshot(session, self._vault, 1, "e", {})
        nodes.beat(self._links[number], f"n{number}", "1", int(version), {})
        self.taken += 1


def changing(store: Store, fleet: Fleet, per_second: float, seconds: float, count: int) -> int:
    """How many were made; each waits for all nodes where they are fast enough."""
    assert isinstance(store.backing, PostgresBacking)
    begin, made = time.monotonic(), 0
    while time.monotonic() - begin < seconds:
        with store.write() as session:
            settings.put(session, "capacity", str(made))
            fleet.sent = time.monotonic()
        made += 1
        while fleet.taken < made * count and time.monotonic() - begin < seconds + 30:
            time.sleep(0.001)
        with store.backing.server.raw() as link:
            nodes.behind(link, 0, "nobody")
        time.sleep(max(0.0, begin + made / per_second - time.monotonic()))
    return made


def spent(cluster: Cluster, work: Callable[[], object]) -> tuple[float, float]:
    """(seconds of PostgreSQL's CPU, seconds)."""
    begin, used = time.monotonic(), cpu_of(cluster)
    work()
    return cpu_of(cluster) - used, time.monotonic() - begin


def measured(cluster: Cluster, store: Store, vault: Vault, usage: list[UsageTables], seconds: float) -> Costs:
    """Part by part; prints each."""
    given = [blocks(int(3000 * seconds / 3), f"a{one}12cd34ef") for one in range(3)]
    rows = sum(block.records for some in given for block in some)
    used, _ = spent(cluster, lambda: steady(usage, given))
    row = used / rows
    say(f"a usage row, three nodes, batches of {BATCH}", row)
    with closing(Fleet(store, vault, 100, beats=True)):
        time.sleep(2)
        used, taken = spent(cluster, lambda: time.sleep(seconds))
    beat = used / taken / 100
    say("a node's signs of life, a second", beat)
    points = []
    for count in NODES:
        with closing(Fleet(store, vault, count, takes=False)) as fleet:
            changing(store, fleet, 20, seconds / 2, count)
            late = sorted(fleet.late)
        with closing(Fleet(store, vault, count)) as fleet:
            made: list[int] = []
            used, _ = spent(
                cluster,
                lambda: made.append(changing(store, fleet, 40 / count + 1, seconds, count)),  # noqa: B023
            )
        points.append((count, used / made[0]))
        middle, most = late[len(late) // 2] * 1e3, late[len(late) * 99 // 100] * 1e3
        say(f"a change that {count} take (notice after {middle:.1f} ms, 99th {most:.1f} ms)", points[-1][1])
    told = (points[-1][1] - points[0][1]) / (points[-1][0] - points[0][0])
    return Costs(row, beat, points[0][1] - told, told)


def together(
    cluster: Cluster, store: Store, vault: Vault, usage: list[UsageTables], size: Size, seconds: float
) -> tuple[float, Size]:
    """PostgreSQL's CPU in a second of all parts at once, and what was really done in it."""
    given = [blocks(int(size.rows * seconds) // 3, f"b{size.nodes}{one}2cd34ef") for one in range(3)]
    with closing(Fleet(store, vault, size.nodes, beats=True)) as fleet:
        time.sleep(1)

        made: list[int] = []

        def work() -> None:
            rows = threading.Thread(target=paced, args=(usage, given, seconds))
            rows.start()
            made.append(changing(store, fleet, size.changes, seconds, size.nodes))
            rows.join()

        used, taken = spent(cluster, work)
    rows = sum(block.records for some in given for block in some)
    return used / taken, Size(size.nodes, round(rows / taken), made[0] / taken)


def paced(usage: list[UsageTables], given: list[list[Any]], seconds: float) -> None:
    begin = time.monotonic()
    for turn in range(len(given[0])):
        for one, some in zip(usage, given, strict=True):
            one.add(some[turn])
        time.sleep(max(0.0, begin + (turn + 1) * seconds / len(given[0]) - time.monotonic()))


def say(what: str, seconds: float) -> None:
    sys.stdout.write(f"{what}: {seconds * 1e6:,.0f} us of PostgreSQL\n")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.capacity", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--seconds", type=float, default=10.0, help="of each part")
    seconds = parser.parse_args(arguments).seconds
    with Cluster("shared_buffers=256MB", durable=True) as cluster, ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory()))
        store = opened.enter_context(closing(Store.open(folder, cluster.database())))
        assert isinstance(store.backing, PostgresBacking)
        vault = Vault.load(folder, {}, rows_exist=False)
        with store.write() as session:
            for number in range(RULES):
                mappings.create(
                    session,
                    BackendMappingCreate(
                        model_pattern=f"m{number}*", backend_type=BackendType.LOCAL, backend_name="practice"
                    ),
                )
        place = store.backing.server.place
        usage = [UsageTables(opened.enter_context(closing(PostgresServer(place)))) for _ in range(3)]
        for one in usage:
            one.totals()
        usage[0].tend()
        costs = measured(cluster, store, vault, usage, seconds)
        sys.stdout.write("\nnodes  rows/s  changes/s   by the parts   measured together\n")
        for size in SIZES:
            real, done = together(cluster, store, vault, usage, size, seconds)
            sys.stdout.write(
                f"{done.nodes:5}  {done.rows:6}  {done.changes:9.1f}  {costs.of(done):11.1%}  {real:16.1%} of a core\n"
            )
        bends(costs)
    return 0


def bends(costs: Costs) -> None:
    """Where one core of PostgreSQL is full of one part alone."""
    sys.stdout.write(
        f"\na core is full of: {1 / costs.row:,.0f} rows a second; {1 / costs.beat:,.0f} nodes; "
    )
    of = [
        f"{1 / (costs.change + count * costs.told):,.0f} changes a second with {count}"
        for count in (3, 10, 100)
    ]
    sys.stdout.write(", ".join(of) + " nodes\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
