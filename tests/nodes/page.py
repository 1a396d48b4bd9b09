"""docs/nodes-rehearsed.md, made from what a run saw. Not here: running it (__main__.py)."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from .limits import AT_ONCE, BUDGET, EACH, RATE
from .plays import SAME_SECONDS, Played
from .site import NODES

PAGE = Path(__file__).parents[2] / "docs" / "nodes-rehearsed.md"

_HEAD = f"""# Several gateways, rehearsed

This page is written by `make nodes`. Three gateways run in network namespaces of their own, PostgreSQL in a fourth, reached by TLS, and
nginx in a fifth, with the file of `deploy/` ([More than one gateway](scale.md)). Clients of all three protocols ask through
it all the time, for whole answers and for streams; rules are added on every node meanwhile, and clients whose keys have limits ask all
nodes at once. Then something is done to one of them.

A part is kept when no request fails but streams that had begun on a killed process, no request that was answered is without a
usage row or has two, no rule that was acknowledged is lost, what limited keys got is [within its bounds](#limits), and all nodes
serve by the same rules within {SAME_SECONDS:g} s after it is over. That is a bound for a machine with a CPU to spare
([this one](#of-which-run)). A killed process may lose the usage rows of its last second
([what is promised](reliability-promises.md)): those are counted below, as rows that are gone.
"""
_LIMITS = f"""
## Limits

In each part two client keys, at all nodes at once, {EACH} clients each at each node: one with a budget of {BUDGET:,} tokens, one
with {RATE} requests a minute and {AT_ONCE} at once. When the trouble is over the budget is used up as quickly as they
can. Its bound is that of [scale.md](scale.md#limits-across-gateways), `budget + N x F x max(0, c - e) + c + D x L`: N = {len(NODES)}
nodes, F = {EACH} requests under way each, c what a request used at most, e what it had reserved. D is 0, for whoever was killed came
back; held is what its part of the budget was when it died and no usage row tells of, which counts as used from then on. Spent is by the
usage rows; what a killed process lost of them is in what its clients have been told. Let in are the requests of the key with a rate; its
bound is of as long as they asked, with half a minute's more. At once is the most, by the usage rows' times.

Nodes that are without the database go on within what they hold, then refuse these two keys alone with 503, which is no failure
here (`POINTSMAN_LIMITS_WITHOUT_DATABASE=refuse`). Of so few places at once nobody holds an idle one. So may a node that has just
started. Any other 503 is a failure.
"""


def _limits(played: Sequence[Played]) -> list[str]:
    lines = [
        _LIMITS,
        "| part | c | e | spent | told its clients | bound | held | let in | bound | at once, of"
        f" {AT_ONCE} | let in without the database | 503 |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for one in played:
        if (seen := one.bounds) is None:
            continue
        held = "" if seen.held is None else f"{seen.held:,}"
        numbers = (seen.spent, seen.by_clients, seen.bound)
        lines.append(
            f"| {one.name} | {seen.c} | {seen.e} | {' | '.join(f'{number:,}' for number in numbers)} | {held} | {seen.let_in} |"
            f" {seen.rate_bound} | {seen.at_once} | {seen.within_lease} | {seen.refused} |"
        )
    return lines


def page(played: Sequence[Played], at: datetime) -> str:
    """The whole page."""
    lines = [_HEAD]
    lines += ["| part | what is done | kept |", "|---|---|---|"]
    lines += [f"| {one.name} | {one.done} | {'yes' if one.ok else '**no**'} |" for one in played]
    lines += _limits(played)
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
