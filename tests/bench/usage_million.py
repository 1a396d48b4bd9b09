"""What a usage record costs in the control plane, and how long reading a million takes: `make bench ARGS=--usage`.

Synthetic records of 10 keys, 12 models and 30 days through the real `UsageFile`. Prints microseconds of CPU a record
flat out (batches as large as they get) and paced (5,000 a second), bytes a record, and milliseconds of CPU of each read: the
median and the 99th of a hundred.
Not here: sockets.
"""

from __future__ import annotations

import argparse
import gc
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import msgspec

from pointsman.admin.store.usage import UsageStore
from pointsman.admin.store.usage_file import UsageFile
from pointsman.admin.store.usage_groups import By
from pointsman.admin.store.usage_query import UsageFilter
from pointsman.ledger.blocks import block_of
from pointsman.ledger.records import UsageRecord
from pointsman.link.frames import encode
from pointsman.link.messages import UsageBatch
from pointsman.link.outbox import BATCH

BEGIN = 1_790_000_000.0
DAYS = 30.0
CLIENTS = ("claude-cli", "codex_cli_rs", "openai-python", "curl", "opencode")
FLAT = 200_000
"""Records of the run flat out, within the 40 s that they would take at 5,000 a second."""
_decode = msgspec.msgpack.Decoder(UsageBatch).decode


def records(
    count: int, begin: float = BEGIN, seconds: float = DAYS * 86400, life: str = "ab12cd34ef"
) -> Iterator[UsageRecord]:
    dice = random.Random(1)
    for number in range(count):
        key, good = dice.randint(1, 10), dice.random() < 0.98
        model = (key + dice.choice((0, 0, 0, 1, 4))) % 12  # each key has its program, and three models
        name = f"req_{life}{number:08x}"
        tokens = (dice.randint(5, 20_000), dice.randint(1, 2000), dice.choice((0, 1024, None)), None)
        yield UsageRecord(
            name, begin + seconds * number / count + dice.random() * 0.05, "openai_chat", "/v1/chat/completions",
            f"gpt-{model}", f"openai:gpt-{model}", 1, None, 200 if good else 429, "ok" if good else "error",
            dice.random() < 0.5, *(tokens if good else (None,) * 4), int(dice.random() * 90_000) / 100,
            int(dice.random() * 900_000) / 100, key, model + 1, name, 1, False, None,
            CLIENTS[key % 5], f"s-{key}-{number // 4000:03}" if number % 2 else None, tokens[0] * 250 if good else 0, None,
            None, None, None, None, None, None,
        )  # fmt: skip


def batches(rows: list[UsageRecord], size: int) -> list[bytes]:
    """As they come by the link."""
    return [
        encode(UsageBatch(1, block_of(rows[at : at + size]), again=False))[4:]
        for at in range(0, len(rows), size)
    ]


def store(usage: UsageFile, raw: bytes) -> None:
    message = _decode(raw)
    usage.add(message.block, again=message.again)


def timed(times: int, work: Callable[[], object]) -> tuple[float, float]:
    """Milliseconds of CPU: the median and the 99th of a hundred."""
    taken = []
    for _ in range(times):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    taken.sort()
    return taken[times // 2] * 1000, taken[times * 99 // 100] * 1000


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="make bench ARGS=--usage", description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--batch", type=int, default=BATCH)
    parser.add_argument("--paced", type=int, default=10, metavar="SECONDS")
    args = parser.parse_args(arguments)
    gc.set_threshold(50_000, 20, 50)  # as the control plane does
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "usage.db"
        usage = UsageFile(path)
        for raw in batches(list(records(1000, BEGIN - 86400, 3600, "0000000000")), 500):
            store(usage, raw)
        frames = batches(list(records(FLAT, BEGIN - 86400, FLAT / 5000, "1100000000")), args.batch)
        start, second = time.process_time(), time.monotonic()
        for raw in frames:
            store(usage, raw)
            if time.monotonic() - second > 1:
                usage.tend()
                second = time.monotonic()
        print(f"flat out: {(time.process_time() - start) / FLAT * 1e6:.2f} us a record")
        for raw in batches(list(records(args.records)), args.batch):
            store(usage, raw)
        usage.tend()
        rows = list(records(5000 * args.paced, BEGIN + DAYS * 86400, float(args.paced), "cd12cd34ef"))
        paced, start = batches(rows, 1250), time.process_time()
        for number, raw in enumerate(paced):
            time.sleep(0.25)
            store(usage, raw)
            if number % 4 == 3:
                usage.tend()
        if rows:
            print(f"paced: {(time.process_time() - start) / len(rows) * 1e6:.2f} us a record")
        usage.tend()
        usage.close()
        size = sum(one.stat().st_size for one in path.parent.iterdir())
        print(f"{size / (args.records + FLAT + len(rows)):.0f} bytes a record")
        usage, start = UsageFile(path), time.process_time()
        for _ in range(5000):
            usage.tend()
        print(f"idle work: {(time.process_time() - start) / args.records * 1e6:.2f} us a record")
        told(usage)
        start = time.process_time()
        done = usage.delete_before(BEGIN + 15 * 86400)
        print(
            f"{done.records} deleted in {time.process_time() - start:.2f} s, {done.bytes_before} -> {done.bytes_after} bytes"
        )
        usage.close()
    return 0


def told(usage: UsageFile) -> None:
    for name, read in reads(usage).items():
        median, most = timed(100, read)
        print(f"{name}: {median:.2f} ms, p99 {most:.2f} ms")


def reads(usage: UsageStore) -> dict[str, Callable[[], object]]:
    """By what they are called."""

    def day(number: int) -> datetime:
        return datetime.fromtimestamp(BEGIN + number * 86400 + 100, UTC)

    found: dict[str, Callable[[], object]] = {
        "totals": usage.totals,
        "totals of a model": lambda: usage.totals(UsageFilter(model="gpt-3")),
        "totals of a day, not from midnight": lambda: usage.totals(UsageFilter(since=day(3), until=day(4))),
        "newest 100": usage.page,
        "newest 100 of a model": lambda: usage.page(UsageFilter(model="gpt-3")),
        "the oldest 100": lambda: usage.page(UsageFilter(until=day(0))),
        "errors of a key": lambda: usage.page(UsageFilter(outcome="error", key_id=3)),
        "a filter that nothing passes": lambda: usage.page(UsageFilter(model="gpt-3", mapping_id=9)),
        "one request": lambda: usage.page(UsageFilter(request="req_ab12cd34ef0000abcd")),
        "totals of one request": lambda: usage.totals(UsageFilter(request="req_ab12cd34ef0000abcd")),
    }
    for by in By:
        found[f"by {by.value}"] = partial(usage.by, by)
    week = UsageFilter(since=day(20), until=day(27))
    found |= {
        "by day, half an hour off": lambda: usage.by(By.DAY, zone="Asia/Kolkata"),
        "by model of a week": lambda: usage.by(By.MODEL, week),
        "by session of a week": lambda: usage.by(By.SESSION, week),
        "by key, left the machine": lambda: usage.by(By.KEY, UsageFilter(left_machine=True)),
        "one session": lambda: usage.page(UsageFilter(session="s-3-100")),
        "spent of a key": lambda: usage.spent([3]),
        "spent of a key this month, from half past": lambda: usage.spent([3], since=BEGIN + 1800),
        "spent of a backend today": lambda: usage.spent(backend="openai", since=BEGIN + 29 * 86400),
    }
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
