"""The warden's one loop: orders in, what the plan says carried out, states told. Holds no state that a restart would lose:
engines are found again by their run files, and callers say again what they wait for.

Not here: the plan (residency.py), an engine's life (run.py), messages (orders.py).
"""

from __future__ import annotations

import os
import selectors
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..config import WARDEN_SOCKET
from ..errors import PointsmanError
from ..kinds import ErrorKind
from ..process.beats import BEAT_SECONDS, beat
from ..process.machine import memory_bytes
from . import memory
from .desk import Desk, WardenCaller
from .keeping import Kept, end_all, run_files
from .orders import MOST_ENGINES, Orders
from .processes import Table, boot_id, table
from .recipe import FOLDER, NAME, Recipe, log_path, read_recipe
from .residency import Residency
from .resident import EngineNeeds, EnginePhase, Resident, Terms
from .run import ENDING_SECONDS, Run

_UNUSABLE = "its recipe cannot be used"
_SOON = 0.05
"""Between looks while something comes or goes."""
_MOVING = (EnginePhase.STARTING, EnginePhase.LOADING, EnginePhase.YIELDING, EnginePhase.STOPPING)


@dataclass(frozen=True, slots=True)
class WardenOptions:
    """life: a pipe whose end means that the gateway is gone. beat: where signs of life go. budget: bytes, None = the share
    of the memory that memory.SHARE is."""

    data_dir: Path
    runtime_dir: str
    life: int
    beat: int | None = None
    budget: int | None = None
    terms: Terms = field(default_factory=Terms)


class Warden:
    """Raises OSError when its socket cannot be made."""

    def __init__(self, options: WardenOptions) -> None:
        self.options = options
        self._total = memory_bytes()
        self.plan = Residency(options.terms, options.budget)
        if options.budget is None:
            self._set_share(memory.SHARE)
        self._recipes: dict[str, Recipe] = {}
        self._runs: dict[str, Run] = {}
        self._guards: set[int] = set()
        self._unheard: dict[str, set[str]] = {}  # who has not yet said that an engine takes no more
        self._told: dict[str, tuple[object, ...]] = {}
        self._over = False
        self._beaten = self._sampled = 0.0
        self._environment = _clean(os.environ)
        self._selector = selectors.DefaultSelector()
        (options.data_dir / FOLDER).mkdir(mode=0o700, parents=True, exist_ok=True)
        self._adopt()
        orders = Orders(self)
        path = os.path.join(options.runtime_dir, WARDEN_SOCKET)
        self._desk = Desk(path, self._selector, orders.take, self._lost)
        self._selector.register(options.life, selectors.EVENT_READ, self._life)
        self._gone = False

    # -- the loop

    def run(self) -> None:
        """Until SIGTERM, which stops all engines first, or until the gateway is gone, when the guards do."""
        wake, woken = os.pipe()
        for descriptor in (wake, woken):
            os.set_blocking(descriptor, False)
        signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        self._selector.register(wake, selectors.EVENT_READ, lambda: _drain(wake))
        try:
            while not self._over and not self._gone:
                self._turn(self._pause())
            if not self._gone:
                self._end_runs()
        finally:
            self._desk.close()

    def _stop(self, number: int, frame: object) -> None:
        self._over = True

    def _life(self) -> None:
        with suppress(BlockingIOError):
            self._gone = not os.read(self.options.life, 64)

    def _turn(self, pause: float) -> None:
        for key, _ in self._selector.select(pause):
            key.data()
        now = time.monotonic()
        if now - self._beaten >= BEAT_SECONDS * 0.9:
            self._beaten = now
            beat(self.options.beat)
        self._reap()
        processes = self._sample(now)
        for name, run in list(self._runs.items()):
            self._look(name, run, processes, now)
        refusals: list[dict[str, Any]] = []
        for action in self.plan.tick(now):
            if action.kind == "start":
                self._start(action.engine, now)
            elif action.kind == "stop":
                self._runs[action.engine].end(action.why, now)
            else:
                refusals.append({"engine": action.engine, "refused": action.why})
        self._tell()
        for message in refusals:
            self._desk.push(message)
        self._desk.tidy()

    def _pause(self) -> float:
        for engine in self.plan.engines.values():
            if engine.state in _MOVING or engine.waiting or (engine.wanted and engine.deaths):
                return _SOON
        return _SOON if self._desk.has_more_to_say else BEAT_SECONDS

    def _reap(self) -> None:
        for pid in list(self._guards):
            with suppress(ChildProcessError):
                if not os.waitpid(pid, os.WNOHANG)[0]:
                    continue
            self._guards.discard(pid)

    def _sample(self, now: float) -> Table | None:
        pause = min((run.pause for run in self._runs.values()), default=None)
        if pause is None or now - self._sampled < pause:
            return None
        self._sampled = now
        return table()

    def _look(self, name: str, run: Run, processes: Table | None, now: float) -> None:
        event = run.look(now, processes)
        if processes is not None:
            self.plan.measure(name, run.rss)
        if event == "loading":
            self.plan.loading(name, now)
        elif event == "ready":
            self._sampled = 0.0
            self.plan.ready(name, now)
        elif event == "gone":
            del self._runs[name]
            run.close()
            if self.plan.engines[name].state is EnginePhase.STOPPING:
                self.plan.stopped(name, now)
            else:
                self.plan.died(name, run.why, now, run.said)

    def _start(self, name: str, now: float) -> None:
        try:
            recipe = read_recipe(self.options.data_dir, name)
        except PointsmanError as error:
            self.plan.unusable(name, _UNUSABLE, now, error.public)
            return
        self._recipes[name] = recipe
        try:
            run = Run(recipe, Kept(self.options.data_dir, name), self.options.data_dir, now)
        except OSError as error:
            self.plan.died(name, f"the data folder cannot be written ({error.strerror})", now)
            return
        if run.kept.runs():  # nothing of ours should hold it any more
            end_all([run.kept], 0.0)
        run.kept.sweep()
        problem = run.start(self.options.runtime_dir, self.options.life, self._environment)
        if problem:
            run.close()
            self.plan.died(name, problem, now)
            return
        if run.guard is not None:
            self._guards.add(run.guard)
        self._runs[name] = run
        self._sampled = 0.0

    def _adopt(self) -> None:
        """Take over what an earlier warden of the same gateway started, end everything else that is ours."""
        now, boot = time.monotonic(), boot_id()
        strangers: list[Kept] = []
        for name in filter(NAME.fullmatch, run_files(self.options.data_dir)):
            try:
                kept = Kept(self.options.data_dir, name)
            except OSError:  # no file of ours
                continue
            if not kept.runs():
                kept.clear()
                kept.close()
                continue
            found = kept.record()
            try:
                recipe = read_recipe(self.options.data_dir, name)
            except PointsmanError:
                strangers.append(kept)
                continue
            wanted = (recipe.command_hash, self.options.runtime_dir, boot)
            if (found.hash, found.runtime, found.boot) != wanted or found.ending:
                strangers.append(kept)
                continue
            self._note(recipe, now)
            self.plan.adopt(name, now)
            run = self._runs[name] = Run(recipe, kept, self.options.data_dir, now)
            run.adopt(found)
        end_all(strangers, ENDING_SECONDS)
        for kept in strangers:
            kept.clear()
            kept.close()

    def _end_runs(self) -> None:
        for run in self._runs.values():
            run.kept.ask_to_end()
        end_all([run.kept for run in self._runs.values()], ENDING_SECONDS)
        for run in self._runs.values():
            run.kept.clear()
            if run.socket:
                with suppress(OSError):
                    os.unlink(run.socket)

    # -- orders

    def declare(self, names: list[str]) -> dict[str, str]:
        """These engines there are, and no others. Returns what is wrong with recipes, by name."""
        now, problems = time.monotonic(), {}
        for name in names:
            try:
                self._note(read_recipe(self.options.data_dir, name), now)
            except PointsmanError as error:
                problems[name] = error.public
                if name not in self._runs:
                    self.plan.declare(EngineNeeds(name), now)
                    self.plan.unusable(name, _UNUSABLE, now, error.public)
        for name in set(self.plan.engines) - set(names):
            self.plan.remove(name, now)
        return problems

    def _note(self, recipe: Recipe, now: float) -> None:
        """Know this engine, by its newest recipe."""
        name, before = recipe.name, self._recipes.get(recipe.name)
        known = self.plan.engines.get(name)
        changed = before is not None and before.command_hash != recipe.command_hash
        repaired = known is not None and known.state is EnginePhase.DOWN and before != recipe
        needs = EngineNeeds(name, recipe.memory, recipe.keep, recipe.pin, recipe.preload, recipe.sleeps)
        self.plan.declare(needs, now, changed or repaired)
        self._recipes[name] = recipe

    def _known(self, name: str) -> Resident:
        """Declared by its recipe if it was not. Raises PointsmanError."""
        if name not in self.plan.engines:
            if len(self.plan.engines) >= MOST_ENGINES:
                raise PointsmanError(
                    ErrorKind.CONFLICT, f"there are {MOST_ENGINES} engines already; remove some"
                )
            self._note(read_recipe(self.options.data_dir, name), time.monotonic())
        return self.plan.engines[name]

    def want(self, caller: str, name: str, count: int) -> dict[str, Any]:
        """So many of that caller's requests wait. Returns the state, or why there is no such engine."""
        if not count and name not in self.plan.engines:
            return {}
        try:
            engine = self._known(name)
        except PointsmanError as error:
            known = error.kind is not ErrorKind.NOT_FOUND
            return {"engine": name, "refused": _UNUSABLE if known else error.public}
        self.plan.want(caller, name, count, time.monotonic())
        return self._state(engine)

    def use(self, caller: str, name: str, count: int) -> None:
        """So many of that caller's requests are under way."""
        if name in self.plan.engines:
            self.plan.use(caller, name, count, time.monotonic())

    def begin(self, name: str) -> None:
        """By hand."""
        self._known(name)
        self._note(read_recipe(self.options.data_dir, name), time.monotonic())
        self.plan.begin(name, time.monotonic())

    def end(self, name: str) -> None:
        """By hand."""
        self._known(name)
        self.plan.end(name, time.monotonic())

    def log(self, name: str) -> str:
        """Where its output is."""
        return str(log_path(self.options.data_dir, name))

    def set_budget(self, bytes_: int | None, share: float | None) -> None:
        """Bytes (0: no limit), or a share of the memory, or neither: what it was at the start."""
        if bytes_ is not None:
            self.plan.budget = bytes_ or None
        else:
            self._set_share(memory.SHARE if share is None else share)

    def _set_share(self, share: float) -> None:
        self.plan.budget = None if self._total is None else int(self._total * share)

    def facts(self) -> dict[str, Any]:
        """Of all engines together, in bytes."""
        held = sum(engine.held for engine in self.plan.engines.values())
        return {"budget": self.plan.budget, "held": held, "memory": self._total}

    def heard(self, caller: str, name: str) -> None:
        """That caller knows that the engine takes no more requests; those under way it has told before."""
        unheard = self._unheard.get(name)
        if unheard is not None:
            unheard.discard(caller)
            if not unheard and name in self.plan.engines:
                del self._unheard[name]
                self.plan.all_heard(name)

    def _lost(self, caller: WardenCaller) -> None:
        for name in list(self._unheard):
            self.heard(caller.name, name)
        self.plan.drop(caller.name, time.monotonic())

    # -- states

    def states(self) -> list[dict[str, Any]]:
        """Of every engine."""
        return [self._state(engine) for engine in self.plan.engines.values()]

    def _state(self, engine: Resident) -> dict[str, Any]:
        name = engine.needs.name
        run = self._runs.get(name)
        return {
            "engine": name,
            "state": "stopping" if engine.state is EnginePhase.YIELDING else engine.state.value,
            "address": None if run is None else run.address,
            "since": round(time.time() - (time.monotonic() - engine.at), 1),
            "why": engine.why,
            "said": engine.said,
            "pid": None if run is None else run.pid,
            "rss": 0 if run is None else run.rss,
            "size": engine.size,
            "queue": sum(engine.waiting.values()),
            "busy": sum(engine.busy.values()),
            "pinned": engine.needs.pinned,
            "keep": engine.needs.keep,
        }

    def _tell(self) -> None:
        """Every state that is another one than was told last."""
        for name, engine in self.plan.engines.items():
            state = self._state(engine)
            seen = tuple(state[word] for word in ("state", "address", "why", "pid"))
            if self._told.get(name) != seen:
                self._told[name] = seen
                if engine.state is EnginePhase.YIELDING:
                    self._unheard[name] = self._desk.watchers() | {""}
                self._desk.push(state)
                self.heard("", name)
        for name in set(self._told) - set(self.plan.engines):
            del self._told[name]
            self._recipes.pop(name, None)
            self._desk.push({"engine": name, "state": "gone"})


def _clean(environment: Mapping[str, str]) -> dict[str, str]:
    """What engines get of it: nothing that is the gateway's own."""
    return {name: value for name, value in environment.items() if not name.startswith("POINTSMAN_")}


def _drain(descriptor: int) -> None:
    with suppress(BlockingIOError):
        os.read(descriptor, 4096)
