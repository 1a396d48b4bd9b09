"""Windows: a load on a subject for some seconds, with the CPU time it cost. Subjects take turns, A B B A.

What a figure is: CPU ns of the subject's whole process tree in the window, divided by the answers (or events)
that came in it. Not here: how figures are judged or printed (report).
"""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from . import wrk
from .load import Load, one_by_one
from .machine import BenchError, Meter, Used, pss_bytes, role, rss_bytes, tree
from .open_loop import Delays, OpenLoop
from .payloads import Workload, hold
from .servers import Subject

DISTURBED = 0.05  # share of the machine
SMALL_RATE = 4000  # requests a second: a fraction of what nginx can do
PACE_MS, PACED_STREAMS = 20, 100
BESIDE_RATE = 5
SETTLED_SECONDS = 6.0  # after any load: by then a gateway has given back what that has left
FIRST_STREAMS = 20  # what they bring into memory (libraries, tables) is no stream's


@dataclass(frozen=True, slots=True)
class Plan:
    """How long everything takes."""

    warm: float = 1.0
    window: float = 3.0
    rounds: int = 3  # each is A B B A
    samples: int = 5000  # requests one by one, each subject
    open_streams: tuple[int, ...] = (1000, 10_000)
    starts: int = 5
    open_seconds: float = 4.0  # of arrivals that count, in a window of the open loop


QUICK = Plan(warm=0.5, window=1.5, rounds=1, samples=1000, open_streams=(500,), starts=3, open_seconds=1.5)


@dataclass(frozen=True, slots=True)
class Window:
    """One window's figures. `units`: answers, or events of a streaming workload."""

    subject: str
    units: int
    seconds: float
    cpu_us: float  # per unit
    errors: int
    first_error: str
    strangers: float
    by_role: dict[str, float] = field(default_factory=dict)  # cpu_us, by what the process does
    backlog: int = 0
    delay_p50_us: float = 0.0
    delay_p99_us: float = 0.0

    @property
    def per_second(self) -> float:
        return self.units / self.seconds


Take = Callable[[Subject], Awaitable[Window]]


async def take_turns(subjects: list[Subject], rounds: int, take: Take) -> dict[str, list[Window]]:
    """A B B A, `rounds` times; a window with errors stays in and is shown: hiding it would flatter."""
    taken: dict[str, list[Window]] = {subject.name: [] for subject in subjects}
    spare = 2 * rounds
    for _ in range(rounds):
        for subject in subjects + subjects[::-1]:
            best = await take(subject)
            while spare and best.strangers > DISTURBED and not best.errors:
                # Other programs empty caches and take the core: again, a few times for each workload.
                spare -= 1
                again = await take(subject)
                best = min(best, again, key=lambda window: window.strangers) if not again.errors else again
            taken[subject.name].append(best)
    return taken


@dataclass(frozen=True, slots=True)
class Bench:
    """What every window needs to know."""

    plan: Plan
    helpers: list[int]  # the mock's processes: ours, but not measured
    wrk: str
    folder: Path
    key: str = "none"  # the client key that requests carry

    async def steady(
        self, subject: Subject, workload: Workload, rate: float, connections: int = 16
    ) -> Window:
        """Requests at a fixed rate, far below what the subject could do."""
        load = self._load(subject, workload)
        await load.steady(rate, connections)
        return await self._window(subject, load, lambda: load.tally.answers)

    async def streams(self, subject: Subject, workload: Workload, count: int) -> Window:
        """`count` streams at a time; the unit is an event."""
        load = self._load(subject, workload)
        await load.overlapping(count, spread=self.plan.warm)
        return await self._window(subject, load, lambda: load.tally.events)

    async def open_loop(
        self, subject: Subject, workload: Workload, rate: float, beside: Workload | None = None
    ) -> Delays:
        """Delays at a rate that no answer slows down. beside: comes in between, `BESIDE_RATE` times a second."""
        load = OpenLoop(subject.port(workload), self.asked(subject, workload), rate)
        other = self._load(subject, beside or workload)
        meter = self._meter(subject)
        try:
            if beside:
                await other.steady(BESIDE_RATE, connections=4)
            delays = await load.run(self.plan.warm, self.plan.open_seconds)
        finally:
            other.close()
        delays.strangers = meter.stop().strangers
        if other.tally.errors:
            delays.fail(f"beside it: {other.tally.first_error}")
        await asyncio.sleep(0.2)
        return delays

    def _load(self, subject: Subject, workload: Workload) -> Load:
        return Load(subject.port(workload), self.asked(subject, workload))

    def asked(self, subject: Subject, workload: Workload) -> Workload:
        """With what this run and this subject want of every client."""
        return replace(workload, key=self.key, fields=subject.fields(workload))

    async def _window(self, subject: Subject, load: Load, units: Callable[[], int]) -> Window:
        try:
            await asyncio.sleep(self.plan.warm)
            tally = load.tally
            tally.seconds.clear()
            before = units()
            meter = self._meter(subject)
            await asyncio.sleep(self.plan.window)
            used, done = meter.stop(), units() - before
        finally:
            load.close()
            await asyncio.sleep(0.2)  # closing costs the subject CPU; not in the next window
        return _window(subject, used, done, tally.errors, tally.first_error, tally.backlog, tally.seconds)

    async def ceiling(self, subject: Subject, workload: Workload, connections: int = 32) -> Window:
        """As many requests as the subject's core can do."""
        seconds = max(1, round(self.plan.window))
        workload = self.asked(subject, workload)
        meter = self._meter(subject)
        said = await wrk.run(self.wrk, subject.port(workload), workload, seconds, connections, self.folder)
        used = meter.stop()
        told = "wrk counted errors" if said.errors else ""
        return _window(subject, used, said.answers, said.errors, told)

    def _meter(self, subject: Subject) -> Meter:
        helpers = [pid for pid in self.helpers if pid not in subject.pids]
        return Meter(subject.pids, helpers)

    def latencies(
        self, subjects: list[Subject], workload: Workload, block: int = 250
    ) -> dict[str, list[list[float]]]:
        """Blocks of one-by-one request times, subjects taking turns, so that drift meets all of them."""

        def timed(subject: Subject) -> list[float]:
            return one_by_one(subject.port(workload), self.asked(subject, workload), block)

        for subject in subjects:
            timed(subject)
        taken: dict[str, list[list[float]]] = {subject.name: [] for subject in subjects}
        for _ in range(max(1, self.plan.samples // block // 2)):
            for subject in subjects + subjects[::-1]:
                taken[subject.name].append(timed(subject))
        return taken

    async def memory(self, subject: Subject, count: int) -> Memory:
        """Idle, and with `count` open streams that say something once a second."""
        workload = hold()
        pss = sum(pss_bytes(pid) for root in subject.pids for pid in tree(root))
        resident = {pid: rss_bytes(pid) for root in subject.pids for pid in tree(root)}
        first = self._load(subject, workload)
        try:
            await first.overlapping(FIRST_STREAMS, spread=1.0)
        finally:
            first.close()
        await asyncio.sleep(1.0)  # what stores their usage is no stream's either
        before = {pid: rss_bytes(pid) for pid in resident}
        load = self._load(subject, workload)
        try:
            await load.overlapping(count, spread=max(1.0, count / 1000))
            await asyncio.sleep(2.5)
            seen, errors = load.tally.events, load.tally.errors
            after = {pid: rss_bytes(pid) for pid in before}
        finally:
            load.close()
        if errors or seen < count:
            raise BenchError(f"{subject.name}: {seen} events, {errors} errors: {load.tally.first_error}")
        await asyncio.sleep(SETTLED_SECONDS)
        later = sum(rss_bytes(pid) for pid in before)
        growth = sum(after.values()) - sum(before.values())
        idle = {f"{pid} {role(pid)}": size for pid, size in resident.items()}
        return Memory(subject.name, idle, growth / count, later - sum(before.values()), pss)


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident bytes: each process idle, growth for each open stream, and what stayed after they closed."""

    subject: str
    idle: dict[str, int]
    per_stream: float
    kept: int
    pss: int  # of all processes, idle

    def data_plane(self) -> int:
        """The largest of the processes that forward (all, when none says it is the gateway's)."""
        mine = [size for name, size in self.idle.items() if "pointsman.gateway" in name]
        return max(mine or self.idle.values())


def _window(
    subject: Subject,
    used: Used,
    units: int,
    errors: int,
    first_error: str,
    backlog: int = 0,
    seconds: list[float] | None = None,
) -> Window:
    delays = sorted(seconds or [0.0])
    by_role: dict[str, float] = {}
    for pid, ns in used.by_pid.items():
        by_role[role(pid)] = by_role.get(role(pid), 0.0) + ns / 1000 / max(1, units)
    return Window(
        subject=subject.name,
        units=units,
        seconds=used.seconds,
        cpu_us=used.cpu_ns / 1000 / max(1, units),
        errors=errors if units else errors + 1,
        first_error=first_error or ("" if units else "nothing came back"),
        strangers=used.strangers,
        by_role=by_role,
        backlog=backlog,
        delay_p50_us=quantile(delays, 0.5) * 1e6,
        delay_p99_us=quantile(delays, 0.99) * 1e6,
    )


def quantile(ordered: list[float], share: float) -> float:
    """Of an already sorted list."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def typical(windows: list[Window]) -> float:
    return statistics.median(window.cpu_us for window in windows)
