"""Attacks on the server that are more than one malformed head (those are in tests/e2e/test_http_corpus.py): slow ones,
large ones, many at once, tricks with 100-continue, and what stands behind an error.

After each: an innocent request is served, and nothing is left over.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pytest
import uvloop

from pointsman.practice import Reply, ScriptedUpstream
from tests.e2e.wires import CHAT
from tests.gateway.plane import Plane, plane, rule
from tests.gateway.test_translation import spec

FAST: dict[str, Any] = {
    "header_seconds": 0.3, "body_idle_seconds": 0.3, "body_grace_seconds": 0.3, "idle_seconds": 0.5,
    "body_bytes": 100_000, "write_seconds": 0.5,
}  # fmt: skip
BODY = json.dumps(CHAT.ask("m")).encode()
POST = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n"
SIZED = POST + b"content-length: %d\r\n\r\n" % len(BODY)
CHUNKED = POST + b"transfer-encoding: chunked\r\n\r\n"
LIVE = b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n"


@dataclass(frozen=True)
class Attack:
    """steps: bytes to send, or seconds to wait. statuses: of all that is answered, in order. kept: the connection stays
    open. sends may fail: whoever is refused is not listened to."""

    name: str
    steps: tuple[bytes | float, ...]
    statuses: tuple[int, ...]
    kept: bool = False


def slowly(data: bytes, pause: float, count: int) -> tuple[bytes | float, ...]:
    size = max(1, len(data) // count)
    return tuple(x for at in range(0, len(data), size) for x in (data[at : at + size], pause))


ATTACKS = [
    # -- slow
    Attack("a head byte by byte", slowly(SIZED, 0.02, len(SIZED)), (408,)),
    Attack("half a head, then silence", (SIZED[:30], 0.6), (408,)),
    Attack("silence", (0.6,), ()),
    Attack("a body byte by byte, each in time", (SIZED, *slowly(BODY, 0.1, len(BODY))), (408,)),
    Attack("chunks of one byte, each in time", (CHUNKED, *(x for _ in range(20) for x in (b"1\r\n{\r\n", 0.1))), (408,)),
    Attack("a body that stops", (SIZED, BODY[:10], 0.6), (408,)),
    Attack("a kept connection that idles", (LIVE, 0.8), (200,)),
    # -- large
    Attack("a length beyond the limit", (POST + b"content-length: 100001\r\n\r\n", b"x" * 1000), (413,)),
    Attack("chunks beyond the limit", (CHUNKED, *[b"8000\r\n" + b"x" * 0x8000 + b"\r\n"] * 5), (413,)),
    Attack("one chunk beyond the limit", (CHUNKED, b"186a1\r\n"), (413,)),
    Attack("an endless head", (POST, *[b"x-a: " + b"y" * 8000 + b"\r\n"] * 20), (431,)),
    Attack("an endless line", (b"GET /", *[b"a" * 8192] * 20), (431,)),
    Attack("a header of a million spaces", (POST + b"x-a:" + b" " * 1_000_000,), (431,)),
    Attack("an endless chunk extension", (CHUNKED, b"1;", *[b"a" * 8192] * 40), (400,)),
    Attack("a trailer bomb", (CHUNKED + b"%x\r\n%b\r\n0\r\n" % (len(BODY), BODY), *[b"x-t: " + b"y" * 8000 + b"\r\n"] * 20), (400,)),
    Attack("JSON ten thousand deep", (POST + b"content-length: 20026\r\n\r\n" + b'{"model":"m","messages":' + b"[" * 10_001 + b"]" * 10_001,), (400,), True),
    # -- behind an error nothing is answered
    Attack("a request behind a bad one", (POST + b"content-length: x\r\n\r\n" + LIVE,), (400,)),
    Attack("a request behind a body too large", (POST + b"content-length: 100001\r\n\r\n" + LIVE,), (413,)),
    Attack("a request behind a bad chunk", (CHUNKED + b"zz\r\n" + LIVE,), (400,)),
    Attack("both framings, then a request", (POST + b"content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n" + LIVE,), (400,)),
    Attack("good requests in one piece are all answered", (LIVE + SIZED + BODY + LIVE,), (200, 200, 200), True),
    Attack("a GET with a body is framed by it", (b"GET /livez HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\n\r\nhello" + LIVE,), (200, 200), True),
    # -- 100-continue
    Attack("continue is asked and given", (POST + b"content-length: %d\r\nexpect: 100-continue\r\n\r\n" % len(BODY), 0.05, BODY), (100, 200), True),
    Attack("continue is asked and not waited for", (POST + b"content-length: %d\r\nexpect: 100-continue\r\n\r\n" % len(BODY) + BODY,), (200,), True),
    Attack("continue for a body too large", (POST + b"content-length: 100001\r\nexpect: 100-continue\r\n\r\n",), (413,)),
    Attack("another expectation", (POST + b"content-length: %d\r\nexpect: cake\r\n\r\n" % len(BODY) + BODY,), (417,)),
    Attack("continue is asked and no body comes", (POST + b"content-length: %d\r\nexpect: 100-continue\r\n\r\n" % len(BODY), 0.7), (100, 408)),
    # -- half-closed and old
    Attack("http/1.0 without keep-alive", (b"GET /livez HTTP/1.0\r\nhost: localhost\r\n\r\n",), (200,)),
    Attack("empty lines before a request", (b"\r\n\r\n" + LIVE,), (200,), True),
    Attack("http/0.9", (b"GET /livez\r\n\r\n",), (400,)),
]  # fmt: skip


@asynccontextmanager
async def stage(**limits: Any) -> AsyncIterator[Plane]:
    with ScriptedUpstream() as server:
        server.always(Reply(200, {"content-type": "application/json"}, body=CHAT.answer("hello")))
        async with plane(**{**FAST, **limits}) as found:
            found.rules(rule("*", "local/box"), backends=[spec(server, "openai_chat")])
            yield found


async def innocent(found: Plane) -> None:
    got = await found.ask(CHAT.path, CHAT.ask("m"))
    assert (got.status, got.complete) == (200, True)


def statuses(data: bytes) -> tuple[int, ...]:
    return tuple(int(part[:3]) for part in data.split(b"HTTP/1.1 ")[1:])


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_is_answered_as_it_should_and_leaves_nothing(attack: Attack) -> None:
    async def main() -> None:
        async with stage() as found:
            reader, writer = await found.connect()
            seen = asyncio.create_task(read_all(reader))
            for step in attack.steps:
                if isinstance(step, float):
                    await asyncio.sleep(step)
                else:
                    with suppress(
                        ConnectionError, RuntimeError
                    ):  # uvloop raises the latter once the peer has closed
                        writer.write(step)
                        await writer.drain()
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(seen), 0.25 if attack.kept else 2.5)
            assert seen.done() is not attack.kept, "open" if not attack.kept else "closed"
            assert statuses(bytes(SEEN)) == attack.statuses, bytes(SEEN)[:300]
            writer.transport.abort()
            seen.cancel()
            await innocent(found)
            await asyncio.sleep(0.05)
            assert found.plane.jobs == 0
            assert not found.plane.ticking

    SEEN.clear()
    uvloop.run(main())


SEEN = bytearray()


async def read_all(reader: asyncio.StreamReader) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            SEEN.extend(data)


def test_one_connection_too_many_is_told_and_the_others_are_served() -> None:
    async def main() -> None:
        async with stage(max_connections=5) as found:
            held = [await found.connect() for _ in range(5)]
            await asyncio.sleep(0.05)
            reader, writer = await found.connect()
            told = await asyncio.wait_for(reader.read(), 2.0)
            assert told.startswith(b"HTTP/1.1 503 ")
            assert b"retry-after: 1\r\n" in told
            assert json.loads(told.partition(b"\r\n\r\n")[2])["error"]["message"]
            writer.close()
            for _, one in held:
                one.transport.abort()
            await asyncio.sleep(0.05)
            await innocent(found)

    uvloop.run(main())


@pytest.mark.parametrize("place", [10, len(SIZED) - 2, len(SIZED) + 5, len(SIZED) + len(BODY)])
def test_a_reset_anywhere_leaves_nothing(place: int) -> None:
    async def main() -> None:
        async with stage() as found:
            for _ in range(20):
                _, writer = await found.connect()
                writer.write((SIZED + BODY)[:place])
                await asyncio.sleep(0)
                writer.transport.abort()
            await asyncio.sleep(0.2)
            assert found.plane.jobs == 0
            assert not found.connections
            await innocent(found)

    uvloop.run(main())


def test_a_client_that_never_reads_is_let_go() -> None:
    async def main() -> None:
        with ScriptedUpstream() as server:
            big = Reply(
                200,
                {"content-type": "text/event-stream"},
                parts=[*CHAT.start(), *[CHAT.piece("x" * 60_000)] * 400],
                framing="chunked",
            )
            server.always(big)
            async with plane(**FAST) as found:
                found.rules(rule("*", "local/box"), backends=[spec(server, "openai_chat")])
                reader, writer = await found.connect()
                writer.write(
                    SIZED.replace(b"%d" % len(BODY), b"%d" % len(json.dumps(CHAT.ask("m", stream=True))))
                    + json.dumps(CHAT.ask("m", stream=True)).encode()
                )
                writer.transport.pause_reading()
                for _ in range(100):
                    await asyncio.sleep(0.05)
                    if not found.connections and not found.plane.jobs:
                        break
                assert found.plane.jobs == 0, "it holds its place for ever"
                writer.transport.abort()

    uvloop.run(main())
