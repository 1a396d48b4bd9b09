"""What usage costs in a PostgreSQL: `python -m tests.bench.usage_postgres [--records N]`.

A cluster of its own that writes as in earnest, records as in usage_million.py. Prints rows a second of one and of three
gateways with batches of 500, microseconds of CPU a row in PostgreSQL and in the gateways, the shares of a core at 5,000
rows a second, and milliseconds of each read among a million. Not here: sockets between the planes.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import NamedTuple

from pointsman.admin.store.database_url import PostgresPlace, database_place
from pointsman.admin.store.postgres import PostgresServer
from pointsman.admin.store.postgres_usage import UsageTables
from pointsman.ledger.blocks import UsageBlock, block_of
from tests.postgres import Cluster

from .usage_million import BEGIN, DAYS, reads, records

BATCH = 500
GATEWAYS = 3
RATE = 5000
_TIMES = 9


class _Cost(NamedTuple):
    seconds: float
    postgres: float
    gateway: float


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.usage_postgres", description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--flat", type=int, default=100_000, help="records of each run flat out")
    parser.add_argument("--steady", type=int, default=20, metavar="SECONDS")
    args = parser.parse_args(arguments)
    with Cluster("shared_buffers=256MB", durable=True) as cluster, ExitStack() as opened:
        url = cluster.database()
        place = database_place(Path(), url)
        assert isinstance(place, PostgresPlace)
        gateways = [
            UsageTables(opened.enter_context(closing(PostgresServer(place)))) for _ in range(GATEWAYS)
        ]
        for one in gateways:
            one.totals()
        gateways[0].tend()
        for many in (1, GATEWAYS):
            given = [blocks(args.flat // many, f"{many}{one}12cd34ef") for one in range(many)]
            cost = costs(cluster, lambda some=given: flat_out(gateways, some))  # type: ignore[misc]
            say(f"{many} gateways, flat out", cost, args.flat)
        given = [blocks(RATE * args.steady // GATEWAYS, f"5{one}12cd34ef") for one in range(GATEWAYS)]
        rows = sum(block.records for some in given for block in some)
        cost = costs(cluster, lambda: steady(gateways, given))
        say(f"{GATEWAYS} gateways, steady", cost, rows)
        shares = f"{cost.postgres / cost.seconds:.1%} of a core in PostgreSQL, {cost.gateway / cost.seconds:.1%} in all gateways"
        print(f"  {shares}")
        fill = blocks(args.records, "ab12cd34ef", BEGIN, DAYS * 86400)
        say(f"a million over {DAYS:g} days", costs(cluster, lambda: flat_out(gateways, [fill])), args.records)
        cluster.run("ANALYZE", place.link["dbname"])
        told(gateways[0])
        start = time.monotonic()
        done = gateways[0].delete_before(BEGIN + 15 * 86400)
        print(
            f"{done.records} deleted in {time.monotonic() - start:.2f} s, {done.bytes_before} -> {done.bytes_after} bytes"
        )
    return 0


def blocks(
    count: int, life: str, begin: float | None = None, seconds: float | None = None
) -> list[UsageBlock]:
    """As they come by the link, of now where nothing else is said."""
    at = time.time() if begin is None else begin
    rows = list(records(count, at, count / RATE if seconds is None else seconds, life))
    return [block_of(rows[first : first + BATCH]) for first in range(0, count, BATCH)]


def flat_out(gateways: Sequence[UsageTables], given: Sequence[Sequence[UsageBlock]]) -> None:
    with ThreadPoolExecutor(len(given)) as together:
        for one in [
            together.submit(store, usage, some) for usage, some in zip(gateways, given, strict=False)
        ]:
            one.result()


def store(usage: UsageTables, given: Sequence[UsageBlock]) -> None:
    for block in given:
        assert usage.add(block) == block.records


def steady(gateways: Sequence[UsageTables], given: Sequence[Sequence[UsageBlock]]) -> None:
    start, step = time.monotonic(), BATCH / RATE
    turns = [
        (usage, some[turn])
        for turn in range(len(given[0]))
        for usage, some in zip(gateways, given, strict=True)
    ]
    for number, (usage, block) in enumerate(turns):
        time.sleep(max(0.0, start + number * step - time.monotonic()))
        usage.add(block)


def costs(cluster: Cluster, work: Callable[[], object]) -> _Cost:
    begin, postgres, gateway = time.monotonic(), cpu_of(cluster), time.process_time()
    work()
    return _Cost(time.monotonic() - begin, cpu_of(cluster) - postgres, time.process_time() - gateway)


def cpu_of(cluster: Cluster) -> float:
    """Seconds of all its processes; one that has ended counts in the first one's."""
    ticks = 0
    for number, pid in enumerate(cluster.pids):
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        ticks += sum(map(int, fields[11 : 15 if number == 0 else 13]))
    return ticks / os.sysconf("SC_CLK_TCK")


def say(what: str, cost: _Cost, rows: int) -> None:
    each = f"{cost.postgres / rows * 1e6:.1f} us in PostgreSQL, {cost.gateway / rows * 1e6:.1f} us in the gateways a row"
    print(f"{what}: {rows / cost.seconds:,.0f} rows/s, {each}")


def told(usage: UsageTables) -> None:
    for name, read in reads(usage).items():
        taken = []
        for _ in range(_TIMES):
            start = time.monotonic()
            read()
            taken.append(time.monotonic() - start)
        taken.sort()
        print(f"{name}: {taken[_TIMES // 2] * 1000:.1f} ms, at most {taken[-1] * 1000:.1f} ms")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
