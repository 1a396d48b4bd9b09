"""`python -m tests.nodes` (make nodes): everything that is done to nodes, into docs/nodes-rehearsed.md. Exit code 1 when
something is not as promised. `--only WORD` plays what has it in its name, and writes nothing."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from . import troubles
from .changes import NAME, many
from .page import PAGE, page
from .plays import Played, play
from .rolling import rolled
from .site import missing, site

_REST_SECONDS = 0.1


def main() -> int:
    args = _arguments()
    if why := missing():
        sys.exit(why)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # whatever was started is ended then, too
    began, played = time.monotonic(), []
    with tempfile.TemporaryDirectory(prefix="pm-next-") as folder, site(_REST_SECONDS) as found:
        if args.only in NAME:
            played.append(_told(many(found, args.changes, args.writers)))
        for trouble in (
            troubles.killed(found),
            troubles.killed_in_a_change(found),
            troubles.database_crashed(found),
            troubles.database_paused(found, args.outage),
            troubles.node_cut(found, seconds=args.outage),
            troubles.disk_full(found, args.outage),
            rolled(found, Path(folder)),  # the last one: two versions go on
        ):
            if args.only in trouble.name:
                played.append(_told(play(found, trouble)))
    if not args.only:
        PAGE.write_text(page(played, datetime.now(UTC)))
    bad = [one for one in played if not one.ok]
    sys.stdout.write(f"{len(played)} played, {len(bad)} not kept, {time.monotonic() - began:.0f} s\n")
    return 1 if bad else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make nodes ARGS=...", description=__doc__)
    parser.add_argument("--changes", type=int, default=10_000, help="of rules, from all nodes at once")
    parser.add_argument("--writers", type=int, default=8, help="of changes at each node, at the same time")
    parser.add_argument(
        "--outage", type=float, default=60.0, metavar="SECONDS", help="of a pause, a cut and a full disk"
    )
    parser.add_argument("--only", default="", metavar="WORD")
    return parser.parse_args()


def _told(one: Played) -> Played:
    sys.stdout.write(f"{one.name:<28} {'ok' if one.ok else 'NOT KEPT'}  {one.seen}\n")
    sys.stdout.flush()
    return one


if __name__ == "__main__":
    sys.exit(main())
