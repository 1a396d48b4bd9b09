"""What parts of limits cost, on a PostgreSQL of its own that writes to the disk as in earnest: questions and leases a second, and
the processor time of PostgreSQL for each. `python -m tests.bench.leases [SECONDS]`. Not here: what is right (tests/admin/control).
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pointsman.admin.store.database import Store
from pointsman.admin.store.leases import LeaseBook
from pointsman.admin.store.postgres_backing import PostgresBacking
from pointsman.kinds import Limit
from pointsman.ledger.accounts import LimitSpec
from pointsman.ledger.slices import LeaseAsk
from tests.postgres import Cluster

NODES = 3
CASES = {
    "one budget, all nodes": (1, 1),
    "one of 3,000 budgets": (3_000, 1),
    "50 of 3,000 budgets": (3_000, 50),
}
"""(limits, of which so many a question)."""
_TICKS = os.sysconf("SC_CLK_TCK")


def _cpu(cluster: Cluster) -> float:
    """Seconds of all PostgreSQL's processes that live."""
    used = 0
    for pid in cluster.pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        used += int(fields[11]) + int(fields[12])
    return used / _TICKS


@contextmanager
def _books(cluster: Cluster) -> Iterator[list[LeaseBook]]:
    """Of nodes on one new database."""
    url = cluster.database()
    with tempfile.TemporaryDirectory() as folder:
        stores = [Store.open(Path(folder) / str(number), url) for number in range(NODES)]
        books = []
        for store in stores:
            assert isinstance(store.backing, PostgresBacking)
            books.append(LeaseBook(store.backing.server))
        yield books
        for store in stores:
            store.close()


def _ask(book: LeaseBook, node: int, limits: int, each: int, until: float, done: list[int]) -> None:
    turn = first = node * limits // NODES
    while time.monotonic() < until:
        turn += 1
        some = [(first + place) % limits for place in range(each)]
        first += each
        asks = [
            LeaseAsk(LimitSpec(f"key/{one}", Limit.TOKENS, 10**15), turn, used=turn, want=100) for one in some
        ]
        book.take(asks, f"node{node}", "1", NODES)
        done[node] += each


def main() -> None:
    """Prints a line a case."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 5.0
    with Cluster(durable=True) as cluster:
        for name, (limits, each) in CASES.items():
            with _books(cluster) as books:
                for warm in (True, False):
                    done, before, until = (
                        [0] * NODES,
                        _cpu(cluster),
                        time.monotonic() + (1.0 if warm else seconds),
                    )
                    threads = [
                        threading.Thread(target=_ask, args=(book, node, limits, each, until, done))
                        for node, book in enumerate(books)
                    ]
                    for one in threads:
                        one.start()
                    for one in threads:
                        one.join()
                leases, used = sum(done), _cpu(cluster) - before
            print(
                f"{name}: {leases / each / seconds:,.0f} questions/s, {leases / seconds:,.0f} leases/s,"
                f" {used / leases * 1e6:.0f} us of PostgreSQL a lease"
            )


if __name__ == "__main__":
    main()
