"""A plain request that finds no idle connection: its lane waits for one, and gives what goes wrong to the full way."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from tests.upstream.certificates import authority_file, server_context
from tests.upstream.raw import Talker, says, serving, spec_of
from tests.vendor_bodies import chat

from .plane import HANG_SECONDS, Plane, plane, rule

ASK: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
STREAM = ASK | {"stream": True}
PATH = "/v1/chat/completions"
_WHOLE = json.dumps(chat.whole_of("Hello")).encode()
WHOLE = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
    len(_WHOLE), _WHOLE,
)  # fmt: skip
_BEGIN, _LAST = chat.stream(chat.headed(chat.delta(content="word")), chat.headed(chat.delta("stop"))).split(
    b"\n\n", 1
)
BEGUN = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    b"%x\r\n%b\n\n\r\n" % (len(_BEGIN) + 2, _BEGIN)
)
LAST = b"%x\r\n%b\r\n0\r\n\r\n" % (len(_LAST), _LAST)
CHAT = {"dialects": ("openai_chat",)}
A, B = "openai/a", "openai/b"  # local ones are asked for their models, too


async def until(check: Any, what: str) -> None:
    async with asyncio.timeout(HANG_SECONDS):
        while not check():
            await asyncio.sleep(0.005)
    assert check(), what


async def begin_stream(gateway: Plane) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """One whose first word has come."""
    reader, writer = await gateway.connect()
    body = json.dumps(STREAM).encode()
    writer.write(
        b"POST %b HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n%b"
        % (PATH.encode(), len(body), body)
    )
    async with asyncio.timeout(HANG_SECONDS):
        await reader.readuntil(b"word")
    return reader, writer


def test_each_of_many_streams_has_its_lane() -> None:
    async def run() -> None:
        ending = asyncio.Event()

        async def talk(talker: Talker) -> None:
            while True:
                head = await talker.request()
                if len(talker.heads) == 1:
                    await talker.say(WHOLE)
                    continue
                assert head
                await talker.say(BEGUN)
                await ending.wait()
                await talker.say(LAST)

        async with serving(talk) as server, plane() as gateway:
            gateway.rules(rule("m", f"{A}=m"), backends=[spec_of(server.port, key=A, **CHAT)])
            assert (await gateway.ask(PATH, ASK)).status == 200
            assert gateway.lanes == 0  # nothing was known of the backend
            streams = [await begin_stream(gateway) for _ in range(5)]
            assert gateway.lanes == 5
            assert server.accepted == 5
            ending.set()
            for reader, writer in streams:
                assert b"[DONE]" in await reader.readuntil(b"0\r\n\r\n")
                writer.close()
            assert [record.outcome for record in await gateway.recorded(6)] == ["ok"] * 6

    asyncio.run(run())


def test_where_none_can_be_made_the_full_way_goes_on() -> None:
    async def run() -> None:
        async with serving(says(WHOLE, close=False)) as second, plane() as gateway:
            async with serving(says(WHOLE)) as first:
                backends = [
                    spec_of(first.port, key=A, **CHAT),
                    spec_of(second.port, key=B, **CHAT),
                ]
                gateway.rules(rule("m", f"{A}=m", f"{B}=m"), backends=backends)
                assert (await gateway.ask(PATH, ASK)).headers["x-pointsman-target"] == "openai/a:m"
            answer = await gateway.ask(PATH, ASK)
            assert gateway.lanes == 1
            assert answer.status == 200
            assert answer.headers["x-pointsman-target"] == "openai/b:m"
            assert answer.headers["x-pointsman-attempts"] == "2"
            assert answer.headers["x-pointsman-fallback"] == "connect"
            assert gateway.plane.board.backend(A).in_flight == 0
            assert [record.outcome for record in await gateway.recorded(2)] == ["ok", "ok"]

    asyncio.run(run())


def test_who_leaves_before_there_is_one_leaves_nothing_behind(tmp_path: Path) -> None:
    tls = server_context(tmp_path)

    async def talk(talker: Talker) -> None:
        if talker.number > 1:  # TLS is never begun
            await talker.gone()
            return
        await talker.writer.start_tls(tls)
        await talker.request()
        await talker.say(WHOLE)
        await talker.request()
        await talker.say(BEGUN)
        await talker.gone()

    async def run() -> None:
        async with serving(talk) as server, plane() as gateway:
            spec = spec_of(
                server.port,
                key=A,
                scheme="https",
                host="localhost",
                ca_file=str(authority_file(tmp_path)),
                **CHAT,
            )
            gateway.rules(rule("m", f"{A}=m"), backends=[spec])
            assert (await gateway.ask(PATH, ASK)).status == 200
            _, first = await begin_stream(gateway)
            _, second = await gateway.connect()
            body = json.dumps(STREAM).encode()
            second.write(
                b"POST %b HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n%b"
                % (PATH.encode(), len(body), body)
            )
            await until(lambda: server.accepted == 2, "it is being made")
            assert gateway.lanes == 2
            second.close()
            await until(lambda: server.open == 1, "it is given up")
            await until(lambda: gateway.plane.jobs == 1, "the request is over")
            assert gateway.plane.board.backend(A).in_flight == 1
            assert [record.outcome for record in await gateway.recorded(2)] == ["ok", "aborted"]
            first.close()
            await until(lambda: gateway.plane.jobs == 0, "the other one, too")

    asyncio.run(run())
