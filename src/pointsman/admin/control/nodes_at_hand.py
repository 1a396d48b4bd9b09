"""Whether this gateway is one of several, and what it says of itself to the others. Only then PostgreSQL's driver is loaded.

Not here: signs of life and who waits for whom (nodes.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ...link.messages import Snapshot
from ..store.backing import Backing
from .process_status import StatusBoard

if TYPE_CHECKING:
    from .nodes import Nodes


def among_nodes(
    backing: Backing, follow: Callable[[], bool], told: Callable[[], dict[str, Any]]
) -> Nodes | None:
    """None where no other gateway can use the database."""
    if not backing.shared:
        return None
    from ..store.postgres_backing import PostgresBacking
    from .nodes import Nodes

    assert isinstance(backing, PostgresBacking)
    return Nodes(backing.server, follow, told)


def told_of(board: StatusBoard, snapshot: Snapshot) -> dict[str, Any]:
    """What a node says of itself with each sign of life."""
    now = time.monotonic()
    workers = board.live(now)
    return {
        "in_flight": sum(one.in_flight for one in workers),
        "workers": len(workers),
        "problems": list(snapshot.problems),
        "engines": sorted(spec.key for spec in snapshot.backends if spec.engine is not None),
    }
