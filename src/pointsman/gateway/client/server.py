"""One client connection: HTTP/1.1 in, requests handed on one at a time, answers out. Framing only, no meaning.

States: head -> body -> answering -> head. Pipelined bytes wait, bounded, while an answer is made. A client that
closes its side is gone: docs/reliability-promises.md#r5.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Protocol, cast

from ...config import Limits
from ...wire.http1 import BadHead, ChunkedBody, RequestHead, chunk, digits, parse_head, status_line
from .head_memory import HeadMemory
from .no_http import METHOD_BEGINS, no_http

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_READ_AHEAD = 64 * 1024
"""Bytes of pipelined requests kept while one is answered; beyond it reading pauses."""

_WAITING_BYTES = 24 * 1024
"""Of an answer that wait for a slow reader before the backend is told to wait. One more piece of it may be on its way, with
the beginning of an event that was kept from the piece before: with events of up to 8 KiB that is 64 KiB (R6)."""

_LINGER_SECONDS = 2.0
_OK = status_line(200)
_LINE_END = (0x0D, 0x0A)


class Cancellable(Protocol):
    """An answer that is being made: a task, or a lane."""

    def cancel(self) -> object:
        """Its client has left."""


HEAD, SIZED, CHUNKED, ANSWERING, CLOSED = range(5)


class ClientConnection:
    """An asyncio.Protocol by its methods.

    handler(connection, head, body): starts an answer, returns its task. refuse(connection, error): answers a bad head.

    The answer is written by send() or by start(), write(), finish(). After either the next request is read.
    """

    __slots__ = (
        "_body_began", "_buffer", "_chunked_answer", "_deadline", "_got", "_handler", "_idle_seconds", "_limits", "_memory",
        "_on_lost", "_pieces", "_refuse", "_refused", "_served", "_state", "_stopped", "_task",
        "_transport", "_waiting_since", "chunks", "closing", "head", "need", "on_writable", "started",
    )  # fmt: skip

    def __init__(
        self,
        limits: Limits,
        handler: Callable[[ClientConnection, RequestHead, bytes], Cancellable | None],
        refuse: Callable[[ClientConnection, BadHead], None],
        on_lost: Callable[[ClientConnection], None],
    ) -> None:
        self._limits = limits
        self._idle_seconds = limits.idle_seconds
        self._handler = handler
        self._refuse = refuse
        self._on_lost = on_lost
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._state = HEAD
        self._task: Cancellable | None = None
        self._pieces: list[bytes] | None = None  # of a body that comes in several
        self._memory = HeadMemory()
        self._waiting_since: float | None = None
        self._served = 0
        self._refused = self._stopped = False  # stopped: nothing is read
        self._deadline = monotonic() + limits.header_seconds
        self._body_began = 0.0
        self._got = 0
        self._chunked_answer = False
        self.need = 0
        self.chunks: ChunkedBody | None = None
        self.head: RequestHead | None = None
        self.closing = False
        self.started = False
        self.on_writable: Callable[[bool], None] | None = None

    @property
    def peer(self) -> object:
        """As the transport names it: (address, port, ...), or the text of a Unix socket's."""
        return None if self._transport is None else self._transport.get_extra_info("peername")

    # -- as asyncio.Protocol has them

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=_WAITING_BYTES)

    def data_received(self, data: bytes) -> None:
        if self._state == HEAD:
            self._buffer = self._buffer + data if self._buffer else data
            self._advance()
        elif self._state == SIZED:
            self._take_sized(data)
        elif self._state == CHUNKED:
            self._take_chunked(data)
        elif self._state == ANSWERING:
            self._buffer += data
            if len(self._buffer) > _READ_AHEAD and self._transport is not None:
                self._transport.pause_reading()
                self._stopped = True

    def eof_received(self) -> bool:
        return False  # closes: who no longer reads requests is taken as gone

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._state = CLOSED
        self._buffer = b""
        self._pieces = None
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
        self._on_lost(self)

    def pause_writing(self) -> None:
        self._waiting_since = monotonic()
        if self.on_writable is not None:
            self.on_writable(False)

    def resume_writing(self) -> None:
        self._waiting_since = None
        if self.on_writable is not None:
            self.on_writable(True)

    # -- reading

    def _advance(self) -> None:
        """Read one head from the buffer, and its body as far as it is there."""
        buffer = self._buffer
        if not buffer:
            return
        if buffer[0] in _LINE_END:  # RFC 9112 2.2: an empty line before a request may be skipped
            if buffer.startswith(b"\r\n"):
                self._buffer = buffer = buffer[2:]
                if not buffer:
                    return
            elif buffer != b"\r":
                self._bad(BadHead(400, "The request starts with a bare line end."))
                return
        memory = self._memory
        head = memory.recall(buffer)
        end = memory.end
        if head is None or end > self._limits.header_bytes:
            end = buffer.find(b"\r\n\r\n") + 4
            if end < 4 or end > self._limits.header_bytes:
                self._incomplete(buffer)
                return
            raw = buffer[:end]
            try:
                head = parse_head(raw, self._limits.header_count)
            except BadHead as error:
                self._bad(error)
                return
            memory.remember(head, raw)
        self._buffer = b""
        self._begin(head, buffer[end:])

    def _incomplete(self, buffer: bytes) -> None:
        if self._served and self._deadline_is_idle():
            self._deadline = monotonic() + self._limits.header_seconds
        if buffer[0] not in METHOD_BEGINS:  # not HTTP: no end of a head would ever come
            self._bad(BadHead(400, no_http(buffer)))
        elif len(buffer) > self._limits.header_bytes:
            self._bad(BadHead(431, f"The request head is larger than {self._limits.header_bytes} bytes."))
        elif buffer.count(b"\n") != buffer.count(b"\r\n"):
            self._bad(BadHead(400, "The request head has a bare line feed."))

    def _begin(self, head: RequestHead, rest: bytes) -> None:
        self.head = head
        self.started = False
        length = head.content_length
        if length is None and not head.chunked:
            self._complete(b"", rest)
            return
        if length is not None:
            if length > self._limits.body_bytes:
                self._bad(BadHead.too_large(self._limits.body_bytes), head)
                return
            if length <= len(rest):
                if length == len(rest):
                    self._complete(rest, b"")
                else:
                    self._complete(rest[:length], rest[length:])
                return
        if head.expect_continue and not rest:
            self._write(_CONTINUE)
        self._body_began = monotonic()
        self._got = 0
        self._deadline = self._body_began + self._limits.body_idle_seconds
        if length is not None:
            self.need = length
            self._state = SIZED
            if rest:
                self._take_sized(rest)
        else:
            self.chunks = ChunkedBody(self._limits.body_bytes)
            self._state = CHUNKED
            self._take_chunked(rest)

    def _take_sized(self, data: bytes) -> None:
        if len(data) < self.need:
            if self._pieces is None:
                self._pieces = []
            self._pieces.append(data)
            self.need -= len(data)
            self._got += len(data)
            self._deadline = monotonic() + self._limits.body_idle_seconds
            return
        body = data[: self.need]
        if self._pieces is not None:
            body = b"".join((*self._pieces, body))
            self._pieces = None
        self._complete(body, data[self.need :])

    def _take_chunked(self, data: bytes) -> None:
        assert self.chunks is not None
        self._got += len(data)
        try:
            done = self.chunks.feed(data)
        except BadHead as error:
            self._bad(error, self.head)
            return
        self._deadline = monotonic() + self._limits.body_idle_seconds
        if done is not None:
            self.chunks = None
            self._complete(done[0], done[1])

    def _complete(self, body: bytes, rest: bytes) -> None:
        assert self.head is not None
        self._state = ANSWERING
        self._buffer = rest
        self._served += 1
        self._task = self._handler(self, self.head, body)

    def _bad(self, error: BadHead, head: RequestHead | None = None) -> None:
        """Answer and close: what follows cannot be told apart from an attack. head: of the request, where it was read;
        never the one before it."""
        self.head = head
        self._state = ANSWERING
        self._buffer = b""
        self.closing = True
        self.started = False
        self._refused = True
        self._refuse(self, error)

    # -- answering

    def send(self, status: int, lines: bytes, body: bytes) -> None:
        """A whole answer. lines: header lines, each with its line end, without framing headers."""
        head = self.head
        self.started = True
        first = _OK if status == 200 else status_line(status)
        parts: tuple[bytes, ...]
        if status >= 200 and status != 204 and status != 304:
            size = digits(len(body))
            sent = b"" if head is not None and head.method == b"HEAD" else body
            parts = (first, lines, b"content-length: ", size, b"\r\n", self._connection_line(), sent)
        else:
            parts = (first, lines, self._connection_line())
        if self._transport is not None:
            self._transport.write(b"".join(parts))
        self._done()

    def start(self, status: int, lines: bytes, length: int | None, first: bytes = b"") -> None:
        """Begin an answer whose body follows; `first` goes out in the same write."""
        assert self.head is not None
        self.started = True
        self._chunked_answer = length is None and self.head.http11
        if length is not None:
            framing = b"content-length: %d\r\n" % length
        elif self._chunked_answer:
            framing = b"transfer-encoding: chunked\r\n"
        else:
            framing = b""
            self.closing = True
        data = status_line(status) + lines + framing + self._connection_line()
        if first:
            data += chunk(first) if self._chunked_answer else first
        self._write(data)

    def write(self, data: bytes) -> None:
        """A piece of the body."""
        transport = self._transport
        if transport is not None and data:
            transport.write(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked_answer else data)

    def pass_chunks(self, chunks: bytes) -> None:
        """Pieces of the body in the frames that they came in. Of an answer without a length, to HTTP/1.1."""
        transport = self._transport
        if transport is not None:
            transport.write(chunks)

    def adopt(self, answer: Cancellable) -> None:
        """The answer is made by this one from now on."""
        self._task = answer

    def finish(self) -> None:
        """The body is complete."""
        if self._chunked_answer:
            self._write(chunk(b""))
        self._done()

    def abort(self) -> None:
        """Break the connection, so that a cut answer cannot look complete."""
        if self._transport is not None:
            self._transport.abort()

    def close_when_idle(self) -> None:
        """No further request on this connection (draining)."""
        self.closing = True
        if self._state == HEAD and not self._buffer:
            self._close()

    def _connection_line(self) -> bytes:
        head = self.head
        if head is None or self.closing or not head.keep_alive:
            self.closing = True
            return b"connection: close\r\n\r\n"
        return b"\r\n" if head.http11 else b"connection: keep-alive\r\n\r\n"

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def _done(self) -> None:
        self._task = None
        self.on_writable = None
        self._chunked_answer = False
        if self._transport is None:
            return
        if self.closing:
            self._close()
            return
        self._state = HEAD
        self._deadline = -(monotonic() + self._idle_seconds)  # negative: idle, not in a head
        if self._buffer:
            asyncio.get_running_loop().call_soon(self._resume)
        elif self._stopped:
            self._resume()

    def _resume(self) -> None:
        if self._state == HEAD and self._transport is not None:
            self._advance()
            if self._stopped and self._state != CLOSED and len(self._buffer) <= _READ_AHEAD:
                self._stopped = False
                if self._transport is not None:
                    self._transport.resume_reading()

    def _close(self) -> None:
        lingers = self._state == ANSWERING and self._refused
        self._state = CLOSED
        if self._transport is None:
            return
        if lingers and self._transport.can_write_eof():
            # Unread bytes would turn close() into a reset, and the client would never see the answer.
            self._transport.write_eof()
            self._deadline = monotonic() + _LINGER_SECONDS
        else:
            self._transport.close()

    # -- time

    def _deadline_is_idle(self) -> bool:
        return self._deadline < 0

    def tick(self, now: float) -> None:
        """Called a few times a second: slow heads, slow bodies, idle connections and readers that stopped."""
        # A stream flows, for who knows how long: its head is not kept to compare with.
        if self.on_writable is not None:
            self._memory.forget()
        if self._waiting_since is not None and now - self._waiting_since > self._limits.write_seconds:
            self.abort()
        elif self._state == HEAD:
            if now > abs(self._deadline):
                if self._buffer:
                    self._bad(BadHead(408, "The request head took too long."))
                else:
                    self._close()
        elif self._state in (SIZED, CHUNKED) and (now > self._deadline or self._trickles(now)):
            self._bad(BadHead(408, "The request body stopped coming, or comes too slowly."), self.head)
        elif self._state == CLOSED and now > self._deadline:
            self.abort()

    def _trickles(self, now: float) -> bool:
        """Has the body been slower than 1 KiB a second, after 10 s of patience
        (docs/reliability-promises.md#slow-and-huge)?"""
        late = now - self._body_began - self._limits.body_grace_seconds
        return late > 0 and self._got < late * self._limits.body_rate
