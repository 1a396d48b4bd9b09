"""The open-loop generator measures rightly: a stall counts for everything that was due in it. No figure of a
gateway is judged here."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest

from . import machine, payloads, report
from .clock import Clock
from .measure import quantile
from .open_loop import Delays, OpenLoop
from .payloads import Workload

if not machine.PROC.joinpath("self/stat").exists():
    pytest.skip("timer descriptors are Linux's", allow_module_level=True)

STALL = 0.4
_WHOLE = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
_HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
Answer = Callable[[asyncio.StreamWriter, int], Awaitable[None]]


Stall = Callable[["Upstream"], Awaitable[None]]


class Upstream:
    """Answers by `answer(writer, number of the request)`; while it is stalled nothing leaves it."""

    def __init__(self, answer: Answer) -> None:
        self._answer, self.seen = answer, 0
        self.flowing = asyncio.Event()
        self.flowing.set()
        self._serving: set[asyncio.Task[None] | None] = set()

    async def __aenter__(self) -> Upstream:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1000)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(self, *error: object) -> None:
        self._server.close()
        serving = [task for task in self._serving if task]
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
        await asyncio.sleep(0.01)  # for what was closed to be gone

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._serving.add(asyncio.current_task())
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].split()[0]))
                self.seen += 1
                await self.flowing.wait()
                await self._answer(writer, self.seen)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            writer.transport.abort()

    async def stall(self) -> None:
        self.flowing.clear()
        await asyncio.sleep(STALL)
        self.flowing.set()


async def blocked(upstream: Upstream) -> None:
    """Nothing runs, the generator neither."""
    time.sleep(STALL)  # noqa: ASYNC251


def measured(
    answer: Answer, workload: Workload, rate: float, *, stall: Stall | None = None, patience: float = 5.0
) -> tuple[Delays, Upstream]:
    async def run() -> tuple[Delays, Upstream]:
        async with Upstream(answer) as upstream:
            load = OpenLoop(upstream.port, workload, rate)
            running = asyncio.ensure_future(load.run(0.1, 1.0, patience))
            if stall:
                await asyncio.sleep(0.4)
                await stall(upstream)
            delays = await running
            return delays, upstream

    return asyncio.run(asyncio.wait_for(run(), 30))


async def at_once(writer: asyncio.StreamWriter, number: int) -> None:
    writer.write(_WHOLE)


@pytest.mark.parametrize("stall", [Upstream.stall, blocked], ids=["upstream", "generator"])
def test_a_stall_counts_for_every_request_that_was_due_in_it(stall: Stall) -> None:
    delays, _ = measured(at_once, payloads.small(), 200, stall=stall)
    first = sorted(delays.first)
    assert (delays.errors, delays.first_error, delays.arrivals, len(first)) == (0, "", 200, 200)
    # Due evenly over a stall of 0.4 s, 80 of 200 waited for what was left of it: a closed loop sees one or few.
    assert sum(delay > STALL / 10 for delay in first) >= 60
    assert sum(delay > STALL / 2 for delay in first) >= 30
    assert first[-1] >= STALL * 0.95
    assert quantile(first, 0.1) < STALL / 4  # those before it had none of it
    assert delays.connections >= 60  # none waited for another's answer


def test_a_window_without_a_stall_has_none() -> None:
    delays, upstream = measured(at_once, payloads.small(), 200)
    assert (delays.errors, delays.arrivals, len(delays.late)) == (0, 200, 200)
    assert quantile(sorted(delays.first), 0.5) < STALL / 10
    assert upstream.seen >= 220  # those before the window too
    assert all(
        0 <= late <= first for late, first in zip(sorted(delays.late), sorted(delays.first), strict=True)
    )


def test_an_event_is_late_by_the_time_since_it_was_due() -> None:
    """A stream whose third words come 0.2 s after they were due, and whose fourth come in time."""
    events, late = 4, 0.2

    async def told(writer: asyncio.StreamWriter, number: int) -> None:
        writer.write(_HEAD)
        due = time.monotonic_ns()
        for index in range(events):
            await asyncio.sleep(0.05 + (late if index == 3 else 0))
            due += 50_000_000
            piece = payloads.event(index, due, events=events + 2, told=True)
            half = len(piece) // 2  # an event may come in two reads
            writer.write(b"%x\r\n%b\r\n" % (half, piece[:half]))
            await asyncio.sleep(0)
            writer.write(b"%x\r\n%b\r\n" % (len(piece) - half, piece[half:]))
        writer.write(b"0\r\n\r\n")

    delays, _ = measured(told, payloads.stream(50, events, "told"), 20)
    assert (delays.errors, delays.first_error, delays.arrivals) == (0, "", 20)
    assert len(delays.first) == 20  # the second event: the first one has no words
    assert all(0.1 <= delay < 0.19 for delay in delays.first)
    assert len(delays.between) == 40
    stalled = sorted(delays.between)[20:]
    assert all(delay < late / 2 for delay in sorted(delays.between)[:20])
    assert all(late <= delay < late * 1.6 for delay in stalled)


def test_what_has_no_answer_is_an_error_and_its_delay_counts() -> None:
    async def never(writer: asyncio.StreamWriter, number: int) -> None:
        if number % 2:
            writer.write(_WHOLE)

    delays, _ = measured(never, payloads.small(), 50, patience=0.3)
    assert delays.arrivals == len(delays.first) == 50
    assert 15 <= delays.errors <= 35
    assert "no whole answer" in delays.first_error
    assert max(delays.first) >= 1.0


def test_a_wrong_answer_is_an_error() -> None:
    async def wrong(writer: asyncio.StreamWriter, number: int) -> None:
        writer.write(b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n")

    delays, _ = measured(wrong, payloads.small(), 20)
    assert delays.first_error == "status 503"
    assert delays.errors >= delays.arrivals == 20


def test_the_clock_calls_in_order_and_never_early() -> None:
    async def run() -> list[tuple[int, int]]:
        clock, done = Clock(), asyncio.Event()
        called: list[tuple[int, int]] = []
        now = time.monotonic_ns()
        for number, after in enumerate((30, 10, 20, 10, -5)):
            due = now + after * 1_000_000
            clock.at(due, lambda number=number, due=due: called.append((number, time.monotonic_ns() - due)))  # type: ignore[misc]
        clock.at(now + 40_000_000, done.set)
        await done.wait()
        clock.close()
        return called

    called = asyncio.run(asyncio.wait_for(run(), 10))
    assert [number for number, _ in called] == [4, 1, 3, 2, 0]
    assert all(late >= 0 for _, late in called)


def test_the_table_names_each_way_and_its_errors() -> None:
    seen = Delays(
        first=[0.001] * 999 + [0.5], between=[0.0001], arrivals=1000, errors=2, first_error="status 500"
    )
    rows = report.delays_of("streams", {"nginx": seen})
    assert [(row.figure, row.count, row.p50, row.p99, row.p999, row.most) for row in rows] == [
        ("streams: first words", 1000, 1000, 1000, 500_000, 500_000),
        ("streams: each later event", 1, 100, 100, 100, 100),
    ]
    assert "2 ERRORS: status 500" in report.delay_table(rows)
