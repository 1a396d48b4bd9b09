"""`python -m tests.fuzz` (make fuzz): fuzz targets by the million, on every core.

Prints inputs per second, and for each failure the command that plays it again. Exit code 1 when there was one. The target
`admin` is the whole admin API by its document (admin_api.py); it runs where it is named, and 1,000 inputs are about 10 s.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
import traceback
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from .admin_api import explore
from .targets import TARGETS

ADMIN = "admin"
_PART = 5000


def part(name: str, seed: int, first: int, count: int) -> list[tuple[int, str]]:
    """(number, what happened) of inputs that failed."""
    failed = []
    for number in range(first, first + count):
        try:
            TARGETS[name](random.Random(f"{name} {seed} {number}"))
        except Exception:
            failed.append((number, traceback.format_exc(limit=-2)))
    return failed


def admin(inputs: int, seed: int) -> int:
    """How many of the things that must not be were seen."""
    with tempfile.TemporaryDirectory() as folder:
        found = explore(Path(folder), max(1, inputs // 100), seed)
    bad = found.wrong()
    calls = sum(sum(statuses.values()) for statuses in found.statuses.values())
    sys.stdout.write(f"{ADMIN:<10} {calls} calls, {len(bad)} failed\n")
    sys.stdout.writelines(f"{one}\n" for one in bad)
    return len(bad)


def main() -> int:
    """Run what is wanted."""
    parser = argparse.ArgumentParser(prog="make fuzz ARGS=...", description=__doc__)
    parser.add_argument("--target", choices=[*TARGETS, ADMIN], action="append")
    parser.add_argument("--inputs", type=int, default=1_000_000, help="over all targets")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--first", type=int, default=0)
    args = parser.parse_args()
    names = args.target or list(TARGETS)
    share = max(1, args.inputs // len(names))
    bad = 0
    if ADMIN in names:
        names.remove(ADMIN)
        bad += admin(share, args.seed)
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for name in names:
            began = time.monotonic()
            jobs = [
                pool.submit(part, name, args.seed, at, min(_PART, args.first + share - at))
                for at in range(args.first, args.first + share, _PART)
            ]
            failed = [one for job in jobs for one in job.result()]
            took = time.monotonic() - began
            sys.stdout.write(
                f"{name:<10} {share} inputs, {share / took:.0f} a second, {len(failed)} failed\n"
            )
            for number, text in failed[:5]:
                again = f"make fuzz ARGS='--target {name} --seed {args.seed} --first {number} --inputs 1'"
                sys.stdout.write(f"  {again}\n{text}\n")
            bad += len(failed)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
