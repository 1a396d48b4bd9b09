"""Translation, black-box: a client of one protocol, a scripted backend of another, real sockets between.

What an answer's text, calls and usage become is in tests/conformance; here is what surrounds it: errors, cuts,
fallback across protocols, warnings, counting, and what a client's next turn brings back.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvloop

from pointsman.practice import CUT, STALL, Pause, Received, Reply, ScriptedUpstream
from pointsman.routing.specs import BackendSpec
from pointsman.wire.key_mask import KeyMask
from tests.agents.model import CHAT, JSON, MESSAGES, RESPONSES, SSE, STREAM, WHOLE, Call
from tests.conformance.facts import ASK
from tests.vendor_bodies import chat as bodies
from tests.vendor_bodies.wire import encoded

from .plane import HANG_SECONDS, Got, Plane, plane, rule

PATHS = {CHAT: "/v1/chat/completions", RESPONSES: "/v1/responses", MESSAGES: "/v1/messages"}
PAIRS = [(client, upstream) for client in PATHS for upstream in PATHS if client != upstream]
CLEAN = {CHAT: b"[DONE]", RESPONSES: b"response.completed", MESSAGES: b"message_stop"}
across = pytest.mark.parametrize(("client", "upstream"), PAIRS, ids=lambda value: value)


def spec(server: ScriptedUpstream, upstream: str | None, name: str = "box", **more: Any) -> BackendSpec:
    dialects = (upstream,) if upstream else None
    return BackendSpec(
        key=f"local/{name}",
        type="local",
        name=name,
        base_url=server.url,
        dialects=dialects,
        stream_usage=True,
        **more,
    )


@asynccontextmanager
async def stage(server: ScriptedUpstream, upstream: str | None, **limits: Any) -> AsyncIterator[Plane]:
    async with plane(**limits) as found:
        found.rules(rule("*", "local/box"), backends=[spec(server, upstream)])
        yield found


def ask(client: str, **more: Any) -> dict[str, Any]:
    return {"model": "m", **ASK[client], **more}


def one(
    client: str, upstream: str | None, reply: Any, body: dict[str, Any] | None = None, *headers: str
) -> tuple[Got, list[Received]]:
    """One request through the gateway, and what the backend got."""

    async def main() -> tuple[Got, list[Received]]:
        with ScriptedUpstream() as server:
            server.always(reply)
            async with stage(server, upstream) as found:
                got = await found.ask(PATHS[client], body or ask(client), *headers)
            return got, [r for r in server.requests if r.method == "POST"]

    return uvloop.run(main())


def text_of(client: str, value: dict[str, Any]) -> str:
    if client == CHAT:
        return value["choices"][0]["message"]["content"]
    if client == RESPONSES:
        return "".join(p["text"] for i in value["output"] if i["type"] == "message" for p in i["content"])
    return "".join(b["text"] for b in value["content"] if b["type"] == "text")


def stream(client: str, upstream: str, *parts: Any) -> Got:
    return one(
        client, upstream, Reply(200, SSE, parts=list(parts), framing="chunked"), ask(client, stream=True)
    )[0]


# -- whole and streamed


@across
def test_the_answer_bears_the_name_the_client_asked_for(client: str, upstream: str) -> None:
    got, _ = one(client, upstream, Reply(200, JSON, body=WHOLE[upstream]("hello there")))
    assert got.status == 200
    assert got.json()["model"] == "m"
    assert text_of(client, got.json()) == "hello there"
    assert got.headers["x-pointsman-target"] == "local/box:m"
    assert got.headers["content-type"] == "application/json"


@across
def test_a_backend_that_ignores_stream_still_gives_a_stream(client: str, upstream: str) -> None:
    got, _ = one(
        client, upstream, Reply(200, JSON, body=WHOLE[upstream]("hello there")), ask(client, stream=True)
    )
    assert got.headers["content-type"].startswith("text/event-stream")
    assert CLEAN[client] in got.body
    assert b"hello there" in got.body


@across
def test_a_backend_that_streams_to_who_wants_it_whole_is_collected(client: str, upstream: str) -> None:
    got, _ = one(
        client, upstream, Reply(200, SSE, parts=[STREAM[upstream]("hello there")], framing="chunked")
    )
    assert got.headers["content-type"] == "application/json"
    assert text_of(client, got.json()) == "hello there"


@across
def test_a_stream_cut_in_the_middle_never_ends_clean(client: str, upstream: str) -> None:
    whole = STREAM[upstream]("hello there")
    got = stream(
        client,
        upstream,
        whole[: whole.index(b"there") - 60],
        whole[whole.index(b"there") - 60 : whole.index(b"there") + 20],
        CUT,
    )
    assert CLEAN[client] not in got.body
    if got.status == 200:
        assert b"error" in got.body or not got.complete


@across
def test_a_stream_that_stops_short_of_its_end_never_ends_clean(client: str, upstream: str) -> None:
    events = STREAM[upstream]("hello there").split(b"\n\n")
    kept = [event for event in events if b"there" not in event or b"delta" in event]
    upto = max(i for i, event in enumerate(kept) if b"there" in event)
    got = stream(client, upstream, b"\n\n".join(kept[: upto + 1]) + b"\n\n")
    assert got.status == 200
    assert b"there" in got.body
    assert CLEAN[client] not in got.body
    assert b"error" in got.body


@across
def test_a_stall_after_output_is_an_in_band_error(client: str, upstream: str) -> None:
    events = STREAM[upstream]("hello there").split(b"\n\n")
    upto = next(i for i, event in enumerate(events) if b"hello" in event)

    async def main() -> Got:
        with ScriptedUpstream() as server:
            server.always(
                Reply(200, SSE, parts=[b"\n\n".join(events[: upto + 1]) + b"\n\n", STALL], framing="chunked")
            )
            async with stage(server, upstream, between_chunks_seconds=0.2) as found:
                return await found.ask(PATHS[client], ask(client, stream=True))

    got = uvloop.run(main())
    assert b"hello" in got.body
    assert b"error" in got.body
    assert CLEAN[client] not in got.body


# -- errors

BODIES: dict[str, Callable[[str, str], bytes]] = {
    CHAT: lambda kind, text: json.dumps(
        {"error": {"message": text, "type": "x", "code": kind, "param": None}}
    ).encode(),
    RESPONSES: lambda kind, text: json.dumps(
        {"error": {"message": text, "type": "x", "code": kind, "param": None}}
    ).encode(),
    MESSAGES: lambda kind, text: json.dumps(
        {"type": "error", "error": {"type": kind, "message": text}}
    ).encode(),
}
TOO_LONG = {
    CHAT: (
        "context_length_exceeded",
        "This model's maximum context length is 4096 tokens. However, your messages resulted in 5000 tokens.",
    ),
    RESPONSES: (
        "context_length_exceeded",
        "Your input exceeds the context window of this model. This model's maximum context length is 4096 tokens. However, your messages resulted in 5000 tokens.",
    ),
    MESSAGES: ("invalid_request_error", "prompt is too long: 5000 tokens > 4096 maximum"),
}


@across
def test_an_overflow_is_told_in_the_words_the_client_acts_on(client: str, upstream: str) -> None:
    got, _ = one(client, upstream, Reply(400, JSON, body=BODIES[upstream](*TOO_LONG[upstream])))
    assert got.status == 400
    error = got.json()["error"]
    if client == MESSAGES:
        assert error["type"] == "invalid_request_error"
        assert error["message"].startswith("prompt is too long: 5000 tokens > 4096 maximum")
    else:
        assert error["code"] == "context_length_exceeded"
    assert got.headers["x-pointsman-attempts"] == "1"


@across
@pytest.mark.parametrize(
    ("status", "openai_status", "anthropic_status", "anthropic_type"),
    [
        (400, 400, 400, "invalid_request_error"),
        (404, 404, 404, "not_found_error"),
        (422, 400, 400, "invalid_request_error"),
        (401, 401, 401, "authentication_error"),
        (500, 500, 500, "api_error"),
        (503, 503, 529, "overloaded_error"),
        (529, 529, 529, "overloaded_error"),
    ],
)
def test_an_error_keeps_its_meaning_and_its_words(
    client: str, upstream: str, status: int, openai_status: int, anthropic_status: int, anthropic_type: str
) -> None:
    got, _ = one(client, upstream, Reply(status, JSON, body=BODIES[upstream]("whatever", "the very words")))
    assert got.status == (
        anthropic_status if client == MESSAGES else min(openai_status, 529) if status != 529 else 503
    )
    error = got.json()["error"]
    if status == 401:  # no key is stored: it says so, too
        assert "the very words" in error["message"]
    else:
        assert error["message"] == "the very words"
    if client == MESSAGES:
        assert error["type"] == anthropic_type
        assert got.json()["request_id"] == got.headers["request-id"]


@across
def test_a_rate_limit_keeps_its_wait_and_its_counts(client: str, upstream: str) -> None:
    theirs = (
        {
            "anthropic-ratelimit-requests-limit": "50",
            "anthropic-ratelimit-requests-reset": "2099-01-01T00:00:00Z",
        }
        if upstream == MESSAGES
        else {"x-ratelimit-limit-requests": "50", "x-ratelimit-reset-requests": "6m0s"}
    )
    kind = "rate_limit_error" if upstream == MESSAGES else "rate_limit_exceeded"
    headers = {**JSON, "retry-after": "7", "x-should-retry": "true", **theirs}
    got, _ = one(client, upstream, Reply(429, headers, body=BODIES[upstream](kind, "slow down")))
    assert got.status == 429
    assert got.headers["retry-after"] == "7"
    assert got.headers["x-should-retry"] == "true"
    if client == MESSAGES:
        assert got.json()["error"]["type"] == "rate_limit_error"
        assert got.headers["anthropic-ratelimit-requests-limit"] == "50"
        assert "T" in got.headers["anthropic-ratelimit-requests-reset"]
    else:
        assert got.json()["error"]["code"] == "rate_limit_exceeded"
        assert got.headers["x-ratelimit-limit-requests"] == "50"
        assert got.headers["x-ratelimit-reset-requests"].endswith("s")


@across
def test_an_error_with_status_200_is_an_error_of_the_clients_protocol(client: str, upstream: str) -> None:
    got, _ = one(client, upstream, Reply(200, JSON, body=BODIES[upstream]("server_error", "the very words")))
    assert got.status >= 500
    assert got.json()["error"]["message"] == "the very words"
    assert ("type" in got.json()) == (client == MESSAGES)


@across
def test_an_overflow_told_in_the_stream_before_output_keeps_its_meaning(client: str, upstream: str) -> None:
    """Some servers begin a stream before they have counted the prompt."""
    code, text = TOO_LONG[upstream]
    frame = {
        CHAT: b"data: " + json.dumps({"error": {"message": text, "type": "x", "code": code}}).encode(),
        RESPONSES: b"event: error\ndata: "
        + json.dumps(
            {"type": "error", "code": code, "message": text, "param": None, "sequence_number": 0}
        ).encode(),
        MESSAGES: b"event: error\ndata: "
        + json.dumps({"type": "error", "error": {"type": code, "message": text}}).encode(),
    }[upstream]
    got = stream(client, upstream, frame + b"\n\n")
    assert got.status == 400, got.body
    error = got.json()["error"]
    assert (
        error["message"].startswith("prompt is too long")
        if client == MESSAGES
        else error["code"] == "context_length_exceeded"
    )


@pytest.mark.parametrize("value", ["Fri, 01 Jan 2100 00:00:00 GMT", "7"])
def test_a_wait_is_told_in_whole_seconds(value: str) -> None:
    got, _ = one(
        MESSAGES,
        CHAT,
        Reply(429, {**JSON, "retry-after": value}, body=BODIES[CHAT]("rate_limit_exceeded", "no")),
    )
    assert int(got.headers["retry-after"]) >= 7


def test_the_memory_of_a_long_translated_stream_does_not_grow() -> None:
    import tracemalloc

    from pointsman.dialects.capsule import Capsules
    from pointsman.dialects.registry import DIALECTS
    from pointsman.kinds import Protocol
    from pointsman.providers.profiles import profile_for
    from pointsman.translation.crossing import Asked, Crossing

    class Head:
        def get(self, name: bytes) -> None:
            return None

    chunk = b'data: {"id":"c","model":"m","choices":[{"index":0,"delta":{"content":"some words here "}}]}\n\n'
    dialect = DIALECTS[Protocol.ANTHROPIC_MESSAGES]
    asked = Asked(
        dialect.translation, json.dumps(ask(MESSAGES, stream=True)).encode(), Head(), "r", Capsules(b"k")
    )  # type: ignore[arg-type]
    profile = profile_for(
        BackendSpec("local/b", "local", "b", "http://127.0.0.1:1"), Protocol.OPENAI_CHAT, "m"
    )
    relay = Crossing(asked, dialect, DIALECTS[Protocol.OPENAI_CHAT], profile, None, KeyMask(b"")).relay()
    for _ in range(100):
        relay.take(chunk)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(20_000):
        relay.take(chunk)
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 16_384


@across
def test_an_error_in_the_stream_after_output_is_told_in_band(client: str, upstream: str) -> None:
    events = STREAM[upstream]("hello there").split(b"\n\n")
    upto = next(i for i, event in enumerate(events) if b"hello" in event)
    failure = {
        CHAT: b'data: {"error":{"message":"the very words","type":"server_error","code":null}}',
        RESPONSES: b'event: error\ndata: {"type":"error","code":"server_error","message":"the very words","param":null,"sequence_number":9}',
        MESSAGES: b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"the very words"}}',
    }[upstream]
    got = stream(client, upstream, b"\n\n".join([*events[: upto + 1], failure]) + b"\n\n")
    assert b"hello" in got.body
    assert b"the very words" in got.body
    assert CLEAN[client] not in got.body


@across
def test_an_error_in_the_stream_before_output_falls_back(client: str, upstream: str) -> None:
    failure = {
        CHAT: b'data: {"error":{"message":"no","type":"server_error","code":null}}\n\n',
        RESPONSES: b'event: error\ndata: {"type":"error","code":"server_error","message":"no","param":null,"sequence_number":0}\n\n',
        MESSAGES: b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"no"}}\n\n',
    }[upstream]

    async def main() -> Got:
        with ScriptedUpstream() as bad, ScriptedUpstream() as good:
            bad.always(Reply(200, SSE, parts=[failure], framing="chunked"))
            good.always(Reply(200, SSE, parts=[STREAM[client]("rescued text")], framing="chunked"))
            async with plane() as found:
                found.rules(
                    rule("*", "local/box", "local/spare"),
                    backends=[spec(bad, upstream), spec(good, client, "spare")],
                )
                return await found.ask(PATHS[client], ask(client, stream=True))

    got = uvloop.run(main())
    assert got.status == 200
    assert got.headers["x-pointsman-target"] == "local/spare:m"
    assert got.headers["x-pointsman-fallback"] == "upstream_error"
    assert b"rescue" in got.body
    assert CLEAN[client] in got.body


@across
@pytest.mark.parametrize("fault", ["empty", "refused", "garbage", "html"])
def test_a_translated_target_that_fails_is_left_for_the_next(client: str, upstream: str, fault: str) -> None:
    replies = {
        "empty": Reply(200, JSON, body=b""),
        "refused": Reply(503, JSON, body=b"{}"),
        "garbage": Reply(200, JSON, body=b'{"hello": 1}'),
        "html": Reply(200, {"content-type": "text/html"}, body=b"<html>busy</html>"),
    }

    async def main() -> Got:
        with ScriptedUpstream() as bad, ScriptedUpstream() as good:
            bad.always(replies[fault])
            good.always(Reply(200, JSON, body=WHOLE[upstream]("rescued text")))
            async with plane() as found:
                found.rules(
                    rule("*", "local/box", "local/spare"),
                    backends=[spec(bad, upstream), spec(good, upstream, "spare")],
                )
                return await found.ask(PATHS[client], ask(client))

    got = uvloop.run(main())
    assert got.status == 200, got.body
    assert text_of(client, got.json()) == "rescued text"
    assert got.headers["x-pointsman-fallback"] == {"empty": "empty", "refused": "upstream_error"}.get(
        fault, "malformed"
    )


def test_while_a_backend_thinks_a_messages_client_gets_pings() -> None:
    async def main() -> Got:
        with ScriptedUpstream() as server:
            server.always(Reply(200, SSE, parts=[Pause(0.5), STREAM[CHAT]("late text")], framing="chunked"))
            async with stage(server, CHAT, hold_seconds=0.1) as found:
                return await found.ask(PATHS[MESSAGES], ask(MESSAGES, stream=True))

    got = uvloop.run(main())
    assert got.body.startswith(b'event: ping\ndata: {"type": "ping"}\n\n')
    assert b": x-pointsman-target: local/box:m" in got.body
    assert CLEAN[MESSAGES] in got.body


# -- losses


def test_what_is_dropped_is_told() -> None:
    got, (received,) = one(
        CHAT,
        MESSAGES,
        Reply(200, JSON, body=WHOLE[MESSAGES]("x")),
        ask(CHAT, seed=1, frequency_penalty=0.5, madeup=2),
    )
    assert got.status == 200
    warnings = got.headers["x-pointsman-warnings"].split(",")
    assert {"dropped:seed", "dropped:frequency_penalty", "dropped:madeup"} <= set(warnings)
    assert not {"seed", "madeup"} & received.json().keys()


def test_strict_refuses_what_would_be_dropped() -> None:
    got, received = one(
        CHAT, MESSAGES, Reply(200, JSON, body=b"{}"), ask(CHAT, seed=1), "x-pointsman-strict: 1"
    )
    assert got.status == 400
    assert got.json()["error"]["param"] == "seed"
    assert received == []


@pytest.mark.parametrize(
    ("client", "upstream", "more", "param"),
    [
        (CHAT, MESSAGES, {"n": 2}, "n"),
        (CHAT, MESSAGES, {"logprobs": True}, "logprobs"),
        (
            CHAT,
            MESSAGES,
            {"modalities": ["text", "audio"], "audio": {"voice": "x", "format": "wav"}},
            "audio",
        ),
        (RESPONSES, CHAT, {"previous_response_id": "resp_1"}, "previous_response_id"),
        (RESPONSES, MESSAGES, {"background": True}, "background"),
        (RESPONSES, CHAT, {"tools": [{"type": "file_search", "vector_store_ids": ["x"]}]}, "tools[0]"),
        (
            MESSAGES,
            CHAT,
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [{"type": "image", "source": {"type": "file", "file_id": "file_1"}}],
                    }
                ]
            },
            "messages[0].content[0]",
        ),
        (MESSAGES, CHAT, {"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
        (MESSAGES, RESPONSES, {"max_tokens": "many"}, "max_tokens"),
        (
            CHAT,
            RESPONSES,
            {"messages": [{"role": "user", "content": [{"type": "text", "text": 3}]}]},
            "messages[0].content[0].text",
        ),
        (
            CHAT,
            MESSAGES,
            {"tools": [{"type": "function", "function": {"name": "f", "parameters": []}}]},
            "tools[0].function.parameters",
        ),
        (RESPONSES, MESSAGES, {"input": [{"type": "function_call", "name": "f"}]}, "input[0].call_id"),
    ],
)
def test_what_cannot_be_translated_is_a_400_that_names_the_field(
    client: str, upstream: str, more: dict[str, Any], param: str
) -> None:
    got, received = one(client, upstream, Reply(500), {**ask(client), **more})
    assert got.status == 400, got.body
    error = got.json()["error"]
    assert param in error["message"], error
    if client != MESSAGES:
        assert error["param"] == param
    assert received == []


@pytest.mark.parametrize(("client", "upstream"), [(CHAT, MESSAGES), (MESSAGES, CHAT), (RESPONSES, CHAT)])
@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"m","messages":[{"role":"user","role":"user","content":"x"}],"input":[{"role":"user","role":"user","content":"x"}],"max_tokens":5}',
        b'{"model":"m","messages":"x","input":5,"max_tokens":5}',
        b'{"model":"m","messages":[5],"input":[5],"max_tokens":5}',
        b'{"model":"m","messages":[{"role":"user","content":[[]]}],"input":[{"role":"user","content":[[]]}],"max_tokens":5}',
        b'{"model":"m","messages":[],"max_tokens":5}',
        b'{"model":"m","x":' + b"[" * 127 + b"]" * 127 + b',"messages":[{"role":"user","content":{"a":' + b"[" * 125 + b"]" * 125 + b'}}],"max_tokens":5}',
    ],
)  # fmt: skip
def test_a_malformed_body_is_a_400_never_a_500(client: str, upstream: str, body: bytes) -> None:
    async def main() -> Got:
        with ScriptedUpstream() as server:
            async with stage(server, upstream) as found:
                return await found.ask(PATHS[client], body)

    got = uvloop.run(main())
    assert got.status == 400, got.body
    assert got.json()["error"]["message"]


@across
def test_a_very_long_conversation_passes_and_nobody_waits_for_it(client: str, upstream: str) -> None:
    turns = [
        {"role": role, "content": f"turn {n} " + "x" * 60}
        for n in range(25_000)
        for role in ("user", "assistant")
    ]
    turns.append({"role": "user", "content": "end"})
    key = "input" if client == RESPONSES else "messages"
    body = {**ask(client), key: turns}
    gaps: list[float] = []

    async def heart() -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0.001)
            gaps.append(time.perf_counter() - began)

    async def main() -> Got:
        with ScriptedUpstream() as server:
            server.always(Reply(200, JSON, body=WHOLE[upstream]("fine")))
            raw = json.dumps(body).encode()
            async with stage(server, upstream) as found:
                beating = asyncio.create_task(heart())
                got = await found.ask(PATHS[client], raw)
                beating.cancel()
                return got

    got = uvloop.run(main())
    assert got.status == 200, got.body[:300]
    print(f"{client}->{upstream}: longest gap {max(gaps) * 1000:.0f} ms")


# -- which protocol, which path


def test_a_server_that_does_not_know_the_path_is_translated_to() -> None:
    """Tried first as it is; after its 404 the same request reaches it in the protocol it speaks."""

    def answer(received: Received) -> Reply:
        if received.path == PATHS[CHAT]:
            return Reply(200, JSON, body=WHOLE[CHAT]("from chat"))
        return Reply(404, JSON, body=b'{"detail":"Not Found"}')

    async def main() -> None:
        with ScriptedUpstream() as server:
            server.always(answer)
            async with stage(server, None) as found:
                for _ in range(2):
                    got = await found.ask(PATHS[MESSAGES], ask(MESSAGES))
                    assert got.status == 200, got.body
                    assert text_of(MESSAGES, got.json()) == "from chat"
                    assert got.headers["x-pointsman-attempts"] == "1"
            posted = [r.path for r in server.requests if r.method == "POST"]
            assert posted == [PATHS[MESSAGES], PATHS[CHAT], PATHS[CHAT]]  # learned

    uvloop.run(main())


def test_a_server_that_says_with_status_200_that_it_does_not_know_the_path_is_translated_to() -> None:
    def answer(received: Received) -> Reply:
        if received.path == PATHS[CHAT]:
            return Reply(200, JSON, body=WHOLE[CHAT]("from chat"))
        return Reply(200, JSON, body=b'{"error":"Unexpected endpoint or method. (POST /v1/messages)"}')

    got, received = one(MESSAGES, None, answer)
    assert text_of(MESSAGES, got.json()) == "from chat"
    assert [r.path for r in received] == [PATHS[MESSAGES], PATHS[CHAT]]


def test_a_long_answer_for_a_client_that_wants_it_whole_is_asked_for_as_a_stream() -> None:
    """Vendors cut or refuse long calls that do not stream; the client never sees the difference."""

    async def main() -> None:
        with ScriptedUpstream() as server:
            server.always(Reply(200, SSE, parts=[STREAM[MESSAGES]("hello there")], framing="chunked"))
            async with plane() as found:
                backend = BackendSpec("anthropic", "anthropic", "", server.url, dialects=(MESSAGES,))
                found.rules(rule("*", "anthropic=claude-opus-5-5"), backends=[backend])
                for more, streamed in (
                    ({}, True),
                    ({"max_tokens": 100}, False),
                    ({"max_tokens": 64000}, True),
                ):
                    got = await found.ask(PATHS[CHAT], ask(CHAT, **more))
                    assert got.status == 200, got.body
                    assert text_of(CHAT, got.json()) == "hello there"
                    sent = server.requests[-1].json()
                    assert bool(sent.get("stream")) is streamed
                    assert sent["max_tokens"] == more.get("max_tokens", 32_000)

    uvloop.run(main())


@across
@pytest.mark.parametrize("last", ["end", "error"])
def test_a_backend_that_stays_after_its_last_word_adds_nothing_to_it(
    client: str, upstream: str, last: str
) -> None:
    """It keeps the connection open after the end, or after an error: the time-out must not write a second ending."""
    whole = STREAM[upstream]("hello there")
    events = whole.split(b"\n\n")
    upto = next(i for i, event in enumerate(events) if b"hello" in event)
    failure = {
        CHAT: b'data: {"error":{"message":"the words","type":"server_error","code":null}}',
        RESPONSES: b'event: error\ndata: {"type":"error","code":"server_error","message":"the words","param":null,"sequence_number":9}',
        MESSAGES: b'event: error\ndata: {"type":"error","error":{"type":"api_error","message":"the words"}}',
    }[upstream]
    said = whole if last == "end" else b"\n\n".join([*events[: upto + 1], failure]) + b"\n\n"

    async def main() -> Got:
        with ScriptedUpstream() as server:
            server.always(Reply(200, SSE, parts=[said, STALL], framing="chunked"))
            async with stage(server, upstream, between_chunks_seconds=0.2) as found:
                return await found.ask(PATHS[client], ask(client, stream=True))

    got = uvloop.run(main())
    assert got.complete
    assert b"hello" in got.body
    assert b"sent nothing for" not in got.body
    assert (b"the words" in got.body) == (last == "error")


def test_a_path_one_target_does_not_know_is_asked_of_the_next() -> None:
    async def main() -> Got:
        with ScriptedUpstream() as first, ScriptedUpstream() as second:
            first.always(Reply(404, JSON, body=b'{"detail":"Not Found"}'))
            second.always(Reply(200, JSON, body=b'{"id":"batch_1"}'))
            async with plane() as found:
                backends = [spec(first, None), spec(second, MESSAGES, "spare")]
                found.rules(rule("*", "local/box", "local/spare"), backends=backends)
                return await found.ask("/v1/messages/batches", ask(MESSAGES))

    got = uvloop.run(main())
    assert (got.status, got.json()) == (200, {"id": "batch_1"})


@across
def test_a_client_that_leaves_frees_the_backend_at_once(client: str, upstream: str) -> None:
    events = STREAM[upstream]("hello there").split(b"\n\n")
    upto = next(i for i, event in enumerate(events) if b"hello" in event)

    async def main() -> None:
        with ScriptedUpstream() as server:
            begun = b"\n\n".join(events[: upto + 1]) + b"\n\n"
            server.always(Reply(200, SSE, parts=[begun, STALL], framing="chunked"))
            async with stage(server, upstream) as found:
                reader, writer = await found.connect()
                raw = json.dumps(ask(client, stream=True)).encode()
                writer.write(
                    f"POST {PATHS[client]} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(raw)}\r\n\r\n".encode()
                    + raw
                )
                await asyncio.wait_for(reader.readuntil(b"hello"), HANG_SECONDS)
                left = time.monotonic()
                writer.transport.abort()
                for _ in range(200):
                    posted = [r for r in server.requests if r.method == "POST"]
                    if posted[0].client_closed_at is not None:
                        break
                    await asyncio.sleep(0.005)
                assert posted[0].client_closed_at is not None
                assert posted[0].client_closed_at - left < 0.25
                (record,) = await found.recorded()
                assert record.outcome == "aborted"

    uvloop.run(main())


def test_headers_of_one_vendor_do_not_reach_another() -> None:
    _, (received,) = one(
        MESSAGES,
        CHAT,
        Reply(200, JSON, body=WHOLE[CHAT]("x")),
        None,
        "anthropic-version: 2023-06-01",
        "anthropic-beta: a,b",
        "x-claude-code-session-id: s",
        "x-api-key: secret",
        "x-my-trace: 7",
    )
    assert not [name for name in received.headers if name.startswith(("anthropic", "x-claude", "x-api"))]
    assert received.headers["x-my-trace"] == "7"
    assert received.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("client", "path", "field"),
    [
        (MESSAGES, "/v1/messages/count_tokens", "input_tokens"),
        (RESPONSES, "/v1/responses/input_tokens", "input_tokens"),
    ],
)
def test_counting_is_estimated_and_says_so_where_nobody_can_be_asked(
    client: str, path: str, field: str
) -> None:
    async def main() -> Got:
        with ScriptedUpstream() as server:
            server.always(Reply(404, JSON, body=b'{"detail":"Not Found"}'))
            async with stage(server, CHAT) as found:
                return await found.ask(path, ask(client))

    got = uvloop.run(main())
    assert got.status == 200, got.body
    assert got.json()[field] > 0
    assert got.headers["x-pointsman-warnings"] == "estimated:input_tokens"


def test_counting_asks_the_backend_in_its_own_protocol() -> None:
    def answer(received: Received) -> Reply:
        if received.method == "GET":
            return Reply(404, JSON, body=b"{}")
        assert received.path == "/v1/responses/input_tokens"
        assert set(received.json()) <= {"model", "input", "instructions", "tools", "reasoning", "text"}
        return Reply(200, JSON, body=b'{"object":"response.input_tokens","input_tokens":42}')

    async def main() -> Got:
        with ScriptedUpstream() as server:
            server.always(answer)
            async with stage(server, RESPONSES) as found:
                return await found.ask("/v1/messages/count_tokens", ask(MESSAGES))

    got = uvloop.run(main())
    assert got.json() == {"input_tokens": 42}
    assert "x-pointsman-warnings" not in got.headers


@pytest.mark.parametrize("engine", ["vllm", "llama.cpp"])
def test_counting_uses_a_local_servers_own_tokenizer(engine: str) -> None:
    def answer(received: Received) -> Reply:
        if received.path == "/tokenize":
            if engine == "vllm":
                assert received.json()["messages"]
                return Reply(200, JSON, body=b'{"count":17,"max_model_len":4096,"tokens":[1]}')
            text = received.json().get("content")
            return Reply(
                200, JSON, body=json.dumps({"tokens": [1] * 17 if text == "rendered" else []}).encode()
            )
        if received.path == "/apply-template" and engine != "vllm":
            return Reply(200, JSON, body=b'{"prompt":"rendered"}')
        return Reply(404, JSON, body=b"{}")

    async def main() -> Got:
        with ScriptedUpstream() as server:
            server.always(answer)
            async with stage(server, CHAT) as found:
                return await found.ask("/v1/messages/count_tokens", ask(MESSAGES))

    assert uvloop.run(main()).json() == {"input_tokens": 17}


# -- what the gateway does in the backend's place


@pytest.mark.parametrize("streamed", [True, False])
def test_stop_sequences_are_kept_where_the_protocol_has_none(streamed: bool) -> None:
    """Responses has no `stop`: the text is cut at the match and the sequence told."""
    reply = (
        Reply(200, SSE, parts=[STREAM[RESPONSES]("one two STOP three")], framing="chunked")
        if streamed
        else Reply(200, JSON, body=WHOLE[RESPONSES]("one two STOP three"))
    )
    got, (received,) = one(
        MESSAGES, RESPONSES, reply, ask(MESSAGES, stream=streamed, stop_sequences=["STOP", "HALT"])
    )
    assert "stop" not in received.json()
    if streamed:
        assert b'"stop_reason":"stop_sequence"' in got.body.replace(b": ", b":")
        assert b"three" not in got.body
        assert CLEAN[MESSAGES] in got.body
    else:
        assert text_of(MESSAGES, got.json()) == "one two "
        assert got.json()["stop_reason"] == "stop_sequence"
        assert got.json()["stop_sequence"] == "STOP"


@pytest.mark.parametrize("streamed", [True, False])
def test_reasoning_comes_back_to_who_made_it_through_a_responses_client(streamed: bool) -> None:
    """A capsule in encrypted_content: on the next turn the very block reaches the backend again."""

    async def main() -> None:
        with ScriptedUpstream() as server:
            step = Call("f", {"a": 1})
            server.always(Reply(200, SSE, parts=[STREAM[MESSAGES](step)], framing="chunked"))
            async with stage(server, MESSAGES) as found:
                tools = [
                    {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}}
                ]
                got = await found.ask(PATHS[RESPONSES], ask(RESPONSES, tools=tools, stream=streamed))
                if streamed:
                    last = [line for line in got.body.split(b"\n") if line.startswith(b"data:")][-1]
                    output = json.loads(last[5:])["response"]["output"]
                else:
                    output = got.json()["output"]
                kinds = [item["type"] for item in output]
                assert kinds == ["reasoning", "function_call"]
                assert output[0]["encrypted_content"].startswith("pm1.")
                assert output[0]["summary"][0]["text"] == "Thinking about it."
                result = {"type": "function_call_output", "call_id": output[1]["call_id"], "output": "done"}
                turn = [{"role": "user", "content": "hi"}, *output, result]
                server.always(Reply(200, JSON, body=WHOLE[MESSAGES]("bye")))
                got = await found.ask(PATHS[RESPONSES], ask(RESPONSES, tools=tools, input=turn))
                assert got.status == 200, got.body
            sent = server.requests[-1].json()["messages"]
            assert sent[1]["role"] == "assistant"
            assert sent[1]["content"][0] == {
                "type": "thinking",
                "thinking": "Thinking about it.",
                "signature": "c2lnbmVk",
            }
            assert sent[1]["content"][1]["type"] == "tool_use"

    uvloop.run(main())


@pytest.mark.parametrize("streamed", [True, False])
def test_reasoning_comes_back_though_a_chat_client_cannot_carry_it(streamed: bool) -> None:
    """Kept by tool-call id: the client replays calls only, the backend gets its signed block again."""

    async def main() -> None:
        with ScriptedUpstream() as server:
            server.always(Reply(200, SSE, parts=[STREAM[MESSAGES](Call("f", {"a": 1}))], framing="chunked"))
            async with stage(server, MESSAGES) as found:
                tools = [
                    {
                        "type": "function",
                        "function": {"name": "f", "parameters": {"type": "object", "properties": {}}},
                    }
                ]
                got = await found.ask(PATHS[CHAT], ask(CHAT, tools=tools, stream=streamed))
                assert got.status == 200
                call_id = re.search(rb'"(toolu_abc123_pm\w+)"', got.body)[1].decode()
                call = {
                    "id": call_id,
                    "type": "function",
                    "function": {"name": "f", "arguments": '{"a": 1}'},
                }
                turn = [
                    {"role": "user", "content": "hi"},
                    {"role": "assistant", "content": None, "tool_calls": [call]},
                    {"role": "tool", "tool_call_id": call_id, "content": "done"},
                ]
                server.always(Reply(200, JSON, body=WHOLE[MESSAGES]("bye")))
                got = await found.ask(PATHS[CHAT], ask(CHAT, tools=tools, messages=turn))
                assert got.status == 200, got.body
            sent = server.requests[-1].json()["messages"]
            kinds = [block["type"] for block in sent[1]["content"]]
            assert kinds == ["thinking", "tool_use"]
            assert sent[1]["content"][0]["signature"] == "c2lnbmVk"
            assert sent[1]["content"][1]["id"] == sent[2]["content"][0]["tool_use_id"] == "toolu_abc123"

    uvloop.run(main())


def test_a_session_that_goes_from_a_local_model_to_the_vendor_is_not_refused() -> None:
    """Thinking that a Chat backend made carries our capsule; its own vendor's backend never sees it."""

    async def main() -> None:
        with ScriptedUpstream() as chat, ScriptedUpstream() as vendor:
            chat.always(
                Reply(
                    200,
                    JSON,
                    body=encoded(bodies.whole({"content": "hello", "reasoning_content": "hm"})),
                )
            )
            async with plane() as found:
                backends = [spec(chat, CHAT), spec(vendor, MESSAGES, "vendor")]
                found.rules(rule("a", "local/box"), rule("b", "local/vendor", id=2), backends=backends)
                got = await found.ask(PATHS[MESSAGES], ask(MESSAGES, model="a"))
                content = got.json()["content"]
                assert [block["type"] for block in content] == ["thinking", "text"]
                assert content[0]["signature"].startswith("pm1.")
                turn = [
                    {"role": "user", "content": "hi"},
                    {"role": "assistant", "content": content},
                    {"role": "user", "content": "go on"},
                ]
                got = await found.ask(PATHS[MESSAGES], ask(MESSAGES, model="b", messages=turn))
                assert got.status == 200
            sent = vendor.requests[-1].json()["messages"]
            assert [block["type"] for block in sent[1]["content"]] == ["text"]

    uvloop.run(main())


def test_the_usage_row_of_a_translated_request_counts_once() -> None:
    async def main() -> None:
        with ScriptedUpstream() as server:
            server.always(Reply(200, SSE, parts=[STREAM[CHAT]("hello there")], framing="chunked"))
            async with stage(server, CHAT) as found:
                await found.ask(PATHS[MESSAGES], ask(MESSAGES, stream=True))
                (record,) = await found.recorded()
                assert (record.input_tokens, record.output_tokens, record.outcome) == (100, 20, "ok")
                assert record.protocol == MESSAGES

    uvloop.run(main())
