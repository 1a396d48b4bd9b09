"""The open-loop generator: requests leave by a timetable, whatever became of those before, and SSE is read.

A delay is counted from the time that was meant, never from the time at which somebody got round to it:
- the first: from the request's place in the timetable to the first event with words (or the whole answer);
- between events: from the time at which the upstream meant to write an event (its stamp) to its arrival.
So a stall counts for every request and event that fell into it, not for the one that met it ("coordinated
omission"). No request waits for a connection: where none is idle, a new one is opened. Not here: CPU (measure).
"""

from __future__ import annotations

import asyncio
import itertools
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast

import httptools

from .clock import Clock
from .payloads import Workload
from .servers import HOST

LIMIT = 4000  # connections that may be open at once; an arrival that finds none is an error
PATIENCE = 10.0  # seconds for what is still under way after the last arrival of a window
_SECOND = 1_000_000_000
GOING_ON = 2 * _SECOND  # ns of arrivals after a window
_STAMP = re.compile(rb" at (\d{20})")


@dataclass(slots=True)
class Delays:
    """What one window saw, in seconds. late: from a request's place in the timetable to its write, which
    is the generator's own doing and part of `first`."""

    first: list[float] = field(default_factory=list)
    between: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    arrivals: int = 0
    connections: int = 0
    errors: int = 0
    first_error: str = ""
    strangers: float = 0.0  # share of the machine that other programs used

    def add(self, other: Delays) -> None:
        """Another window of the same."""
        for name in ("first", "between", "late"):
            getattr(self, name).extend(getattr(other, name))
        self.arrivals += other.arrivals
        self.connections = max(self.connections, other.connections)
        self.errors += other.errors
        self.first_error = self.first_error or other.first_error
        self.strangers = max(self.strangers, other.strangers)

    def fail(self, text: str) -> None:
        self.errors += 1
        self.first_error = self.first_error or text


@dataclass(slots=True, eq=False)
class _Arrival:
    """One request: its place in the timetable (ns), and whether it belongs to the window."""

    meant: int
    counted: bool
    first_seen: bool = False


class _Exchange(asyncio.Protocol):
    """One connection: a request at a time, every event of the answer read and timed."""

    def __init__(self, run: OpenLoop, arrival: _Arrival) -> None:
        self._run, self._arrival = run, arrival
        self._parser = httptools.HttpResponseParser(self)
        self._rest = b""
        self._events = 0
        self._closing = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but its class
        self._run.opened(self)
        self.send(self._arrival)

    def send(self, arrival: _Arrival) -> None:
        self._arrival, self._events, self._rest = arrival, 0, b""
        if arrival.counted:
            self._run.delays.late.append((time.monotonic_ns() - arrival.meant) / _SECOND)
        self._transport.write(next(self._run.requests))

    def connection_lost(self, error: Exception | None) -> None:
        if not self._closing:
            self._run.failed(self, self._arrival, f"connection lost: {error}")

    def stop(self) -> None:
        self._closing = True
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._give_up(f"not HTTP: {error}")

    def on_body(self, data: bytes) -> None:
        if not self._run.workload.stream:
            return
        now = time.monotonic_ns()
        *events, self._rest = (self._rest + data).split(b"\n\n")
        self._events += len(events)
        arrival, delays = self._arrival, self._run.delays
        for event in events:
            if not (stamp := _STAMP.search(event)):
                continue  # a role, a usage: a gateway may hold or join these
            if not arrival.first_seen:
                arrival.first_seen = True
                if arrival.counted:
                    delays.first.append((now - arrival.meant) / _SECOND)
            elif arrival.counted:
                delays.between.append((now - int(stamp[1])) / _SECOND)

    def on_message_complete(self) -> None:
        status, workload = self._parser.get_status_code(), self._run.workload
        if status != 200:
            self._give_up(f"status {status}")
            return
        if workload.stream and self._events < workload.events:
            self._give_up(f"a stream of {self._events} events, fewer than {workload.events}")
            return
        if not workload.stream and self._arrival.counted:
            self._run.delays.first.append((time.monotonic_ns() - self._arrival.meant) / _SECOND)
        self._run.answered(self, self._arrival)

    def _give_up(self, text: str) -> None:
        self.stop()
        self._run.failed(self, self._arrival, text)


class OpenLoop:
    """`rate` requests a second to one port, evenly; those of `window` seconds count, after `warm` seconds.

    Arrivals go on after it, so that the last that count meet the same load as the others; for a while only, since
    something overloaded would never catch up.
    """

    def __init__(self, port: int, workload: Workload, rate: float) -> None:
        self.workload = workload
        self.requests: Iterator[bytes] = itertools.cycle(workload.requests(f"{HOST}:{port}"))
        self.delays = Delays()
        self._port, self._gap = port, int(_SECOND / rate)
        self._idle: list[_Exchange] = []
        self._exchanges: set[_Exchange] = set()
        self._opening: set[asyncio.Task[None]] = set()
        self._under_way: set[_Arrival] = set()  # of those that count
        self._meant = 0  # the next one
        self._last = 0  # from here on nothing counts
        self._done = asyncio.Event()

    async def run(self, warm: float, window: float, patience: float = PATIENCE) -> Delays:
        """One window. What has no answer `patience` after it is an error, and its delay until then counts."""
        clock = Clock()
        self._meant = time.monotonic_ns() + self._gap
        first = self._meant + int(warm * _SECOND)
        self._last = first + int(window * _SECOND)

        def arrive() -> None:
            self._arrive(_Arrival(self._meant, first <= self._meant < self._last))
            self._meant += self._gap
            self._see_whether_done()
            if self._meant < self._last + GOING_ON:
                clock.at(self._meant, arrive)

        clock.at(self._meant, arrive)
        try:
            await asyncio.wait_for(self._done.wait(), warm + window + patience)
        except TimeoutError:
            self._give_up_waiting()
        finally:
            clock.close()
            await self._close()
        return self.delays

    def _arrive(self, arrival: _Arrival) -> None:
        if arrival.counted:
            self._under_way.add(arrival)
            self.delays.arrivals += 1
        if self._idle:
            self._idle.pop().send(arrival)
        elif len(self._exchanges) + len(self._opening) >= LIMIT:
            self._lost(arrival, f"more than {LIMIT} connections are busy")
        else:
            opening = asyncio.ensure_future(self._connect(arrival))
            self._opening.add(opening)
            opening.add_done_callback(self._opening.discard)

    async def _connect(self, arrival: _Arrival) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: _Exchange(self, arrival), HOST, self._port)
        except OSError as error:
            self._lost(arrival, f"no connection: {error}")

    def opened(self, exchange: _Exchange) -> None:
        self._exchanges.add(exchange)
        self.delays.connections += 1

    def answered(self, exchange: _Exchange, arrival: _Arrival) -> None:
        self._idle.append(exchange)
        self._end(arrival)

    def failed(self, exchange: _Exchange, arrival: _Arrival, text: str) -> None:
        self._exchanges.discard(exchange)
        if exchange in self._idle:  # closed between two requests, as a server may
            self._idle.remove(exchange)
        else:
            self._lost(arrival, text)

    def _lost(self, arrival: _Arrival, text: str) -> None:
        """An error hides no delay: until now is the least that it took."""
        if arrival.counted and not arrival.first_seen:
            self.delays.first.append((time.monotonic_ns() - arrival.meant) / _SECOND)
        self.delays.fail(text)
        self._end(arrival)

    def _end(self, arrival: _Arrival) -> None:
        self._under_way.discard(arrival)
        self._see_whether_done()

    def _see_whether_done(self) -> None:
        if self._meant >= self._last and not self._under_way:
            self._done.set()

    def _give_up_waiting(self) -> None:
        for arrival in sorted(self._under_way, key=lambda arrival: arrival.meant):
            self._lost(arrival, "no whole answer in time")

    async def _close(self) -> None:
        for opening in self._opening:
            opening.cancel()
        for exchange in self._exchanges:
            exchange.stop()
        await asyncio.sleep(0)
