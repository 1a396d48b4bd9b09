"""`/api/nodes`: the gateways on one PostgreSQL. Empty where the database is a file."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict

from ...errors import PointsmanError
from ...kinds import ErrorKind
from ..control.control_plane import ControlPlane
from ..store.nodes import NodeRow
from .base import Run, errors

router = APIRouter(prefix="/api/nodes", tags=["nodes"])


class NodeState(StrEnum):
    """draining: it was told to take no new clients. gone: it gives no sign of life."""

    LIVE = "live"
    DRAINING = "draining"
    GONE = "gone"


class Node(BaseModel):
    """A gateway. this: the one that was asked. reach: where the others ask it for its own backends, "" = nowhere.
    seconds_silent: since its last sign of life. behind: how many changes of rules it has not taken over yet. requests: since
    it started. problems: why it is degraded."""

    name: str
    this: bool
    state: NodeState
    version: str
    url: str
    reach: str
    started_at: datetime
    seconds_silent: float
    behind: int
    in_flight: int
    requests: int
    engines: list[str]
    problems: list[str]


class NodeChange(BaseModel):
    """draining: it takes no new clients, and finishes what it has."""

    model_config = ConfigDict(extra="forbid")

    draining: bool


@router.get("", responses=errors())
def show_list(control: Run) -> list[Node]:
    """Every gateway on this database, by name; one that is gone is shown for a day."""
    if control.nodes is None:
        return []
    rows = control.nodes.listed()
    newest = max((row.applied for row in rows), default=0)
    return [_shown(control, row, newest) for row in rows]


@router.patch("/{name}", responses=errors(404))
def change(control: Run, name: Annotated[str, Path(max_length=63)], body: NodeChange) -> list[Node]:
    """Tell a node to drain: `/readyz` says 503 there, so that a load balancer sends nobody new, and everything else goes on.
    Or to take clients again. Live on that node within a second or so."""
    if control.nodes is None or not control.nodes.set_draining(name, body.draining):
        raise PointsmanError(
            ErrorKind.NOT_FOUND,
            f"There is no node {name!r}; list them with: pointsman node list.",
            param="name",
        )
    return show_list(control)


def _shown(control: ControlPlane, row: NodeRow, newest: int) -> Node:
    assert control.nodes is not None
    told = row.told
    return Node(
        name=row.name,
        this=row.name == control.nodes.name,
        state=NodeState.GONE if not row.live else NodeState.DRAINING if row.draining else NodeState.LIVE,
        version=row.app,
        url=row.url,
        reach=told.get("reach", ""),
        started_at=datetime.fromtimestamp(row.started, UTC),
        seconds_silent=round(row.age, 1),
        behind=newest - row.applied,
        in_flight=told.get("in_flight", 0),
        requests=told.get("requests", 0),
        engines=told.get("engines", []),
        problems=told.get("problems", []),
    )
