"""A stream's end, and what comes after it: a backend that stays on the line, breaks, talks on, or ends inside an event.
Users saw complete answers told as failed, and clients held for two minutes after the last word."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
import uvloop

from pointsman.ledger.records import UsageRecord
from pointsman.practice import CUT, RESET, STALL, Pause, Reply, ScriptedUpstream
from tests.agents.model import CHAT, JSON, MESSAGES, RESPONSES, SSE, STREAM, WHOLE
from tests.nobody import asks_nobody
from tests.vendor_bodies import chat, responses
from tests.vendor_bodies.wire import sse

from .plane import Got, plane, rule
from .test_translation import CLEAN, PATHS, ask, spec, text_of

COMPLETIONS = "completions"
WHERE = {**PATHS, COMPLETIONS: "/v1/completions"}
PAIRS = [(client, upstream) for client in PATHS for upstream in PATHS] + [(COMPLETIONS, COMPLETIONS)]
pairs = pytest.mark.parametrize(("client", "upstream"), PAIRS)
PROMPT_SECONDS = 20.0
"""Far less than the 120 s of silence that a stream may have, far more than a crowded machine takes."""
SAID: dict[str, bytes] = {name: STREAM[name]("hello there") for name in PATHS} | {
    COMPLETIONS: chat.stream(chat.text("hello"), chat.text(" there", "stop"))
}
AFTER = {
    CHAT: sse(chat.delta(content=" and more")) + chat.DONE,
    COMPLETIONS: sse(chat.text(" and more", "stop")),
    RESPONSES: sse(responses.event("output_text.delta", delta=" and more", item_id="msg_1")),
    MESSAGES: b'event: error\ndata: {"type":"error","error":{"type":"api_error","message":"and more"}}\n\n',
}


def run(
    client: str, upstream: str, reply: Reply, *, times: int = 1, whole: bool = False
) -> tuple[list[Got], list[UsageRecord], int]:
    """So many requests; also the connections that the backend saw."""

    async def main() -> tuple[list[Got], list[UsageRecord], int]:
        with ScriptedUpstream() as server:
            server.always(reply)
            async with plane() as found:
                asks_nobody(found.plane)
                speaks = upstream if upstream != COMPLETIONS else None
                found.rules(rule("*", "local/box"), backends=[spec(server, speaks)])
                body = {"model": "m", "prompt": "p"} if client == COMPLETIONS else ask(client)
                got = []
                for _ in range(times):
                    got.append(await found.ask(WHERE[client], {**body, "stream": not whole}))
                    await asyncio.sleep(0.5 if times > 1 else 0.0)
                return got, await found.recorded(times), server.connections

    return uvloop.run(main())


def streamed(*parts: Any, framing: Any = "chunked") -> Reply:
    return Reply(200, SSE, parts=list(parts), framing=framing)


def is_whole(got: Got, client: str) -> None:
    end = b"[DONE]" if client == COMPLETIONS else CLEAN[client]
    assert got.complete
    assert end in got.body
    assert b"there" in got.body
    assert b'"error":{' not in got.body.replace(b" ", b"")


@pairs
@pytest.mark.parametrize("after", [STALL, CUT, RESET], ids=lambda one: one.value)
def test_whatever_a_backend_does_after_its_last_word_its_answer_is_whole(
    client: str, upstream: str, after: Any
) -> None:
    begun = time.monotonic()
    (got,), (record,), _ = run(client, upstream, streamed(SAID[upstream], Pause(0.05), after))
    is_whole(got, client)
    assert record.outcome == "ok"
    assert time.monotonic() - begun < PROMPT_SECONDS


@pytest.mark.parametrize("client", PATHS)
@pytest.mark.parametrize("after", [STALL, CUT, RESET], ids=lambda one: one.value)
def test_a_reason_to_stop_without_a_last_word_is_an_end_too(client: str, after: Any) -> None:
    begun = time.monotonic()
    raw = chat.stream(chat.delta(content="hello there"), chat.delta("stop"), done=False)
    (got,), (record,), _ = run(client, CHAT, streamed(raw, Pause(0.05), after))
    assert got.complete
    assert b"there" in got.body
    assert b'"error":{' not in got.body.replace(b" ", b"")
    assert client == CHAT or CLEAN[client] in got.body
    assert record.outcome == "ok"
    assert time.monotonic() - begun < PROMPT_SECONDS


@pytest.mark.parametrize("client", PATHS)
@pytest.mark.parametrize("after", [STALL, RESET], ids=lambda one: one.value)
def test_an_error_that_a_backend_tells_is_the_end_and_told_once(client: str, after: Any) -> None:
    begun = time.monotonic()
    raw = chat.stream(chat.delta(content="hello"), {"error": {"message": "GPU fell off"}}, done=False)
    (got,), (record,), _ = run(client, CHAT, streamed(raw, Pause(0.05), after))
    assert 1 <= got.body.count(b"GPU fell off") <= 3, "Responses has three places for it"
    assert b"in the middle" not in got.body
    assert record.outcome == "interrupted"
    assert time.monotonic() - begun < PROMPT_SECONDS


@pairs
def test_nothing_after_the_last_word_reaches_a_client(client: str, upstream: str) -> None:
    (got,), _, _ = run(client, upstream, streamed(SAID[upstream], Pause(0.1), AFTER[upstream]))
    is_whole(got, client)
    assert b"and more" not in got.body


@pytest.mark.parametrize("upstream", PATHS)
def test_whole_answers_made_of_a_stream_do_not_wait_for_its_connection(upstream: str) -> None:
    """Asked for as a stream, because the backend's own client of whole answers cannot leave."""
    begun = time.monotonic()
    client = MESSAGES if upstream != MESSAGES else CHAT
    (got,), _, _ = run(client, upstream, streamed(SAID[upstream], STALL))
    is_whole(got, client)
    assert time.monotonic() - begun < PROMPT_SECONDS


@pairs
def test_a_connection_whose_answer_ends_a_moment_later_serves_again(client: str, upstream: str) -> None:
    reply = streamed(SAID[upstream], Pause(0.05))
    got, _, connections = run(client, upstream, reply, times=3)
    for one in got:
        is_whole(one, client)
    assert connections <= 2, "one for the requests, one for what was asked about the server"


@pytest.mark.parametrize("client", PATHS)
@pytest.mark.parametrize("framing", ["chunked", "close"])
def test_half_an_event_at_the_end_reaches_nobody(client: str, framing: str) -> None:
    half = b'{"usage":{"prompt_tok'
    raw = chat.stream(chat.delta(content="hello there"), chat.delta("stop"), done=False) + b"data: " + half
    (got,), (record,), _ = run(client, CHAT, streamed(raw, framing=framing))
    assert got.complete
    assert half not in got.body
    assert record.outcome == "ok"
    raw = sse(chat.delta(content="hello there")) + b'data: {"choices":[{"ind'
    (got,), (record,), _ = run(client, CHAT, streamed(raw, framing=framing))
    assert b'"ind' not in got.body.replace(b'"index"', b"")
    assert b'"error"' in got.body
    assert record.outcome == "interrupted"


@pytest.mark.parametrize("status", [206, 304])
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("client", PATHS)
def test_a_part_or_you_have_it_is_no_answer(client: str, stream: bool, status: int) -> None:
    async def main() -> Got:
        with ScriptedUpstream() as server, ScriptedUpstream() as spare:
            body = b"" if status == 304 else WHOLE[client]("half")
            server.always(Reply(status, JSON, body=body))
            good = (
                streamed(STREAM[client]("all rescued"))
                if stream
                else Reply(200, JSON, body=WHOLE[client]("rescued"))
            )
            spare.always(good)
            async with plane() as found:
                backends = [spec(server, client), spec(spare, client, "spare")]
                found.rules(rule("*", "local/box", "local/spare"), backends=backends)
                return await found.ask(PATHS[client], ask(client, stream=stream))

    got = uvloop.run(main())
    assert got.status == 200
    assert got.headers["x-pointsman-target"] == "local/spare:m"
    assert got.headers["x-pointsman-fallback"] == "malformed"


@pytest.mark.parametrize("client", PATHS)
@pytest.mark.parametrize("whole", [False, True])
def test_output_that_stands_in_the_last_event_alone_is_an_answer(client: str, whole: bool) -> None:
    item = responses.message("all of it")
    raw = sse(
        responses.event("created", response={"id": "r1", "object": "response", "status": "in_progress"})
    )
    raw += sse(responses.ended(id="r1", output=[item], usage={"input_tokens": 3, "output_tokens": 4}))
    (got,), (record,), _ = run(client, RESPONSES, streamed(raw), whole=whole and client != RESPONSES)
    assert b"all of it" in got.body
    assert (record.outcome, record.output_tokens) == ("ok", 4)
    if whole and client != RESPONSES:
        assert text_of(client, got.json()) == "all of it"
