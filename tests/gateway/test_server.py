"""gateway.server: framing of client connections, with a handler that only echoes. Every cut, every limit."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from itertools import pairwise
from typing import Any

import pytest
import uvloop

from pointsman.config import Limits
from pointsman.gateway.client.server import ClientConnection
from pointsman.wire.http1 import BadHead, RequestHead

from .plane import Got, got

Answer = Callable[[ClientConnection, RequestHead, bytes], Awaitable[None]]


class Echo:
    """port; what arrived, in order; how many connections there are; which answers were cancelled."""

    def __init__(self, answer: Answer | None, limits: Limits) -> None:
        self._answer = answer or self.echo
        self._limits = limits
        self.port = 0
        self.requests: list[tuple[RequestHead, bytes]] = []
        self.refused: list[BadHead] = []
        self.cancelled = 0
        self.connections: set[ClientConnection] = set()

    @staticmethod
    async def echo(client: ClientConnection, head: RequestHead, body: bytes) -> None:
        await asyncio.sleep(0)
        client.send(200, b"x-path: " + head.path.encode() + b"\r\n", body)

    def connection(self) -> ClientConnection:
        client = ClientConnection(self._limits, self.start, self.refuse, self.connections.discard)
        self.connections.add(client)
        return client

    def start(self, client: ClientConnection, head: RequestHead, body: bytes) -> asyncio.Task[None]:
        self.requests.append((head, body))

        async def run() -> None:
            try:
                await self._answer(client, head, body)
            except asyncio.CancelledError:
                self.cancelled += 1
                raise

        return asyncio.get_running_loop().create_task(run())

    def refuse(self, client: ClientConnection, error: BadHead) -> None:
        self.refused.append(error)
        client.send(error.status, b"", error.text.encode())


@asynccontextmanager
async def echoing(answer: Answer | None = None, **limits: Any) -> AsyncIterator[Echo]:
    echo = Echo(answer, Limits(**limits))
    loop = asyncio.get_running_loop()
    server = await loop.create_server(echo.connection, "127.0.0.1", 0)
    echo.port = server.sockets[0].getsockname()[1]

    async def tick_for_ever() -> None:
        while True:
            await asyncio.sleep(0.01)
            for client in list(echo.connections):
                client.tick(time.monotonic())

    ticker = loop.create_task(tick_for_ever())
    try:
        yield echo
    finally:
        ticker.cancel()
        server.close()
        for client in list(echo.connections):
            client.abort()
        await asyncio.sleep(0.01)
        assert not echo.connections


async def talk(port: int, *pieces: bytes, pause: float = 0.0, half_close: bool = False) -> bytes:
    """Everything that comes back on one connection, until the server closes it or is silent for long."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with suppress(ConnectionError):
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)
        if half_close:
            writer.write_eof()
    data = b""
    with suppress(TimeoutError, ConnectionError):
        while piece := await asyncio.wait_for(reader.read(65536), 3.0):
            data += piece
    writer.close()
    return data


def request(path: str, body: bytes = b"", *lines: str, last: bool = False, method: str = "POST") -> bytes:
    said = [f"{method} {path} HTTP/1.1", "host: h", *lines, *(["connection: close"] if last else [])]
    if body:
        said.append(f"content-length: {len(body)}")
    return "\r\n".join([*said, "", ""]).encode() + body


def chunked(path: str, *chunks: bytes, last: bool = False) -> bytes:
    raw = request(path, b"", "transfer-encoding: chunked", last=last)
    return raw + b"".join(b"%x\r\n%b\r\n" % (len(c), c) for c in chunks) + b"0\r\n\r\n"


def answers(data: bytes) -> list[Got]:
    """Sized answers that follow each other."""
    found = []
    while data:
        head, _, rest = data.partition(b"\r\n\r\n")
        size = next(
            int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")
        )
        found.append(got(head + b"\r\n\r\n" + rest[:size]))
        data = rest[size:]
    return found


# -- requests, however they are cut

THREE = request("/a", b"one") + chunked("/b", b"t", b"wo") + request("/c", b"", last=True, method="GET")


def test_pipelined_requests_are_answered_in_order() -> None:
    async def main() -> None:
        async with echoing() as echo:
            found = answers(await talk(echo.port, THREE))
            assert [(a.headers["x-path"], a.body) for a in found] == [
                ("/a", b"one"),
                ("/b", b"two"),
                ("/c", b""),
            ]
            assert "connection" not in found[0].headers
            assert found[-1].headers["connection"] == "close"

    uvloop.run(main())


def test_a_slow_answer_holds_back_the_next_request() -> None:
    running = most = 0

    async def slow(client: ClientConnection, head: RequestHead, body: bytes) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.01)
        running -= 1
        client.send(200, b"", head.path.encode())

    async def main() -> None:
        async with echoing(slow) as echo:
            found = answers(await talk(echo.port, THREE))
            assert [a.body for a in found] == [b"/a", b"/b", b"/c"]
            assert most == 1

    uvloop.run(main())


def test_every_cut_gives_the_same_requests() -> None:
    async def main() -> None:
        async with echoing() as echo:
            for place in range(1, len(THREE), 3):
                found = answers(await talk(echo.port, THREE[:place], THREE[place:]))
                assert [a.body for a in found] == [b"one", b"two", b""], place
            data = await talk(echo.port, *(THREE[i : i + 1] for i in range(len(THREE))))
            assert [a.body for a in answers(data)] == [b"one", b"two", b""]

    uvloop.run(main())


def test_blank_lines_between_requests_are_skipped() -> None:
    async def main() -> None:
        async with echoing() as echo:
            data = await talk(
                echo.port, b"\r\n" + request("/a", b"x") + b"\r\n" + request("/b", b"y", last=True)
            )
            assert [a.body for a in answers(data)] == [b"x", b"y"]

    uvloop.run(main())


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 1_000_000])
def test_bodies_of_any_size(size: int) -> None:
    async def main() -> None:
        async with echoing() as echo:
            body = bytes(i % 251 for i in range(size))
            for raw in (request("/a", body, last=True), chunked("/a", *[body] if body else [], last=True)):
                (found,) = answers(await talk(echo.port, raw))
                assert found.body == body

    uvloop.run(main())


def test_many_pipelined_requests_are_bounded_not_lost() -> None:
    async def main() -> None:
        async with echoing() as echo:
            raw = b"".join(request(f"/{i}", b"x" * 1000) for i in range(500)) + request("/end", last=True)
            found = answers(await talk(echo.port, raw))
            assert [a.headers["x-path"] for a in found] == [*(f"/{i}" for i in range(500)), "/end"]

    uvloop.run(main())


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "DELETE"])
def test_head_gets_a_length_and_no_body(method: str) -> None:
    async def main() -> None:
        async def answer(client: ClientConnection, head: RequestHead, body: bytes) -> None:
            client.send(200, b"", b"hello")

        async with echoing(answer) as echo:
            data = await talk(echo.port, request("/", last=True, method=method))
            assert b"content-length: 5\r\n" in data
            assert data.endswith(b"\r\n\r\n" if method == "HEAD" else b"hello")

    uvloop.run(main())


@pytest.mark.parametrize("status", [204, 304])
def test_statuses_without_a_body_have_no_length(status: int) -> None:
    async def main() -> None:
        async def answer(client: ClientConnection, head: RequestHead, body: bytes) -> None:
            client.send(status, b"", b"")

        async with echoing(answer) as echo:
            data = await talk(echo.port, request("/", last=True))
            assert data.startswith(b"HTTP/1.1 %d" % status)
            assert b"content-length" not in data

    uvloop.run(main())


def test_expect_continue_is_answered_once_before_the_body() -> None:
    async def main() -> None:
        async with echoing() as echo:
            reader, writer = await asyncio.open_connection("127.0.0.1", echo.port)
            writer.write(request("/", b"", "expect: 100-continue", "content-length: 2", last=True))
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            writer.write(b"ok")
            assert (await reader.read()).endswith(b"ok")
            writer.close()
            data = await talk(echo.port, request("/", b"ok", "expect: 100-continue", last=True))
            assert b"100 Continue" not in data  # the body was there already

    uvloop.run(main())


@pytest.mark.parametrize(
    ("version", "line", "kept"),
    [("1.1", "", True), ("1.1", "close", False), ("1.0", "", False), ("1.0", "keep-alive", True)],
)
def test_connections_are_kept_as_asked(version: str, line: str, kept: bool) -> None:
    async def main() -> None:
        async with echoing() as echo:
            raw = f"GET / HTTP/{version}\r\nhost: h\r\n{f'connection: {line}' + chr(13) + chr(10) if line else ''}\r\n".encode()
            reader, writer = await asyncio.open_connection("127.0.0.1", echo.port)
            for _ in range(2):
                writer.write(raw)
                head = await reader.readuntil(b"\r\n\r\n")
                assert (b"connection: close" in head) is not kept
                if not kept:
                    assert await reader.read() == b""
                    break
            assert len(echo.requests) == (2 if kept else 1)
            writer.close()

    uvloop.run(main())


def test_heads_that_are_much_alike_are_not_mixed_up() -> None:
    """A kept connection usually repeats its head but for the length; what only looks like that must be read anew."""
    dice = random.Random(1)
    shapes = [
        ("x: 1", "content-length: {n}"), ("x: 2", "content-length: {n}"), ("content-length: {n}", "x: 1"),
        ("Content-Length:{n}", "x: 1"), ("x-content-length: 1", "content-length: {n}"), ("x: 11", "content-length: {n}"),
        ("content-length: 0{n}", "x: 1"), ("x: 1", "transfer-encoding: chunked"), ("x: 1",),
    ]  # fmt: skip
    wanted: list[tuple[str, str | None, bytes]] = []
    raw = b""
    for number in range(300):
        body = b"b" * dice.choice([0, 1, 5, 9, 10, 11, 99, 100])
        shape = dice.choice(shapes)
        text = "\r\n".join([f"POST /{number % 3} HTTP/1.1", "host: h", *shape, "", ""]).format(n=len(body))
        if "chunked" in text:
            sent = (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + b"0\r\n\r\n"
        else:
            sent = body = (
                body if "ength: " in text.replace("x-content-length", "") or "Length:" in text else b""
            )
        raw += text.encode() + sent
        wanted.append(
            (f"/{number % 3}", next((line[3:] for line in shape if line.startswith("x: ")), None), body)
        )
    seen: list[tuple[str, str | None, bytes]] = []

    async def note(client: ClientConnection, head: RequestHead, body: bytes) -> None:
        value = head.get(b"x")
        seen.append((head.path, value.decode() if value is not None else None, body))
        client.send(200, b"", b"")

    async def main() -> None:
        async with echoing(note) as echo:
            await talk(echo.port, raw + request("/end", last=True))
            assert seen[:-1] == wanted

    uvloop.run(main())


# -- refused


REFUSED: list[tuple[bytes, int]] = [
    (b"GET / HTTP/1.1\r\n\r\n", 400),
    (b"nonsense\r\n\r\n", 400),
    (b"GET / HTTP/1.1\nhost: h\n\n", 400),
    (b"\n", 400),
    (b"\rGET / HTTP/1.1\r\nhost: h\r\n\r\n", 400),
    (request("/", b"", "content-length: 5", "transfer-encoding: chunked"), 400),
    (request("/", b"", "transfer-encoding: chunked") + b"zz\r\n", 400),
    (request("/", b"", "transfer-encoding: chunked") + b"7d1\r\n", 413),
    (request("/", b"", "content-length: 2001"), 413),
    (request("/", b"x" * 2001), 413),
    (request("/", b"", "x: " + "y" * 5000), 431),
    (b"GET / HTTP/1.1\r\nhost: h\r\nx: " + b"y" * 5000, 431),
    (request("/", b"", *["x: y"] * 100), 431),
    (request("/", b"", "expect: nothing"), 417),
]


@pytest.mark.parametrize(("raw", "status"), REFUSED, ids=lambda v: repr(v)[:40])
def test_what_is_refused_is_answered_and_closed(raw: bytes, status: int) -> None:
    async def main() -> None:
        async with echoing(body_bytes=2000, header_bytes=4000) as echo:
            evil = request("/evil", b"", last=True)
            data = await talk(echo.port, raw + evil)  # what follows must not be served
            (found,) = answers(data)
            assert found.status == status
            assert found.headers["connection"] == "close"
            assert echo.requests == []
            assert len(echo.refused) == 1

    uvloop.run(main())


def test_a_refusal_after_a_good_request_comes_after_its_answer() -> None:
    async def main() -> None:
        async with echoing() as echo:
            data = await talk(echo.port, request("/a", b"x") + b"GET / HTTP/1.1\r\n\r\n" + request("/evil"))
            assert [a.status for a in answers(data)] == [200, 400]
            assert len(echo.requests) == 1

    uvloop.run(main())


def test_the_answer_to_a_body_too_large_reaches_a_client_that_still_sends() -> None:
    async def main() -> None:
        async with echoing(body_bytes=1000) as echo:
            reader, writer = await asyncio.open_connection("127.0.0.1", echo.port)
            writer.write(request("/", b"", "content-length: 9000000"))
            with suppress(ConnectionError):
                for _ in range(50):
                    writer.write(b"x" * 60_000)
                    await asyncio.sleep(0)
            assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 413")
            writer.close()

    uvloop.run(main())


# -- limits of time


def test_slow_heads_bodies_and_idle_connections_end() -> None:
    async def main() -> None:
        async with echoing(header_seconds=0.15, body_idle_seconds=0.15, idle_seconds=0.15) as echo:
            slow_head, slow_body, idle, silent = await asyncio.gather(
                talk(echo.port, b"GET / HT"),
                talk(echo.port, request("/", b"", "content-length: 5") + b"he"),
                talk(echo.port, request("/a", b"x")),
                talk(echo.port),
            )
            assert slow_head.startswith(b"HTTP/1.1 408")
            assert slow_body.startswith(b"HTTP/1.1 408")
            assert [a.status for a in answers(idle)] == [200]  # and no 408: it was between requests
            assert silent == b""

    uvloop.run(main())


def test_a_head_that_trickles_has_one_limit_not_one_a_byte() -> None:
    async def main() -> None:
        async with echoing(header_seconds=0.2) as echo:
            started = time.monotonic()
            data = await talk(
                echo.port,
                *(
                    b"GET / HTTP/1.1\r\nx: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"[i : i + 1]
                    for i in range(50)
                ),
                pause=0.02,
            )
            assert data.startswith(b"HTTP/1.1 408")
            assert time.monotonic() - started < 2.0

    uvloop.run(main())


def test_a_body_that_trickles_is_served() -> None:
    async def main() -> None:
        async with echoing(body_idle_seconds=0.15) as echo:
            head, body = request("/", b"0123456789", last=True).split(b"\r\n\r\n")
            data = await talk(
                echo.port, head + b"\r\n\r\n", *(body[i : i + 1] for i in range(10)), pause=0.05
            )
            assert data.endswith(b"0123456789")

    uvloop.run(main())


# -- answers


def test_a_stream_is_chunked_and_ends_with_its_last_chunk() -> None:
    async def main() -> None:
        async def stream(client: ClientConnection, head: RequestHead, body: bytes) -> None:
            client.start(200, b"x: y\r\n", None, b"one")
            await asyncio.sleep(0)
            client.write(b"two")
            client.write(b"")  # an empty piece must not look like the end
            client.write(b"three")
            client.finish()

        async with echoing(stream) as echo:
            found = got(await talk(echo.port, request("/", last=True)))
            assert (found.body, found.complete) == (b"onetwothree", True)
            data = await talk(echo.port, b"GET / HTTP/1.0\r\n\r\n")
            assert b"chunked" not in data
            assert data.endswith(b"\r\n\r\nonetwothree")
            again = await talk(echo.port, request("/") + request("/", last=True))
            assert again.count(b"0\r\n\r\n") == 2

    uvloop.run(main())


def test_an_aborted_stream_does_not_look_complete() -> None:
    async def main() -> None:
        async def stream(client: ClientConnection, head: RequestHead, body: bytes) -> None:
            client.start(200, b"", None, b"one")
            await asyncio.sleep(0.02)
            client.abort()

        async with echoing(stream) as echo:
            assert got(await talk(echo.port, request("/"))).complete is False

    uvloop.run(main())


@pytest.mark.parametrize("leave", ["close", "reset", "half-close"])
def test_a_client_that_leaves_cancels_its_answer_at_once(leave: str) -> None:
    async def main() -> None:
        async def stalls(client: ClientConnection, head: RequestHead, body: bytes) -> None:
            client.start(200, b"", None, b"x")
            await asyncio.sleep(60)

        async with echoing(stalls) as echo:
            reader, writer = await asyncio.open_connection("127.0.0.1", echo.port)
            writer.write(request("/"))
            await reader.readuntil(b"x\r\n")
            started = time.monotonic()
            {"close": writer.close, "reset": writer.transport.abort, "half-close": writer.write_eof}[leave]()
            while not echo.cancelled:
                assert time.monotonic() - started < 0.25
                await asyncio.sleep(0.001)
            writer.close()

    uvloop.run(main())


def test_a_reader_that_stops_is_told_and_in_the_end_left() -> None:
    async def main() -> None:
        told: list[bool] = []

        async def floods(client: ClientConnection, head: RequestHead, body: bytes) -> None:
            client.on_writable = told.append
            client.start(200, b"", None)
            for _ in range(100):
                client.write(b"x" * 262_144)
                await asyncio.sleep(0)
                if told:
                    break
            await asyncio.sleep(60)

        async with echoing(floods, write_seconds=0.2) as echo:
            _, writer = await asyncio.open_connection("127.0.0.1", echo.port, limit=1024)
            writer.write(request("/"))
            started = time.monotonic()
            while not echo.cancelled:
                assert time.monotonic() - started < 3.0
                await asyncio.sleep(0.01)
            assert told == [False]
            assert time.monotonic() - started >= 0.2
            writer.transport.abort()

    uvloop.run(main())


def test_closing_when_idle_lets_an_answer_finish() -> None:
    async def main() -> None:
        async def slow(client: ClientConnection, head: RequestHead, body: bytes) -> None:
            await asyncio.sleep(0.05)
            client.send(200, b"", b"done")

        async with echoing(slow) as echo:
            idle = asyncio.ensure_future(talk(echo.port))
            busy = asyncio.ensure_future(talk(echo.port, request("/")))
            await asyncio.sleep(0.02)
            for client in list(echo.connections):
                client.close_when_idle()
            assert await idle == b""
            (found,) = answers(await busy)
            assert (found.body, found.headers["connection"]) == (b"done", "close")

    uvloop.run(main())


def test_random_cuts_of_a_long_conversation() -> None:
    dice = random.Random(4480)
    raw = b"".join(
        dice.choice(
            [
                request(f"/{i}", b"x" * dice.randrange(3000)),
                chunked(f"/{i}", b"ab", b"c" * dice.randrange(1, 900)),
            ]
        )
        for i in range(40)
    ) + request("/end", last=True)

    async def main() -> None:
        async with echoing() as echo:
            for _ in range(10):
                echo.requests.clear()
                places = sorted({0, len(raw), *(dice.randrange(len(raw)) for _ in range(60))})
                data = await talk(echo.port, *(raw[a:b] for a, b in pairwise(places)))
                assert [a.headers["x-path"] for a in answers(data)] == [*(f"/{i}" for i in range(40)), "/end"]

    uvloop.run(main())
