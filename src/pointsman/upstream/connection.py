"""One HTTP/1.1 connection to a backend: a request out, an answer in, framed by llhttp, then idle or closed.

What arrives goes to a sink at once; nothing is kept. Not here: connecting (egress.py), reuse (pool.py), meaning.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable
from time import monotonic
from typing import Any, cast

import httptools

from ..kinds import FallbackReason
from ..wire.answer import Headers
from .sink import RawSink, Sink

MAX_HEADER_BYTES = 64 * 1024
MAX_HEADERS = 256
MAX_INTERIM = 16
"""1xx answers before the real one; a flood of them is an attack or a fault."""
DRAIN_SECONDS = 1.0
DRAIN_BYTES = 64 * 1024
MAX_UNREAD = 64 * 1024
"""Bytes of a body that a server has read when it answers, if nothing says otherwise."""
MAX_FRUITLESS = 2 * MAX_HEADER_BYTES
"""Bytes in a row that bring no body and no end: one endless header or chunk extension."""


_CHUNKS_FOLLOW = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
"""What llhttp is told where it begins to read inside an answer."""

_PIECE = memoryview(bytearray(32 * 1024))
"""Where every connection of this process reads to, one after the other; what is read is taken out at once. Small, so
that a reader that stalls never makes more than 64 KiB wait for it
(docs/reliability-promises.md#r6)."""


class UpstreamConnection:
    """An asyncio.BufferedProtocol by its methods: no compiled class has one of Python beneath it.

    closed: called once when the connection is gone. peer_local: loopback or a Unix socket."""

    def __init__(self, closed: Callable[[UpstreamConnection], None]) -> None:
        self._closed = closed
        self._transport: asyncio.Transport | None = None
        self._sink: Sink | None = None
        self._raw: RawSink | None = None
        self._headers: Headers | None = None  # None before the first, as are the parts
        self._header_bytes = 0
        self._parts: list[bytes] | None = None
        self._parser: Any = None  # llhttp, which takes 1 KiB: made when something is not plain
        self._received = False
        self._sent = 0
        self._reset()
        self.peer_local = False
        self.created = self.idle_since = monotonic()

    def _reset(self) -> None:
        self._status = 0
        self._head_given = False
        self._complete = False
        self._keep = False
        self._until_close = False
        self._interim = 0
        self._length: int | None = None
        self._no_body = False
        self._head_complete = False
        self._fruitless = 0

    # -- as asyncio.BufferedProtocol has them

    def protocol(self) -> asyncio.BaseProtocol:
        """Itself, for an event loop."""
        return cast(asyncio.BaseProtocol, self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        return _PIECE

    def buffer_updated(self, nbytes: int) -> None:
        self.data_received(bytes(_PIECE[:nbytes]))

    def data_received(self, data: bytes) -> None:
        """What came. Nothing of it is kept here."""
        raw = self._raw
        if raw is None:
            self._framed(data)
            return
        self._received = True
        try:
            raw.arrived(data)
        except Exception as error:  # noqa: BLE001 - told on: whoever waits must not wait for ever
            if self._raw is raw:  # else the connection is another's by now, or closed
                self.close()
            raw.broke(error)

    def _framed(self, data: bytes) -> None:
        sink = self._sink
        if sink is None:  # nobody asked for it: it must not answer the next request
            self.close()
            return
        self._received = True
        try:
            self._parse(data)
        except Exception as error:  # noqa: BLE001 - as above
            if self._sink is sink:
                self.close()
            sink.broke(error)

    def _parse(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._fail(FallbackReason.MALFORMED, "it switched protocols")
            return
        except httptools.HttpParserError as error:
            self._keep = False  # an answer that is complete is good; the connection is not
            self._deliver()
            if self._sink is not None:
                cause = error.__context__ if isinstance(error.__context__, ValueError) else error
                self._fail(FallbackReason.MALFORMED, f"its answer is not valid HTTP: {cause}")
            return
        self._fruitless = 0 if self._parts or self._complete else self._fruitless + len(data)
        self._deliver()
        if self._fruitless > MAX_FRUITLESS and self._sink is not None:
            self._fail(FallbackReason.MALFORMED, "its headers or chunk extensions do not end")

    def eof_received(self) -> bool:
        return False

    def pause_writing(self) -> None:
        """A request is large, and its backend slow: it waits in the transport, and is one body at most."""

    def resume_writing(self) -> None:
        """See pause_writing()."""

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        sink, raw = self._sink, self._raw
        self._sink = self._raw = None
        self._closed(self)
        told = raw or sink
        if told is None:
            return
        try:
            if self._until_close and exc is None and sink is not None:
                sink.end()
            elif not self._received:
                told.failed(FallbackReason.CONNECT, "it closed the connection without an answer", False)
            else:
                detail = "it cut the connection in the middle of its answer"
                told.failed(FallbackReason.UPSTREAM_ERROR, detail, True)
        except Exception as error:  # noqa: BLE001 - told on: whoever waits must not wait for ever
            told.broke(error)

    # -- llhttp

    def on_message_begin(self) -> None:
        if self._complete:  # what follows a complete answer must not mix with it, nor answer the next request
            raise ValueError("more than one answer to one request")

    def on_header(self, name: bytes, value: bytes) -> None:
        headers = self._headers
        if headers is None:
            headers = self._headers = []
        size = self._header_bytes = self._header_bytes + len(name) + len(value)
        if size > MAX_HEADER_BYTES or len(headers) >= MAX_HEADERS:
            raise ValueError("its headers are too large")
        if not self._head_complete:  # a trailer is dropped: nothing may arrive that way
            headers.append((name.lower(), value.rstrip(b" \t")))  # llhttp trims only what stands before it

    def on_headers_complete(self) -> None:
        self._status = self._parser.get_status_code()
        self._header_bytes = 0
        self._head_complete = self._status >= 200
        if self._status < 100:
            raise ValueError(f"its status is {self._status}")
        if self._status < 200:
            self._interim += 1
            if self._interim > MAX_INTERIM:
                raise ValueError("too many interim answers")
            self._headers = None

    def on_body(self, data: bytes) -> None:
        if self._parts is None:
            self._parts = [data]
        else:
            self._parts.append(data)

    def on_message_complete(self) -> None:
        if self._status >= 200:
            self._complete = True
            self._keep = self._parser.should_keep_alive()  # later llhttp has forgotten this message

    # -- what the pool and the attempt use

    def is_free(self) -> bool:
        """Open, and nobody is using it."""
        transport = self._transport
        if self._sink is not None or self._raw is not None or transport is None:
            return False
        return not transport.is_closing()

    def send(self, data: bytes, body: bytes, sink: Sink, *, no_body: bool = False) -> int:
        """Send one request (head and body) and give the answer to `sink`. no_body: the method was HEAD. Gives how many bytes
        it is."""
        assert self._sink is None
        self._reset()
        self._parser = self._parser or httptools.HttpResponseParser(self)
        self._no_body = no_body
        self._sink = sink
        return self._write(data, body)

    def send_plain(self, data: bytes, body: bytes, raw: RawSink) -> int:
        """The same, and the answer comes to `raw` as it is."""
        self._raw = raw
        self._status = 0
        return self._write(data, body)

    def _write(self, data: bytes, body: bytes) -> int:
        transport = self._transport
        assert transport is not None
        self._received = False
        size = self._sent = len(body)
        if size < 65536:
            transport.write(data + body)
        else:
            transport.writelines([data, body])
        return len(data) + size

    def read_on(self, raw: bytes, sink: Sink, *, inside: bool = False) -> None:
        """Frame it here from now on, for `sink`. raw: what has come so far: of the answer, or, inside a chunked body, of
        the chunk that begins there."""
        self._raw, self._sink = None, sink
        self._reset()
        self._parser = self._parser or httptools.HttpResponseParser(self)
        if inside:
            self._head_given = True
            self._parser.feed_data(_CHUNKS_FOLLOW)
            self._headers = None
        if raw:
            self.data_received(raw)

    def last_bytes(self, raw: bytes, sink: Sink, *, inside: bool) -> None:
        """The connection is lost: read_on() of what had come."""
        self.read_on(raw, sink, inside=inside)
        self._sink = None

    def answered(self, keep: bool) -> None:
        """A plain answer is complete. keep: by its head the connection may serve again."""
        self._raw = self._sink = None
        self._over(keep)

    def through(self, sink: Sink) -> None:
        """Give the rest of this answer to `sink`, which has taken the place of who got its head."""
        self._sink = sink

    def pause(self) -> None:
        """Stop reading: the client is slower."""
        if self._transport is not None and self._transport.is_reading():
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if (
            self._transport is not None
            and not self._transport.is_closing()
            and not self._transport.is_reading()
        ):
            self._transport.resume_reading()

    def close(self) -> None:
        """Close at once and tell the sink nothing: for who no longer wants the answer."""
        self._sink = self._raw = None
        if self._transport is not None:
            self._transport.abort()

    def drain(self) -> None:
        """Nobody wants what is left of the answer, which should be its end: read that, for the connection's sake, a moment
        long."""
        transport = self._transport
        if (self._sink is None and self._raw is None) or transport is None:
            return
        rest = _Rest(self)
        if self._raw is not None:
            self.read_on(b"", rest, inside=True)
        self._sink = rest
        self.resume()
        asyncio.get_running_loop().call_later(DRAIN_SECONDS, rest.give_up)

    def peer(self) -> Any:
        """The connected address, as getpeername gives it."""
        return self._transport.get_extra_info("peername") if self._transport is not None else None

    # -- inside

    def _deliver(self) -> None:
        sink = self._sink
        if sink is None:
            return
        if self._status >= 200 and not self._head_given:
            self._head_given = True
            self._fruitless = 0
            self._give_head(sink)
            sink = self._sink  # another's by now, where it needs one before it
        if self._parts and sink is not None:
            parts, self._parts = self._parts, None
            sink.body(parts[0] if len(parts) == 1 else b"".join(parts))
        if self._complete and self._sink is not None:
            sink, self._sink = self._sink, None
            self._over(self._keep and not self._no_body and not self._until_close)
            sink.end()

    def _over(self, keep: bool) -> None:
        if not keep or (self._sent > MAX_UNREAD and self._unread()):
            self.close()
        else:
            self._headers = None
            self.idle_since = monotonic()
            self._closed(self)  # the pool takes it back

    def _unread(self) -> bool:
        """May the server have left some of the request unread? The next one would wait behind that (RFC 9112 section 9.3:
        a client that keeps a connection finishes its request). What the kernel took nobody sees: a refusal of a large
        body is taken for one that came before it was read."""
        transport = self._transport
        if transport is None:
            return False
        return self._status >= 400 or transport.get_write_buffer_size() > 0 or not _takes_more(transport)

    def _give_head(self, sink: Sink) -> None:
        headers, self._headers = self._headers or [], None
        chunked = False
        for name, value in headers:
            if name == b"content-length":
                self._length = int(value)
            elif name == b"transfer-encoding":
                chunked = value.strip().lower() == b"chunked"
                if not chunked:  # it would reach the client encoded, without the header that says so
                    self._fail(FallbackReason.MALFORMED, "it used a transfer coding nobody asked for")
                    return
        if self._no_body or self._status in (204, 304):
            self._complete = True
        self._until_close = self._length is None and not chunked and not self._complete
        sink.head(self._status, headers, self._length)

    def _fail(self, reason: FallbackReason, detail: str) -> None:
        sink, self._sink = self._sink, None
        if self._transport is not None:
            self._transport.abort()
        if sink is not None:
            sink.failed(reason, detail, True)


def _takes_more(transport: asyncio.Transport) -> bool:
    """Does the kernel? While bytes wait to be written it does not; under TLS no transport says how many those are."""
    poll = select.poll()
    poll.register(transport.get_extra_info("socket"), select.POLLOUT)
    return bool(poll.poll(0))


class _Rest:
    """Sink of what nobody wants any more."""

    def __init__(self, conn: UpstreamConnection) -> None:
        self._conn: UpstreamConnection | None = conn
        self._size = 0

    def head(self, status: int, headers: Headers, length: int | None) -> None:
        """See Sink."""

    def body(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > DRAIN_BYTES:
            self.give_up()

    def end(self) -> None:
        self._conn = None  # it is the pool's

    def failed(self, reason: FallbackReason, detail: str, received: bool) -> None:
        self._conn = None

    def broke(self, error: Exception) -> None:
        self._conn = None

    def give_up(self) -> None:
        """It does not end."""
        conn, self._conn = self._conn, None
        if conn is not None:
            conn.close()
