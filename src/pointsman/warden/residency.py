"""Which engines are in memory, and which comes next: pure, time is an argument.

One load for all who wait; a budget of bytes; the least recently used leaves first, never one that is loading, running or
pinned; who waits is served in the order of the oldest wait, with a minimum stay and a maximum wait, so that two models
neither thrash nor starve. Callers report what happens, then ask `tick` what to do. Not here: processes (run.py).
"""

from __future__ import annotations

from collections.abc import Iterable

from .memory import readable
from .resident import (
    COMING,
    HAND,
    LEAVERS,
    LEAVING,
    OUT,
    THERE,
    Action,
    EngineNeeds,
    EnginePhase,
    Leaving,
    Resident,
    Terms,
)


class Residency:
    """budget: bytes for all engines, None = no limit. Names of engines that are not declared raise KeyError."""

    def __init__(self, terms: Terms, budget: int | None) -> None:
        self.terms = terms
        self.budget = budget
        self.engines: dict[str, Resident] = {}

    # -- what happens

    def declare(self, needs: EngineNeeds, now: float, changed: bool = False) -> None:
        """A new engine, or another word about one. changed: its command is another, what runs must go when it can."""
        engine = self.engines.get(needs.name)
        if engine is None:
            engine = self.engines[needs.name] = Resident(needs, at=now)
            engine.wanted = needs.preload
            return
        engine.needs = needs
        if engine.leaving == "gone":
            engine.leaving = "" if engine.state in OUT else "changed"
        if changed:
            engine.proven = 0
            if engine.state is EnginePhase.DOWN:
                engine.deaths.clear()
                engine.turn(EnginePhase.COLD, now)
            elif engine.state is not EnginePhase.COLD:
                engine.leaving = "changed"

    def remove(self, name: str, now: float) -> None:
        """No such engine any more; it is forgotten when it has stopped."""
        engine = self.engines[name]
        if engine.state in OUT and not engine.waiting:
            del self.engines[name]
        else:
            engine.leaving = "gone"

    def want(self, client: str, name: str, count: int, now: float) -> None:
        """So many requests of that client wait for it."""
        engine = self.engines[name]
        if count > 0:
            engine.waiting[client] = count
            engine.since.setdefault(client, now)
        else:
            engine.waiting.pop(client, None)
            engine.since.pop(client, None)

    def use(self, client: str, name: str, count: int, now: float) -> None:
        """So many requests of that client are under way there."""
        engine = self.engines[name]
        if count > 0:
            engine.busy[client] = count
        elif engine.busy.pop(client, None) is not None:
            engine.served = True
            engine.idle_at = now

    def drop(self, client: str, now: float) -> None:
        """That client is gone: it neither waits nor runs anything."""
        for name in self.engines:
            self.want(client, name, 0, now)
            self.use(client, name, 0, now)

    def begin(self, name: str, now: float) -> None:
        """A person wants it: forgets its deaths."""
        engine = self.engines[name]
        engine.deaths.clear()
        engine.retry_at = 0.0
        if engine.leaving == "hand" and engine.state is not EnginePhase.STOPPING:
            engine.leaving = ""  # it was not yet told to end
            if engine.state is EnginePhase.YIELDING:
                engine.turn(EnginePhase.READY, now)
        if engine.state is EnginePhase.DOWN:
            engine.turn(EnginePhase.COLD, now)
        if engine.state is not EnginePhase.READY:
            self.want(HAND, name, 1, now)

    def end(self, name: str, now: float) -> None:
        """A person wants it to stop now. The next request starts it again."""
        engine = self.engines[name]
        self.want(HAND, name, 0, now)
        engine.wanted = False
        if engine.state not in OUT:
            engine.leaving = "hand"

    def adopt(self, name: str, now: float) -> None:
        """It runs already: what an earlier warden started."""
        engine = self.engines[name]
        engine.wanted, engine.adopted = False, True
        engine.turn(EnginePhase.LOADING, now)

    def loading(self, name: str, now: float, why: str = "") -> None:
        """It listens, and is not ready."""
        engine = self.engines[name]
        if engine.state in COMING:
            engine.state, engine.why = EnginePhase.LOADING, why

    def ready(self, name: str, now: float) -> None:
        """It can answer."""
        engine = self.engines[name]
        if engine.state not in COMING:
            return
        engine.ready_at = engine.idle_at = now + (self.terms.come_back if engine.adopted else 0.0)
        engine.turn(EnginePhase.READY, now)
        engine.adopted = False
        engine.said = ""
        self.want(HAND, name, 0, now)

    def all_heard(self, name: str) -> None:
        """Whoever sends requests knows that no more is let in: what is under way has been told."""
        self.engines[name].heard = True

    def measure(self, name: str, size: int) -> None:
        """Bytes that all its processes have in memory now."""
        engine = self.engines[name]
        engine.measured = size
        engine.peak = max(engine.peak, size)
        if engine.served and engine.state is EnginePhase.READY:
            engine.proven = engine.peak

    def died(self, name: str, why: str, now: float, said: str = "") -> None:
        """It ended by itself, or had to be ended: it starts again after a while, or stays down when that was too often.
        said: by the engine itself, the last of it."""
        engine = self.engines[name]
        if engine.leaving == "gone" or (engine.state is EnginePhase.STOPPING and engine.leaving):
            self.stopped(name, now)
            return
        was_there = engine.state in THERE
        self._out(engine, now, why)
        engine.said = said
        engine.deaths = [at for at in engine.deaths if now - at < self.terms.death_window] + [now]
        if len(engine.deaths) >= self.terms.deaths:
            told = f"ended {len(engine.deaths)} times and is not started again until asked by hand; the last time: {why}"
            engine.turn(EnginePhase.DOWN, now, told)
            return
        steps = self.terms.back_off
        engine.retry_at = now + steps[min(len(engine.deaths), len(steps)) - 1]
        stays = engine.needs.preload or engine.needs.pinned or engine.needs.keep is None
        engine.wanted = engine.wanted or (was_there and stays)

    def unusable(self, name: str, why: str, now: float, said: str = "") -> None:
        """It cannot be started as it is written down. said: in full, with paths."""
        engine = self.engines[name]
        self._out(engine, now, why)
        engine.turn(EnginePhase.DOWN, now, why)
        engine.said = said

    def stopped(self, name: str, now: float) -> None:
        """It is gone, as was asked."""
        engine = self.engines[name]
        if not engine.leaving:  # it had to be ended
            self.died(name, engine.why, now, engine.said)
            return
        if engine.leaving == "changed":
            engine.wanted = engine.needs.preload or engine.needs.pinned
        if engine.leaving == "gone":
            if not engine.waiting:
                del self.engines[name]
                return
            self._out(engine, now, "removed")
            engine.leaving = "gone"
            return
        self._out(engine, now, engine.why)

    # -- what follows

    def tick(self, now: float) -> list[Action]:
        """What is to be done now. A start and a stop are taken to be under way from here on."""
        actions: list[Action] = []
        self._refuse(now, actions)
        for engine in list(self.engines.values()):
            self._clocks(engine, now, actions)
        self._shrink(now)
        self._serve(now, actions)
        return actions

    def _out(self, engine: Resident, now: float, why: str) -> None:
        engine.turn(EnginePhase.COLD, now, why)
        engine.leaving = ""
        engine.measured = engine.peak = 0
        engine.served = False

    def _yield(self, engine: Resident, now: float, leaving: Leaving, why: str) -> None:
        engine.leaving, engine.heard = leaving, False
        engine.turn(EnginePhase.YIELDING, now, why)
        for client in engine.since:
            engine.since[client] = now

    def _clocks(self, engine: Resident, now: float, actions: list[Action]) -> None:
        """What time alone brings."""
        if engine.state in COMING:
            if engine.leaving in ("hand", "changed", "gone"):
                self._stop(engine, now, LEAVING[engine.leaving], actions)
            elif now - engine.at > self.terms.longest_load:
                engine.leaving = ""
                self._stop(engine, now, f"not ready after {self.terms.longest_load:g} s", actions)
        elif engine.state in THERE:
            self._clocks_of_ready(engine, now)
        elif engine.state is EnginePhase.YIELDING:
            self._clocks_of_yielding(engine, now, actions)

    def _clocks_of_ready(self, engine: Resident, now: float) -> None:
        idle = now - engine.idle_at
        keep, sleeps = engine.needs.keep, engine.needs.sleeps
        if engine.leaving in ("hand", "changed", "gone"):
            self._yield(engine, now, engine.leaving, LEAVING[engine.leaving])
        elif engine.state is EnginePhase.ASLEEP and engine.busy:
            engine.turn(EnginePhase.READY, now)
        elif engine.in_use or engine.needs.pinned:
            return
        elif keep is not None and idle >= keep:
            self._yield(engine, now, "idle", LEAVING["idle"])
        elif sleeps is not None and engine.state is EnginePhase.READY and idle > sleeps:
            engine.turn(EnginePhase.ASLEEP, now, "sleeps; the next request wakes it")
            engine.measured = 0  # what it has from now on is to be measured again

    def _clocks_of_yielding(self, engine: Resident, now: float, actions: list[Action]) -> None:
        by_hand = engine.leaving in ("hand", "changed", "gone")
        needless = engine.leaving == "room" and not self._queue(now) and not self._over()
        if needless or (engine.leaving == "idle" and engine.in_use):
            engine.turn(EnginePhase.READY, now)
        elif engine.busy and not (by_hand and now - engine.at >= self.terms.drain):
            return
        elif engine.heard or now - engine.at >= self.terms.settle:
            self._stop(engine, now, engine.why, actions)
        if engine.state is EnginePhase.READY:
            engine.leaving = ""

    def _stop(self, engine: Resident, now: float, why: str, actions: list[Action]) -> None:
        engine.turn(EnginePhase.STOPPING, now, why)
        actions.append(Action("stop", engine.needs.name, why))

    def _over(self) -> bool:
        return self.budget is not None and sum(one.held for one in self.engines.values()) > self.budget

    def _shrink(self, now: float) -> None:
        """More is measured than there should be: idle engines go, the least recently used first."""
        if not self._over():
            return
        leaving = sum(one.held for one in self.engines.values() if one.state in LEAVERS)
        too_much = sum(one.held for one in self.engines.values()) - (self.budget or 0) - leaving
        for engine in self._idle_ones():
            if too_much <= 0:
                return
            too_much -= engine.held
            self._yield(engine, now, "room", "engines take more memory than the budget")

    def _idle_ones(self) -> list[Resident]:
        """That may go, the least recently used first."""
        found = [
            one
            for one in self.engines.values()
            if one.state in THERE and not one.in_use and not one.needs.pinned
        ]
        return sorted(found, key=lambda one: one.idle_at)

    def _refuse(self, now: float, actions: list[Action]) -> None:
        for engine in list(self.engines.values()):
            why = self._refusal(engine, now) if engine.waiting else ""
            if why:
                actions.append(Action("refuse", engine.needs.name, why))
                engine.waiting.clear()
                engine.since.clear()
            if engine.leaving == "gone" and engine.state in OUT:
                del self.engines[engine.needs.name]

    def _refusal(self, engine: Resident, now: float) -> str:
        """Why nobody need wait for it any longer, or nothing."""
        if engine.state is EnginePhase.DOWN:
            return engine.why
        if engine.leaving == "gone" and engine.state in OUT:
            return "removed"
        if engine.state not in (EnginePhase.COLD, EnginePhase.ASLEEP, *LEAVERS):
            return ""
        size, budget = engine.size, self.budget
        if budget is not None:
            pinned = [
                one
                for one in self.engines.values()
                if one.needs.pinned and one.state not in OUT and one is not engine
            ]
            if size > budget:
                return f"needs {readable(size)}, and the budget of all engines is {readable(budget)}; raise the budget"
            if size > budget - sum(one.held for one in pinned):
                names = ", ".join(one.needs.name for one in pinned)
                return f"needs {readable(size)}, and what is pinned ({names}) leaves less of {readable(budget)}; unpin one"
        if now - engine.oldest_wait > self.terms.patience:
            return engine.why or f"no room within {self.terms.patience:g} s: what is loaded is in use"
        return ""

    def _queue(self, now: float) -> list[Resident]:
        """Whom somebody waits for and who is not there, the oldest wait first."""
        found = [
            one
            for one in self.engines.values()
            if one.waiting and one.state in (EnginePhase.COLD, EnginePhase.ASLEEP) and one.retry_at <= now
        ]
        return sorted(found, key=lambda one: one.oldest_wait)

    def _serve(self, now: float, actions: list[Action]) -> None:
        """Start or wake what is waited for, make room for the first, then what should be there anyway."""
        queue = self._queue(now)
        spare: int | None = None  # what those behind the first that has to wait may take
        for engine in queue:
            free = self._free()
            extra = engine.size - engine.held
            if free is None or extra <= (free if spare is None else min(free, spare)):
                self._bring(engine, now, actions)
                if spare is not None:
                    spare -= extra
            elif spare is None:
                self._make_room(engine, extra, now)
                if now - engine.oldest_wait >= self.terms.max_wait:
                    return
                coming = sum(one.held for one in self.engines.values() if one.state in LEAVERS)
                spare = free if free + coming < extra else max(0, free + coming - extra)
        for engine in self.engines.values():
            if (
                engine.wanted
                and engine.state is EnginePhase.COLD
                and engine.retry_at <= now
                and spare is None
            ):
                free = self._free()
                if free is None or engine.size <= free:
                    self._bring(engine, now, actions)

    def _free(self) -> int | None:
        if self.budget is None:
            return None
        return self.budget - sum(one.held for one in self.engines.values())

    def _bring(self, engine: Resident, now: float, actions: list[Action]) -> None:
        engine.wanted = False
        if engine.state is EnginePhase.ASLEEP:
            engine.ready_at = engine.idle_at = now
            engine.turn(EnginePhase.READY, now)
            return
        engine.turn(EnginePhase.STARTING, now)
        actions.append(Action("start", engine.needs.name))

    def _make_room(self, engine: Resident, extra: int, now: float) -> None:
        """Let idle engines go, and when it has waited too long those in use yield, the longest resident first. Nothing
        goes where that would not do."""
        free = self._free() or 0
        missing = extra - free - sum(one.held for one in self.engines.values() if one.state in LEAVERS)
        victims: list[Resident] = []
        candidates: Iterable[Resident] = self._idle_ones()
        if now - engine.oldest_wait >= self.terms.max_wait:
            used = [
                one
                for one in self.engines.values()
                if one.state in THERE and one.in_use and not one.needs.pinned
            ]
            candidates = [*candidates, *sorted(used, key=lambda one: one.ready_at)]
        for one in candidates:
            if missing <= 0:
                break
            if one is not engine and now - one.ready_at >= self.terms.min_stay:
                victims.append(one)
                missing -= one.held
        if missing <= 0:
            for one in victims:
                self._yield(one, now, "room", f"makes room for {engine.needs.name}")
