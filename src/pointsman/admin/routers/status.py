"""`/api/status`, `/api/hello` and the merged metrics that the data plane serves as `/metrics`."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel

from ... import __version__
from ...ledger.metrics import CONTENT_TYPE, exposition, served
from ..control.control_plane import ControlPlane
from ..control.nodes_at_hand import metrics_text
from ..control.process_status import utc
from .base import Run, errors

router = APIRouter(tags=["status"])


class Worker(BaseModel):
    """A data-plane process."""

    worker: int
    pid: int
    in_flight: int
    usage_dropped: int


class BackendSeen(BaseModel):
    """What the data plane last saw of a backend."""

    backend: str
    in_flight: int
    last_success: datetime | None
    last_failure: datetime | None
    last_reason: str | None


class Status(BaseModel):
    """How the gateway is. problems: why it is degraded; empty = healthy. node: its name among those on one PostgreSQL,
    and other_nodes: those that live beside it."""

    version: str
    node: str | None = None
    other_nodes: list[str] = []
    ready: bool
    problems: list[str]
    url: str | None
    started_at: datetime
    snapshot: int
    keys_required: bool
    mappings: int
    backends: int
    client_keys: int
    workers: list[Worker]
    health: list[BackendSeen]


@router.get("/api/status", responses=errors())
async def status(control: Run) -> Status:
    """Version, problems, counts, data-plane processes and what they last saw of each backend."""
    return status_of(control)


@router.api_route("/api/hello", methods=["GET", "HEAD"], include_in_schema=False)
async def hello() -> dict[str, str]:
    """A probe of some clients; says nothing but that we are here."""
    return {"name": "pointsman"}


@router.get("/internal/metrics", include_in_schema=False)
async def metrics(control: Run, nodes: Literal["sum", "each"] | None = None) -> Response:
    """What all data-plane processes counted, as text. nodes: those of all gateways on one PostgreSQL, too."""
    if nodes is not None and control.nodes is not None:
        counted = await asyncio.to_thread(control.nodes.metrics)
        return Response(metrics_text(counted, each=nodes == "each"), media_type=CONTENT_TYPE)
    now = time.monotonic()
    snapshot = control.snapshot
    rules = served(snapshot.version, snapshot.problems, len(control.workers()))
    samples = control.board.samples(now) | rules
    return Response(exposition(samples, control.board.spreads()), media_type=CONTENT_TYPE)


def status_of(control: ControlPlane) -> Status:
    """The status, from memory alone: it answers while the database cannot."""
    snapshot, now = control.snapshot, time.monotonic()
    connected = dict(control.workers())
    return Status(
        version=__version__,
        node=None if control.nodes is None else control.nodes.name or None,
        other_nodes=[] if control.nodes is None else list(control.nodes.others),
        ready=not snapshot.problems,
        problems=list(snapshot.problems),
        url=control.options.url or None,
        started_at=datetime.fromtimestamp(control.started_at, UTC),
        snapshot=snapshot.version,
        keys_required=snapshot.keys_required,
        mappings=len(snapshot.mappings),
        backends=sum(one.recording is None for one in snapshot.backends),
        client_keys=len(snapshot.client_keys),
        workers=[
            Worker(worker=s.worker, pid=s.pid, in_flight=s.in_flight, usage_dropped=s.usage_dropped)
            for s in control.board.live(now)
            if s.worker in connected
        ],
        health=[
            BackendSeen(
                backend=one.key,
                in_flight=one.in_flight,
                last_success=utc(one.last_success),
                last_failure=utc(one.last_failure),
                last_reason=one.last_reason,
            )
            for _, one in sorted(control.board.health(now).items())
        ],
    )
