"""`python -m tests.nodes` (make nodes): everything that is done to nodes, into docs/nodes-rehearsed.md. Exit code 1 when
something is not as promised. `--only WORD` plays what has it in its name, and writes nothing."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from datetime import UTC, datetime

from . import plays
from .changes import many
from .page import PAGE, page
from .plays import Played
from .site import missing, site

_REST_SECONDS = 0.02


def main() -> int:
    parser = argparse.ArgumentParser(prog="make nodes ARGS=...", description=__doc__)
    parser.add_argument("--long", action="store_true", help="PostgreSQL paused for 60 s, 10,000 changes")
    parser.add_argument("--only", default="", metavar="WORD")
    args = parser.parse_args()
    if why := missing():
        sys.exit(why)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # whatever was started is ended then, too
    began = time.monotonic()
    outage = 60.0 if args.long else 10.0
    played = []
    with site(_REST_SECONDS) as found:
        if args.only in "many changes at once":
            played.append(_told(many(found, 9_999 if args.long else 300)))
        for trouble in (
            plays.killed(found),
            plays.killed_in_a_change(found),
            plays.database_crashed(found),
            plays.database_paused(found, outage),
            plays.node_cut(found, seconds=outage),
            plays.disk_full(found, outage),
            plays.rolled(found),
        ):
            if args.only not in trouble.name:
                continue
            played.append(_told(plays.play(found, trouble)))
    if not args.only:
        PAGE.write_text(page(played, datetime.now(UTC)))
    bad = [one for one in played if not one.ok]
    sys.stdout.write(f"{len(played)} played, {len(bad)} not kept, {time.monotonic() - began:.0f} s\n")
    return 1 if bad else 0


def _told(one: Played) -> Played:
    sys.stdout.write(f"{one.name:<28} {'ok' if one.ok else 'NOT KEPT'}  {one.seen}\n")
    sys.stdout.flush()
    return one


if __name__ == "__main__":
    sys.exit(main())
