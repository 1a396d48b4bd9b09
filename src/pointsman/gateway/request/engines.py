"""A request whose target must be started first: it waits for its engine, the client kept alive, and holds it to its end.

Not here: starting and stopping (pointsman.warden), the wire to it (link/engine_desk.py), when a rule goes on instead
(`--fallback-on cold`) because a server has not loaded the model (cold(), below, asks what it says of it).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine
from typing import Any

from ...errors import PointsmanError
from ...kinds import ErrorKind, FallbackOn, FallbackReason
from ...resilience.walk import Held
from ...routing.table import Target
from ...upstream.backend import Backend
from ...wire.answer import Answer
from ..data_plane import DataPlane
from .job import Job
from .waiting import meanwhile

Go = Callable[[Backend], Awaitable[Held[Answer] | None]]


async def with_engine(
    plane: DataPlane, job: Job, target: Target, engine: str, onward: Collection[str], go: Go
) -> Held[Answer] | None:
    """What `go` gives of the backend once its engine runs, which is held until then. Where it does not run and the rule
    goes on without it, it is started behind the request's back."""
    desk = plane.engines
    if desk.take(engine) is None:
        if FallbackOn.COLD in onward:
            start(plane, desk.ready(engine, plane.limits.first_output_local_seconds), engine)
            return _cold(target, "its engine is not running")
        held = await _wait(plane, job, target, engine)
        if held is not None:
            return held
    try:
        backend = plane.backends.get(target.key)
        if backend is None or backend.asleep:
            return _failed(
                target, PointsmanError(ErrorKind.UNAVAILABLE, "it has just stopped", retry_after=1)
            )
        return await go(backend)
    finally:
        desk.done(engine)


async def _wait(plane: DataPlane, job: Job, target: Target, engine: str) -> Held[Answer] | None:
    """None when it is ready, and held."""
    desk, seconds = plane.engines, plane.limits.first_output_local_seconds
    try:
        address, ended = await meanwhile(
            plane, job, desk.ready(engine, seconds), seconds, lambda _: desk.done(engine)
        )
    except PointsmanError as error:
        return _failed(target, error)
    if ended is not None:
        return Held(FallbackReason.TIMEOUT, ended, lost=True)
    if address is None:
        return _failed(
            target, PointsmanError(ErrorKind.UNAVAILABLE, "its engine was not ready in time", retry_after=5)
        )
    return None


def cold(plane: DataPlane, target: Target, backend: Backend, onward: Collection[str]) -> Held[Answer] | None:
    """Where the rule goes on from a server that has not loaded the model: it is told to load it, for the next time."""
    if FallbackOn.COLD not in onward or not backend.local:
        return None
    plane.facts.look((backend,))
    model = plane.facts.of(backend, target.model)
    if model.loaded is not False or model.elsewhere is not None:  # what runs elsewhere is not ours to load
        return None
    start(plane, plane.facts.load(backend, target.model), target.label)
    return _cold(target, "its model is not loaded")


def start(plane: DataPlane, work: Coroutine[Any, Any, Any], name: str) -> None:
    """Behind the requests' backs, once at a time."""
    if name in plane.starting:
        work.close()
        return
    task = asyncio.get_running_loop().create_task(work)
    plane.starting[name] = task
    task.add_done_callback(lambda _: _started(plane, name, task))


def _started(plane: DataPlane, name: str, task: asyncio.Task[Any]) -> None:
    plane.starting.pop(name, None)
    if not task.cancelled() and task.exception() is None and isinstance(task.result(), str):
        plane.engines.done(name)  # an engine that is ready is held by who waited for it


def _cold(target: Target, why: str) -> Held[Answer]:
    text = f"{target.key} is cold: {why}; it is being started."
    return Held(FallbackReason.CONNECT, PointsmanError(ErrorKind.UNAVAILABLE, text, retry_after=5))


def _failed(target: Target, error: PointsmanError) -> Held[Answer]:
    told = PointsmanError(
        error.kind, f"{target.key}: {error.public}", status=error.status, retry_after=error.retry_after
    )
    return Held(FallbackReason.CONNECT, told, retry_after=None, certain=True)
