"""`python -m tests.fuzz` (make fuzz): fuzz targets by the million, on every core.

Prints inputs per second, and for each failure the command that plays it again. Exit code 1 when there was one.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import time
import traceback
from concurrent.futures import ProcessPoolExecutor

from .targets import TARGETS

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


def main() -> int:
    """Run what is wanted."""
    parser = argparse.ArgumentParser(prog="make fuzz ARGS=...", description=__doc__)
    parser.add_argument("--target", choices=list(TARGETS), action="append")
    parser.add_argument("--inputs", type=int, default=1_000_000, help="over all targets")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--first", type=int, default=0)
    args = parser.parse_args()
    names = args.target or list(TARGETS)
    share = max(1, args.inputs // len(names))
    bad = 0
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
