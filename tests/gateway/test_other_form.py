"""An answer in the other form than was asked for, and a 200 that is no answer, on every protocol."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import anthropic
import openai
import pytest
import uvloop

from pointsman.practice import Pause, Reply, ScriptedUpstream
from pointsman.wire.sse import MAX_EVENT
from tests.agents.model import CHAT, JSON, MESSAGES, RESPONSES, SSE, STREAM, WHOLE, Call
from tests.vendor_bodies import chat
from tests.vendor_bodies.wire import sse

from .plane import Got, Plane, plane, rule
from .test_translation import CLEAN, PATHS, ask, one, spec, text_of

COMPLETIONS, EMBEDDINGS, COUNT = "completions", "embeddings", "count_tokens"
ALL = {
    **PATHS,
    COMPLETIONS: "/v1/completions",
    EMBEDDINGS: "/v1/embeddings",
    COUNT: "/v1/messages/count_tokens",
}
SPEAKS = {COUNT: MESSAGES}
GOOD: dict[str, bytes] = {
    COMPLETIONS: b'{"id":"c","object":"text_completion","choices":[{"index":0,"text":"rescued","finish_reason":"stop"}]}',
    EMBEDDINGS: b'{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.5]}],"rescued":1}',
    COUNT: b'{"input_tokens":7,"rescued":1}',
}
GOOD_STREAM = {
    COMPLETIONS: b'data: {"id":"c","choices":[{"index":0,"text":"rescued","finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
}
NO_ANSWERS: dict[str, tuple[bytes, str]] = {
    "detail": (b'{"detail":"the queue is on fire"}', "the queue is on fire"),
    "object error": (b'{"object":"error","message":"cuda gone","code":50001}', "cuda gone"),
    "nothing": (b"{}", ""),
    "a list": (b"[]", ""),
    "a string": (b'"busy, come back"', "busy, come back"),
    "null": (b"null", ""),
    "a page": (b"<!DOCTYPE html><html><body>Welcome to nginx!</body></html>", ""),
    "words": (b"upstream connect error or disconnect", "upstream connect error"),
    "another's": (b'{"status":"ok","uptime":12}', ""),
}
BIG = {
    "a big page": b"<html>" + b"<p>hello</p>" * 60_000,
    "big words": b"\n Internal problem. " * 30_000,
    "a big error": b'{"detail":"' + b"x" * 600_000 + b'"}',
    "a big list": b"[" + b"1," * 300_000 + b"1]",
}


def request(kind: str, *, stream: bool) -> dict[str, Any]:
    if kind in PATHS:
        return ask(kind, stream=stream)
    body: dict[str, Any] = {"model": "m", "stream": stream} if kind == COMPLETIONS else {"model": "m"}
    if kind == COUNT:
        return body | {"messages": [{"role": "user", "content": "x"}]}
    return body | ({"prompt": "x"} if kind == COMPLETIONS else {"input": "x"})


def good(kind: str, *, stream: bool) -> Reply:
    if stream:
        return Reply(200, SSE, body=GOOD_STREAM.get(kind) or STREAM[kind]("rescued"))
    return Reply(200, JSON, body=GOOD.get(kind) or WHOLE[kind]("rescued"))


def asked(kind: str, first: Reply, *, stream: bool, spare: bool) -> Got:
    async def main() -> Got:
        with ScriptedUpstream() as bad, ScriptedUpstream() as second:
            bad.always(first)
            second.always(good(kind, stream=stream))
            protocol = SPEAKS.get(kind, kind)
            async with plane() as found:
                targets = ("local/box", "local/spare") if spare else ("local/box",)
                found.rules(
                    rule("*", *targets), backends=[spec(bad, protocol), spec(second, protocol, "spare")]
                )
                return await found.ask(ALL[kind], request(kind, stream=stream))

    return uvloop.run(main())


CASES = [
    (kind, stream) for kind in ALL for stream in (False, True) if not stream or kind in (*PATHS, COMPLETIONS)
]
every = pytest.mark.parametrize(("kind", "stream"), CASES)


@every
@pytest.mark.parametrize("name", list(NO_ANSWERS))
@pytest.mark.parametrize("label", [JSON, SSE, {"content-type": "text/html"}], ids=["json", "sse", "html"])
def test_a_200_that_is_no_answer_goes_to_the_next_target(
    kind: str, stream: bool, name: str, label: dict[str, str]
) -> None:
    got = asked(kind, Reply(200, label, body=NO_ANSWERS[name][0]), stream=stream, spare=True)
    assert got.status == 200
    assert "x-pointsman-fallback" in got.headers, got.body[:300]
    assert b"rescued" in got.body or CLEAN[kind] in got.body


@every
@pytest.mark.parametrize("name", list(NO_ANSWERS))
def test_a_200_that_is_no_answer_is_an_error_with_its_words(kind: str, stream: bool, name: str) -> None:
    body, words = NO_ANSWERS[name]
    got = asked(kind, Reply(200, JSON, body=body), stream=stream, spare=False)
    assert got.status >= 500
    assert words in got.json()["error"]["message"]


@every
@pytest.mark.parametrize("name", list(BIG))
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_it_is_none_above_the_hold_size_either(kind: str, stream: bool, name: str, framing: Any) -> None:
    label = SSE if stream and framing == "chunked" else JSON
    got = asked(kind, Reply(200, label, body=BIG[name], framing=framing), stream=stream, spare=True)
    assert "x-pointsman-fallback" in got.headers, got.body[:300]
    assert b"rescued" in got.body or CLEAN[kind] in got.body


def test_a_big_answer_still_begins_before_it_has_ended() -> None:
    body = WHOLE[CHAT]("x" * 900_000)
    parts = [body[:500_000], Pause(1.5), body[500_000:]]

    async def main() -> None:
        with ScriptedUpstream() as server:
            server.always(Reply(200, JSON, parts=parts, framing="chunked"))
            async with plane() as found:
                found.rules(rule("*", "local/box"), backends=[spec(server, CHAT)])
                reader, writer = await found.connect()
                raw = json.dumps(ask(CHAT)).encode()
                head = f"POST {PATHS[CHAT]} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(raw)}\r\n\r\n"
                writer.write(head.encode() + raw)
                async with asyncio.timeout(1.3):
                    await reader.readexactly(200_000)
                writer.close()

    uvloop.run(main())


# -- a whole answer where a stream was asked


@pytest.mark.parametrize("label", [JSON, SSE, {"content-type": "text/plain"}, {}], ids=str)
@pytest.mark.parametrize("client", list(PATHS))
def test_a_whole_answer_where_a_stream_was_asked_is_streamed_on(client: str, label: dict[str, str]) -> None:
    got, _ = one(
        client, client, Reply(200, label, body=WHOLE[client]("hello there")), ask(client, stream=True)
    )
    assert got.headers["content-type"] == "text/event-stream"
    assert CLEAN[client] in got.body
    assert b"hello there" in got.body
    assert got.complete


@pytest.mark.parametrize("client", list(PATHS))
def test_after_keep_alives_likewise(client: str) -> None:
    async def main() -> Got:
        with ScriptedUpstream() as server:
            server.always(Reply(200, JSON, body=WHOLE[client]("hello there"), before=[Pause(0.6)]))
            async with plane(hold_seconds=0.2) as found:
                found.rules(rule("*", "local/box"), backends=[spec(server, client)])
                return await found.ask(PATHS[client], ask(client, stream=True))

    got = uvloop.run(main())
    assert CLEAN[client] in got.body
    assert b"hello there" in got.body


@pytest.mark.parametrize("options", [None, {"include_usage": True}, {"include_usage": False}], ids=str)
@pytest.mark.parametrize("kind", [CHAT, COMPLETIONS])
def test_usage_is_told_only_to_who_asked_for_it(kind: str, options: Any) -> None:
    body = json.loads(WHOLE[CHAT]("hi")) if kind == CHAT else json.loads(GOOD[COMPLETIONS])
    body["usage"] = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}

    async def main() -> tuple[Got, Any]:
        with ScriptedUpstream() as server:
            server.always(Reply(200, JSON, body=body))
            async with plane() as found:
                found.rules(rule("*", "local/box"), backends=[spec(server, kind)])
                asking = request(kind, stream=True) | ({"stream_options": options} if options else {})
                got = await found.ask(ALL[kind], asking)
                return got, (await found.recorded())[0]

    got, record = uvloop.run(main())
    assert (b'"total_tokens":7' in got.body) is bool(options and options["include_usage"])
    assert (record.input_tokens, record.output_tokens) == (3, 4)
    assert got.body.endswith(b"data: [DONE]\n\n")


RICH: dict[str, dict[str, Any]] = {
    CHAT: {
        "id": "chatcmpl-7", "object": "chat.completion", "created": 5, "model": "m", "system_fingerprint": "fp",
        "choices": [
            {"index": 0, "logprobs": {"content": [{"token": "a", "logprob": -1.0, "bytes": None, "top_logprobs": []}]},
             "message": {"role": "assistant", "content": "look", "reasoning_content": "hm", "tool_calls": [
                 {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}},
                 {"id": "c2", "type": "function", "function": {"name": "g", "arguments": "{}"}}]},
             "finish_reason": "tool_calls"},
            {"index": 1, "message": {"role": "assistant", "content": None, "refusal": "no"}, "finish_reason": "stop"},
        ],
    },
    MESSAGES: {
        "id": "msg_7", "type": "message", "role": "assistant", "model": "m", "stop_reason": "tool_use", "stop_sequence": None,
        "usage": {"input_tokens": 3, "output_tokens": 9},
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": "c2ln"}, {"type": "redacted_thinking", "data": "eA=="},
            {"type": "text", "text": "look"}, {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": [1, {"b": None}]}},
            {"type": "tool_use", "id": "t2", "name": "g", "input": {}},
        ],
    },
    RESPONSES: {
        "id": "resp_7", "object": "response", "created_at": 5, "model": "m", "status": "completed", "error": None,
        "incomplete_details": None, "parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "metadata": {},
        "instructions": None, "temperature": 1.0, "top_p": 1.0,
        "usage": {"input_tokens": 3, "output_tokens": 9, "total_tokens": 12, "input_tokens_details": {"cached_tokens": 0},
                  "output_tokens_details": {"reasoning_tokens": 1}},
        "output": [
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": "e"},
            {"type": "message", "id": "m_1", "role": "assistant", "status": "completed", "content": [
                {"type": "output_text", "text": "look", "annotations": [], "logprobs": []}, {"type": "refusal", "refusal": "no"}]},
            {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "arguments": '{"a": 1}', "status": "completed"},
        ],
    },
}  # fmt: skip


def with_sdks(answer: Any, use: Any) -> None:
    async def main() -> None:
        with ScriptedUpstream() as server:
            server.always(lambda received: answer(received.path) if received.method == "POST" else Reply(404))
            async with plane() as found:
                found.rules(rule("*", "local/box"), backends=[spec(server, None)])
                await asyncio.to_thread(use, found)

    uvloop.run(main())


def protocol_at(path: str) -> str:
    return next(protocol for protocol, its in ALL.items() if its == path)


TURNS: Any = [{"role": "user", "content": "x"}]


def test_the_sdks_accumulate_the_whole_answer_from_the_stream() -> None:
    def use(found: Plane) -> None:
        url = f"http://127.0.0.1:{found.port}"
        with openai.OpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0, timeout=20) as client:
            with client.chat.completions.stream(model="m", messages=TURNS) as chat:
                got = chat.get_final_completion()
            first, second = got.choices
            assert (got.id, got.system_fingerprint) == ("chatcmpl-7", "fp")
            assert first.message.content == "look"
            assert first.message.model_extra == {"reasoning_content": "hm"} or "reasoning_content" in str(
                first
            )
            calls = [(c.id, c.function.name, c.function.arguments) for c in first.message.tool_calls or ()]  # type: ignore[union-attr]
            assert calls == [("c1", "f", '{"a": 1}'), ("c2", "g", "{}")]
            assert (first.finish_reason, second.message.refusal) == ("tool_calls", "no")
            assert first.logprobs is not None
            with client.responses.stream(model="m", input="x") as told:
                kinds = [event.type for event in told]
                final = told.get_final_response()
            assert "response.output_text.delta" in kinds
            assert "response.refusal.delta" in kinds
            assert "response.reasoning_summary_text.delta" in kinds
            assert "response.function_call_arguments.done" in kinds
            assert [item.type for item in final.output] == ["reasoning", "message", "function_call"]
            assert (final.id, final.output_text) == ("resp_7", "look")
        with anthropic.Anthropic(base_url=url, api_key="k", max_retries=0, timeout=20) as other:
            with other.messages.stream(model="m", max_tokens=9, messages=TURNS) as text:
                message = text.get_final_message()
            assert [block.to_dict() for block in message.content] == RICH[MESSAGES]["content"]
            assert (message.id, message.stop_reason) == ("msg_7", "tool_use")
            assert (message.usage.input_tokens, message.usage.output_tokens) == (3, 9)

    with_sdks(lambda path: Reply(200, JSON, body=RICH[protocol_at(path)]), use)


def test_the_sdks_read_a_stream_where_they_asked_for_a_whole_answer() -> None:
    def use(found: Plane) -> None:
        url = f"http://127.0.0.1:{found.port}"
        with openai.OpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0, timeout=20) as client:
            chat = client.chat.completions.create(model="m", messages=TURNS)
            assert chat.choices[0].message.content == "hello there"
            assert chat.choices[0].finish_reason == "stop"
            assert client.responses.create(model="m", input="x").output_text == "hello there"
            assert client.completions.create(model="m", prompt="x").choices[0].text == "rescued"
        with anthropic.Anthropic(base_url=url, api_key="k", max_retries=0, timeout=20) as other:
            message = other.messages.create(model="m", max_tokens=9, messages=TURNS)
            assert [block.text for block in message.content if block.type == "text"] == ["hello there"]

    def answer(path: str) -> Reply:
        kind = protocol_at(path)
        return Reply(200, SSE, body=GOOD_STREAM.get(kind) or STREAM[kind]("hello there"))

    with_sdks(answer, use)


@pytest.mark.parametrize("client", list(PATHS))
@pytest.mark.parametrize("label", [SSE, JSON], ids=["right", "wrong"])
def test_a_stream_where_a_whole_answer_was_asked_is_assembled(client: str, label: dict[str, str]) -> None:
    got, _ = one(client, client, Reply(200, label, body=STREAM[client]("hello there")))
    assert got.headers["content-type"] == "application/json"
    assert text_of(client, got.json()) == "hello there"
    got, _ = one(client, client, Reply(200, label, body=STREAM[client](Call("f", {"a": "b c"}))))
    assert "b c" in json.dumps(got.json())
    assert '"f"' in json.dumps(got.json())


@pytest.mark.parametrize("client", list(PATHS))
def test_a_cut_stream_where_a_whole_answer_was_asked_is_an_error(client: str) -> None:
    raw = STREAM[client]("hello there")
    got, _ = one(client, client, Reply(200, SSE, body=raw[: raw.index(b"there")]))
    assert got.status >= 500
    assert got.json()["error"]["message"]


def test_an_event_too_large_to_read_does_not_vanish_from_a_whole_answer() -> None:
    raw = STREAM[CHAT]("hello there")
    large = sse(chat.delta(content="x" * (MAX_EVENT + 9)))
    got, _ = one(CHAT, CHAT, Reply(200, SSE, body=large + raw))
    assert got.status == 502
    assert got.json()["error"]["message"]


@pytest.mark.parametrize("client", list(PATHS))
def test_an_error_where_a_stream_was_asked_is_still_an_error(client: str) -> None:
    body = {"type": "error", "error": {"type": "api_error", "message": "it broke"}}
    got, _ = one(client, client, Reply(200, JSON, body=body), ask(client, stream=True))
    assert got.status >= 500
    assert got.json()["error"]["message"] == "it broke"


@pytest.mark.parametrize("kind", [EMBEDDINGS, COUNT])
def test_a_stream_of_what_never_streams_is_no_answer(kind: str) -> None:
    got = asked(kind, Reply(200, SSE, body=STREAM[CHAT]("hello")), stream=False, spare=True)
    assert "x-pointsman-fallback" in got.headers
    assert b"rescued" in got.body
