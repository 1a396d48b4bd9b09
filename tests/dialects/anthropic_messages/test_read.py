"""Answers of a Messages upstream, whole and streamed: both say the same, however the stream was cut."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.conversation.events import (
    Delta,
    Ended,
    Failed,
    Finished,
    PartEnd,
    PartKind,
    PartStart,
    Started,
    Stop,
    UsageSeen,
)
from pointsman.conversation.parts import Opaque, Text, Thinking, ToolCall
from pointsman.conversation.reply import CutShort, fold, unfold
from pointsman.conversation.usage import TokenUsage
from pointsman.dialects.anthropic_messages.dialect import TRANSLATION
from pointsman.errors import PointsmanError
from pointsman.kinds import ErrorKind
from pointsman.wire.sse import EventSplitter
from tests.vendor_bodies.messages import PING, block, ended, json_delta, started, text_delta
from tests.vendor_bodies.wire import named

from ..reading import cut
from .answers import AM, ANSWERS, RESULT, TEXT, Answer
from .kit import CLAUDE, merged, read

every = pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())


def parse(body: dict[str, Any]) -> Any:
    return TRANSLATION.reader(CLAUDE).reply(json.dumps(body).encode())


@every
def test_the_stream_is_the_reply(answer: Answer) -> None:
    assert fold(read(answer.stream)) == answer.reply


@every
def test_the_whole_body_is_the_reply(answer: Answer) -> None:
    assert parse(answer.body) == answer.reply


@every
def test_cut_at_every_byte(answer: Answer) -> None:
    for ends in (b"\n", b"\r\n"):
        raw = answer.stream.replace(b"\n", ends)
        assert fold(read([raw[i : i + 1] for i in range(len(raw))])) == answer.reply
        for place in range(1, len(raw), 7):
            assert fold(read([raw[:place], raw[place:]])) == answer.reply


@every
def test_what_may_stand_in_between_changes_nothing(answer: Answer) -> None:
    """Comments, pings, unknown events, and JSON that is padded to hide its length."""
    noise = b': keep-alive\n\nevent: ping\ndata: {"type": "ping"}\n\nevent: new\ndata: {"type": "new", "delta": "x"}\n\n'
    events = answer.stream.split(b"\n\n")[:-1]
    padded = [event[:-1] + b"      }   " for event in events]
    assert fold(read(noise + (b"\n\n" + noise).join(padded) + b"\n\n" + noise)) == answer.reply


@every
def test_without_its_end_it_is_cut(answer: Answer) -> None:
    """Never Ended, so nobody takes it for whole."""
    events = answer.stream.split(b"\n\n")[:-2]
    for count in range(len(events)):
        found = read(b"".join(event + b"\n\n" for event in events[: count + 1]))
        assert not any(isinstance(one, Ended) for one in found)
        with pytest.raises(CutShort):
            fold(found)


@every
def test_the_order_of_events_is_legal(answer: Answer) -> None:
    found = read(answer.stream)
    assert isinstance(found[0], Started)
    assert isinstance(found[-1], Ended)
    starts = [one.index for one in found if isinstance(one, PartStart)]
    assert starts == list(range(len(starts)))
    assert all(one.text for one in found if isinstance(one, Delta))
    assert [type(one) for one in unfold(answer.reply)] == [
        type(one) for one in merged(found) if not isinstance(one, UsageSeen) or one is found[-3]
    ]


@every
def test_it_is_a_watch_too(answer: Answer) -> None:
    reader = TRANSLATION.reader(CLAUDE)
    for event in EventSplitter().feed(answer.stream):
        reader.event(event)
    told = answer.reply.parts or answer.reply.stop is Stop.REFUSAL
    assert (reader.output, reader.finished, reader.error, reader.malformed) == (bool(told), True, None, 0)
    assert (reader.usage, reader.answer_id) == (answer.reply.usage, "msg_1")
    other = TRANSLATION.reader(CLAUDE)
    assert other.whole(json.dumps(answer.body).encode())
    assert other.finished


def test_output_is_seen_with_the_first_piece() -> None:
    reader = TRANSLATION.reader(CLAUDE)
    seen = []
    for event in EventSplitter().feed(
        named(started(), PING, *block(0, TEXT, text_delta(""), text_delta("a")))
    ):
        reader.read(event)
        seen.append(reader.output)
    assert seen == [False, False, False, False, True, True]


# -- what goes wrong


def test_an_error_in_the_stream() -> None:
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    raw = named(started(), *block(0, TEXT, text_delta("a"))[:2], error, *ended())
    found = read(raw)
    assert isinstance(found[-1], Failed)
    assert (found[-1].error.kind, found[-1].error.public) == (ErrorKind.OVERLOADED, "Overloaded")
    assert sum(isinstance(one, Failed) for one in found) == 1


def test_no_stop_reason_is_a_failure() -> None:
    found = read(named(started(), *block(0, TEXT, text_delta("a")), {"type": "message_stop"}))
    assert isinstance(found[-1], Failed)
    assert found[-1].error.kind is ErrorKind.UPSTREAM_ERROR


def test_malformed_events_are_counted_and_passed_over() -> None:
    reader = TRANSLATION.reader(CLAUDE)
    for event in (
        b"data: {nope",
        b'data: {"type": "content_block_delta", "delta": 1}',
        b'event: x\ndata: {"type": "x", "delta": 1}',
        b"data: [DONE]",
        b": comment",
        b'data: {"type": "content_block_delta", "index": 4, "delta": {"type": "input_json_delta", "partial_json": "x"}}',
    ):
        reader.read(event)
    assert reader.malformed == 3


# -- what compatible servers do otherwise


def test_arguments_in_the_start_of_the_call() -> None:
    start = {"type": "tool_use", "id": "t", "name": "f", "input": {"b": 1, "a": 2}}
    (call,) = fold(read(named(started(), *block(0, start), *ended("tool_use")))).parts
    assert call == ToolCall("t", "f", '{"b":1,"a":2}')


def test_calls_without_id_or_with_the_same() -> None:
    def call(index: int, call_id: str | None) -> list[dict[str, Any]]:
        return block(index, {"type": "tool_use", "id": call_id, "name": "f", "input": {}}, json_delta("{}"))

    raw = named(started(), *call(0, None), *call(1, "t"), *call(2, "t"), *ended("end_turn"))
    reply = fold(read(raw))
    ids = [part.id for part in reply.parts if isinstance(part, ToolCall)]
    assert ids[1:] == ["t", "t_2"]
    assert ids[0].startswith("call_")
    content = [{"type": "tool_use", "id": i, "name": "f", "input": {}} for i in (None, "t", "t")]
    body = {"type": "message", "id": "msg_1", "content": content, "stop_reason": "end_turn"}
    assert parse(body).parts == reply.parts


def test_deltas_of_another_kind_than_their_block() -> None:
    """litellm 32357: thinking inside a text block, and the message begun twice."""
    raw = named(
        started(),
        started(id="msg_2"),
        {"type": "content_block_start", "index": 0, "content_block": TEXT},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "hm"}},
        {"type": "content_block_delta", "index": 0, "delta": text_delta("a")},
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_delta", "index": 1, "delta": text_delta("b")},
        *ended(),
    )
    reply = fold(read(raw))
    unsigned = Opaque(AM, {"type": "thinking", "thinking": "hm", "signature": ""}, "anthropic")
    assert (reply.id, reply.parts) == ("msg_1", [Thinking("hm", unsigned), Text("a"), Text("b")])


def test_a_stream_without_its_beginning() -> None:
    found = read(named({"type": "content_block_delta", "index": 0, "delta": text_delta("a")}, *ended()))
    assert found[:2] == [Started(), PartStart(0, PartKind.TEXT)]
    assert fold(found).parts == [Text("a")]


def test_the_name_of_the_event_where_its_data_has_no_type() -> None:
    full = named(started(), *block(0, TEXT, text_delta("a")), *ended())
    raw = full.replace(b'"type":"message_stop"', b"")
    assert raw != full
    assert fold(read(raw)).parts == [Text("a")]


def test_empty_blocks_are_not_told() -> None:
    raw = named(
        started(), *block(0, TEXT, text_delta("")), *block(1, {"type": "thinking", "thinking": ""}), *ended()
    )
    assert fold(read(raw)).parts == []


def test_a_compaction() -> None:
    start = {"type": "compaction", "content": None}
    raw = named(
        started(), *block(0, start, {"type": "compaction_delta", "content": "so far"}), *ended("compaction")
    )
    (found,) = fold(read(raw)).parts
    assert found.value == {"type": "compaction", "content": "so far"}  # type: ignore[union-attr]
    assert found.text == "so far"  # type: ignore[union-attr]


def test_usage_is_cumulative() -> None:
    raw = named(
        started(usage={"input_tokens": 5, "output_tokens": 1}),
        {"type": "message_delta", "delta": {}, "usage": {"output_tokens": 3}},
        *ended(usage={"output_tokens": 9}),
    )
    assert [one.usage for one in read(raw) if isinstance(one, UsageSeen)] == [
        TokenUsage(5, 3),
        TokenUsage(5, 9),
    ]


def test_no_usage_at_all() -> None:
    raw = named(
        {"type": "message_start", "message": {}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}},
        {"type": "message_stop"},
    )
    assert read(raw) == [Started(), Finished(Stop.END), Ended()]


def test_calls_make_it_tool_use_whatever_an_unknown_reason_says() -> None:
    start = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
    assert fold(read(named(started(), *block(0, start), *ended("brand_new")))).stop is Stop.TOOL_USE


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"nope", b'{"type":"message"}', b'{"content": "x"}', b"[" * 9999]
)
def test_what_is_no_answer(body: bytes) -> None:
    with pytest.raises(ValueError):
        TRANSLATION.reader(CLAUDE).reply(body)


def test_an_error_with_status_200() -> None:
    with pytest.raises(PointsmanError) as caught:
        parse({"type": "error", "error": {"type": "api_error", "message": "broken"}})
    assert caught.value.public == "broken"


def test_counting() -> None:
    parse_count, render_count = TRANSLATION.parse_count, TRANSLATION.render_count
    assert parse_count is not None
    assert render_count is not None
    assert parse_count(render_count(12)) == 12
    for body in (b"{}", b"x", b'{"input_tokens": "1"}'):
        with pytest.raises(ValueError):
            parse_count(body)


junk = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 3)
    | st.sampled_from(["", "x", "text", "tool_use", "thinking"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                [
                    "type",
                    "index",
                    "delta",
                    "content_block",
                    "message",
                    "usage",
                    "text",
                    "input",
                    "id",
                    "name",
                    "error",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
kinds = st.sampled_from(
    [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
        "error",
    ]
)
deltas = st.sampled_from(
    ["text_delta", "thinking_delta", "signature_delta", "input_json_delta", "citations_delta"]
)
sensible = st.fixed_dictionaries(
    {
        "type": kinds,
        "index": st.integers(0, 2),
        "delta": st.fixed_dictionaries(
            {
                "type": deltas,
                "text": st.text(max_size=3),
                "thinking": st.text(max_size=3),
                "partial_json": st.text(max_size=3),
            }
        )
        | junk,
        "content_block": st.sampled_from(
            [TEXT, RESULT, {"type": "tool_use", "name": "f"}, {"type": "thinking"}]
        )
        | junk,
    }
)


@settings(max_examples=200, deadline=None)
@given(st.lists(sensible | junk, max_size=12), st.lists(st.integers(0, 10_000), max_size=5))
def test_whatever_comes_the_events_stay_legal(values: list[Any], places: list[int]) -> None:
    raw = b"".join(b"data: " + json.dumps(value).encode() + b"\n\n" for value in values)
    found = read(cut(raw, places))
    assert repr(merged(found)) == repr(merged(read(raw)))  # errors are equal in their words only
    open_parts: set[int] = set()
    for at, event in enumerate(found):
        assert isinstance(event, Started) == (at == 0) or isinstance(event, Failed)
        match event:
            case PartStart(index):
                assert index not in open_parts
                open_parts.add(index)
            case Delta(index, text):
                assert index in open_parts
                assert text
            case PartEnd(index):
                open_parts.remove(index)
            case Ended():
                assert not open_parts
                assert event is found[-1]
