"""The load: requests at a steady rate, streams that overlap, one request after another. Checks every answer.

Rates are kept by the clock, not by the last answer, so a slow subject shows as a backlog and not as a lower
rate. Runs in the benchmark's own process, on the mock's core. Delays at a rate: open_loop; ceilings: wrk.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import re
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import cast

import httptools

from .machine import BenchError
from .payloads import STAMP, Workload
from .servers import HOST

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass(slots=True)
class Tally:
    """What a load has seen so far."""

    answers: int = 0
    events: int = 0
    errors: int = 0
    first_error: str = ""
    backlog: int = 0  # the most requests that were due and had no free connection
    seconds: list[float] = field(default_factory=list)
    """Of each request; of a stream, of each event's way from the mock to the client."""

    def fail(self, text: str) -> None:
        self.errors += 1
        self.first_error = self.first_error or text


class _Caller(asyncio.Protocol):
    """One kept connection with one request on it at a time."""

    def __init__(
        self, tally: Tally, workload: Workload, requests: Iterator[bytes], done: Callable[[_Caller], None]
    ) -> None:
        self._tally, self._workload, self._requests, self._done = tally, workload, requests, done
        self._parser = httptools.HttpResponseParser(self)
        self._sent = 0.0
        self._events = 0
        self._tail = b""
        self._closing = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but its class

    def connection_lost(self, error: Exception | None) -> None:
        if not self._closing:
            self._tally.fail(f"connection lost: {error}")

    def fire(self) -> None:
        self._events, self._tail = 0, b""
        self._sent = time.perf_counter()
        self.transport.write(next(self._requests))

    def stop(self) -> None:
        self._closing = True
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._closing:
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._tally.fail(f"not HTTP: {error}")
            self.stop()

    def on_body(self, data: bytes) -> None:
        if not self._workload.stream:
            return
        text = self._tail + data
        self._tail = b"\n" if data.endswith(b"\n") and not data.endswith(b"\n\n") else b""
        found = text.count(b"\n\n")
        self._events += found
        self._tally.events += found
        if self._events == found:  # a stream's first event may rightly be held until there is real output
            return
        at = data.find(STAMP)
        if at >= 0 and len(digits := data[at + len(STAMP) : at + len(STAMP) + 20]) == 20:
            self._tally.seconds.append((time.monotonic_ns() - int(digits)) / 1e9)

    def on_message_complete(self) -> None:
        status, wanted = self._parser.get_status_code(), self._workload.events
        if status != 200:
            self._tally.fail(f"status {status}")
        elif self._workload.translated and self._workload.stream:
            if self._events < wanted:
                self._tally.fail(f"a stream of {self._events} events, fewer than {wanted}")
        elif self._workload.stream and self._events != wanted + 1:
            self._tally.fail(f"a stream of {self._events} events, not {wanted + 1}")
        self._tally.answers += 1
        if not self._workload.stream:
            self._tally.seconds.append(time.perf_counter() - self._sent)
        self._done(self)


class Load:
    """`count` connections to one port. Use as: open, one of the ways to run it, close."""

    def __init__(self, port: int, workload: Workload) -> None:
        self.tally = Tally()
        self._port, self._workload = port, workload
        self._requests = itertools.cycle(workload.requests(f"{HOST}:{port}"))
        self._callers: list[_Caller] = []
        self._idle: deque[_Caller] = deque()
        self._due = 0
        self._timer: asyncio.TimerHandle | None = None

    async def open(self, count: int, done: Callable[[_Caller], None]) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(count):
            _, caller = await loop.create_connection(
                lambda: _Caller(self.tally, self._workload, self._requests, done), HOST, self._port
            )
            self._callers.append(caller)
        self._idle.extend(self._callers)

    async def steady(self, rate: float, connections: int) -> None:
        """From now on `rate` requests a second, evenly (in steps of the loop's millisecond)."""
        loop = asyncio.get_running_loop()
        await self.open(connections, self._take_back)
        began, sent = loop.time(), 0

        def tick() -> None:
            nonlocal sent
            wanted = int((loop.time() - began) * rate)
            self._due += wanted - sent
            sent = wanted
            self._send_due()
            self.tally.backlog = max(self.tally.backlog, self._due)
            self._timer = loop.call_later(0.001, tick)

        tick()

    def _take_back(self, caller: _Caller) -> None:
        self._idle.append(caller)
        if self._due:
            self._send_due()

    def _send_due(self) -> None:
        while self._due and self._idle:
            self._due -= 1
            self._idle.popleft().fire()

    async def overlapping(self, count: int, spread: float) -> None:
        """From now on `count` streams at once, begun over `spread` seconds; each is followed by the next."""
        await self.open(count, lambda caller: caller.fire())
        for caller in self._callers:
            caller.fire()
            await asyncio.sleep(spread / count)

    def close(self) -> None:
        if self._timer:
            self._timer.cancel()
        for caller in self._callers:
            caller.stop()


def quiet_garbage() -> None:
    """No collection of ours may fall into a window."""
    gc.collect()
    gc.freeze()
    gc.disable()


def one_by_one(port: int, workload: Workload, count: int) -> list[float]:
    """Seconds of each of `count` requests on one connection, the next sent when the last is whole."""
    requests = itertools.cycle(workload.requests(f"{HOST}:{port}"))
    taken = []
    with socket.create_connection((HOST, port), timeout=10) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(count):
            began = time.perf_counter()
            connection.sendall(next(requests))
            answer = connection.recv(65536)
            while not _whole(answer):
                more = connection.recv(65536)
                if not more:
                    raise BenchError(f"connection closed in the middle of an answer: {answer[:200]!r}")
                answer += more
            taken.append(time.perf_counter() - began)
            if not answer.startswith(b"HTTP/1.1 200"):
                raise BenchError(f"expected 200, got {answer[:200]!r}")
    return taken


def _whole(answer: bytes) -> bool:
    head, separator, body = answer.partition(b"\r\n\r\n")
    if not separator:
        return False
    length = _LENGTH.search(head)
    return len(body) >= int(length[1]) if length else body.endswith(b"0\r\n\r\n")
