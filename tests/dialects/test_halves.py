"""What must hold of every dialect's half of a translation, whichever it is: one set of properties, run over all of them.

A reply written as a stream or whole and read back is the same reply; any cutting of the bytes gives the same; a body that is
not right is a 400 and never another exception; a request rendered and read again is the same request; and a conversation
that grows keeps the bytes of its beginning.
"""

from __future__ import annotations

import copy
import json
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pointsman.conversation.events import Ended, Stop
from pointsman.conversation.notes import Notes
from pointsman.conversation.parts import Opaque, Text, Thinking, ToolCall
from pointsman.conversation.profile import Profile
from pointsman.conversation.reply import Reply, fold
from pointsman.conversation.usage import TokenUsage
from pointsman.dialects.base import Reading
from pointsman.dialects.registry import DIALECTS
from pointsman.errors import PointsmanError
from pointsman.kinds import ErrorKind, Protocol
from pointsman.providers.profiles import profile_for
from pointsman.routing.specs import BackendSpec
from pointsman.translation.heal import heal

from .halves import (
    ALL,
    CAPSULES,
    CHAT,
    MESSAGES,
    RESPONSES,
    SPECS,
    answering,
    comparable,
    half,
    parsed,
    read,
    sent,
    told,
    written,
)

every = pytest.mark.parametrize("protocol", ALL)
quick = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])


# -- replies

words = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=30).filter(str.strip)
names = st.from_regex(r"[a-z_]{1,12}", fullmatch=True)
objects = st.dictionaries(names, st.one_of(st.integers(0, 9), words, st.booleans(), st.none()), max_size=3)
calls = st.builds(lambda name, value: (name, json.dumps(value)), names, objects)


@st.composite
def replies(draw: st.DrawFn) -> Reply:
    """Thinking, then text, then calls: what every protocol can say in the same order."""
    parts: list[Any] = []
    if draw(st.booleans()):
        parts.append(Thinking(draw(words)))
    if draw(st.booleans()):
        parts.append(Text(draw(words)))
    made = draw(st.lists(calls, max_size=3))
    parts += [ToolCall(f"call_{at}", name, arguments) for at, (name, arguments) in enumerate(made)]
    stop = Stop.TOOL_USE if made else draw(st.sampled_from([Stop.END, Stop.MAX_TOKENS]))
    counted = TokenUsage(draw(st.integers(0, 999)), draw(st.integers(0, 999)), 0, 0)
    return Reply("x1", "m", parts, stop, usage=counted)


@every
@quick
@given(reply=replies())
def test_a_stream_written_is_read_back(protocol: Protocol, reply: Reply) -> None:
    raw = written(protocol, reply)
    assert told(fold(read(protocol, [raw]))) == told(reply)


@every
@quick
@given(reply=replies())
def test_a_whole_answer_written_is_read_back_and_equals_its_stream(protocol: Protocol, reply: Reply) -> None:
    body = half(protocol).render_reply(reply, answering(stream=False))
    assert told(half(protocol).reader(Profile()).reply(body)) == told(reply)
    assert told(fold(read(protocol, [written(protocol, reply)]))) == told(
        half(protocol).reader(Profile()).reply(body)
    )


@every
@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
def test_a_stream_cut_at_every_byte_is_the_same(protocol: Protocol, end: bytes) -> None:
    reply = Reply("x1", "m", [Thinking("hm \u00e9"), Text("h\u00e9llo \U0001f600 w\u00f6rld"), ToolCall("call_0", "f", '{"a":"\u00fc"}'), ToolCall("call_1", "g", "{}")], Stop.TOOL_USE, usage=TokenUsage(3, 4, 0, 0))  # fmt: skip
    raw = written(protocol, reply).replace(b"\n", end)
    expected = told(reply)
    for at in range(len(raw)):
        assert told(fold(read(protocol, [raw[:at], raw[at:]]))) == expected
    assert told(fold(read(protocol, [raw[at : at + 1] for at in range(len(raw))]))) == expected


@every
def test_comments_and_pings_between_change_nothing(protocol: Protocol) -> None:
    parts = [Text("hello"), ToolCall("call_0", "f", '{"a":1}')]
    reply = Reply("x1", "m", parts, Stop.TOOL_USE, usage=TokenUsage(3, 4, 0, 0))
    events = written(protocol, reply).split(b"\n\n")[:-1]
    noisy = b"".join(event + b"\n\n: keep-alive\n\n" for event in events)
    assert told(fold(read(protocol, [b": first\n\n" + noisy]))) == told(reply)


@every
def test_a_stream_that_stops_at_any_event_before_its_end_is_never_whole(protocol: Protocol) -> None:
    reply = Reply("x1", "m", [Text("hello"), ToolCall("call_0", "f", '{"a":1}')], Stop.TOOL_USE)
    events = written(protocol, reply).split(b"\n\n")[:-1]
    says_why = {
        CHAT: b'"finish_reason":"tool_calls"',
        RESPONSES: b"response.completed",
        MESSAGES: b"message_stop",
    }
    last = next(at for at, event in enumerate(events) if says_why[protocol] in event)
    for at in range(last):
        found = read(protocol, [b"\n\n".join(events[: at + 1]) + b"\n\n"])
        assert not any(isinstance(event, Ended) for event in found), at


@every
def test_opaque_reasoning_of_another_vendor_comes_back_from_what_a_client_replays(protocol: Protocol) -> None:
    foreign = Opaque("another", {"secret": [1, 2]}, "openai/other")
    body = json.loads(
        half(protocol).render_reply(Reply("x", "m", [Thinking("hm", foreign), Text("hi")]), answering(False))
    )
    if protocol is CHAT:
        message = {key: value for key, value in body["choices"][0]["message"].items() if value is not None}
        replayed: dict[str, Any] = {
            "messages": [{"role": "user", "content": "a"}, message, {"role": "user", "content": "b"}]
        }
    elif protocol is RESPONSES:
        replayed = {
            "input": [{"role": "user", "content": "a"}, *body["output"], {"role": "user", "content": "b"}]
        }
    else:
        turn = {"role": "assistant", "content": body["content"]}
        replayed = {
            "max_tokens": 5,
            "messages": [{"role": "user", "content": "a"}, turn, {"role": "user", "content": "b"}],
        }
    request = half(protocol).parse_request({"model": "m", **replayed}, Reading(Notes(strict=True), CAPSULES))
    thinking = [part for message in request.messages for part in message.parts if isinstance(part, Thinking)]
    assert thinking == [Thinking("hm", foreign)]


# -- requests

SCHEMA = {
    "type": "object",
    "properties": {"a": {"type": "string"}},
    "required": ["a"],
    "additionalProperties": False,
}
PICTURE = "iVBORw0KGgo="
REQUESTS: dict[Protocol, dict[str, Any]] = {
    CHAT: {
        "model": "m", "max_completion_tokens": 50, "temperature": 0.5, "stop": ["END"], "stream": True, "user": "u",
        "stream_options": {"include_usage": True}, "parallel_tool_calls": False, "tool_choice": "required",
        "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA, "strict": True}},
        "tools": [{"type": "function", "function": {"name": "f", "description": "d", "parameters": SCHEMA, "strict": True}}],
        "messages": [
            {"role": "system", "content": "be short"},
            {"role": "user", "content": [{"type": "text", "text": "look"}, {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PICTURE}"}}]},
            {"role": "assistant", "content": "I will", "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{\"a\":\"1\"}"}}, {"id": "call_2", "type": "function", "function": {"name": "f", "arguments": "{\"a\":\"2\"}"}}]},
            {"role": "tool", "tool_call_id": "call_1", "content": "one"},
            {"role": "tool", "tool_call_id": "call_2", "content": "two"},
            {"role": "user", "content": "go on"},
        ],
    },
    RESPONSES: {
        "model": "m", "instructions": "be short", "max_output_tokens": 50, "stream": True, "safety_identifier": "u",
        "parallel_tool_calls": False, "tool_choice": "required", "reasoning": {"effort": "high"},
        "text": {"format": {"type": "json_schema", "name": "x", "schema": SCHEMA, "strict": True}},
        "tools": [{"type": "function", "name": "f", "description": "d", "parameters": SCHEMA, "strict": True}],
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "look"}, {"type": "input_image", "image_url": f"data:image/png;base64,{PICTURE}"}]},
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": "x"},
            {"role": "assistant", "content": "I will"},
            {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{\"a\":\"1\"}"},
            {"type": "function_call", "call_id": "call_2", "name": "f", "arguments": "{\"a\":\"2\"}"},
            {"type": "function_call_output", "call_id": "call_1", "output": "one"},
            {"type": "function_call_output", "call_id": "call_2", "output": [{"type": "input_text", "text": "two"}]},
            {"role": "user", "content": "go on"},
        ],
    },
    MESSAGES: {
        "model": "m", "max_tokens": 50, "temperature": 0.5, "stop_sequences": ["END"], "stream": True,
        "system": [{"type": "text", "text": "be short", "cache_control": {"type": "ephemeral"}}],
        "metadata": {"user_id": "u"}, "tools": [{"name": "f", "description": "d", "input_schema": SCHEMA}],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "look"}, {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PICTURE}}]},
            {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": "s"}, {"type": "text", "text": "I will"}, {"type": "tool_use", "id": "call_1", "name": "f", "input": {"a": "1"}}, {"type": "tool_use", "id": "call_2", "name": "f", "input": {"a": "2"}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_1", "content": "one"}, {"type": "tool_result", "tool_use_id": "call_2", "content": [{"type": "text", "text": "two"}]}, {"type": "text", "text": "go on"}]},
        ],
    },
}  # fmt: skip


@every
def test_a_request_rendered_is_read_back(protocol: Protocol) -> None:
    request = parsed(protocol, REQUESTS[protocol])
    profile = profile_for(SPECS[protocol][0], protocol, SPECS[protocol][1])
    notes = Notes()
    body = sent(protocol, request, profile, notes)
    assert body == sent(protocol, request, profile, Notes())
    again = parsed(protocol, json.loads(body))
    first, second = comparable(request), comparable(again)
    if protocol is MESSAGES:  # automatic caching is asked for where tools are used
        second["cache_auto"] = first["cache_auto"]
    assert second == first
    assert notes.warnings == []


@pytest.mark.parametrize("client", ALL)
@pytest.mark.parametrize("upstream", ALL)
@pytest.mark.parametrize("local", [False, True])
def test_a_conversation_that_grows_keeps_the_bytes_of_its_beginning(
    client: Protocol, upstream: Protocol, local: bool
) -> None:
    """Up to each user turn: the messages rendered for the shorter one begin the longer one's, byte for byte."""
    body = REQUESTS[client]
    key = "input" if client is RESPONSES else "messages"
    turns = body[key]
    longer = [*turns, {"role": "assistant", "content": "Done."}, {"role": "user", "content": "And now?"}]
    spec, model = (
        (BackendSpec("local/b", "local", "b", "http://127.0.0.1:1"), "x") if local else SPECS[upstream]
    )
    profile = profile_for(spec, upstream, model)
    out_key = b'"input":[' if upstream is RESPONSES else b'"messages":['

    def items(messages: list[Any]) -> bytes:
        raw = sent(upstream, parsed(client, {**body, key: messages}), profile, Notes())
        listed = json.loads(raw)[out_key.decode().strip('":[')]
        return msgspec.json.encode(listed)[:-1]

    assert items(longer).startswith(items(turns))
    assert items(turns).startswith(items(turns[: 2 if client is CHAT else 1]))


# -- bodies that are not right

values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["type", "text", "role", "content", "name", "id"]), inner, max_size=3)),
    max_leaves=6,
)  # fmt: skip


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [at] if at else []
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in inside:
        found += places(inner, (*at, key))
    return found


@every
@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_a_wrong_value_anywhere_is_a_400_or_is_understood(protocol: Protocol, data: st.DataObject) -> None:
    body = copy.deepcopy(REQUESTS[protocol])
    *path, last = data.draw(st.sampled_from(places(body)))
    inside: Any = body
    for key in path:
        inside = inside[key]
    if data.draw(st.booleans()):
        inside[last] = data.draw(values)
    else:
        del inside[last]
    for upstream in ALL:
        profile = profile_for(SPECS[upstream][0], upstream, SPECS[upstream][1])
        try:
            notes = Notes()
            request = heal(half(protocol).parse_request(copy.deepcopy(body), Reading(notes, CAPSULES)), notes)
            json.loads(sent(upstream, request, profile, notes))
        except PointsmanError as error:
            assert error.kind is ErrorKind.BAD_REQUEST
            assert error.public


@every
@settings(max_examples=300, deadline=None)
@given(
    events=st.lists(
        st.one_of(values.map(lambda value: json.dumps(value).encode()), st.binary(max_size=20)), max_size=6
    )
)
def test_a_stream_of_anything_is_read_without_an_exception(protocol: Protocol, events: list[bytes]) -> None:
    kinds = [b"", b'{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"x"}}]}}]}', b'{"type":"response.output_text.delta","delta":"x"}', b'{"type":"content_block_delta","index":3,"delta":{"type":"text_delta","text":"x"}}', b'{"type":"response.output_item.done","item":{"type":"message"}}', b'{"choices":[{"message":{"content":"x"}}]}', b'{"type":"message_delta","delta":{}}']  # fmt: skip
    for special in kinds:
        raw = b"".join(
            b"data: " + event.replace(b"\n", b" ").replace(b"\r", b" ") + b"\n\n"
            for event in [special, *events]
        )
        read(protocol, [raw])


@every
@settings(max_examples=200, deadline=None)
@given(body=st.one_of(values.map(lambda value: json.dumps(value).encode()), st.binary(max_size=40)))
def test_a_whole_answer_of_anything_is_read_or_refused(protocol: Protocol, body: bytes) -> None:
    try:
        half(protocol).reader(Profile()).reply(body)
    except (ValueError, PointsmanError):
        pass
    found = DIALECTS[protocol].parse_error(500, body)
    assert found.public
