"""The streaming mock upstream: `python -m tests.bench.mock PORT`. Writes every event as a packet of its own.

Streams advance in turns, one event of each, so that no two events of one stream share a write; a paced stream
has its own clock. Not a model of a provider (that is pointsman.practice): it does little, on purpose.
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

from .payloads import DONE, EVENTS, event, models_reply

_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)
_PLAIN = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s"
_MODEL = re.compile(rb'"model":"bench-(?:stream-(\d+)|(hold))"')


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


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
        self._streams = [stream for stream in self._streams if stream.write_next()]
        self._turning = bool(self._streams)
        if self._turning:
            self._loop.call_soon(self._turn)


class Connection(asyncio.Protocol):
    """One keep-alive connection of the mock."""

    def __init__(self, loop: asyncio.AbstractEventLoop, turns: Turns) -> None:
        self._loop, self._turns = loop, turns
        self._parser = httptools.HttpRequestParser(self)
        self._body = bytearray()
        self._next = 0
        self._pace = 0.0
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
            head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(
                reply
            )
            self._transport.write(head + reply)
            return
        self._next = 0
        self._transport.write(_HEAD + _chunk(event(0, time.monotonic_ns())))
        self._next = 1
        if found[2]:
            self._timer = self._loop.call_later(1.0, self._hold)
            return
        self._pace = int(found[1]) / 1000
        if self._pace:
            self._timer = self._loop.call_later(self._pace, self._tick)
        else:
            self._loop.call_soon(self._turns.add, self)

    def write_next(self) -> bool:
        """Write one event; False when this stream wants no further turn."""
        if self._gone:
            return False
        if self._full:
            self._waiting = True
            return False
        if self._next == EVENTS:
            self._transport.write(_chunk(DONE) + b"0\r\n\r\n")
            return False
        self._transport.write(_chunk(event(self._next, time.monotonic_ns())))
        self._next += 1
        return True

    def _tick(self) -> None:
        if self.write_next():
            self._timer = self._loop.call_later(self._pace, self._tick)

    def _hold(self) -> None:
        if not self._gone:
            self._transport.write(_chunk(event(1, time.monotonic_ns())))
            self._timer = self._loop.call_later(1.0, self._hold)


async def serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    turns = Turns(loop)
    server = await loop.create_server(lambda: Connection(loop, turns), "127.0.0.1", port, backlog=4096)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
