"""What a process serves now, and the end of one of it by the operator: the backend sees its client gone, the client is told in
its own protocol, and the usage record has a word of its own. Real sockets."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest
import uvloop

from pointsman.gateway.own.running import answer
from pointsman.link.messages import EndFound, EndQuestion, RunningFact, RunningFound, RunningQuestion
from pointsman.practice import STALL, Reply, ScriptedUpstream
from pointsman.practice.scripted import Received
from pointsman.routing.specs import BackendSpec
from tests.agents.model import CHAT, MESSAGES
from tests.conformance.facts import ASK

from .plane import Got, Plane, plane, rule
from .test_lane import chat_stream, messages_stream

PATHS = {CHAT: "/v1/chat/completions", MESSAGES: "/v1/messages"}
WAYS = {"lane": (), "full way": ("x-pointsman-no-fallback: 1",)}
SECONDS = 10.0
"""Within which what must happen at once does."""


def begun(protocol: str) -> list[Any]:
    """A stream's first events with output, and then nothing."""
    whole = chat_stream("Hel", "lo") if protocol == CHAT else messages_stream("Hel", "lo")
    events = whole.split(b"\n\n")
    return [b"\n\n".join(events[:4]) + b"\n\n", STALL]


def stalled(protocol: str, *, output: bool) -> Callable[[Received], Reply]:
    def reply(received: Received) -> Reply:
        return Reply.sse(*begun(protocol)) if output else Reply(before=[STALL])

    return reply


async def until(true: Callable[[], Any]) -> Any:
    async with asyncio.timeout(SECONDS):
        while not (found := true()):
            await asyncio.sleep(0.005)
    return found


def runs(found: Plane, most: int = 200) -> RunningFound:
    told = answer(found.plane, RunningQuestion(7, most))
    assert isinstance(told, RunningFound)
    assert told.number == 7
    return told


def end(found: Plane, request_id: str) -> bool:
    told = answer(found.plane, EndQuestion(8, request_id))
    assert isinstance(told, EndFound)
    return told.ran


def serve(found: Plane, server: ScriptedUpstream, speaks: str, **more: Any) -> None:
    spec = BackendSpec("openai/x", "openai", "x", server.url, (speaks,), allow_http=True)
    found.rules(rule("*", "openai/x", **more), backends=[spec])


async def cancelled(
    client: str, upstream: str, way: str, *, stream: bool, output: bool
) -> tuple[RunningFact, Got, Any]:
    """One request that hangs, and is ended: what was told of it while it ran, its answer, and its record."""
    with ScriptedUpstream() as server:
        server.always(stalled(upstream, output=output))
        async with plane() as found:
            serve(found, server, upstream)
            body = {"model": "m", **ASK[client], "stream": stream}
            asking = asyncio.create_task(found.ask(PATHS[client], body, "user-agent: aider/0.9", *WAYS[way]))
            one = await until(
                lambda: next((r for r in runs(found).requests if r.output is output and r.target), None)
            )
            await until(lambda: server.requests)
            assert end(found, one.id)
            async with asyncio.timeout(SECONDS):
                got = await asking
            await until(lambda: server.requests[0].client_closed_at)
            (record,) = await found.recorded()
            assert runs(found).count == 0
            assert not end(found, one.id)
            return one, got, record


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("client", PATHS)
@pytest.mark.parametrize("upstream", PATHS)
def test_a_stream_that_the_operator_cancels_breaks_off_in_its_own_protocol(
    client: str, upstream: str, way: str
) -> None:
    one, got, record = uvloop.run(cancelled(client, upstream, way, stream=True, output=True))
    assert (one.protocol, one.model, one.target, one.attempt) == (client, "m", "openai/x:m", 1)
    assert (one.client, one.stream, one.output) == ("aider", True, True)
    assert got.status == 200
    assert b"Hel" in got.body
    assert b"[DONE]" not in got.body
    assert b"message_stop" not in got.body
    assert b"cancelled this request" in got.body
    assert got.body.rstrip().rsplit(b"\n", 1)[-1].startswith(b"data: {")
    assert "error" in json.loads(got.body.rstrip().rsplit(b"data: ", 1)[-1])
    assert (record.id, record.status, record.outcome) == (one.id, 200, "cancelled")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("client", PATHS)
def test_a_request_that_is_cancelled_before_its_answer_gets_an_error_that_nobody_repeats(
    client: str, stream: bool, way: str
) -> None:
    one, got, record = uvloop.run(cancelled(client, client, way, stream=stream, output=False))
    assert got.status == 410
    assert got.headers["x-should-retry"] == "false"
    assert "cancelled this request" in got.json()["error"]["message"]
    assert (record.id, record.status, record.outcome, record.cost) == (one.id, 410, "cancelled", None)


@pytest.mark.parametrize("way", WAYS)
def test_a_request_whose_connection_is_still_being_made_ends_at_once(way: str) -> None:
    """It went on for as long as a connection may take, 5 s, and its client with it."""

    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0), backlog=0) as deaf, ExitStack() as stack:
            for _ in range(2):  # what may wait there does: the next one is not even answered
                filler = stack.enter_context(socket.socket())
                filler.setblocking(False)
                filler.connect_ex(deaf.getsockname())
            async with plane() as found:
                url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
                spec = BackendSpec("openai/x", "openai", "x", url, (CHAT,), allow_http=True)
                found.rules(rule("*", "openai/x"), backends=[spec])
                body = {"model": "m", **ASK[CHAT]}
                asking = asyncio.create_task(found.ask(PATHS[CHAT], body, *WAYS[way]))
                one = await until(lambda: next(iter(runs(found).requests), None))
                await asyncio.sleep(0.05)  # so that it is at its connection
                begun = asyncio.get_running_loop().time()
                assert end(found, one.id)
                got = await asking
                assert asyncio.get_running_loop().time() - begun < 4.0, "and a connection may take 5 s"
                assert got.status == 410
                assert "cancelled this request" in got.json()["error"]["message"]
                (record,) = await found.recorded()
                assert (record.id, record.outcome, record.cost) == (one.id, "cancelled", None)
                assert found.plane.board.backend("openai/x").in_flight == 0

    uvloop.run(main())


def test_what_waits_for_a_place_is_told_and_cancelled_and_nobody_else_is_asked() -> None:
    async def main() -> None:
        with ScriptedUpstream() as server, ScriptedUpstream() as other:
            server.always(stalled(CHAT, output=False))
            other.always(stalled(CHAT, output=False))
            async with plane() as found:
                specs = [
                    BackendSpec(
                        "openai/x", "openai", "x", server.url, (CHAT,), allow_http=True, max_in_flight=1
                    ),
                    BackendSpec("openai/y", "openai", "y", other.url, (CHAT,), allow_http=True),
                ]
                found.rules(rule("*", "openai/x", "openai/y"), backends=specs)
                body = {"model": "m", **ASK[CHAT]}
                first, second = (asyncio.create_task(found.ask(PATHS[CHAT], body)) for _ in range(2))
                await until(
                    lambda: (
                        runs(found).count == 2
                        and server.requests
                        and found.plane.board.backend("openai/x").places.queued
                    )
                )
                waiting = runs(found).requests[-1]
                assert end(found, waiting.id)
                async with asyncio.timeout(SECONDS):
                    done, _ = await asyncio.wait((first, second), return_when=asyncio.FIRST_COMPLETED)
                assert [one.result().status for one in done] == [410]
                assert not other.requests
                assert end(found, runs(found).requests[0].id)
                await asyncio.wait((first, second))
                assert {one.outcome for one in await found.recorded(2)} == {"cancelled"}

    uvloop.run(main())


def test_of_many_that_run_the_oldest_are_told_and_all_are_counted() -> None:
    async def main() -> None:
        with ScriptedUpstream() as server:
            server.always(stalled(CHAT, output=False))
            async with plane() as found:
                serve(found, server, CHAT)
                body = {"model": "m", **ASK[CHAT]}
                asking = []
                for number in range(6):
                    way = "lane" if number % 2 else "full way"
                    asking.append(asyncio.create_task(found.ask(PATHS[CHAT], body, *WAYS[way])))
                    await until(lambda: runs(found).count == len(asking))
                told = runs(found, 4)
                assert told.count == 6
                assert len(told.requests) == 4
                everyone = [one.id for one in runs(found).requests]
                assert [one.id for one in told.requests] == everyone[:4]
                for name in everyone:
                    assert end(found, name)
                await asyncio.wait(asking)
                assert not end(found, "req_nobody")

    uvloop.run(main())
