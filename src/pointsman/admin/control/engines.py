"""The control plane's end of the warden (pointsman.warden): tells it which engines there are, and knows how they stand.

Without a gateway nothing runs, and what the recipes say is all there is. Not here: requests that wait for an engine
(the data plane has a desk of its own); HTTP (routers/engines.py)."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from ...config import WARDEN_SOCKET
from ...errors import PointsmanError
from ...kinds import ErrorKind
from ...link.engine_desk import EngineDesk, EngineStanding, away
from ...routing.specs import BackendSpec
from ...warden.recipe import Recipe, read_recipe

log = logging.getLogger("pointsman.control")

_COMES_SECONDS = 5.0
"""How long a warden may take to be there when it is asked: the supervisor starts it within a second of the first recipe."""

_LOOK_SECONDS = 0.2
"""Between looks for a warden that should be there."""
_AGAIN_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class EngineSeen:
    """An engine as its recipe and the warden tell of it. problem: why its recipe cannot be used, with paths: for the owner.
    busy: requests that it answers."""

    recipe: Recipe | None
    problem: str
    standing: EngineStanding
    busy: int = 0


@dataclass(frozen=True, slots=True)
class EnginesSeen:
    """All of them. budget, held, memory: bytes that they may take together, that they take, that this machine has; None
    where nobody tells. answering: the warden has told this just now."""

    engines: dict[str, EngineSeen] = field(default_factory=dict)
    budget: int | None = None
    held: int | None = None
    memory: int | None = None
    answering: bool = False


class Engines:
    """on_address: called with the address of an engine that has a new one. on_change: called when one stands otherwise."""

    def __init__(
        self,
        data_dir: Path,
        on_address: Callable[[str], None],
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self._data_dir = data_dir
        self._on_address = on_address
        self._on_change = on_change
        self._recipes: dict[str, Recipe | str] = {}
        self._declared: dict[str, Recipe | str] | None = None
        self._news = asyncio.Event()
        self._desk: EngineDesk | None = None

    def take(self, specs: Iterable[BackendSpec]) -> tuple[BackendSpec, ...]:
        """These backends, those that are engines with what their recipes say. From any thread; `look` must follow."""
        recipes: dict[str, Recipe | str] = {}
        taken = tuple(self._with_recipe(spec, recipes) for spec in specs)
        self._recipes = recipes
        return taken

    def _with_recipe(self, spec: BackendSpec, recipes: dict[str, Recipe | str]) -> BackendSpec:
        if spec.engine is None:
            return spec
        try:
            recipe = recipes[spec.engine] = read_recipe(self._data_dir, spec.engine)
        except PointsmanError as error:
            problem = error.public.rstrip(".")
            if error.kind is ErrorKind.NOT_FOUND:
                problem = (
                    f"There is no recipe for the engine {spec.engine!r}; write one with:"
                    f" pointsman local update {spec.name} --command '...' (or --gguf PATH, --mlx PATH|REPO)"
                )
            recipes[spec.engine] = problem
            return msgspec.structs.replace(spec, problem=problem)
        window = spec.context_window or recipe.window
        return msgspec.structs.replace(spec, models=recipe.models, context_window=window)

    # -- the warden

    async def run(self, runtime_dir: str) -> None:
        """Tells the warden of every change; cancelled at the end of the process."""
        path = os.path.join(runtime_dir, WARDEN_SOCKET)
        self._desk = desk = EngineDesk(path, self._told, self._connected)
        self._news.set()
        async with asyncio.TaskGroup() as group:
            group.create_task(desk.run())
            while True:
                await self._news.wait()
                self._news.clear()
                await self._declare(desk)

    def look(self) -> None:
        """There may be other engines, or other recipes. On the loop."""
        self._news.set()

    def _connected(self) -> None:
        self._declared = None
        self._news.set()

    def _told(self, standing: EngineStanding) -> None:
        self._on_change()
        if standing.address is not None:
            self._on_address(standing.address)

    async def _declare(self, desk: EngineDesk) -> None:
        recipes = self._recipes
        if not desk.connected:
            if recipes:  # it has just been started for them, or will be at once
                desk.hurry()
                asyncio.get_running_loop().call_later(_LOOK_SECONDS, self._news.set)
            return
        if recipes == self._declared:
            return
        try:
            found = await desk.order("declare", engines=sorted(recipes))
        except PointsmanError as error:
            log.warning("the engines could not be declared: %s", error.public)
            if desk.connected and error.kind is ErrorKind.UNAVAILABLE:  # it hung: once more
                asyncio.get_running_loop().call_later(_AGAIN_SECONDS, self._news.set)
            return
        self._declared = recipes
        for name, problem in found["problems"].items():
            log.warning("engine %s: %s", name, problem)

    def addresses(self) -> set[str]:
        """Where engines listen right now. From any thread."""
        if self._desk is None:
            return set()
        return {one.address for one in self._desk.states() if one.address is not None}

    def standing(self, name: str) -> EngineStanding:
        """As it was told last; cold where nobody has told."""
        known = None if self._desk is None else self._desk.state(name)
        return known or EngineStanding(name, "cold")

    async def one(self, name: str) -> EngineSeen:
        """Raises PointsmanError 404."""
        found = (await self.seen()).engines.get(name)
        if found is None:
            raise _unknown(name)
        return found

    async def seen(self) -> EnginesSeen:
        """All engines, as the warden tells of them now; what was known last while it does not answer."""
        recipes = self._recipes
        found = await self._listed()
        told = {one["engine"]: one for one in found.get("engines", ())}
        engines = {name: self._one(name, recipe, told.get(name)) for name, recipe in sorted(recipes.items())}
        return EnginesSeen(
            engines, found.get("budget"), found.get("held"), found.get("memory"), answering=bool(found)
        )

    def _one(self, name: str, recipe: Recipe | str, told: dict[str, Any] | None) -> EngineSeen:
        standing = self.standing(name) if told is None else EngineStanding.of(told)
        busy = 0 if told is None else told["busy"]
        if isinstance(recipe, Recipe):
            return EngineSeen(recipe, "", standing, busy)
        return EngineSeen(None, recipe, standing, busy)

    async def _listed(self) -> dict[str, Any]:
        if self._desk is None or not self._desk.connected:
            return {}
        try:
            return await self._desk.order("list")
        except PointsmanError:
            return {}

    async def order(self, op: str, name: str) -> EngineSeen:
        """`start` or `stop`, and how it stands then. Raises PointsmanError: 404 no such engine, 409 the warden's words
        or that no gateway runs, 503 while the warden is away."""
        desk = await self._reached(name)
        await desk.order(op, engine=name)
        return await self.one(name)

    @asynccontextmanager
    async def running(self, name: str, seconds: float) -> AsyncIterator[str]:
        """The address of this engine, started for it. Raises PointsmanError as `order`, and why it does not start."""
        desk = await self._reached(name)
        if not desk.connected:
            raise away()
        address = await desk.ready(name, seconds)
        try:
            yield address
        finally:
            desk.done(name)

    async def _reached(self, name: str) -> EngineDesk:
        if name not in self._recipes:
            raise _unknown(name)
        if self._desk is None:
            raise PointsmanError(
                ErrorKind.CONFLICT,
                "Engines run while a gateway serves, and none does; start it: pointsman serve",
            )
        until = time.monotonic() + _COMES_SECONDS
        while not self._desk.connected and time.monotonic() < until:
            await asyncio.sleep(0.05)
        return self._desk

    def recipe(self, name: str) -> Recipe | None:
        """None where it cannot be used."""
        found = self._recipes.get(name)
        return found if isinstance(found, Recipe) else None


def _unknown(name: str) -> PointsmanError:
    return PointsmanError(
        ErrorKind.NOT_FOUND, f"There is no engine {name!r}; list them with: pointsman local engines"
    )


def standing_at(spec: BackendSpec, address: str) -> BackendSpec:
    """The backend as a server that is there, at its engine's address of the moment."""
    return msgspec.structs.replace(spec, base_url=address, engine=None)
