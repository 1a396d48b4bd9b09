"""The chaos proxy: one request a connection, bytes as they came in both directions but for the fault that is played.

Of the request only Host and Connection are changed (the backend must know itself, and close when it is done). Not here:
which fault (plan.py) and what it says (acts.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import ssl
import struct
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import httptools

from .acts import Act, Changed, instead
from .plan import Fault, FaultPlan, Strikes

_HEAD_BYTES = 64 * 1024
_PIECE = 64 * 1024
_HOP = re.compile(rb"^(?:host|connection|keep-alive|proxy-connection):.*\r\n", re.IGNORECASE | re.MULTILINE)


class Proxy:
    """upstream: base URL, http or https. counts: `passed`, and each fault's word -> how often."""

    def __init__(self, upstream: str, plan: FaultPlan, host: str = "127.0.0.1", port: int = 0) -> None:
        parts = urlsplit(upstream)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{upstream!r} is no URL of a backend; write http://HOST:PORT or https://HOST")
        self._tls = parts.scheme == "https"
        self._host = parts.hostname
        self._port = parts.port or (443 if self._tls else 80)
        self._authority = parts.netloc.rpartition("@")[2].encode("ascii")
        self._prefix = parts.path.rstrip("/").removesuffix("/v1").encode("ascii")
        self.plan = plan
        self.host = host
        self.port = port
        self.counts: Counter[str] = Counter()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False

    @property
    def url(self) -> str:
        """Where it listens."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    async def start(self) -> None:
        """Listen, unless the plan is to take no connections. Raises OSError."""
        if self._server is None and not self.plan.refuses:
            self._server = await asyncio.start_server(self._serve, self.host, self.port)
            self.port = self._server.sockets[0].getsockname()[1]
        elif self.port == 0:  # the port must be known though nobody listens there
            with socket.socket() as probe:
                probe.bind((self.host, 0))
                self.port = probe.getsockname()[1]

    async def play(self, plan: FaultPlan) -> None:
        """From now on this one."""
        self.plan = plan
        if plan.refuses:
            await self.stop()
        else:
            await self.start()

    async def stop(self) -> None:
        """Close the listener and every connection."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._one(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, httptools.HttpParserError):
            writer.transport.abort()
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        fault = self.plan.next()
        self.counts[fault.word if fault is not None else "passed"] += 1
        place = fault.place if fault is not None else None
        black_hole = fault is not None and fault.word == "black-hole"
        if place is Strikes.CONNECT and not black_hole:
            _reset(writer)
            return
        head = await reader.readuntil(b"\r\n\r\n")
        if black_hole:
            await _until_gone(reader)
            return
        path = head.split(b" ", 2)[1].decode("latin-1")
        if fault is not None and place is Strikes.INSTEAD:
            await _body_of(head, reader)
            writer.write(instead(fault, path))
            await writer.drain()
            return
        async with self._upstream() as (up_reader, up_writer):
            up_writer.write(self._rewritten(head))
            forwarding = asyncio.create_task(_pump(reader, up_writer))
            try:
                if fault is not None and place is Strikes.ANSWER:
                    await _changed(
                        up_reader, writer, Changed(fault, path), gzipped=fault.word == "gzip", gone=forwarding
                    )
                else:
                    await _bytes(up_reader, writer, fault, forwarding)
            finally:
                forwarding.cancel()

    def _rewritten(self, head: bytes) -> bytes:
        line, _, rest = head.partition(b"\r\n")
        method, _, target = line.partition(b" ")
        rest = _HOP.sub(b"", rest)
        return b"%b %b%b\r\nhost: %b\r\nconnection: close\r\n%b" % (
            method,
            self._prefix,
            target,
            self._authority,
            rest,
        )

    @asynccontextmanager
    async def _upstream(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        context = ssl.create_default_context() if self._tls else None
        reader, writer = await asyncio.open_connection(self._host, self._port, ssl=context, limit=_HEAD_BYTES)
        try:
            yield reader, writer
        finally:
            writer.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """The rest of the request; ends when the client has gone."""
    with contextlib.suppress(OSError):
        while data := await reader.read(_PIECE):
            writer.write(data)
            await writer.drain()


async def _until_gone(reader: asyncio.StreamReader) -> None:
    while await reader.read(_PIECE):
        pass


async def _body_of(head: bytes, reader: asyncio.StreamReader) -> None:
    """Read the request's body, so that closing does not turn the answer into a reset."""
    found = re.search(rb"\r\ncontent-length:[ \t]*(\d{1,12})\r\n", head, re.IGNORECASE)
    if found is not None:
        await reader.readexactly(int(found[1]))


async def _next(reader: asyncio.StreamReader, gone: asyncio.Task[None]) -> bytes:
    """The next piece of the answer, b"" at its end or when the client has gone."""
    reading = asyncio.ensure_future(reader.read(_PIECE))
    try:
        await asyncio.wait({reading, gone}, return_when=asyncio.FIRST_COMPLETED)
        return reading.result() if reading.done() else b""
    finally:
        reading.cancel()


async def _bytes(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, fault: Fault | None, gone: asyncio.Task[None]
) -> None:
    """The answer's bytes as they come, less what the fault takes."""
    word, number = (fault.word, fault.number) if fault is not None else ("", 0)
    passed = 0
    if word == "delay":
        await asyncio.wait({gone}, timeout=number / 1000.0)
    while data := await _next(reader, gone):
        if word.endswith("-at") and passed + len(data) >= number:
            writer.write(data[: number - passed])
            await writer.drain()
            if word == "reset-at":
                _reset(writer)
            elif word == "stall-at":
                await gone
            return
        passed += len(data)
        for piece in _pieces(data, number if word == "trickle" else 0):
            writer.write(piece)
            await writer.drain()
            if word == "trickle":
                await asyncio.sleep(len(piece) / max(1, number))


def _pieces(data: bytes, a_second: int) -> Iterable[bytes]:
    """Tenths of a second, where it is to be slow."""
    size = max(1, a_second // 10) if a_second else len(data)
    return (data[at : at + size] for at in range(0, len(data), size))


class _Answer:
    """llhttp's callbacks."""

    def __init__(self) -> None:
        self.headers: list[tuple[bytes, bytes]] = []
        self.parts: list[bytes] = []
        self.complete = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_body(self, data: bytes) -> None:
        self.parts.append(data)

    def on_message_complete(self) -> None:
        self.complete = True


_FRAMING = {b"content-length", b"transfer-encoding", b"connection", b"keep-alive"}


async def _changed(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    change: Changed,
    *,
    gzipped: bool,
    gone: asyncio.Task[None],
) -> None:
    """The answer with another body, chunked, so that a cut shows in the framing as a real one would."""
    answer = _Answer()
    parser = httptools.HttpResponseParser(answer)
    begun = False
    while not answer.complete and (data := await _next(reader, gone)):
        parser.feed_data(data)
        if not begun and (answer.parts or answer.complete):
            begun = True
            writer.write(_head(parser.get_status_code(), answer.headers, gzipped))
        parts, answer.parts = answer.parts, []
        for part in parts:
            if not await _put(writer, change.feed(part), gone):
                return
    if await _put(writer, change.end(), gone):
        writer.write(b"0\r\n\r\n")
        await writer.drain()


def _head(status: int, headers: list[tuple[bytes, bytes]], gzipped: bool) -> bytes:
    lines = [b"HTTP/1.1 %d chaos" % status]
    lines += [name + b": " + value for name, value in headers if name not in _FRAMING]
    lines += [b"transfer-encoding: chunked", b"connection: close"]
    if gzipped:
        lines.append(b"content-encoding: gzip")
    return b"\r\n".join(lines) + b"\r\n\r\n"


async def _put(writer: asyncio.StreamWriter, pieces: Iterable[bytes | Act], gone: asyncio.Task[None]) -> bool:
    """False when the answer ends here."""
    for piece in pieces:
        if piece is Act.STALL:
            await writer.drain()
            await gone
            return False
        if piece is Act.CUT:
            await writer.drain()
            return False
        assert isinstance(piece, bytes)
        if piece:
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
    await writer.drain()
    return True


def _reset(writer: asyncio.StreamWriter) -> None:
    found = writer.get_extra_info("socket")
    if found is not None:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def serve(proxy: Proxy, stopping: asyncio.Event) -> None:
    """Until told to stop."""
    await proxy.start()
    try:
        await stopping.wait()
    finally:
        await proxy.stop()


class ChaosProxy:
    """The same in a thread of its own, for tests:
    `with ChaosProxy(backend.url, FaultPlan([...])) as proxy: ... proxy.url`.
    """

    def __init__(self, upstream: str, plan: FaultPlan | None = None) -> None:
        self._proxy = Proxy(upstream, plan or FaultPlan())
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True, name="chaos")

    @property
    def url(self) -> str:
        return self._proxy.url

    @property
    def counts(self) -> Counter[str]:
        return self._proxy.counts

    def play(self, *faults: Fault, share: float = 100.0, after: int = 0) -> None:
        """From now on these; none = everything passes."""
        self._call(self._proxy.play(FaultPlan(list(faults), share, after)))

    def __enter__(self) -> ChaosProxy:
        self._thread.start()
        self._call(self._proxy.start())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._call(self._proxy.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def _call(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=10)
