"""gateway.exchange, black-box: what a client gets of an upstream's stream, cut anywhere, in any pieces, in any protocol.

The promise tested: a stream reaches the client byte for byte, and what was cut never looks like a clean end.
"""

from __future__ import annotations

import asyncio
import json
import random
from itertools import pairwise
from typing import Any

import pytest
import uvloop

from pointsman.dialects.registry import DIALECTS
from pointsman.kinds import Protocol
from pointsman.routing.specs import BackendSpec
from pointsman.wire.sse import EventSplitter, data_of
from tests.upstream.raw import Talk, Talker, says, serving, spec_of
from tests.vendor_bodies import chat, messages, responses
from tests.vendor_bodies.wire import encoded, named, sse

from .plane import HANG_SECONDS, Got, Plane, plane, rule

CHAT, RESPONSES, MESSAGES = Protocol.OPENAI_CHAT, Protocol.OPENAI_RESPONSES, Protocol.ANTHROPIC_MESSAGES
COMPLETIONS = Protocol.COMPLETIONS
PATHS = {
    CHAT: "/v1/chat/completions",
    RESPONSES: "/v1/responses",
    MESSAGES: "/v1/messages",
    COMPLETIONS: "/v1/completions",
}
ASK = {"model": "m", "stream": True}


USAGE = {"prompt_tokens": 9, "completion_tokens": 2}
COUNTED = {"input_tokens": 9, "output_tokens": 2}


def each(*events: dict[str, Any]) -> list[bytes]:
    return [named(event) for event in events]


EVENTS: dict[Protocol, list[bytes]] = {
    CHAT: [
        sse(chat.delta(role="assistant", content="")),
        sse(chat.delta(content="Hel")),
        sse(chat.delta(content="lo \u00e9")),
        sse(chat.delta("stop")),
        chat.DONE,
    ],
    COMPLETIONS: [sse(chat.text("Hel")), sse(chat.text("lo", "stop")), chat.DONE],
    RESPONSES: each(
        responses.event("created", response={"id": "r1", "object": "response"}),
        responses.event("output_text.delta", delta="Hel"),
        responses.event("output_text.delta", delta="lo"),
        responses.ended(id="r1", usage=COUNTED),
    ),
    MESSAGES: each(
        messages.started(id="m1", usage={**COUNTED, "output_tokens": 1}),
        messages.opened(0, type="text", text=""),
        messages.PING,
        messages.piece(0, **messages.text_delta("Hel")),
        messages.piece(0, **messages.text_delta("lo")),
        {"type": "content_block_stop", "index": 0},
        *messages.ended("end_turn", {"output_tokens": 2}),
    ),
}
CLEAN_ENDS = (b"[DONE]", b'"finish_reason":"stop"', b"response.completed", b"message_stop")
every_protocol = pytest.mark.parametrize("protocol", list(EVENTS))
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nx-mine: 1\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"


def framed(pieces: list[bytes], end: bool = True) -> list[bytes]:
    """The pieces as chunks of a chunked answer, its head before the first."""
    chunks = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces if piece]
    return [CHUNKED, *chunks, *([b"0\r\n\r\n"] if end else [])]


def cut(raw: bytes, places: list[int]) -> list[bytes]:
    return [raw[a:b] for a, b in pairwise([0, *sorted(places), len(raw)])]


def first_output(protocol: Protocol) -> int:
    """Bytes of the stream up to and including the first event that holds output."""
    watch = DIALECTS[protocol].seen()
    size = 0
    for event in EVENTS[protocol]:
        size += len(event)
        watch.event(event[:-2])
        if watch.output:
            return size
    raise AssertionError("no output")


def spec(port: int, name: str = "box", **more: Any) -> BackendSpec:
    dialects = tuple(protocol.value for protocol in PATHS)
    return spec_of(port, key=f"openai/{name}", dialects=dialects, **more)


async def one(
    found: Plane, talk: Talk, protocol: Protocol, body: dict[str, Any] | None = None, **more: Any
) -> Got:
    """One streaming request through the gateway to a backend that talks like that."""
    async with serving(talk) as server:
        found.rules(rule("m", "openai/box"), backends=[spec(server.port, **more)])
        return await found.ask(PATHS[protocol], body or ASK)


# -- whole streams


@every_protocol
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_a_stream_passes_byte_for_byte_in_any_pieces(protocol: Protocol, end: bytes) -> None:
    raw = b"".join(EVENTS[protocol]).replace(b"\n", end)
    dice = random.Random(protocol.value)

    async def main() -> None:
        async with plane() as found:
            for count in (0, 1, 3, 10, 60):
                pieces = cut(raw, [dice.randrange(len(raw)) for _ in range(count)])
                answer = await one(found, says(*framed(pieces)), protocol)
                assert (answer.status, answer.body, answer.complete) == (200, raw, True)
                assert answer.headers["x-mine"] == "1"
                assert answer.headers["content-type"] == "text/event-stream"
            records = await found.recorded(5)
            assert {(r.outcome, r.status, r.stream) for r in records} == {("ok", 200, True)}
            if protocol in (RESPONSES, MESSAGES):
                assert {(r.input_tokens, r.output_tokens) for r in records} == {(9, 2)}

    uvloop.run(main())


@every_protocol
def test_a_stream_that_ends_with_its_connection_passes_too(protocol: Protocol) -> None:
    raw = b"".join(EVENTS[protocol])

    async def main() -> None:
        async with plane() as found:
            answer = await one(
                found, says(HEAD.replace(b"1.1", b"1.0") + b"\r\n", raw[:50], raw[50:]), protocol
            )
            assert (answer.body, answer.complete) == (raw, True)

    uvloop.run(main())


def test_an_empty_stream_that_nobody_can_read_ends_at_once() -> None:
    """It hung until the time-out: on a path of no known protocol nothing decided that it was over."""
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 0\r\n\r\n"

    async def main() -> Got:
        async with serving(says(head)) as server, plane() as found:
            found.rules(rule("*", "openai/box"), backends=[spec(server.port)])
            return await asyncio.wait_for(found.ask("/v1/something", ASK), 5.0)

    answer = uvloop.run(main())
    assert (answer.status, answer.body, answer.complete) == (200, b"", True)


def test_comments_pings_and_unknown_events_pass() -> None:
    raw = (
        b": hello\n\n"
        + EVENTS[CHAT][0]
        + b": ping\n\nevent: new\nid: 7\nretry: 5\ndata: {}\n\n"
        + b"".join(EVENTS[CHAT][1:])
    )

    async def main() -> None:
        async with plane() as found:
            assert (await one(found, says(*framed([raw])), CHAT)).body == raw

    uvloop.run(main())


def test_a_stream_without_its_last_blank_line_passes_whole() -> None:
    raw = b"".join(EVENTS[CHAT]).removesuffix(b"\n\n")

    async def main() -> None:
        async with plane() as found:
            for tail in (b"", b"\n"):
                assert (await one(found, says(*framed([raw[:90], raw[90:] + tail])), CHAT)).body == raw + tail

    uvloop.run(main())


# -- cut streams


@every_protocol
@pytest.mark.parametrize("how", ["connection", "framing"])
def test_a_stream_cut_at_every_byte_never_looks_complete(protocol: Protocol, how: str) -> None:
    """`connection`: the answer ends where its connection does, so only the protocol can tell. `framing`: a chunk is cut."""
    raw = b"".join(EVENTS[protocol])
    commit = first_output(protocol)
    ends = [raw.find(word) for word in CLEAN_ENDS if word in raw]
    places = range(0, min(ends), 7 if how == "connection" else 11)

    async def main() -> None:
        async with plane() as found:
            for place in places:
                part = raw[:place]
                pieces = [HEAD + b"\r\n", part] if how == "connection" else framed([part], end=False)
                answer = await one(found, says(*pieces), protocol)
                if place < commit:  # nothing was committed: a plain error, whole
                    assert answer.status == 502, place
                    assert answer.complete
                    assert json.loads(answer.body)["error"]["message"]
                    continue
                assert answer.status == 200, place
                assert not any(end in answer.body for end in CLEAN_ENDS), place
                events = EventSplitter().feed(answer.body)
                whole = EventSplitter().feed(part)
                assert events[: len(whole)] == whole, place
                watch = DIALECTS[protocol].seen()
                for event in events:
                    watch.event(event)
                assert watch.error, place
                assert watch.malformed == 0, place  # an in-band error never lands in the middle of an event
            outcomes = {record.outcome for record in await found.recorded(len(places))}
            assert outcomes == {"error", "interrupted"}

    uvloop.run(main())


@pytest.mark.parametrize("how", ["connection", "framing"])
def test_an_error_after_half_of_a_large_event_is_an_event_of_its_own(how: str) -> None:
    raw = b"".join(EVENTS[CHAT][:2]) + sse(chat.delta(content="x" * 300_000))[:-500]
    pieces = [raw[i : i + 50_000] for i in range(0, len(raw), 50_000)]

    async def main() -> None:
        async with plane() as found:
            sent = [HEAD + b"\r\n", *pieces] if how == "connection" else framed(pieces, end=False)
            answer = await one(found, says(*sent), CHAT)
            watch = DIALECTS[CHAT].seen()
            for event in EventSplitter().feed(answer.body):
                watch.event(event)
            assert watch.error

    uvloop.run(main())


@every_protocol
def test_a_stream_cut_before_output_falls_back_invisibly(protocol: Protocol) -> None:
    raw = b"".join(EVENTS[protocol])
    commit = first_output(protocol)

    async def main() -> None:
        async with serving(says(*framed([raw]), close=False)) as good, plane() as found:
            for place in (0, 1, commit // 2, commit - 3, commit - 1):
                async with serving(says(*framed([raw[:place]], end=False))) as bad:
                    found.rules(
                        rule("m", "openai/bad", "openai/good"),
                        backends=[spec(bad.port, "bad"), spec(good.port, "good")],
                    )
                    answer = await found.ask(PATHS[protocol], ASK)
                    assert (answer.status, answer.body, answer.complete) == (200, raw, True), place
                    assert answer.headers["x-pointsman-target"] == "openai/good:m"
                    assert answer.headers["x-pointsman-attempts"] == "2"
                    assert answer.headers["x-pointsman-fallback"] == "upstream_error"

    uvloop.run(main())


@every_protocol
def test_after_output_no_other_target_is_tried(protocol: Protocol) -> None:
    raw = b"".join(EVENTS[protocol])

    async def main() -> None:
        async with plane() as found, serving(says(*framed([raw]))) as good:
            async with serving(says(*framed([raw[: first_output(protocol)]], end=False))) as bad:
                found.rules(
                    rule("m", "openai/bad", "openai/good"),
                    backends=[spec(bad.port, "bad"), spec(good.port, "good")],
                )
                answer = await found.ask(PATHS[protocol], ASK)
                assert answer.body.startswith(raw[: first_output(protocol)])
                assert good.accepted == 0
            (record,) = await found.recorded()
            assert (record.outcome, record.attempts, record.target) == ("interrupted", 1, "openai/bad:m")

    uvloop.run(main())


def test_a_failed_response_keeps_the_id_of_the_one_that_began() -> None:
    raw = b"".join(EVENTS[RESPONSES][:2])

    async def main() -> None:
        async with plane() as found:
            answer = await one(found, says(*framed([raw], end=False)), RESPONSES)
            last = json.loads(data_of(EventSplitter().feed(answer.body)[-1]))
            assert last["type"] == "response.failed"
            assert last["response"]["id"] == "r1"

    uvloop.run(main())


# -- the usage we asked for


CHAT_WITH_USAGE = [*EVENTS[CHAT][:-1], sse(chat.counted(USAGE)), chat.DONE]


def hidden(body: bytes) -> bytes:
    return b"".join(event + b"\n\n" for event in EventSplitter().feed(body) if b'"usage"' not in event)


@pytest.mark.parametrize("count", [0, 1, 4, 40])
def test_usage_that_only_we_asked_for_is_counted_and_hidden(count: int) -> None:
    raw = b"".join(CHAT_WITH_USAGE)
    dice = random.Random(count)

    async def main() -> None:
        async with plane() as found:
            for number in range(5):
                pieces = cut(raw, [dice.randrange(len(raw)) for _ in range(count)])
                answer = await one(found, says(*framed(pieces)), CHAT, stream_usage=True)
                assert answer.body == hidden(raw)
                assert b'"usage"' not in answer.body
                assert answer.body.endswith(b"data: [DONE]\n\n")
                record = (await found.recorded(number + 1))[-1]
                assert (record.input_tokens, record.output_tokens, record.outcome) == (9, 2, "ok")

    uvloop.run(main())


def test_usage_that_the_client_asked_for_is_not_hidden() -> None:
    raw = b"".join(CHAT_WITH_USAGE)

    async def main() -> None:
        async with plane() as found:
            body = {**ASK, "stream_options": {"include_usage": True}}
            answer = await one(found, says(*framed([raw])), CHAT, body, stream_usage=True)
            assert answer.body == raw

    uvloop.run(main())


def test_nothing_is_lost_of_a_stream_with_hidden_usage_that_lacks_its_last_blank_line() -> None:
    raw = b"".join(CHAT_WITH_USAGE).removesuffix(b"\n\n")

    async def main() -> None:
        async with plane() as found:
            for pieces in ([raw], [raw[:300], raw[300:]], [raw, b"\n"]):
                answer = await one(found, says(*framed(pieces)), CHAT, stream_usage=True)
                assert answer.body.rstrip(b"\n").endswith(b"data: [DONE]")

    uvloop.run(main())


def test_a_cut_in_a_stream_with_hidden_usage_is_told_too() -> None:
    raw = b"".join(CHAT_WITH_USAGE[:3])

    async def main() -> None:
        async with plane() as found:
            for place in range(first_output(CHAT), len(raw) + 1, 9):
                answer = await one(found, says(HEAD + b"\r\n", raw[:place]), CHAT, stream_usage=True)
                events = EventSplitter().feed(answer.body)
                watch = DIALECTS[CHAT].seen()
                for event in events:
                    watch.event(event)
                assert watch.error
                assert watch.malformed == 0

    uvloop.run(main())


# -- whole answers


@pytest.mark.parametrize("size", [0, 10, 200_000, 300_000, 2_000_000])
def test_a_whole_answer_passes_byte_for_byte(size: int) -> None:
    body = encoded(chat.whole({"content": "hi"}, usage=USAGE, x="y" * size))
    answers = [
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body,
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n" + body,
    ]  # fmt: skip

    async def main() -> None:
        async with plane() as found:
            for raw in answers:
                answer = await one(found, says(raw), CHAT, {"model": "m"})
                assert (answer.status, answer.body, answer.complete) == (200, body, True)

    uvloop.run(main())


@pytest.mark.parametrize("size", [1000, 600_000])
def test_a_whole_answer_that_is_cut_never_looks_whole(size: int) -> None:
    body = encoded(chat.whole({"content": "hi"}, x="y" * size))
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)

    async def main() -> None:
        async with plane() as found:
            for place in (0, 1, len(body) // 2, len(body) - 1):
                answer = await one(found, says(head + body[:place]), CHAT, {"model": "m"})
                assert answer.status == 502 or not answer.complete

    uvloop.run(main())


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty"),
        (b"  \n", "empty"),
        (b"<html>", "malformed"),
        (b"null", "malformed"),
        (b'{"error":{"message":"x"}}', "upstream_error"),
    ],
)
def test_a_200_that_is_no_answer_falls_back(body: bytes, reason: str) -> None:
    good = b'{"object":"chat.completion","choices":[{"message":{"content":"hi"}}]}'

    def sized(body: bytes) -> bytes:
        return (
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
            + body
        )

    async def main() -> None:
        async with plane() as found, serving(says(sized(body))) as bad, serving(says(sized(good))) as fine:
            found.rules(
                rule("m", "openai/bad", "openai/fine"),
                backends=[spec(bad.port, "bad"), spec(fine.port, "fine")],
            )
            answer = await found.ask(PATHS[CHAT], {"model": "m"})
            assert (answer.body, answer.headers["x-pointsman-fallback"]) == (good, reason)

    uvloop.run(main())


# -- slow clients and upstreams


def test_a_slow_client_slows_the_upstream() -> None:
    sent = 0

    async def floods(talker: Talker) -> None:
        nonlocal sent
        await talker.request()
        await talker.say(CHUNKED)
        for _ in range(2000):
            piece = sse(chat.delta(content="x" * 20_000))
            await talker.say(b"%x\r\n%b\r\n" % (len(piece), piece))
            sent += len(piece)

    async def main() -> None:
        async with plane() as found, serving(floods) as server:
            found.rules(rule("m", "openai/box"), backends=[spec(server.port)])
            _, writer = await asyncio.open_connection("127.0.0.1", found.port, limit=1024)
            body = json.dumps(ASK).encode()
            writer.write(
                b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n"
                % len(body)
                + body
            )
            last = -1
            for _ in range(100):
                await asyncio.sleep(0.05)
                if sent and sent == last:
                    break
                last = sent
            assert 0 < sent < 30_000_000  # the kernel's buffers on both sides, not all of it
            writer.transport.abort()

    uvloop.run(main())


def test_pieces_reach_the_client_as_they_come() -> None:
    async def main() -> None:
        release = asyncio.Event()

        async def steps(talker: Talker) -> None:
            await talker.request()
            await talker.say(*framed([b"".join(EVENTS[CHAT][:2])], end=False))
            await release.wait()
            await talker.say(*framed([b"".join(EVENTS[CHAT][2:])])[1:])

        async with plane() as found, serving(steps) as server:
            found.rules(rule("m", "openai/box"), backends=[spec(server.port)])
            reader, writer = await found.connect()
            body = json.dumps(ASK).encode()
            writer.write(
                b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n"
                % len(body)
                + body
            )
            await asyncio.wait_for(reader.readuntil(b'"Hel"'), HANG_SECONDS)
            release.set()
            await asyncio.wait_for(reader.readuntil(b"0\r\n\r\n"), HANG_SECONDS)
            writer.close()

    uvloop.run(main())
