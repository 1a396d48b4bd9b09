"""Calls told in pieces: which piece is of which call, and whether each was told to its end, on every path."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.conversation.parts import Text, ToolCall
from pointsman.conversation.reply import fold
from pointsman.kinds import ErrorKind, Protocol
from pointsman.wire.jsontext import Closing
from tests.vendor_bodies import chat
from tests.vendor_bodies.wire import encoded, named

from .verdicts import agree, reader_of, translated, whole

CHAT = Protocol.OPENAI_CHAT
CUT = (ErrorKind.UPSTREAM_ERROR, 502)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


@given(value=st.dictionaries(st.text(), values) | st.lists(values), data=st.data(), ascii_only=st.booleans())
@settings(max_examples=50)
def test_a_json_text_is_closed_at_its_end_and_nowhere_before(
    value: Any, data: st.DataObject, ascii_only: bool
) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only)
    places = sorted(data.draw(st.sets(st.integers(1, len(text) - 1), max_size=6)) | {0})
    closing = Closing()
    for start, end in zip(places, [*places[1:], len(text)], strict=True):
        assert closing.closed is (start == 0)
        closing.feed(text[start:end])
    assert closing.closed


def piece(index: int | None, call_id: str | None, name: str | None, text: str | None) -> dict[str, Any]:
    function = {"name": name, "arguments": text}
    call = {"index": index, "id": call_id, "function": {k: v for k, v in function.items() if v is not None}}
    return {k: v for k, v in call.items() if v is not None}


ROME = '{"city":"Rome"}'
SHAPES: dict[str, tuple[list[tuple[int | None, str | None, str | None, str | None]], list[tuple[str, str]]]] = {
    "OpenAI's own": (
        [(0, "a", "f", ""), (0, None, None, '{"city":'), (0, None, None, '"Rome"}'), (1, "b", "g", ""), (1, None, None, "{}")],
        [("f", ROME), ("g", "{}")],
    ),
    "two calls whose pieces are mixed": (
        [(0, "a", "f", ""), (1, "b", "g", "{"), (0, None, None, ROME), (1, None, None, "}")],
        [("f", ROME), ("g", "{}")],
    ),
    "a new id on each fragment, the name on the first": (
        [(0, "a1", "f", None), (0, "a2", None, '{"city":'), (0, "a3", None, '"Rome"}')],
        [("f", ROME)],
    ),
    "a new id and the name again on each fragment": (
        [(0, "a1", "f", ""), (0, "a2", "f", '{"city":'), (0, "a3", "f", '"Rome"}')],
        [("f", ROME)],
    ),
    "all at index 0, later fragments without id": (
        [(0, "A", "f", None), (0, None, None, '{"x":1}'), (0, "B", "g", None), (0, None, None, '{"y":2}')],
        [("f", '{"x":1}'), ("g", '{"y":2}')],
    ),
    "all at index 0, of one function": (
        [(0, "A", "f", ""), (0, None, None, '{"x":1}'), (0, "B", "f", ""), (0, None, None, '{"x":2}')],
        [("f", '{"x":1}'), ("f", '{"x":2}')],
    ),
    "all at index 0, each fragment with its id": (
        [(0, "A", "f", ""), (0, "B", "g", ""), (0, "A", None, '{"x":1}'), (0, "B", None, '{"y":2}')],
        [("f", '{"x":1}'), ("g", '{"y":2}')],
    ),
    "whole, without ids, at one index": (
        [(0, None, "f", '{"x":1}'), (0, None, "g", '{"y":2}')],
        [("f", '{"x":1}'), ("g", '{"y":2}')],
    ),
    "whole, without ids, at one index, of one function": (
        [(0, None, "f", '{"x":1}'), (0, None, "f", '{"x":2}')],
        [("f", '{"x":1}'), ("f", '{"x":2}')],
    ),
    "whole, of one id": (
        [(0, "c", "f", '{"x":1}'), (0, "c", "g", '{"y":2}')],
        [("f", '{"x":1}'), ("g", '{"y":2}')],
    ),
    "whole, at one index, with ids": (
        [(0, "A", "f", '{"x":1}'), (0, "B", "f", '{"x":1}')],
        [("f", '{"x":1}'), ("f", '{"x":1}')],
    ),
    "without indices": (
        [(None, "A", "f", '{"x":'), (None, None, None, "1}"), (None, "B", "g", '{"y":2}')],
        [("f", '{"x":1}'), ("g", '{"y":2}')],
    ),
    "one id for all, told apart by index": (
        [(0, "c", "f", ""), (1, "c", "f", ""), (0, "c", None, '{"x":1}'), (1, "c", None, '{"x":2}')],
        [("f", '{"x":1}'), ("f", '{"x":2}')],
    ),
    "the name and the id in every chunk": (
        [(0, "c", "f", ""), (0, "c", "f", '{"x"'), (0, "c", "f", ":1}"), (0, "c", "f", "")],
        [("f", '{"x":1}')],
    ),
    "the id late": (
        [(0, None, "f", '{"x":'), (0, "c", None, "1}")],
        [("f", '{"x":1}')],
    ),
    "all of it again at its end": (
        [(0, "a", "f", '{"x":'), (0, None, None, "1}"), (0, "a", "f", '{"x":1}')],
        [("f", '{"x":1}')],
    ),
    "the same id and name, and another call": (
        [(0, "a", "f", '{"x":1}'), (0, "a", "f", '{"x":2}')],
        [("f", '{"x":1}'), ("f", '{"x":2}')],
    ),
    "no arguments at all": ([(0, "a", "f", ""), (1, "b", "g", None)], [("f", ""), ("g", "")]),
}  # fmt: skip


@pytest.mark.parametrize("shape", list(SHAPES))
@pytest.mark.parametrize("together", [False, True], ids=["a chunk a piece", "one chunk"])
def test_tool_calls_in_every_shape_that_servers_send(shape: str, together: bool) -> None:
    given_, wanted = SHAPES[shape]
    pieces = [piece(*one) for one in given_]
    deltas = [pieces] if together else [[one] for one in pieces]
    frames = [chat.delta(tool_calls=one) for one in deltas]
    raw = chat.stream(*frames, chat.delta("tool_calls"))
    assert agree(CHAT, [raw]).error is None
    parts = fold(translated(CHAT, [raw])[1]).parts
    calls = [part for part in parts if isinstance(part, ToolCall)]
    assert [(call.name, call.arguments) for call in calls] == wanted
    assert len({call.id for call in calls}) == len(calls)


@pytest.mark.parametrize("call_id", [None, "a"])
@pytest.mark.parametrize("names", [("get_", "weather"), ("get_", "get_weather"), ("get", "_wea", "ther")])
def test_a_name_that_comes_in_pieces_is_one_name(names: tuple[str, ...], call_id: str | None) -> None:
    first, *rest = names
    pieces = [
        piece(0, "a", first, ""),
        *(piece(0, call_id, name, "") for name in rest),
        piece(0, None, None, "{}"),
    ]
    raw = chat.stream(*(chat.delta(tool_calls=[one]) for one in pieces), chat.delta("tool_calls"))
    agree(CHAT, [raw])
    (call,) = fold(translated(CHAT, [raw])[1]).parts
    assert isinstance(call, ToolCall)
    assert (call.name, call.arguments) == ("get_weather", "{}")


FUNCTION = {"name": "f", "arguments": '{"x":1}'}
ODD: dict[str, Any] = {
    "an index that is a string": [{"index": "0", "id": "a", "function": FUNCTION}],
    "an index that is a fraction": [{"index": 0.0, "id": "a", "function": FUNCTION}],
    "an id that is a number": [{"index": 0, "id": 17, "function": FUNCTION}],
    "one call, not in a list": {"index": 0, "id": "a", "function": FUNCTION},
    "a null beside it": [None, {"index": 0, "id": "a", "function": FUNCTION}],
    "no function around it": [{"index": 0, "id": "a", "type": "function", **FUNCTION}],
    "parameters for arguments": [{"index": 0, "id": "a", "function": {"name": "f", "parameters": {"x": 1}}}],
    "a list around the function": [{"index": 0, "id": "a", "function": [FUNCTION]}],
}


@pytest.mark.parametrize("shape", list(ODD))
def test_a_call_whose_members_are_of_other_types_is_not_lost(shape: str) -> None:
    raw = chat.stream(chat.delta(tool_calls=ODD[shape]), chat.delta("tool_calls"))
    verdict = agree(CHAT, [raw])
    assert (verdict.error, verdict.answered) == (None, True)
    body = chat.whole({"content": None, "tool_calls": ODD[shape]}, "tool_calls")
    told = fold(translated(CHAT, [raw])[1]).parts
    for parts in (told, reader_of(CHAT).reply(encoded(body)).parts):
        (call,) = parts
        assert isinstance(call, ToolCall)
        assert (call.name, json.loads(call.arguments)) == ("f", {"x": 1})


def test_a_last_chunk_that_tells_the_whole_message_again_adds_nothing() -> None:
    call = {"id": "a", "function": FUNCTION}
    message = {"role": "assistant", "content": "Hi", "tool_calls": [call]}
    raw = chat.stream(
        chat.delta(content="Hi"),
        chat.delta(tool_calls=[{"index": 0, **call}]),
        chat.in_message("tool_calls", **message),
    )
    text, found = fold(translated(CHAT, [raw])[1]).parts
    assert (text, found.name) == (Text("Hi"), "f")  # type: ignore[union-attr]


@pytest.mark.parametrize("reason", ["tool_calls", "stop", "length", None])
@pytest.mark.parametrize("text", ["{", '{"city":"Ro', '{"city":"Rome"', '{"a":[1,2', '{"a":"\\"}'])
def test_a_call_cut_inside_its_arguments_is_an_error_whatever_the_finish_reason_says(
    reason: str | None, text: str
) -> None:
    frames = [chat.delta(tool_calls=[piece(0, "a", "rm", text)]), chat.delta(reason)]
    verdict = agree(CHAT, [chat.stream(*frames)])
    assert (verdict.calls_whole, verdict.error) == (False, CUT)
    message = {"role": "assistant", "content": None, "tool_calls": [piece(None, "a", "rm", text)]}
    body = {"id": "chatcmpl-1", "choices": [{"index": 0, "message": message, "finish_reason": reason}]}
    assert whole(CHAT, encoded(body)) == verdict


def test_a_custom_tool_call_may_say_anything() -> None:
    call = {"index": 0, "id": "a", "type": "custom", "custom": {"name": "patch", "input": '{"'}}
    verdict = agree(CHAT, [chat.stream(chat.delta(tool_calls=[call]), chat.delta("tool_calls"))])
    assert (verdict.calls_whole, verdict.error) == (True, None)


@pytest.mark.parametrize("reason", ["tool_use", "end_turn", "max_tokens"])
def test_a_messages_call_cut_inside_its_arguments_is_an_error(reason: str) -> None:
    start = {"type": "tool_use", "id": "t", "name": "rm", "input": {}}
    frames: list[dict[str, Any]] = [
        {"type": "message_start", "message": {"id": "msg_1", "type": "message", "content": []}},
        {"type": "content_block_start", "index": 0, "content_block": start},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": '{"a":'}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": reason}},
        {"type": "message_stop"},
    ]  # fmt: skip
    verdict = agree(Protocol.ANTHROPIC_MESSAGES, [named(*frames)])
    assert (verdict.calls_whole, verdict.error) == (False, CUT)


def test_pieces_of_calls_in_any_order_are_read_without_an_exception() -> None:
    dice = random.Random(7)
    for _ in range(500):
        pieces = [
            piece(
                dice.choice([0, 0, 1, None]),
                dice.choice(["a", "b", None]),
                dice.choice(["f", "g", None]),
                dice.choice(["", '{"x":', "1}", "{}", None]),
            )
            for _ in range(dice.randrange(7))
        ]
        frames = [chat.delta(tool_calls=[one]) for one in pieces]
        agree(CHAT, [chat.stream(*frames, chat.delta("tool_calls"))])
