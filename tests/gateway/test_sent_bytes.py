"""What a backend was given of a request, as its record says it and as somebody counts it who listens on the wire
between them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvloop

from pointsman.ledger.records import UsageRecord
from pointsman.practice import CUT, STALL, Pause, Reply, ScriptedUpstream
from pointsman.routing.specs import BackendSpec
from tests.agents.model import CHAT, JSON, MESSAGES, RESPONSES, SSE

from .plane import Plane, plane, rule
from .test_costs import FAILS, FULL, STREAM, whole
from .test_media import KIND, answer_of, form
from .test_translation import PATHS, ask


@dataclass
class Wire:
    """Between the gateway and one server. sizes: of each request, head and body, as they passed; but for the gateway's own
    questions."""

    url: str = ""
    sizes: list[int] = field(default_factory=list)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
        back_reader, back = await asyncio.open_connection("127.0.0.1", port)
        task = asyncio.get_running_loop().create_task(_pipe(back_reader, writer))
        self._tasks.add(task)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                lines = head.lower().split(b"\r\n")
                length = next((int(one[15:]) for one in lines if one.startswith(b"content-length:")), 0)
                own = head.startswith(b"GET /v1/models")
                if not own:
                    self.sizes.append(len(head))
                back.write(head)
                while length:
                    piece = await reader.read(min(length, 65536))
                    if not piece:
                        return
                    length -= len(piece)
                    self.sizes[-1] += len(piece)
                    back.write(piece)
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            back.close()
            task.cancel()
            writer.close()


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(65536):
        writer.write(piece)
    writer.close()


@asynccontextmanager
async def tapped(*steps: Any) -> AsyncIterator[list[Wire]]:
    """A wire to a server of each step's answer."""
    async with AsyncExitStack() as stack:
        wires = []
        for step in steps:
            server, wire = stack.enter_context(ScriptedUpstream()), Wire()
            server.always(step)

            def carry(
                reader: asyncio.StreamReader,
                writer: asyncio.StreamWriter,
                wire: Wire = wire,
                port: int = server.port,
            ) -> Awaitable[None]:
                return wire.carry(reader, writer, port)

            listening = await asyncio.start_server(carry, "127.0.0.1", 0)
            stack.callback(listening.close)
            wire.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
            wires.append(wire)
        yield wires


def cloud(wire: Wire, name: str, protocol: str = CHAT) -> BackendSpec:
    return BackendSpec(
        f"openai/{name}", "openai", name, wire.url, (protocol,), stream_usage=True, allow_http=True
    )


def box(wire: Wire, **more: Any) -> BackendSpec:
    return BackendSpec("local/box", "local", "box", wire.url, (CHAT,), stream_usage=True, **more)


def run(work: Callable[[], Awaitable[None]]) -> None:
    uvloop.run(work())  # type: ignore[arg-type]


async def records(found: Plane, many: int) -> list[UsageRecord]:
    """In the order in which targets were asked."""
    await found.recorded()
    assert len(found.records) == many
    return sorted(found.records, key=lambda one: one.attempt)


@pytest.mark.parametrize("headers", [(), FULL], ids=["lane", "full way"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("client", [CHAT, MESSAGES], ids=["as it is", "translated"])
@pytest.mark.parametrize("more", [{}, {"connection": "close"}], ids=["kept", "new connections"])
def test_a_request_s_record_has_what_was_on_the_wire(
    client: str, stream: bool, headers: tuple[str, ...], more: dict[str, str]
) -> None:
    reply = Reply(200, JSON | more, body=whole().body)
    if stream:
        reply = Reply(200, SSE | more, parts=STREAM[CHAT], framing="chunked")

    async def work() -> None:
        async with tapped(reply) as (wire,), plane() as found:
            found.rules(rule("*", "openai/a=elsewhere"), backends=[cloud(wire, "a")])
            for number in range(1, 4):  # the plan is known from the second on
                body = ask(client, stream=stream, metadata={"user_id": "u" * 1000 * number})
                assert (await found.ask(PATHS[client], body, *headers)).status == 200
                await found.recorded(number)
            assert [one.sent_bytes for one in found.records] == wire.sizes
            assert wire.sizes == sorted(set(wire.sizes)), "each is longer than the one before"
            assert found.lanes == (0 if headers else 2)

    run(work)


@pytest.mark.parametrize("headers", [(), ("accept: text/plain",)], ids=["alike", "varying"])
def test_each_target_s_record_has_what_that_one_was_given(headers: tuple[str, ...]) -> None:
    async def work() -> None:
        async with tapped(FAILS, whole()) as (bad, good), plane() as found:
            found.rules(rule("*", "openai/a", "openai/b"), backends=[cloud(bad, "a"), cloud(good, "b")])
            assert (await found.ask(PATHS[CHAT], ask(CHAT), *headers)).status == 200
            first, own = await records(found, 2)
            assert (first.target, own.target) == ("openai/a:m", "openai/b:m")
            assert ([first.sent_bytes], [own.sent_bytes]) == (bad.sizes, good.sizes)

    run(work)


def test_nothing_was_given_where_there_was_no_connection() -> None:
    async def work() -> None:
        async with tapped(whole()) as (good,), plane() as found:
            nowhere = cloud(Wire("http://127.0.0.1:9"), "a")
            found.rules(rule("*", "openai/a", "openai/b"), backends=[nowhere, cloud(good, "b")])
            assert (await found.ask(PATHS[CHAT], ask(CHAT))).status == 200
            first, own = await records(found, 2)
            assert (first.sent_bytes, [own.sent_bytes]) == (0, good.sizes)
            found.records.clear()
            found.rules(rule("*", "openai/a"), backends=[nowhere])
            assert (await found.ask(PATHS[CHAT], ask(CHAT))).status >= 500
            await found.recorded()
            assert {one.sent_bytes for one in found.records} == {0}

    run(work)


def test_what_is_sent_out_once_more_counts_both_times() -> None:
    kept: list[int] = []

    def answer(received: Any) -> Reply:
        if received.connection in kept:  # it has served before, and its server closes it without a word
            return Reply(before=[CUT])
        kept.append(received.connection)
        return whole()

    async def work() -> None:
        async with tapped(answer) as (wire,), plane() as found:
            found.rules(rule("*", "openai/a"), backends=[cloud(wire, "a")])
            for number in (1, 2):
                got = await found.ask(PATHS[CHAT], ask(CHAT))
                await found.recorded(number)
            assert got.headers["x-pointsman-attempts"] == "2"
            first, again = found.records
            assert (first.sent_bytes, again.sent_bytes) == (wire.sizes[0], sum(wire.sizes[1:]))
            assert len(wire.sizes) == 3

    run(work)


def test_an_upload_counts_and_so_does_a_large_body() -> None:
    path = "/v1/audio/transcriptions"
    sound = bytes(range(256)) * 2000

    async def work() -> None:
        async with tapped(answer_of(path)) as (wire,), plane() as found:
            found.rules(rule("*", "openai/a"), backends=[cloud(wire, "a")])
            body = form("w", sound=sound)
            assert (await found.ask(path, body, KIND)).status == 200
            (one,) = await records(found, 1)
            assert [one.sent_bytes] == wire.sizes
            assert one.sent_bytes is not None
            assert len(body) < one.sent_bytes < len(body) + 2000

    run(work)


def test_what_has_no_body_has_a_head() -> None:
    """An answer that its backend keeps, asked for again and deleted."""

    async def work() -> None:
        async with tapped(whole(RESPONSES)) as (wire,), plane() as found:
            found.rules(rule("*", "openai/a"), backends=[cloud(wire, "a", RESPONSES)])
            made = await found.ask(PATHS[RESPONSES], ask(RESPONSES))
            path = f"{PATHS[RESPONSES]}/{made.json()['id']}"
            for number, method in enumerate(("GET", "DELETE"), 2):
                assert (await found.ask(path, b"", method=method)).status == 200
                await found.recorded(number)
            assert [one.sent_bytes for one in found.records] == wire.sizes
            assert wire.sizes[0] > max(wire.sizes[1:]) > min(wire.sizes[1:]) > len(path)

    run(work)


def test_a_client_that_leaves_takes_nothing_of_it_back() -> None:
    async def work() -> None:
        async with (
            tapped(Reply(200, SSE, parts=[*STREAM[CHAT][:1], STALL], framing="chunked")) as (wire,),
            plane() as found,
        ):
            found.rules(rule("*", "openai/a"), backends=[cloud(wire, "a")])
            body = json.dumps(ask(CHAT, stream=True)).encode()
            _, writer = await found.connect()
            head = f"POST {PATHS[CHAT]} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body)
            while not wire.sizes:
                await asyncio.sleep(0.002)
            writer.close()
            (one,) = await records(found, 1)
            assert [one.sent_bytes] == wire.sizes

    run(work)


def test_who_is_told_another_s_answer_has_sent_nothing() -> None:
    async def work() -> None:
        async with (
            tapped(Reply(200, JSON, body=whole().body, before=[Pause(0.2)])) as (wire,),
            plane() as found,
        ):
            found.rules(rule("*", "openai/a"), backends=[cloud(wire, "a")])
            word = "idempotency-key: once"
            await asyncio.gather(*[found.ask(PATHS[CHAT], ask(CHAT), word) for _ in range(2)])
            told = {one.joined: one.sent_bytes for one in await found.recorded(2)}
            assert told == {False: wire.sizes[0], True: 0}
            assert len(wire.sizes) == 1

    run(work)


def test_a_hedge_is_given_it_too() -> None:
    async def work() -> None:
        async with tapped(Reply(before=[STALL]), whole()) as (slow, quick), plane() as found:
            backends = [cloud(slow, "a"), cloud(quick, "b")]
            found.rules(rule("*", "openai/a", "openai/b", hedge_seconds=0.05), backends=backends)
            assert (await found.ask(PATHS[CHAT], ask(CHAT))).status == 200
            first, own = await records(found, 2)
            assert (first.target, own.target) == ("openai/a:m", "openai/b:m")
            assert ([first.sent_bytes], [own.sent_bytes]) == (slow.sizes, quick.sizes)

    run(work)


def test_what_a_local_server_counts_tokens_of_was_given_to_it() -> None:
    def answer(received: Any) -> Reply:
        if received.path != "/tokenize":
            return Reply(404, JSON, body=b"{}")
        return Reply(200, JSON, body=b'{"count": 5, "max_model_len": 4096, "tokens": [1]}')

    async def work() -> None:
        async with tapped(answer) as (wire,), plane() as found:
            found.rules(rule("*", "local/box"), backends=[box(wire)])
            got = await found.ask("/v1/messages/count_tokens", ask(MESSAGES))
            assert got.json() == {"input_tokens": 5}
            (one,) = await records(found, 1)
            assert wire.sizes
            assert one.sent_bytes == sum(wire.sizes)

    run(work)
