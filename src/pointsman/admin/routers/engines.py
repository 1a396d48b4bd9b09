"""`/api/engines`: the engines that are started on demand. What they are started with is neither told nor taken here: it
stands in the data folder, where the local command line writes it."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from ..control.engines import EngineSeen
from .base import Run, errors

router = APIRouter(prefix="/api/engines", tags=["local"])


class EngineShown(BaseModel):
    """One engine. program: its name alone. since: of this state. why: it is cold or down. address: while it has one.
    rss, size, memory: bytes that it takes now, that it took when it had loaded, that its recipe says (0: nobody knows
    yet). queue, busy: requests that wait for it, that it answers. keep: seconds after the end of its last request, None
    = for ever. problem: why its recipe cannot be used, and what to do."""

    name: str
    program: str
    state: Literal["cold", "starting", "loading", "ready", "asleep", "stopping", "down"]
    address: str | None
    since: datetime | None
    why: str
    pid: int | None
    rss: int
    size: int
    memory: int
    queue: int
    busy: int
    pinned: bool
    preloaded: bool
    keep: float | None
    models: list[str]
    problem: str | None


class EnginesShown(BaseModel):
    """All of them. budget: bytes that they may take together, None = no limit or not known; held: that they take;
    memory: that this machine has. answering: the process that starts them has told this just now."""

    engines: list[EngineShown]
    budget: int | None
    held: int | None
    memory: int | None
    answering: bool


@router.get("", responses=errors())
async def show_list(control: Run) -> EnginesShown:
    """All engines, by name, and what of the memory they may take."""
    seen = await control.engines.seen()
    return EnginesShown(
        engines=[_shown(one) for one in seen.engines.values()],
        budget=seen.budget,
        held=seen.held,
        memory=seen.memory,
        answering=seen.answering,
    )


@router.get("/{name}", responses=errors(404))
async def show(control: Run, name: str) -> EngineShown:
    """One engine."""
    return _shown(await control.engines.one(name))


@router.post("/{name}/start", responses=errors(404, 409))
async def start(control: Run, name: str) -> EngineShown:
    """Start it, without a request that waits for it; one that is down is tried again. Answers at once with its state. 409
    where no gateway serves."""
    return _shown(await control.engines.order("start", name))


@router.post("/{name}/stop", responses=errors(404, 409))
async def stop(control: Run, name: str) -> EngineShown:
    """Stop it when what is under way has ended; the next request starts it again. Answers at once with its state."""
    return _shown(await control.engines.order("stop", name))


def _shown(seen: EngineSeen) -> EngineShown:
    recipe, standing = seen.recipe, seen.standing
    return EngineShown(
        name=standing.engine,
        program="" if recipe is None else _program(recipe.command),
        state=standing.state,  # type: ignore[arg-type]  # the warden's word
        address=standing.address,
        since=datetime.fromtimestamp(standing.since, UTC) if standing.since else None,
        why=standing.why,
        pid=standing.pid,
        rss=standing.rss,
        size=standing.size,
        memory=0 if recipe is None else recipe.memory,
        queue=standing.queue,
        busy=seen.busy,
        pinned=recipe is not None and recipe.pin,
        preloaded=recipe is not None and recipe.preload,
        keep=None if recipe is None else recipe.keep,
        models=[] if recipe is None else list(recipe.models),
        problem=seen.problem or None,
    )


def _program(command: tuple[str, ...]) -> str:
    """`llama-server`; the module's name where Python runs one."""
    module = command[command.index("-m") + 1] if "-m" in command[1:3] and command[-1] != "-m" else command[0]
    return os.path.basename(module)
