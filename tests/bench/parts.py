"""The parts of a run, one after another, on subjects that are up: what is sent to which, and its budget.

Not here: what is started (servers), how a window is taken (measure), how figures become rows (report).
"""

from __future__ import annotations

import asyncio
import contextlib
import re

from . import beside, idle_memory, measure, payloads, report, responses_payloads, servers, translated_payloads
from .load import quiet_garbage
from .machine import BenchError, say
from .measure import PACE_MS, PACED_STREAMS, SMALL_RATE, Bench
from .open_loop import Delays
from .payloads import Workload
from .servers import Subject

LARGE_RATE = 1000  # a second: a fraction of what nginx can do
FAST_STREAMS = 16
OPEN_SMALL, OPEN_STREAMS, OPEN_EVENTS = 997, 101, 50  # rates that no pace divides: events spread over time
Way = tuple[str, Subject, Workload]
PARTS = ("memory", "small", "large", "stream", "translated", "latency", "open", "peers")
"""Methods of `Run`, in their order: memory while nothing has been served, since what was freed of other work is used again."""
_STAMP = re.compile(re.escape(payloads.STAMP) + rb"\d{20}")


def check_same(subject: Subject, mock: Subject, workload: Workload) -> None:
    """A figure counts only if the subject gives the mock's own bytes."""
    direct, through = servers.fetch(mock, workload), servers.fetch(subject, workload)
    first, second = (_STAMP.sub(b"", body) for body in (direct[1], through[1]))
    if through[0] != 200 or first != second:
        raise BenchError(
            f"{subject.name} does not pass `{workload.name}` on as it is: "
            f"status {through[0]}, {through[1][:500]!r}"
        )
    if subject.name == "pointsman" and "x-pointsman-target" not in through[2]:
        raise BenchError(f"the answer to `{workload.name}` carries no x-pointsman-target: {through[2]}")


class Run:
    """One whole run: subjects are up, parts are measured one by one."""

    def __init__(
        self, bench: Bench, result: report.Result, subjects: tuple[Subject, Subject, Subject]
    ) -> None:
        self.bench, self.result = bench, result
        self.mock, self.nginx, self.subject = subjects
        self.names = (self.subject.name, self.nginx.name)

    async def all(self, only: tuple[str, ...]) -> None:
        quiet_garbage()
        for part in PARTS:
            if part in only and (part != "translated" or self._own):
                say(f"measuring {part} ...")
                await getattr(self, part)()

    @property
    def _own(self) -> bool:
        """Not a second nginx, which knows no rules and no translation."""
        return self.subject.name == "pointsman"

    async def _turns(self, name: str, take: measure.Take) -> dict[str, list[measure.Window]]:
        taken = await measure.take_turns([self.nginx, self.subject], self.bench.plan.rounds, take)
        self.result.windows[name] = [window for windows in taken.values() for window in windows]
        return taken

    async def _plain(self, title: str, workload: Workload, rate: int, budget: float | None) -> None:
        for subject in (self.nginx, self.subject):
            check_same(subject, self.mock, self.bench.asked(subject, workload))
        name, bench = workload.name, self.bench
        taken = await self._turns(f"{name} steady", lambda subject: bench.steady(subject, workload, rate))
        rows = [report.cpu_row(f"{title}, {rate:,}/s", taken, self.names, budget)]
        direct = await bench.ceiling(self.mock, workload)
        await bench.ceiling(self.subject, workload)  # warm: pools at this many connections
        full = await self._turns(f"{name} full", lambda subject: bench.ceiling(subject, workload))
        self.result.windows[f"{name} full, direct"] = [direct]
        rows.append(report.cpu_row(f"{title}, core full", full, self.names, budget))
        rows.append(report.rate_row(f"{title}, core full", full, self.names, direct))
        self.result.rows += rows

    async def small(self) -> None:
        await self._plain("small, 3 headers and a key", payloads.small(), SMALL_RATE, 1.65)
        await self._plain("small, 13 + 22 headers, key", payloads.real(), SMALL_RATE, 1.3)
        await self._plain("small, Responses", responses_payloads.asked(model="responses"), SMALL_RATE, 1.65)
        if self._own:
            await self._alone("small, first target answers 429", payloads.refused(), 1000, None)

    async def large(self) -> None:
        for spaced in (False, True):
            workload = payloads.long_chat(spaced=spaced)
            await self._plain(f"100 KB, {workload.name}", workload, LARGE_RATE, 1.8)
        await self._plain("100 KB, agent, Messages", payloads.large(), LARGE_RATE, 2.0)
        await self._plain("embedding, 1,536 floats", payloads.embedding(), LARGE_RATE, None)

    async def stream(self) -> None:
        for title, made in (
            ("streamed event", payloads.stream),
            ("Messages event", payloads.turns),
            ("Responses event", responses_payloads.stream),
        ):
            await self._streams(title, made(PACE_MS), made(0))

    async def _streams(self, title: str, paced: Workload, fast: Workload) -> None:
        for subject in (self.nginx, self.subject):
            check_same(subject, self.mock, self.bench.asked(subject, fast))
        bench, names = self.bench, self.names
        taken = await self._turns(paced.name, lambda subject: bench.streams(subject, paced, PACED_STREAMS))
        figure = f"{title}, {PACED_STREAMS} streams, {PACE_MS} ms"
        self.result.rows.append(report.cpu_row(figure, taken, names, 1.25))
        direct = await bench.streams(self.mock, fast, FAST_STREAMS)
        self.result.windows[f"{fast.name}, direct"] = [direct]
        taken = await self._turns(fast.name, lambda subject: bench.streams(subject, fast, FAST_STREAMS))
        figure = f"{title}, {FAST_STREAMS} streams, unpaced"
        self.result.rows.append(report.cpu_row(figure, taken, names, 1.25))
        self.result.rows.append(report.rate_row(figure, taken, names, direct))

    async def translated(self) -> None:
        """Clients of Messages and of Responses of a backend that speaks Chat."""
        bench, rounds = self.bench, range(self.bench.plan.rounds)
        for title, workload, rate, budget in (
            ("translated small request", payloads.translated(), SMALL_RATE, 90),
            ("translated 100 KB, agent", translated_payloads.agent(translated_payloads.MESSAGES), 300, 800),
            ("the same, a client of Responses", responses_payloads.translated(), SMALL_RATE, 90),
            ("100 KB of it", translated_payloads.agent(translated_payloads.RESPONSES), 300, 800),
        ):
            self._check_translated(workload)
            await self._alone(title, workload, rate, budget)
        for told, pace, count in ((f"{PACE_MS} ms", PACE_MS, PACED_STREAMS), ("unpaced", 0, FAST_STREAMS)):
            workload = payloads.translated(pace)
            taken = [await bench.streams(self.subject, workload, count) for _ in rounds]
            self.result.windows[workload.name] = taken
            row = report.own_row(f"translated event, {count} streams, {told}", taken, 15)
            self.result.rows.append(row)

    async def _alone(self, title: str, workload: Workload, rate: int, budget: float | None) -> None:
        """What nginx cannot do, at that rate and with the core full."""
        bench, rounds = self.bench, range(self.bench.plan.rounds)
        paced = [await bench.steady(self.subject, workload, rate) for _ in rounds]
        await bench.ceiling(self.subject, workload)  # warm: pools at this many connections
        full = [await bench.ceiling(self.subject, workload) for _ in rounds]
        for told, taken in ((f"{rate:,}/s", paced), ("core full", full)):
            self.result.windows[f"{workload.name} {told}"] = taken
            self.result.rows.append(report.own_row(f"{title}, {told}", taken, budget))

    def _check_translated(self, workload: Workload) -> None:
        status, body, headers = servers.fetch(self.subject, self.bench.asked(self.subject, workload))
        if status != 200 or b'"type":"message"' not in body or "x-pointsman-target" not in headers:
            raise BenchError(f"`{workload.name}` was answered {status}: {body[:300]!r}")

    async def latency(self) -> None:
        subjects = [self.mock, self.nginx, self.subject]
        blocks = self.bench.latencies(subjects, payloads.small())
        self.result.rows += report.latency_rows("added latency, one small request", blocks, self.names)
        one = payloads.stream(2)
        taken = await measure.take_turns(subjects, 1, lambda subject: self.bench.streams(subject, one, 1))
        self.result.windows["event delay"] = [window for windows in taken.values() for window in windows]
        self.result.rows += report.delay_rows("added delay of an event, one stream", taken, self.names)

    async def open(self) -> None:
        """The levels of a gateway's work: W1 a straight request, metered and stored; W2 translated; W3 with a
        fallback and a limit armed. nginx and the mock itself know no levels: one way of each is enough."""
        others = (("direct", self.mock), ("nginx", self.nginx))
        small, told = payloads.small(), payloads.stream(PACE_MS, OPEN_EVENTS, "told")
        ways = [*((name, subject, small) for name, subject in others), (self._way(1), self.subject, small)]
        await self._delays(f"small, {OPEN_SMALL:,}/s", ways, OPEN_SMALL)
        armed = payloads.stream(PACE_MS, OPEN_EVENTS, "armed")
        translated = payloads.translated(PACE_MS, OPEN_EVENTS, "told")
        ways = [(name, subject, told) for name, subject in others]
        levels = (told, translated, armed) if self._own else (told,)
        ways += [(self._way(at), self.subject, one) for at, one in enumerate(levels, 1)]
        title = f"{OPEN_STREAMS} streams/s of {OPEN_EVENTS} events, {PACE_MS} ms"
        await self._delays(title, ways, OPEN_STREAMS)
        await self._delays(f"{title}, beside 1 MB bodies", ways[:3], OPEN_STREAMS, payloads.huge())

    def _way(self, level: int) -> str:
        return f"{self.subject.name} W{level}" if self._own else self.subject.name

    async def _delays(self, title: str, ways: list[Way], rate: float, beside: Workload | None = None) -> None:
        taken = {name: Delays() for name, _, _ in ways}
        for name, subject, workload in ways + ways[::-1]:
            taken[name].add(await self.bench.open_loop(subject, workload, rate, beside))
        self.result.delays += report.delays_of(title, taken)

    async def memory(self) -> None:
        await asyncio.sleep(idle_memory.SECONDS)
        for number, count in enumerate(self.bench.plan.open_streams):
            mine = await self.bench.memory(self.subject, count)
            theirs = await self.bench.memory(self.nginx, count)
            rows = report.memory_rows(mine, theirs, count)
            if number:  # what is idle was told before any stream
                self.result.rows += rows[2:]
            else:
                self.result.processes = mine.idle
                self.result.rows += rows

    async def peers(self) -> None:
        """Other gateways: nginx, the subject and each of them take turns."""
        with contextlib.ExitStack() as stack:
            able = beside.started(self.bench, self.mock, stack, self.result)
            self.result.peers += await beside.rows(self.bench, [self.nginx, self.subject], able, self.result)
