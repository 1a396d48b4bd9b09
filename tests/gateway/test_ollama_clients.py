"""Clients that speak Ollama's own API and nothing else, before backends of every protocol: the official `ollama` package,
and what other clients read of the same bytes (docs/protocols/ollama.md). Real sockets on both sides."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from typing import Any

import httpx
import ollama
import pytest
import uvloop

from pointsman.practice import CUT, Pause, Received, Reply, ScriptedUpstream
from pointsman.routing.specs import BackendSpec
from tests.agents.model import CHAT, JSON, MESSAGES, RESPONSES, SSE, STREAM, WHOLE
from tests.vendor_bodies import chat
from tests.vendor_bodies.wire import Call, encoded, sse

from .plane import Plane, plane, rule

PROTOCOLS = (CHAT, RESPONSES, MESSAGES)
PATHS = {CHAT: "/v1/chat/completions", RESPONSES: "/v1/responses", MESSAGES: "/v1/messages"}
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(24)).decode()
JPEG = base64.b64encode(b"\xff\xd8\xff\xe0" + bytes(24)).decode()
WAIT = (Pause(0.3),)
HI = [{"role": "user", "content": "hi"}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Of a town.",
        "parameters": {"type": "object", "properties": {"town": {"type": "string"}}, "required": ["town"]},
    },
}


def spec(url: str, protocol: str = CHAT, **more: Any) -> BackendSpec:
    return BackendSpec(key="local/box", type="local", name="box", base_url=url, dialects=(protocol,), **more)


def answering(protocol: str, step: Call | str) -> Callable[[Received], Reply]:
    """A backend that answers whole or as a stream, as it is asked, and lists one model."""

    def answer(received: Received) -> Reply:
        if received.method == "GET":
            return Reply(200, JSON, body=b'{"object":"list","data":[{"id":"m"}]}')
        if received.path != PATHS[protocol]:
            return Reply(404, JSON, body=b'{"error":{"message":"no such path"}}')
        streams = received.json().get("stream")
        body = (STREAM if streams else WHOLE)[protocol](step)
        return Reply(200, SSE if streams else JSON, body=body)

    return answer


def served(
    reply: Reply | Callable[[Received], Reply],
    use: Callable[[Plane, ollama.Client], Any],
    protocol: str = CHAT,
    **more: Any,
) -> tuple[Any, list[dict[str, Any]]]:
    """What a synchronous client makes of it, and the bodies that the backend got."""

    async def main() -> tuple[Any, list[dict[str, Any]]]:
        with ScriptedUpstream() as server:
            server.always(reply)
            async with plane(**more) as found:
                found.rules(rule("*", "local/box"), backends=[spec(server.url, protocol)])
                host = f"http://127.0.0.1:{found.port}"
                with ollama.Client(host=host, timeout=30) as client:
                    result = await asyncio.to_thread(use, found, client)
            return result, [one.json() for one in server.requests if one.method == "POST" and one.body]

    return uvloop.run(main())


# -- chat


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_package_chats_whole_and_streamed_with_a_backend_of_every_protocol(protocol: str) -> None:
    def use(_: Plane, client: ollama.Client) -> tuple[Any, list[Any]]:
        return client.chat("m", HI), list(client.chat("m", HI, stream=True))

    (whole, parts), (first, second) = served(answering(protocol, "Good day to you."), use, protocol)
    assert (whole.message.content, whole.done, whole.done_reason) == ("Good day to you.", True, "stop")
    assert (whole.model, whole.prompt_eval_count, whole.eval_count) == ("m", 100, 20)
    assert whole.total_duration > 0
    assert whole.eval_duration is None  # nobody measured it
    assert "".join(part.message.content for part in parts) == "Good day to you."
    assert [part.done for part in parts] == [False] * (len(parts) - 1) + [True]
    assert (parts[-1].done_reason, parts[-1].eval_count) == ("stop", 20)
    assert len(parts) >= 3
    assert not first.get("stream")
    assert second["stream"] is True


def test_the_asynchronous_package_streams_too() -> None:
    async def main() -> str:
        with ScriptedUpstream() as server:
            server.always(answering(CHAT, "Good day to you."))
            async with plane() as found:
                found.rules(rule("*", "local/box"), backends=[spec(server.url)])
                async with ollama.AsyncClient(host=f"http://127.0.0.1:{found.port}", timeout=30) as client:
                    stream = await client.chat("m", HI, stream=True)
                    said = "".join([part.message.content or "" async for part in stream])
                    again = await client.generate("m", "hi")
                    assert again.response == said
                    return said

    assert uvloop.run(main()) == "Good day to you."


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_call_is_one_piece_with_an_object_and_its_result_finds_it_by_the_tools_name(protocol: str) -> None:
    def use(_: Plane, client: ollama.Client) -> tuple[Any, list[Any]]:
        whole = client.chat("m", HI, tools=[WEATHER])
        parts = list(client.chat("m", HI, tools=[WEATHER], stream=True))
        said = whole.message.model_dump(exclude_none=True)
        result = {"role": "tool", "tool_name": "weather", "content": "rain"}
        client.chat("m", [*HI, said, result], tools=[WEATHER])
        return whole, parts

    step = Call("weather", {"town": "Bergen", "days": 3})
    (whole, parts), sent = served(answering(protocol, step), use, protocol)
    (call,) = whole.message.tool_calls
    assert (call.function.name, dict(call.function.arguments)) == ("weather", {"town": "Bergen", "days": 3})
    assert whole.done_reason == "stop"
    called = [part for part in parts if part.message.tool_calls]
    assert len(called) == 1
    assert dict(called[0].message.tool_calls[0].function.arguments) == {"town": "Bergen", "days": 3}
    assert (parts[-1].done, parts[-1].done_reason) == (True, "stop")
    told = json.dumps(sent[2])
    assert "Bergen" in told
    assert "rain" in told
    assert _pairs(protocol, sent[2])


def _pairs(protocol: str, body: dict[str, Any]) -> bool:
    """Does the result name the call?"""
    if protocol == CHAT:
        (call,) = [m["tool_calls"][0]["id"] for m in body["messages"] if m.get("tool_calls")]
        return call in [m.get("tool_call_id") for m in body["messages"]]
    if protocol == RESPONSES:
        ids = [one["call_id"] for one in body["input"] if "call_id" in one]
        return len(ids) == 2 and len(set(ids)) == 1
    blocks = [b for m in body["messages"] if isinstance(m["content"], list) for b in m["content"]]
    uses = [b["id"] for b in blocks if b["type"] == "tool_use"]
    return uses == [b["tool_use_id"] for b in blocks if b["type"] == "tool_result"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_ends_a_line_for_some_client_stands_in_no_line(protocol: str) -> None:
    """Arguments as a model indents them, and characters at which the package's line reader ends a line."""
    odd = "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg\rh\ni"

    def use(_: Plane, client: ollama.Client) -> str:
        return "".join(one.message.content or "" for one in client.chat("m", HI, stream=True))

    assert served(answering(protocol, odd), use, protocol)[0] == odd


@pytest.mark.parametrize(
    "arguments", ['{\n  "town":\r\n "Ulm"\n}', '{"town":"\\ud83d"}', '{"town":1e999}', '{"town":"a\u2028b"}']
)
def test_a_call_of_a_stream_is_the_call_of_the_whole_answer(arguments: str) -> None:
    call = {
        "index": 0,
        "id": "a",
        "type": "function",
        "function": {"name": "weather", "arguments": arguments},
    }

    def answer(received: Received) -> Reply:
        if received.method == "GET":
            return Reply(200, JSON, body=b'{"object":"list","data":[{"id":"m"}]}')
        if received.json().get("stream"):
            events = chat.delta(tool_calls=[call]), chat.delta("tool_calls")
            return Reply(200, SSE, body=chat.stream(*events))
        return Reply(
            200, JSON, body=encoded(chat.whole({"content": None, "tool_calls": [call]}, "tool_calls"))
        )

    def use(_: Plane, client: ollama.Client) -> tuple[Any, Any]:
        streamed = [one.message.tool_calls for one in client.chat("m", HI, tools=[WEATHER], stream=True)]
        whole = client.chat("m", HI, tools=[WEATHER])
        return next(filter(None, streamed)), whole.message.tool_calls

    streamed, whole = served(answer, use)[0]
    assert streamed == whole
    assert "town" in whole[0].function.arguments


def test_roles_in_capitals_and_pictures_in_lines_are_read_as_ollama_reads_them() -> None:
    picture = base64.encodebytes(b"\x89PNG\r\n\x1a\n" + bytes(120)).decode()

    def use(found: Plane, _: ollama.Client) -> list[int]:
        url = f"http://127.0.0.1:{found.port}/api/chat"
        bodies = (picture, picture + "!!", "")
        return [
            httpx.post(
                url,
                json={
                    "model": "m",
                    "messages": [{"role": "User", "content": "q", "images": [one]}],
                    "stream": False,
                },
            ).status_code
            for one in bodies
        ]

    statuses, sent = served(answering(CHAT, "x"), use)
    assert statuses == [200, 400, 400]
    assert sent[0]["messages"][0]["content"][0]["image_url"]["url"].endswith(picture.replace("\n", ""))


def test_two_results_without_ids_find_their_calls_by_name_or_by_order() -> None:
    calls = [{"function": {"name": name, "arguments": {"n": n}}} for n, name in enumerate("abb")]
    asked = [
        *HI,
        {"role": "assistant", "content": "", "tool_calls": calls},
        {"role": "tool", "tool_name": "b", "content": "of b, the first"},
        {"role": "tool", "content": "of a"},
        {"role": "tool", "name": "b", "content": "of b, the second"},
    ]
    _, (sent,) = served(answering(CHAT, "ok"), lambda _, client: client.chat("m", asked))
    ids = {c["id"]: n for n, c in enumerate(sent["messages"][1]["tool_calls"])}
    results = {ids[m["tool_call_id"]]: m["content"] for m in sent["messages"][2:]}
    assert results == {0: "of a", 1: "of b, the first", 2: "of b, the second"}


def test_pictures_format_thinking_and_options_reach_the_backend_and_what_does_not_is_told() -> None:
    async def main() -> None:
        with ScriptedUpstream() as server:
            server.always(answering(CHAT, '{"a":1}'))
            async with plane() as found:
                found.rules(rule("*", "local/box"), backends=[spec(server.url)])
                body = {
                    "model": "m",
                    "stream": False,
                    "messages": [{"role": "user", "content": "what?", "images": [PNG, JPEG]}],
                    "format": {"type": "object", "properties": {"a": {"type": "integer"}}},
                    "think": "high",
                    "keep_alive": "5m",
                    "options": {
                        "temperature": 0.2, "top_p": 0.9, "seed": 7, "stop": ["END"], "num_predict": 99, "num_ctx": 8192,
                        "repeat_penalty": 1.2, "min_p": 0, "presence_penalty": 0.5, "zzz": 1,
                    },
                }  # fmt: skip
                got = await found.ask("/api/chat", body)
                strict = await found.ask("/api/chat", body, "x-pointsman-strict: 1")
            sent = [one for one in server.requests if one.method == "POST"][
                -1
            ].json()  # its list may be asked for last
        urls = [p["image_url"]["url"] for p in sent["messages"][0]["content"] if p["type"] == "image_url"]
        assert [url.partition(";")[0] for url in urls] == ["data:image/png", "data:image/jpeg"]
        assert sent["response_format"]["json_schema"]["schema"]["properties"] == {"a": {"type": "integer"}}
        assert (sent["temperature"], sent["top_p"], sent["seed"]) == (0.2, 0.9, 7)
        assert (sent["stop"], sent["presence_penalty"]) == (["END"], 0.5)
        assert 99 in (sent.get("max_tokens"), sent.get("max_completion_tokens"))
        warnings = set(got.headers["x-pointsman-warnings"].split(","))
        dropped = {"options.repeat_penalty", "options.num_ctx", "options.zzz", "keep_alive"}
        assert {f"dropped:{name}" for name in dropped} <= warnings
        assert "dropped:options.min_p" not in warnings  # 0 is none
        assert (got.status, strict.status) == (200, 400)
        assert list(strict.json()) == ["error"]

    uvloop.run(main())


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({"messages": [{"role": "king", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": ["x"]}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "images": ["bm9uZQ=="]}]}, "messages[0].images[0]"),
        ({"messages": HI, "format": "xml"}, "format"),
        ({"messages": HI, "think": "hard"}, "think"),
        ({"messages": HI, "options": {"num_predict": "many"}}, "options.num_predict"),
        ({"messages": HI, "logprobs": True}, "logprobs"),
        ({"messages": "hi"}, "messages"),
    ],
)
def test_a_mistake_is_a_400_in_its_own_form_that_names_the_field(body: dict[str, Any], word: str) -> None:
    def use(found: Plane, _: ollama.Client) -> httpx.Response:
        return httpx.post(f"http://127.0.0.1:{found.port}/api/chat", json={"model": "m", **body})

    got, sent = served(answering(CHAT, "x"), use)
    assert (got.status_code, sent) == (400, [])
    assert word in got.json()["error"]


def test_reasoning_is_thinking_and_not_text() -> None:
    chunks = [
        chat.delta(role="assistant"),
        chat.delta(reasoning_content="Let me"),
        chat.delta(reasoning_content=" see."),
        chat.delta("stop", content="Yes."),
    ]
    reply = Reply(200, SSE, body=chat.stream(*map(chat.headed, chunks)))
    parts, _ = served(reply, lambda _, client: list(client.chat("m", HI, think=True, stream=True)))
    assert "".join(part.message.thinking or "" for part in parts) == "Let me see."
    assert "".join(part.message.content for part in parts) == "Yes."


@pytest.mark.parametrize(("reason", "told"), [("length", "length"), ("content_filter", "content_filter")])
def test_why_it_stopped_is_told(reason: str, told: str) -> None:
    reply = Reply(200, SSE, body=chat.stream(chat.headed(chat.delta(reason, content="Half of"))))
    parts, _ = served(reply, lambda _, client: list(client.chat("m", HI, stream=True)))
    assert (parts[-1].done, parts[-1].done_reason) == (True, told)


# -- a failure never looks like success


WHOLE_STREAM = STREAM[CHAT]("It was a long day.")
CALL_STREAM = STREAM[CHAT](Call("rm", {"path": "/tmp/x"}))


@pytest.mark.parametrize("stream", [WHOLE_STREAM, CALL_STREAM], ids=["text", "call"])
@pytest.mark.parametrize(("framing", "last"), [("chunked", [CUT]), ("chunked", []), ("close", [])])
def test_no_cut_of_a_stream_ends_without_an_error(stream: bytes, framing: Any, last: list[Any]) -> None:
    """The package itself ends in silence where no error comes: a line with `error` must."""
    ends = [at for at in range(len(stream)) if stream[:at].endswith(b"\n\n")]
    cuts = sorted({*ends[:-2], *(end + 9 for end in ends[:-3]), 0})

    async def main() -> None:
        with ScriptedUpstream() as server:
            async with plane() as found:
                found.rules(rule("*", "local/box"), backends=[spec(server.url)])
                for cut in cuts:
                    server.always(Reply(200, SSE, parts=[stream[:cut], *last], framing=framing))
                    got = await found.ask("/api/chat", {"model": "m", "messages": HI, "tools": [WEATHER]})
                    lines = [json.loads(line) for line in got.body.splitlines()]
                    assert "error" in lines[-1], (cut, got)
                    assert not any(line.get("done") for line in lines), cut

    uvloop.run(main())


def test_the_package_raises_where_a_stream_is_cut() -> None:
    half = WHOLE_STREAM[: WHOLE_STREAM.index(b"[DONE]") // 2]
    reply = Reply(200, SSE, parts=[half, CUT], framing="chunked")

    def use(_: Plane, client: ollama.Client) -> list[str]:
        said = []
        with pytest.raises(ollama.ResponseError):
            said += [part.message.content for part in client.chat("m", HI, stream=True)]
        return said

    served(reply, use)


@pytest.mark.parametrize("stream", [True, False])
def test_a_failure_before_output_has_a_status_and_an_error(stream: bool) -> None:
    reply = Reply(400, JSON, body=b'{"error":{"message":"too hot","type":"invalid_request_error"}}')

    def use(_: Plane, client: ollama.Client) -> ollama.ResponseError:
        with pytest.raises(ollama.ResponseError) as raised:
            found = client.chat("m", HI, stream=stream)
            list(found)
        return raised.value

    error, _ = served(reply, use)
    assert error.status_code == 400
    assert error.error == "too hot"


def test_while_it_waits_every_line_can_still_be_read_and_a_late_failure_is_an_error() -> None:
    """NDJSON has no comments, and a blank line is an error to the package: a space before the next line is none."""

    def use(_: Plane, client: ollama.Client) -> list[Any]:
        return list(client.chat("m", HI, stream=True))

    reply = Reply(200, SSE, parts=[WHOLE_STREAM], framing="chunked", before=WAIT)
    parts, _ = served(reply, use, hold_seconds=0.05)
    assert "".join(part.message.content for part in parts) == "It was a long day."

    def fails(_: Plane, client: ollama.Client) -> None:
        with pytest.raises(ollama.ResponseError):
            list(client.chat("m", HI, stream=True))

    served(Reply(500, JSON, body=b'{"error":{"message":"broken"}}', before=WAIT), fails, hold_seconds=0.05)


def test_a_whole_answer_where_a_stream_was_asked_is_streamed_on() -> None:
    reply = Reply(200, JSON, body=WHOLE[CHAT]("All at once."))
    for hold in (8.0, 0.0):
        parts, _ = served(reply, lambda _, c: list(c.chat("m", HI, stream=True)), hold_seconds=hold)
        assert "".join(part.message.content for part in parts) == "All at once."
        assert parts[-1].done


# -- generate


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_package_generates(protocol: str) -> None:
    def use(_: Plane, client: ollama.Client) -> tuple[Any, list[Any]]:
        return (
            client.generate("m", "why?", system="Be short.", images=[PNG]),
            list(client.generate("m", "why?", stream=True)),
        )

    (whole, parts), (sent, _) = served(answering(protocol, "Because."), use, protocol)
    assert (whole.response, whole.done_reason, whole.eval_count) == ("Because.", "stop", 20)
    assert "".join(part.response for part in parts) == "Because."
    assert (parts[-1].done, parts[-1].done_reason) == (True, "stop")
    told = json.dumps(sent)
    assert all(one in told for one in ("Be short.", "why?", PNG[:20]))


@pytest.mark.parametrize("field", [{"suffix": "end"}, {"raw": True}, {"template": "{{ .Prompt }}"}])
def test_what_only_a_completion_could_do_is_refused_with_what_to_do(field: dict[str, Any]) -> None:
    def use(_: Plane, client: ollama.Client) -> ollama.ResponseError:
        with pytest.raises(ollama.ResponseError) as raised:
            client.generate("m", "def f(", **field)
        return raised.value

    error, sent = served(answering(CHAT, "x"), use)
    assert (error.status_code, sent) == (400, [])
    assert next(iter(field)) in error.error


@pytest.mark.parametrize(
    ("keep", "reason"), [(None, "load"), ("5m", "load"), (0, "unload"), ("0", "unload"), ("0h0m", "unload")]
)
def test_loading_is_answered_as_its_clients_expect_and_told_as_lost(keep: Any, reason: str) -> None:
    async def main() -> None:
        with ScriptedUpstream() as server:
            server.always(answering(CHAT, "x"))
            async with plane() as found:
                found.rules(rule("m", "local/box"), backends=[spec(server.url)])
                for path, body in (("/api/generate", {}), ("/api/chat", {"messages": []})):
                    asked = {"model": "m", "keep_alive": keep, **body}
                    got = await found.ask(path, asked)
                    assert (got.json()["done"], got.json()["done_reason"]) == (True, reason)
                    assert got.headers["x-pointsman-warnings"] == "dropped:load"
                    assert (await found.ask(path, asked, "x-pointsman-strict: 1")).status == 400
                    assert (await found.ask(path, {**asked, "model": "zz"})).status == 404
            assert not [one for one in server.requests if one.method == "POST"]

    uvloop.run(main())


# -- embed


def vectors(received: Received) -> Reply:
    if received.path != "/v1/embeddings":
        return Reply(404, JSON, body=b'{"error":{"message":"no such path"}}')
    given = received.json()["input"]
    texts = [given] if isinstance(given, str) else given
    data = [{"object": "embedding", "index": at, "embedding": [len(t), 0.5]} for at, t in enumerate(texts)]
    body = {
        "object": "list",
        "data": data[::-1],
        "model": "m",
        "usage": {"prompt_tokens": 4, "total_tokens": 4},
    }
    return Reply(200, JSON, body=encoded(body))


def test_the_package_embeds_a_text_and_a_list_on_the_new_path_and_the_old() -> None:
    def use(found: Plane, client: ollama.Client) -> tuple[Any, ...]:
        return (
            client.embed("m", "one"),
            client.embed("m", ["a", "bb"], dimensions=2, keep_alive="1m"),
            client.embeddings("m", "four"),
            found,
        )

    (one, two, old, found), sent = served(vectors, use, "embeddings")
    assert [list(v) for v in one.embeddings] == [[3, 0.5]]
    assert [list(v) for v in two.embeddings] == [[1, 0.5], [2, 0.5]]
    assert (one.model, one.prompt_eval_count) == ("m", 4)
    assert list(old.embedding) == [4, 0.5]
    assert sent[1] == {"model": "m", "input": ["a", "bb"], "dimensions": 2}
    records = found.own
    assert {record.protocol for record in records} == {"ollama"}
    assert [record.input_tokens for record in records] == [4, 4, 4]


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, JSON, body=b"{}"),
        Reply(200, JSON, body=b'{"data":[]}'),
        Reply(200, JSON, body=b'{"data":[{"embedding":["x"]}]}'),
        Reply(200, SSE, body=sse({"data": [{"embedding": [1.0]}]})),
        Reply(500, JSON, body=b'{"error":{"message":"broken"}}'),
    ],
)
def test_an_embedding_that_is_none_is_an_error(reply: Reply) -> None:
    def use(_: Plane, client: ollama.Client) -> int:
        with pytest.raises(ollama.ResponseError) as raised:
            client.embed("m", "x")
        return raised.value.status_code

    status, _ = served(reply, use, "embeddings")
    assert status >= 500


def test_one_vector_for_two_texts_is_an_error() -> None:
    def use(_: Plane, client: ollama.Client) -> int:
        with pytest.raises(ollama.ResponseError) as raised:
            client.embed("m", ["x", "y"])
        return raised.value.status_code

    assert served(Reply(200, JSON, body=b'{"data":[{"embedding":[1.0]}]}'), use, "embeddings")[0] == 502


def test_no_text_has_no_vector_and_asks_nobody() -> None:
    def use(found: Plane, client: ollama.Client) -> Any:
        url = f"http://127.0.0.1:{found.port}/api/embeddings"
        return [list(client.embed("m", text).embeddings) for text in ("", [])], httpx.post(
            url, json={"model": "m"}
        ).json()

    assert served(vectors, use, "embeddings") == (([[], []], {"embedding": []}), [])


def test_a_backend_without_embeddings_says_so_in_its_form() -> None:
    def use(found: Plane, _: ollama.Client) -> httpx.Response:
        return httpx.post(f"http://127.0.0.1:{found.port}/api/embed", json={"model": "m", "input": "x"})

    got, _ = served(answering(CHAT, "x"), use)
    assert got.status_code == 501
    assert isinstance(got.json()["error"], str)


# -- usage


def test_usage_is_recorded_under_the_protocol_of_the_client() -> None:
    def use(found: Plane, client: ollama.Client) -> Plane:
        client.chat("m", HI)
        list(client.generate("m", "x", stream=True))
        return found

    found, _ = served(answering(CHAT, "hello"), use)
    told = [(r.protocol, r.path, r.stream, r.input_tokens, r.output_tokens) for r in found.own]
    assert told == [("ollama", "/api/chat", False, 100, 20), ("ollama", "/api/generate", True, 100, 20)]
