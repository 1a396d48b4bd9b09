"""The streaming mock upstream: `python -m tests.bench.mock PORT`. Writes every event as a packet of its own.

Unpaced streams advance in turns, one event of each, so that no two events of one stream share a write. Paced
ones go by the loop's timers, a millisecond coarse: as under real load, events of several streams share a wake-up.
`told` and `armed` ones have a timetable from their request on: each event is stamped with the time it was due,
and one that could not be written in time, by whoever's fault, is late and moves no later one. Not a model of a provider (that is pointsman.practice): it does little, on purpose.
"""

from __future__ import annotations

import asyncio
import re
import sys
import time
from functools import partial
from typing import cast

import httptools
import uvloop

from pointsman.wire.http1 import chunk

from .clock import Clock
from .payloads import DONE, STOP, event, message_event, models_reply
from .responses_payloads import events as items

_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)
_PLAIN = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s"
_MODEL = re.compile(rb'"model":"bench-(?:(stream|varied|told|armed|turns|items)-(\d+)-(\d+)|hold)"')
_TOLD = frozenset({b"told", b"armed"})  # whose words begin at once, each with the time it was due
_VARIED = _TOLD | {b"varied"}  # whose words differ from event to event
_MILLISECOND = 1_000_000


class Turns:
    """The unpaced streams: one event of each in every turn of the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._streams: list[Connection] = []
        self._turning = False

    def add(self, stream: Connection) -> None:
        self._streams.append(stream)
        if not self._turning:
            self._turning = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._streams = [stream for stream in self._streams if stream.write_next(time.monotonic_ns())]
        self._turning = bool(self._streams)
        if self._turning:
            self._loop.call_soon(self._turn)


class Connection(asyncio.Protocol):
    """One keep-alive connection of the mock."""

    def __init__(self, loop: asyncio.AbstractEventLoop, turns: Turns, clock: Clock) -> None:
        self._loop, self._turns, self._clock = loop, turns, clock
        self._parser = httptools.HttpRequestParser(self)
        self._body = bytearray()
        self._next = self._events = 0
        self._pace = self._due = 0  # ns
        self._kind = b""
        self._gone = self._full = self._waiting = False
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but its class

    def connection_lost(self, error: Exception | None) -> None:
        self._gone = True
        if self._timer:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.close()

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        if self._waiting:
            self._waiting = False
            self._loop.call_soon(self._tick if self._pace else partial(self._turns.add, self))

    def on_body(self, data: bytes) -> None:
        self._body += data

    def on_message_complete(self) -> None:
        found = _MODEL.search(bytes(self._body))  # a copy: a match would lock the array
        self._body.clear()
        if found is None:
            reply = models_reply()
            self._transport.write(_PLAIN % (len(reply), reply))
            return
        self._next, self._due = 0, time.monotonic_ns()
        self._kind = found[1] or b"hold"
        self._pace, self._events = int(found[2] or 0) * _MILLISECOND, int(found[3] or 0)
        self._write(self._due, _HEAD)
        if self._kind == b"hold":
            self._timer = self._loop.call_later(1.0, self._hold)
            return
        if self._kind in _TOLD:
            self._write(self._due)
        if self._pace:
            self._later()
        else:
            self._loop.call_soon(self._turns.add, self)

    def _write(self, at_ns: int, head: bytes = b"") -> None:
        if self._kind == b"items":
            written = items(self._events)[self._next]
        elif self._kind == b"turns":
            written = message_event(self._next, events=self._events)
        else:
            written = event(self._next, at_ns, events=self._events, told=self._kind in _VARIED)
        self._transport.write(head + chunk(written))
        self._next += 1

    def write_next(self, at_ns: int) -> bool:
        """Write one event; False when this stream wants no further turn."""
        if self._gone:
            return False
        if self._full:
            self._waiting = True
            return False
        if self._next == self._events:
            self._transport.write(chunk(self._closing()) + b"0\r\n\r\n")
            return False
        self._write(at_ns)
        return True

    def _closing(self) -> bytes:
        if self._kind == b"items":
            return items(self._events)[-1]
        return STOP if self._kind == b"turns" else DONE

    def _later(self) -> None:
        if self._kind in _TOLD:
            self._due += self._pace
            self._clock.at(self._due, self._tick)
        else:
            self._timer = self._loop.call_later(self._pace / 1e9, self._tick)

    def _tick(self) -> None:
        if self.write_next(self._due if self._kind in _TOLD else time.monotonic_ns()):
            self._later()

    def _hold(self) -> None:
        if not self._gone:
            self._write(time.monotonic_ns())
            self._timer = self._loop.call_later(1.0, self._hold)


async def serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    turns, clock = Turns(loop), Clock()
    made = partial(Connection, loop, turns, clock)
    server = await loop.create_server(made, "127.0.0.1", port, backlog=4096)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
