"""A server that sends exactly the bytes it is told to, and a sink that notes exactly what it is given.

Nothing of the practice server's: here bytes are wrong on purpose, in every way.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from pointsman.kinds import FallbackReason
from pointsman.routing.specs import BackendSpec
from pointsman.secret import Secret
from pointsman.upstream.backend import Backend
from pointsman.upstream.connection import UpstreamConnection
from pointsman.upstream.pool import Pool

Talk = Callable[["Talker"], Awaitable[None]]
GET = b"GET / HTTP/1.1\r\nhost: h\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Talker:
    """One accepted connection. number: the how-manieth, from 1."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        self.reader = reader
        self.writer = writer
        self.number = number
        self.heads: list[bytes] = []

    async def request(self) -> bytes:
        """The next request's head; its body is read too. Raises IncompleteReadError when the client left."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                await self.reader.readexactly(int(line.partition(b":")[2]))
        self.heads.append(head)
        return head

    async def say(self, *pieces: bytes, pause: float = 0.0) -> None:
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            await asyncio.sleep(pause)

    def reset(self) -> None:
        self.writer.transport.abort()

    async def gone(self) -> None:
        """Returns when the client has closed its side."""
        with suppress(ConnectionError):
            await self.reader.read()


class RawServer:
    """port, and how many connections it took and still has."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self.port = 0
        self.accepted = 0
        self.open = 0
        self.heads: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        self.open += 1
        talker = Talker(reader, writer, self.accepted)
        talker.heads = self.heads
        try:
            await self._talk(talker)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            with suppress(ConnectionError, ssl.SSLError):
                await writer.wait_closed()
            self.open -= 1


@asynccontextmanager
async def serving(
    talk: Talk, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[RawServer]:
    raw = RawServer(talk)
    server = await asyncio.start_server(raw.serve, host, 0, ssl=tls)
    raw.port = server.sockets[0].getsockname()[1]
    try:
        yield raw
    finally:
        server.close()
        end = time.monotonic() + 2.0
        while raw.open and time.monotonic() < end:
            await asyncio.sleep(0.005)
        assert raw.open == 0, "the client left a connection open"


def says(*pieces: bytes, close: bool = True, pause: float = 0.0) -> Talk:
    """Answers each request with these bytes, then closes or waits for the next."""

    async def talk(talker: Talker) -> None:
        while True:
            await talker.request()
            await talker.say(*pieces, pause=pause)
            if close:
                return

    return talk


def spec_of(
    port: int, *, key: str = "local/box", scheme: str = "http", host: str = "127.0.0.1", **more: Any
) -> BackendSpec:
    kind, _, name = key.partition("/")
    if more.get("api_key") is not None:
        more["api_key"] = Secret(more["api_key"])
    return BackendSpec(key=key, type=kind, name=name, base_url=f"{scheme}://{host}:{port}", **more)


def backend_of(port: int, **more: Any) -> Backend:
    return Backend(spec_of(port, **more))


class Noted:
    """A sink that keeps everything. result: "end", or (reason, detail, received)."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.length: int | None = None
        self.pieces: list[bytes] = []
        self.calls: list[str] = []
        self.done: asyncio.Future[str | tuple[FallbackReason, str, bool]] = (
            asyncio.get_running_loop().create_future()
        )

    def head(self, status: int, headers: list[tuple[bytes, bytes]], length: int | None) -> None:
        self.calls.append("head")
        self.status, self.headers, self.length = status, headers, length

    def body(self, data: bytes) -> None:
        assert data
        self.calls.append("body")
        self.pieces.append(data)

    @property
    def data(self) -> bytes:
        return b"".join(self.pieces)

    def end(self) -> None:
        self.calls.append("end")
        self.done.set_result("end")

    def failed(self, reason: FallbackReason, detail: str, received: bool) -> None:
        self.calls.append("failed")
        self.done.set_result((reason, detail, received))

    async def result(self, seconds: float = 5.0) -> str | tuple[FallbackReason, str, bool]:
        """What it came to; also that exactly one end was told, last."""
        result = await asyncio.wait_for(asyncio.shield(self.done), seconds)
        await asyncio.sleep(0)
        assert sum(call in ("end", "failed") for call in self.calls) == 1
        assert self.calls[-1] in ("end", "failed")
        assert self.calls.count("head") <= 1
        assert "body" not in self.calls or self.calls[0] == "head"
        return result


async def ask(
    pool: Pool, backend: Backend, *, data: bytes = GET, body: bytes = b"", **more: Any
) -> tuple[Noted, UpstreamConnection]:
    """One request on a kept or a fresh connection."""
    conn = pool.take(backend, False) or await pool.open(backend, False)
    sink = Noted()
    conn.send(data, body, sink, **more)
    return sink, conn


def open_files() -> int:
    return len(os.listdir("/dev/fd"))
