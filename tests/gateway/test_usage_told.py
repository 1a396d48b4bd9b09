"""Token counts as clients of another protocol get them, also where the backend told none."""

from __future__ import annotations

from typing import Any

import pytest
import uvloop

from pointsman.practice import Reply, ScriptedUpstream
from pointsman.routing.specs import BackendSpec
from tests.vendor_bodies import chat
from tests.vendor_bodies.wire import encoded

from .plane import Got, plane, rule
from .test_translation import CHAT, JSON, MESSAGES, PATHS, RESPONSES, SSE, ask, spec

COMMENT = b": usage is an estimate\n\n"
UNTOLD = b": the backend told no usage\n\n"


def asked(reply: Reply, client: str, stream: bool, **more: Any) -> Got:
    async def main() -> Got:
        with ScriptedUpstream() as first:
            first.always(reply)
            async with plane() as found:
                found.rules(rule("*", "local/box"), backends=[spec(first, CHAT)])
                return await found.ask(PATHS[client], ask(client, stream=stream) | more)

    return uvloop.run(main())


def streamed(*chunks: dict[str, Any]) -> Reply:
    return Reply(200, SSE, parts=[chat.stream(*chunks)], framing="chunked")


def test_a_messages_client_never_gets_silent_zeros() -> None:
    got = asked(streamed(chat.delta(content="hello there"), chat.delta("stop")), MESSAGES, True)
    assert UNTOLD in got.body
    whole = Reply(200, JSON, body=encoded(chat.whole({"content": "hello there"}) | {"usage": None}))
    got = asked(whole, MESSAGES, False)
    assert "unknown:usage" in got.headers["x-pointsman-warnings"]


@pytest.mark.parametrize("client", [CHAT, RESPONSES])
def test_where_a_protocol_can_say_nothing_of_usage_nothing_is_made_up(client: str) -> None:
    got = asked(streamed(chat.delta(content="hello there"), chat.delta("stop")), client, True)
    assert COMMENT not in got.body
    assert UNTOLD not in got.body


@pytest.mark.parametrize("told", [True, False], ids=["told in each chunk", "never told"])
def test_a_stream_ended_by_our_own_stop_sequence_has_usage(told: bool) -> None:
    used = {"usage": {"prompt_tokens": 7, "completion_tokens": 3}} if told else {}
    chunks = [chat.delta(content=text) | used for text in ("one ", "END two", " three")]
    got = asked(
        streamed(*chunks, chat.delta("stop")), MESSAGES, True, stop_sequences=["a", "b", "c", "d", "END"]
    )
    assert b'"stop_sequence":"END"' in got.body
    assert (COMMENT in got.body) is not told
    assert (b'"output_tokens":3' if told else b'"output_tokens":2') in got.body.rpartition(b"message_delta")[
        2
    ]


def test_a_whole_answer_ended_by_our_own_stop_sequence_keeps_the_backends_usage() -> None:
    usage = {"prompt_tokens": 7, "completion_tokens": 30}
    whole = Reply(200, JSON, body=encoded(chat.whole({"content": "one END two"}, usage=usage)))
    got = asked(whole, MESSAGES, False, stop_sequences=["a", "b", "c", "d", "END"])
    assert b'"output_tokens":30' in got.body
    assert b"estimated" not in got.headers.get("x-pointsman-warnings", "").encode()


def test_the_same_tokens_read_and_written_are_not_counted_twice() -> None:
    details = {"cached_tokens": 2161, "cache_write_tokens": 2161}
    used = {"prompt_tokens": 2168, "completion_tokens": 2, "prompt_tokens_details": details}
    got = asked(streamed(chat.delta(content="hi"), chat.delta("stop"), chat.counted(used)), MESSAGES, True)
    last = got.body.rpartition(b"message_delta")[2]
    for part in (b'"input_tokens":0', b'"cache_read_input_tokens":2161', b'"cache_creation_input_tokens":7'):
        assert part in last


HALVES: dict[str, dict[str, Any]] = {
    "no prompt": {"prompt_tokens": None, "completion_tokens": 2},
    "no completion": {"prompt_tokens": 9},
    "a prompt beyond any context": {"prompt_tokens": 10**30, "completion_tokens": 2},
}


@pytest.mark.parametrize("client", [MESSAGES, RESPONSES])
@pytest.mark.parametrize("name", HALVES)
def test_half_a_usage_is_told_as_half(client: str, name: str) -> None:
    usage = HALVES[name]
    got = asked(streamed(chat.delta(content="hi"), chat.delta("stop"), chat.counted(usage)), client, True)
    assert UNTOLD in got.body
    assert str(10**30).encode() not in got.body
    got = asked(Reply(200, JSON, body=encoded(chat.whole({"content": "hi"}, usage=usage))), client, False)
    assert "unknown:usage" in got.headers["x-pointsman-warnings"]


@pytest.mark.parametrize("client", [CHAT, MESSAGES, RESPONSES])
def test_a_count_beyond_any_context_costs_no_usage_record(client: str) -> None:
    usage = {"prompt_tokens": 10**30, "completion_tokens": 2}

    async def main() -> list[Any]:
        with ScriptedUpstream() as first:
            first.always(Reply(200, JSON, body=encoded(chat.whole({"content": "hi"}, usage=usage))))
            async with plane() as found:
                found.rules(rule("*", "local/box"), backends=[spec(first, CHAT)])
                assert (await found.ask(PATHS[client], ask(client))).status == 200
                return list(found.records)

    (record,) = uvloop.run(main())
    assert (record.input_tokens, record.output_tokens) == (None, 2)


def test_a_stream_that_counted_nothing_before_our_stop_sequence_has_an_estimate() -> None:
    used = {"usage": {"prompt_tokens": 7, "completion_tokens": 0}}
    chunks = [chat.delta(content=text) | used for text in ("one ", "END two")]
    more = {"stop_sequences": ["a", "b", "c", "d", "END"]}
    got = asked(streamed(*chunks, chat.delta("stop")), MESSAGES, True, **more)
    last = got.body.rpartition(b"message_delta")[2]
    assert COMMENT in got.body
    assert b'"input_tokens":7' in last
    assert b'"output_tokens":0' not in last


@pytest.mark.parametrize("way", [(), ("x-pointsman-no-fallback: 1",)], ids=["lane", "full way"])
@pytest.mark.parametrize(("client", "lost"), [(CHAT, None), (MESSAGES, "dropped:frobnicate")])
def test_a_record_says_what_the_gateway_took_and_what_translation_lost(
    client: str, lost: str | None, way: tuple[str, ...]
) -> None:
    async def main() -> None:
        with ScriptedUpstream() as server:
            server.always(Reply(200, JSON, body=encoded(chat.whole({"content": "hello there"}))))
            async with plane() as found:
                cloud = BackendSpec("openai/x", "openai", "x", server.url, (CHAT,), allow_http=True)
                found.rules(rule("*", "openai/x"), backends=[cloud])
                body = ask(client) | ({"frobnicate": 5} if lost else {})
                got = await found.ask(PATHS[client], body, *way)
                (record,) = await found.recorded()
                assert record.total_ms is not None
                assert record.overhead_ms is not None
                assert 0 < record.overhead_ms < record.total_ms
                assert record.warnings == got.headers.get("x-pointsman-warnings")
                assert (record.warnings is None) if lost is None else (lost in (record.warnings or ""))

    uvloop.run(main())
