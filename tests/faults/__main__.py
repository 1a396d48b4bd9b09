"""`python -m tests.faults` (make faults): every cell of the table and every promise, into docs/reliability.md.

Exit code 1 when a cell or a promise is not kept. `--only WORD` runs the cells and promises that have it in their name,
and writes nothing.
"""

from __future__ import annotations

import argparse
import collections
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import uvloop

from tests.durable import rehearse

from . import outages, promises
from .cell import Cell, Outcome, cells, run
from .page import PAGE, page
from .promises import Shown


def main() -> int:
    """Run what is wanted."""
    parser = argparse.ArgumentParser(prog="make faults ARGS=...", description=__doc__)
    parser.add_argument("--only", default="", metavar="WORD")
    parser.add_argument("--soak", type=float, default=60.0, metavar="SECONDS")
    parser.add_argument("--rounds", type=int, default=200, help="of kill -9 (R9)")
    parser.add_argument(
        "--outage", type=float, default=10.0, metavar="SECONDS", help="of each database trouble (R10)"
    )
    parser.add_argument("--no-cells", action="store_true")
    parser.add_argument("--no-promises", action="store_true")
    args = parser.parse_args()
    began = time.monotonic()
    found = [] if args.no_cells else _cells(args.only)
    shown = [] if args.no_promises else _promises(args)
    bad = [cell for cell, outcome in found if outcome.problem] + [one for one in shown if one.ok is False]
    if not (args.only or args.no_cells or args.no_promises):
        PAGE.write_text(page(found, shown, datetime.now(UTC), " ".join(sys.argv[1:])))
        sys.stdout.write(f"{PAGE.relative_to(PAGE.parents[1])} written\n")
    sys.stdout.write(
        f"{len(found)} cells, {len(shown)} promises, {len(bad)} not kept, {time.monotonic() - began:.0f} s\n"
    )
    return 1 if bad else 0


def _cells(only: str) -> list[tuple[Cell, Outcome]]:
    found = []
    counts: collections.Counter[str] = collections.Counter()
    for cell in cells():
        if only not in str(cell):
            continue
        outcome = uvloop.run(run(cell))
        counts[outcome.word] += 1
        found.append((cell, outcome))
        mark = f"  <-- {outcome.problem}" if outcome.problem else ""
        sys.stdout.write(f"{cell!s:<95} {outcome.word:<12} {outcome.seconds * 1000:7.1f} ms{mark}\n")
        sys.stdout.flush()
    return found


def _promises(args: argparse.Namespace) -> list[Shown]:
    async_ones: dict[str, Callable[[], Awaitable[Shown]]] = {
        "R2": promises.rescue, "R3": promises.amplification, "R5": promises.client_gone, "R6": promises.stalled_readers,
        "R7": promises.many_streams,
    }  # fmt: skip
    others: dict[str, Callable[[], Shown]] = {
        "R8": lambda: outages.rehearsed(rehearse.r8()),
        "R9": lambda: outages.rehearsed(rehearse.r9(args.rounds)),
        "R10": lambda: outages.rehearsed(rehearse.r10(args.outage)),
        "R11": lambda: outages.rehearsed(rehearse.r11()),
        "R12": lambda: outages.rehearsed(rehearse.r12()),
        "R13": lambda: outages.by_tests(
            "R13",
            "a canary key stands in no log, error, metric, page or database byte",
            "tests/e2e/test_secrets.py",
        ),
        "R14": lambda: outages.soak(args.soak),
    }
    shown = []
    for name in (*async_ones, *others):
        if args.only and args.only != name:
            continue
        try:
            one = uvloop.run(async_ones[name]()) if name in async_ones else others[name]()  # type: ignore[arg-type]
        except Exception as error:
            one = Shown(name, "", f"could not be shown: {error!r}", False)
        shown.append(one)
        sys.stdout.write(
            f"{one.name:<4} {'ok' if one.ok else '--' if one.ok is None else 'NOT KEPT'}  {one.seen}\n"
        )
        sys.stdout.flush()
    return shown


if __name__ == "__main__":
    sys.exit(main())
