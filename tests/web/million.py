"""A data folder as a busy gateway has it after a month: a million requests and 500 rules, for pages to be measured with.

`python -m tests.web.million FOLDER [--records N] [--days D] [--mappings M] [--end UNIX]`: nothing of a request depends on
anything else of it (24 models, 10 keys, 6 programs, 3 backends, what became of it), which is the most that sums have to
hold apart. The last request is of a minute ago. Not here: reading (tests/bench/usage_million.py).
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from pointsman.admin.control.control_plane import ControlPlane
from pointsman.admin.store import client_keys, local_backends, mappings
from pointsman.admin.store.schemas import BackendMappingCreate, ClientKeyCreate, LocalBackendCreate
from pointsman.admin.store.usage_file import UsageFile
from pointsman.config import USAGE_FILE
from pointsman.kinds import BackendType
from pointsman.ledger.blocks import block_of
from pointsman.ledger.records import UsageRecord

BATCH = 2000
BACKENDS = ("openai", "anthropic", "local/box")
CLIENTS = ("claude-cli", "codex_cli_rs", "openai-python", "curl", "opencode", "")
TENDED = 2000
"""More than enough for blocks to become large, and for days to be summed up; each costs nothing once that is done."""
MODELS = tuple(f"{name}-{size}" for name in ("gpt", "claude", "qwen", "llama") for size in range(6))


def records(count: int, begin: float, end: float) -> Iterator[UsageRecord]:
    """In the order of their times, from `begin` to `end` in unix seconds; one in forty has an attempt before it that failed."""
    dice = random.Random(1)
    for number in range(count):
        at = begin + (end - begin) * (number + dice.random()) / count
        model, backend = dice.choice(MODELS), dice.choice(BACKENDS)
        session = number // 400 * 4 + dice.randrange(4)  # of one program and one key
        luck = dice.random()
        outcome = "error" if luck < 0.01 else "aborted" if luck < 0.02 else "ok"
        rescued = outcome == "ok" and dice.random() < 0.025
        name = f"req_0123456789{number:08x}"
        common = {
            "at": at, "protocol": "openai_chat", "path": "/v1/chat/completions", "model": model, "stream": bool(number % 2),
            "key_id": 1 + session % 10, "mapping_id": 1, "request": name, "client": CLIENTS[session // 10 % 6],
            "session": f"s-{session:05}" if number % 3 else None,
        }  # fmt: skip
        if rescued:
            yield UsageRecord(
                id=f"{name}/1", target=f"local/down:{model}", attempts=2, fallback=None, status=0, outcome="failed",
                attempt=1, total_ms=12.0, sent_bytes=0, **common,
            )  # fmt: skip
        read, written = dice.randint(5, 20_000), dice.randint(1, 2000)
        near = backend.startswith("local/")
        spent = read * 250 + written * 1000
        yield UsageRecord(
            id=name, target=f"{backend}:{model}", attempts=1 + rescued, attempt=1 + rescued,
            fallback="connect" if rescued else None, outcome=outcome,
            status={"ok": 200, "error": 502, "aborted": 499}[outcome],
            input_tokens=read if outcome == "ok" else None, output_tokens=written if outcome == "ok" else None,
            first_output_ms=dice.expovariate(1 / 400), total_ms=dice.expovariate(1 / 4000), cost=0 if near else spent,
            saved=spent if near else None, sent_bytes=900 + read * 4, **common,
        )  # fmt: skip


def fill(usage: UsageFile, count: int, begin: float, end: float) -> None:
    """So many requests, and tended until the log is tidy."""
    some: list[UsageRecord] = []
    for record in records(count, begin, end):
        some.append(record)
        if len(some) == BATCH:
            usage.add(block_of(some), again=False)
            some = []
    usage.add(block_of(some), again=False)
    for _ in range(TENDED):
        usage.tend()


def add_rules(control: ControlPlane, count: int) -> None:
    """A local server, ten keys, and so many rules, each with targets of its own."""
    with control.change() as session:
        address = LocalBackendCreate(name="box", base_url="http://127.0.0.1:9/v1")
        local_backends.create(session, control.vault, address)
        for number in range(10):
            client_keys.create(session, ClientKeyCreate(name=f"key {number}"))
        for number in range(count):
            rule = BackendMappingCreate(
                model_pattern=f"model-{number}-*",
                backend_type=BackendType.LOCAL,
                backend_name="box",
                backend_model=f"m{number}",
                priority=count - number,
            )
            mappings.create(session, rule)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.web.million", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--days", type=float, default=30.0)
    parser.add_argument("--mappings", type=int, default=500)
    parser.add_argument("--end", type=float, default=time.time() - 60)
    args = parser.parse_args(arguments)
    args.folder.mkdir(mode=0o700, parents=True)
    control = ControlPlane.open(args.folder, {})
    try:
        add_rules(control, args.mappings)
        fill(control.usage, args.records, args.end - args.days * 86400, args.end)
    finally:
        control.close()
    print(args.folder / USAGE_FILE)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
