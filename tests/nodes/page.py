"""docs/nodes-rehearsed.md, made from what a run saw. Not here: running it (__main__.py)."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from .plays import SAME_SECONDS, Played

PAGE = Path(__file__).parents[2] / "docs" / "nodes-rehearsed.md"

_HEAD = f"""# Several gateways, rehearsed

This page is written by `make nodes`. Three gateways run in network namespaces of their own, PostgreSQL in a fourth, reached by TLS, and
nginx in a fifth, with the file of `deploy/` ([More than one gateway](scale.md)). Clients of all three protocols ask through
it all the time, for whole answers and for streams; rules are added on every node meanwhile. Then something is done to one of them.

A part is kept when no request fails but streams that had begun on a killed process, no request that was answered is without a
usage row or has two, no rule that was acknowledged is lost, and all nodes serve by the same rules within {SAME_SECONDS:g} s after it is
over. That is a bound for a machine with a CPU to spare ([this one](#of-which-run)). A killed process may lose the usage rows of its last second
([what is promised](reliability-promises.md)).
"""


def page(played: Sequence[Played], at: datetime) -> str:
    """The whole page."""
    lines = [_HEAD]
    lines += ["| part | what is done | kept |", "|---|---|---|"]
    lines += [f"| {one.name} | {one.done} | {'yes' if one.ok else '**no**'} |" for one in played]
    for one in played:
        lines += [
            "",
            f"## {one.name[0].upper()}{one.name[1:]}",
            "",
            f"What is done: {one.done}.",
            "",
            "| seen | |",
            "|---|--:|",
        ]
        lines += [f"| {word} | {value:,g} |" for word, value in one.numbers.items()]
        lines += [f"\nNot as promised: {text}" for text in one.wrong]
    cores = os.cpu_count() or 1
    lines += [
        "", "## Of which run", "",
        f"{at:%Y-%m-%d}, Python {platform.python_version()}, {platform.system()}, {cores} CPUs for all of it"
        f" together, load average {os.getloadavg()[2]:.1f} over the last 15 minutes. A bound in seconds is one of a machine that has a"
        " CPU for us: on a crowded one it is stretched by how much longer work takes there, at most fourfold.", "",
    ]  # fmt: skip
    return "\n".join(lines)
