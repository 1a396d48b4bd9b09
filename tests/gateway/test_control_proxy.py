"""`/ui` and `/api`, passed to the control plane: a page's stream of events stays open and costs model traffic nothing; any
other answer begins and moves in time, however long it takes. Real sockets; the control plane is scripted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvloop

from pointsman.gateway.own.control_proxy import end_event_streams, is_near
from pointsman.practice import Reply, ScriptedUpstream
from pointsman.routing.specs import UNIX, BackendSpec
from pointsman.wire.http1 import parse_head
from tests.agents.model import CHAT, JSON, WHOLE

from .plane import Plane, plane, rule

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

EVENTS = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"
)
HELLO = b"event: hello\ndata: 1\n\n"
PAGE = b"HTTP/1.1 200 OK\r\ncontent-type: text/csv\r\ncontent-length: %d\r\n\r\n"
GONE = 10.0
"""Seconds within which what must happen at once does."""


def chunked(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


@asynccontextmanager
async def served(answer: Answer, heads: list[bytes] | None = None, **limits: Any) -> AsyncIterator[Plane]:
    """A data plane whose control plane answers like this, once a connection. heads: gets what that is asked."""

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            if heads is not None:
                heads.append(head)
            await answer(reader, writer)
        finally:
            writer.close()

    async with plane(**limits) as found:
        path = found.plane.control.spec.base_url.removeprefix(UNIX)
        server = await asyncio.start_unix_server(one, path)
        try:
            yield found
        finally:
            server.close()


async def page_opens(found: Plane) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A page's stream, up to and with its first event."""
    reader, writer = await found.connect()
    writer.write(b"GET /ui/live HTTP/1.1\r\nhost: localhost\r\n\r\n")
    async with asyncio.timeout(GONE):
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"text/event-stream" in head
        await reader.readuntil(HELLO + b"\r\n")
    return reader, writer


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A hello, and nothing more until the other end goes."""
    writer.write(EVENTS + chunked(HELLO))
    await reader.read()


def test_a_page_s_stream_outlives_the_limit_of_other_answers() -> None:
    async def main() -> None:
        go_on = asyncio.Event()

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(EVENTS + chunked(HELLO))
            await go_on.wait()
            writer.write(chunked(b"data: later\n\n") + b"0\r\n\r\n")

        async with served(answer, control_seconds=0.05) as found:
            reader, writer = await page_opens(found)
            await asyncio.sleep(0.3)
            go_on.set()
            async with asyncio.timeout(GONE):
                await reader.readuntil(b"data: later\n\n\r\n0\r\n\r\n")
            writer.close()

    uvloop.run(main())


def test_an_open_page_takes_no_place_of_a_request() -> None:
    async def main() -> None:
        with ScriptedUpstream() as server:
            server.always(Reply(200, JSON, body=WHOLE[CHAT]("hello")))
            async with served(silent, max_requests=1) as found:
                spec = BackendSpec("openai/x", "openai", "x", server.url, (CHAT,), allow_http=True)
                found.rules(rule("*", "openai/x"), backends=[spec])
                writers = [(await page_opens(found))[1] for _ in range(3)]
                assert found.plane.jobs == 0
                for path in ("/v1/chat/completions", "/v1/chat/completions?full=way"):
                    got = await found.ask(
                        path, {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
                    )
                    assert got.status == 200, got.body
                for writer in writers:
                    writer.close()

    uvloop.run(main())


@pytest.mark.parametrize("how", ["told to end", "draining", "its browser leaves"])
def test_a_page_s_stream_ends_at_once(how: str) -> None:
    """And the control plane hears of it."""

    async def main() -> None:
        left = asyncio.Event()

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await silent(reader, writer)
            left.set()

        async with served(answer) as found:
            reader, writer = await page_opens(found)
            if how == "told to end":
                end_event_streams(found.plane)
            elif how == "draining":
                found.plane.draining = True
            else:
                writer.transport.abort()
            async with asyncio.timeout(GONE):
                if how != "its browser leaves":
                    assert await reader.read() == b"0\r\n\r\n"
                await left.wait()
            writer.close()

    uvloop.run(main())


def test_an_export_may_take_longer_than_any_single_silence() -> None:
    async def main() -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(PAGE % 40)
            for _ in range(40):
                await asyncio.sleep(0.02)
                writer.write(b"x")
            await reader.read()

        async with served(answer, control_seconds=0.4) as found:
            got = await found.ask("/api/usage.csv", b"", method="GET")
            assert (got.status, got.body, got.complete) == (200, b"x" * 40, True)

    uvloop.run(main())


def test_an_export_that_stops_moving_is_broken_off() -> None:
    async def main() -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(PAGE % 40 + b"xxx")
            await reader.read()

        async with served(answer, control_seconds=0.1) as found:
            got = await found.ask("/api/usage.csv", b"", method="GET")
            assert (got.status, got.complete) == (200, False)

    uvloop.run(main())


def test_a_slow_reader_holds_its_source_up_and_is_not_broken_off_for_it() -> None:
    async def main() -> None:
        size = 8 * 1024 * 1024
        sent = 0

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal sent
            writer.write(PAGE % size)
            for _ in range(size // 65536):
                writer.write(b"x" * 65536)
                await writer.drain()
                sent += 65536
            await reader.read()

        async with served(answer, control_seconds=0.2) as found:
            reader, writer = await found.connect()
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            writer.write(b"GET /api/usage.csv HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            await asyncio.sleep(0.8)
            assert sent < size
            writer.transport.resume_reading()  # type: ignore[attr-defined]
            async with asyncio.timeout(60.0):
                whole = await reader.read()
            assert len(whole.partition(b"\r\n\r\n")[2]) == size
            writer.close()

    uvloop.run(main())


def test_a_control_plane_that_does_not_begin_to_answer_is_told_in_time() -> None:
    async def main() -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()

        async with served(answer, control_seconds=0.1) as found:
            got = await found.ask("/api/status", b"", method="GET")
            assert got.status == 504
            assert got.json()["code"] == "upstream_timeout"
            assert "did not answer in time" in got.json()["detail"]

    uvloop.run(main())


@pytest.mark.parametrize(
    ("peer", "line", "near"),
    [
        (("127.0.0.1", 5000), b"", True),
        (("::1", 5000, 0, 0), b"", True),
        (("::ffff:127.0.0.1", 5000, 0, 0), b"", True),
        ("", b"", True),  # of a Unix socket
        (("192.168.1.9", 5000), b"", False),
        (("::ffff:192.168.1.9", 5000, 0, 0), b"", False),
        (("fe80::1%eth0", 5000, 0, 2), b"", False),
        (("172.17.0.1", 5000), b"", False),
        (None, b"", False),
        (("127.0.0.1", 5000), b"X-Forwarded-For: 203.0.113.7\r\n", False),
        (("127.0.0.1", 5000), b"Via: 1.1 proxy\r\n", False),
        ("", b"X-Forwarded-Proto: https\r\n", False),
    ],
    ids=str,
)
def test_only_this_machine_itself_is_near(peer: object, line: bytes, near: bool) -> None:
    head = parse_head(b"GET /ui/connect HTTP/1.1\r\nhost: localhost\r\n" + line + b"\r\n", 20)
    assert is_near(peer, head) is near


@pytest.mark.parametrize("said", [b"", b"x-pointsman-near: 1\r\n", b"X-Pointsman-Near: 0\r\nvia: 1.1 p\r\n"])
def test_the_control_plane_hears_of_it_by_our_word_alone(said: bytes) -> None:
    heads: list[bytes] = []

    async def main() -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(PAGE % 0)

        async with served(answer, heads) as found:
            reader, writer = await found.connect()
            writer.write(b"GET /ui/connect HTTP/1.1\r\nhost: localhost\r\n" + said + b"\r\n")
            async with asyncio.timeout(GONE):
                await reader.readuntil(b"\r\n\r\n")
            writer.close()

    uvloop.run(main())
    (head,) = heads
    found = [line for line in head.lower().split(b"\r\n") if line.startswith(b"x-pointsman-near")]
    assert found == ([] if b"via" in said else [b"x-pointsman-near: 1"])
