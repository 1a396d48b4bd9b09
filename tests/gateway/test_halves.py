"""Characters that were cut in two, over the wire: no text is lost, and no request is refused for them."""

from __future__ import annotations

import json

import pytest

from pointsman.practice import Reply
from tests.agents.model import CHAT, JSON, MESSAGES, RESPONSES, SSE, STREAM, WHOLE
from tests.vendor_bodies import chat
from tests.vendor_bodies.wire import encoded

from .test_translation import CLEAN, ask, one, text_of

PAIRS = [
    (client, upstream) for client in (CHAT, RESPONSES, MESSAGES) for upstream in (CHAT, RESPONSES, MESSAGES)
]
ACROSS = [(client, upstream) for client, upstream in PAIRS if client != upstream]


def cut(upstream: str) -> bytes:
    """A stream that says "a😀b" in two deltas, the emoji's escape cut between them."""
    raw = STREAM[upstream]("ab")
    for text, other in ((b'"a"', rb'"a\ud83d"'), (b'"b"', rb'"\ude00b"'), (b'"ab"', '"a😀b"'.encode())):
        raw = raw.replace(text, other)
    assert raw.count(rb"\ud83d") == raw.count(rb"\ude00") == 1
    return raw


def streamed(client: str, upstream: str) -> bytes:
    reply = Reply(200, SSE, parts=[cut(upstream)], framing="chunked")
    more = {"stream_options": {"include_usage": True}} if client == CHAT else {}
    return one(client, upstream, reply, ask(client, stream=True, **more))[0].body


@pytest.mark.parametrize(("client", "upstream"), ACROSS)
def test_an_emoji_cut_over_two_deltas_arrives(client: str, upstream: str) -> None:
    raw = streamed(client, upstream).decode()
    assert '"😀b"' in raw
    assert "\\ud83d" not in raw


@pytest.mark.parametrize("protocol", [CHAT, RESPONSES, MESSAGES])
def test_a_cut_emoji_passes_as_it_came(protocol: str) -> None:
    assert streamed(protocol, protocol) == cut(protocol)


@pytest.mark.parametrize(("client", "upstream"), PAIRS)
@pytest.mark.parametrize("half", [r"hi \ud83d there", r"\ude00 hi there", r"hi there\ud83d"])
def test_half_a_character_in_a_request_refuses_nothing(client: str, upstream: str, half: str) -> None:
    body = json.dumps(ask(client)).replace('"hi"', f'"{half}"')
    reply = Reply(200, JSON, body=WHOLE[upstream]("ok"))
    got, (received,) = one(client, upstream, reply, body.encode())
    assert got.status == 200, got.body
    assert text_of(client, got.json()) == "ok"
    assert b"there" in received.body
    if client == upstream:
        assert received.body == body.encode()
    else:
        assert "\ufffd" in json.dumps(received.json(), ensure_ascii=False)
        assert "repaired:body" in got.headers["x-pointsman-warnings"]


@pytest.mark.parametrize(("client", "upstream"), ACROSS)
def test_half_a_character_in_a_whole_answer_costs_no_answer(client: str, upstream: str) -> None:
    raw = WHOLE[upstream]("XY ok").replace(b"XY", rb"\ud83d")
    got, _ = one(client, upstream, Reply(200, JSON, body=raw))
    assert got.status == 200, got.body
    assert text_of(client, got.json()) == "\ufffd ok"
    assert got.json()["usage"]


def test_arguments_with_half_a_character_are_still_an_object() -> None:
    function = {"name": "f", "arguments": r'{"q": "a\ud83d b"}'}
    call = {"id": "c1", "type": "function", "function": function}
    reply = Reply(200, JSON, body=encoded(chat.whole({"content": None, "tool_calls": [call]}, "tool_calls")))
    got, _ = one(MESSAGES, CHAT, reply)
    (block,) = got.json()["content"]
    assert block["input"] == {"q": "a\ufffd b"}
    messages = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "done"},
    ]
    reply = Reply(200, JSON, body=WHOLE[MESSAGES]("ok"))
    got, (received,) = one(CHAT, MESSAGES, reply, ask(CHAT, messages=messages))
    assert received.json()["messages"][1]["content"][0]["input"] == {"q": "a\ufffd b"}
    assert "repaired" in got.headers["x-pointsman-warnings"]


FIRST = rb'{"index":0,"id":"c1","type":"function","function":{"name":"f","arguments":"{\"q\":\"a\ud83d"}}'
CALLS = {
    "type and id with the first piece only": (FIRST, rb'{"index":0,"function":{"arguments":"\ude00b\"}"}}'),
    "type with the second": (
        FIRST.replace(b'"type":"function",', b""),
        rb'{"index":0,"type":"function","function":{"arguments":"\ude00b\"}"}}',
    ),
    "another id with each": (FIRST, rb'{"index":0,"id":"c2","function":{"arguments":"\ude00b\"}"}}'),
    "index with the first only": (FIRST, rb'{"function":{"arguments":"\ude00b\"}"}}'),
}


@pytest.mark.parametrize("client", [MESSAGES, RESPONSES])
@pytest.mark.parametrize("name", CALLS)
def test_an_emoji_cut_over_two_pieces_of_a_calls_arguments_arrives(client: str, name: str) -> None:
    chunk = b'{"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"tool_calls":[%b]}}]}'
    raw = chat.stream(*(chunk % piece for piece in CALLS[name]), chat.delta("tool_calls"))
    got, _ = one(client, CHAT, Reply(200, SSE, parts=[raw], framing="chunked"), ask(client, stream=True))
    assert r"😀b\"}" in got.body.decode()
    assert "\ufffd" not in got.body.decode()


def test_an_emoji_cut_between_chunks_that_tell_different_members_arrives() -> None:
    pieces = [
        rb'{"id":"a","choices":[{"index":0,"delta":{"role":"assistant","content":"a\ud83d"}}]}',
        rb'{"id":"b","choices":[{"delta":{"type":"text","content":"\ude00b"}}]}',
    ]
    raw = chat.stream(*pieces, chat.delta("stop"))
    got, _ = one(MESSAGES, CHAT, Reply(200, SSE, parts=[raw], framing="chunked"), ask(MESSAGES, stream=True))
    assert "😀b" in got.body.decode()


@pytest.mark.parametrize(("client", "upstream"), ACROSS)
@pytest.mark.parametrize("sign", ["\x00", "\x01", "\t"])
def test_a_control_character_that_a_server_did_not_escape_costs_no_answer(
    client: str, upstream: str, sign: str
) -> None:
    raw = WHOLE[upstream]("aXYb").replace(b"XY", sign.encode())
    got, _ = one(client, upstream, Reply(200, JSON, body=raw))
    assert got.status == 200, got.body
    assert text_of(client, got.json()) == f"a{sign}b"
    raw = STREAM[upstream]("aXYb").replace(b'"aX"', f'"a{sign}"'.encode()).replace(b'"Yb"', b'"b"')
    raw = raw.replace(b"aXYb", f"a{sign}b".encode())
    reply = Reply(200, SSE, parts=[raw], framing="chunked")
    got, _ = one(client, upstream, reply, ask(client, stream=True))
    assert CLEAN[client] in got.body
    assert json.dumps(f"a{sign}").encode()[1:-1] in got.body
