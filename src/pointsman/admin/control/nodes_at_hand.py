"""Whether this gateway is one of several, and what it tells the others of itself. Only then PostgreSQL's driver is loaded.

Not here: signs of life and who waits for whom (nodes.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from ...ledger.metrics import REQUESTS, Spread, add, add_spreads, exposition, metric_of, served
from ...link.messages import Snapshot
from ..store.backing import Backing
from .live import Live
from .process_status import StatusBoard

if TYPE_CHECKING:
    from .nodes import Nodes


def among_nodes(
    backing: Backing,
    follow: Callable[[int | None], bool],
    board: StatusBoard,
    snapshot: Callable[[], Snapshot],
    reach: str,
    live: Live,
) -> Nodes | None:
    """None where no other gateway can use the database. follow: see Nodes. reach: where others reach it, "" = nowhere. live:
    is told when another one has stored usage."""
    if not backing.shared:
        return None
    from ..store.postgres_backing import PostgresBacking
    from .nodes import Nodes

    assert isinstance(backing, PostgresBacking)

    def told() -> dict[str, Any]:
        return told_of(board, snapshot()) | {"reach": reach}

    stored = partial(live.changed, "requests", "spending")
    return Nodes(backing.server, follow, told, lambda: counted_of(board, snapshot()), stored)


def told_of(board: StatusBoard, snapshot: Snapshot) -> dict[str, Any]:
    """What a node says of itself with each sign of life."""
    now = time.monotonic()
    workers = board.live(now)
    requests = sum(count for name, count in board.samples(now).items() if metric_of(name) is REQUESTS)
    return {
        "requests": int(requests),
        "in_flight": sum(one.in_flight for one in workers),
        "workers": len(workers),
        "problems": list(snapshot.problems),
        "engines": sorted(spec.key for spec in snapshot.backends if spec.engine is not None),
    }


def counted_of(board: StatusBoard, snapshot: Snapshot) -> dict[str, Any]:
    """All that a node counts, as JSON has it."""
    now = time.monotonic()
    rules = served(snapshot.version, snapshot.problems, len(board.live(now)))
    return {"samples": board.samples(now) | rules, "spreads": board.spreads()}


def metrics_text(counted: Mapping[str, Mapping[str, Any]], *, each: bool) -> bytes:
    """What nodes have counted, by their names: added up, or each by itself with the label `node`."""
    samples: dict[str, float] = {}
    spreads: dict[str, Spread] = {}
    for node, found in counted.items():
        if each:
            samples |= {_labelled(name, node): value for name, value in found["samples"].items()}
            spreads |= {_labelled(name, node): value for name, value in found["spreads"].items()}
        else:
            add(samples, found["samples"].items())
            add_spreads(spreads, found["spreads"])
    return exposition(samples, spreads)


def _labelled(sample: str, node: str) -> str:
    """A node's name is of letters, digits, dots, dashes and underscores: nothing in it needs to be escaped."""
    name, _, labels = sample.partition("{")
    return f'{name}{{node="{node}",{labels}' if labels else f'{name}{{node="{node}"}}'
