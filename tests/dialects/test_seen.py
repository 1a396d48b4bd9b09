"""Each dialect's watch: what it says of hand-written streams and whole bodies, however they were cut."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.conversation.usage import TokenUsage
from pointsman.dialects.openai_chat.errors import error_inside
from pointsman.dialects.openai_chat.frames import is_extra_usage
from pointsman.dialects.registry import DIALECTS
from pointsman.kinds import Protocol
from pointsman.wire.sse import EventSplitter

from .streams import (
    ALL,
    AT_START,
    CHAT,
    CHAT_USAGE,
    COMPLETIONS,
    END_USAGE,
    MESSAGES,
    MESSAGES_ALL,
    RESPONSES,
    RESPONSES_USAGE,
    START_USAGE,
    STREAMS,
    Seen,
    chat,
    cut,
    delta,
    encoded,
    read,
    seen,
)

EMBEDDINGS = Protocol.EMBEDDINGS
every_stream = pytest.mark.parametrize(("protocol", "raw", "expected"), STREAMS.values(), ids=STREAMS.keys())


@every_stream
def test_what_a_watch_says_of_a_stream(protocol: Protocol, raw: bytes, expected: Seen) -> None:
    assert read(protocol, [raw]) == expected


@every_stream
def test_a_cut_in_two_anywhere_says_the_same(protocol: Protocol, raw: bytes, expected: Seen) -> None:
    for place in range(1, len(raw), 1 + len(raw) // 150):
        assert read(protocol, cut(raw, [place])) == expected, place


@settings(max_examples=250, deadline=None)
@given(
    st.sampled_from(sorted(STREAMS)),
    st.lists(st.integers(0, 10_000), max_size=12),
    st.sampled_from([b"\n", b"\r\n", b"\r"]),
)
def test_any_cut_and_any_line_end_says_the_same(name: str, places: list[int], end: bytes) -> None:
    protocol, raw, expected = STREAMS[name]
    assert read(protocol, cut(raw.replace(b"\n", end), places)) == expected


@every_stream
def test_flags_only_ever_rise(protocol: Protocol, raw: bytes, expected: Seen) -> None:
    watch = DIALECTS[protocol].seen()
    before = seen(watch)
    for event in EventSplitter().feed(raw):
        watch.event(event)
        now = seen(watch)
        assert (now.output, now.finished, now.malformed) >= (before.output, before.finished, before.malformed)
        assert now.output >= before.output
        assert now.usage is not None or before.usage is None
        before = now


@pytest.mark.parametrize(
    "name", [n for n, (_, _, said) in STREAMS.items() if said.finished and said.error is None]
)
def test_no_stream_without_its_end_looks_finished(name: str) -> None:
    """Cut before the event that ends it, at every byte: never `finished`."""
    protocol, raw, _ = STREAMS[name]
    events = EventSplitter().feed(raw)
    last = next(i for i in range(len(events)) if read(protocol, [b"\n\n".join(events[: i + 1])]).finished)
    begin = len(b"\n\n".join(events[:last]))
    before = raw[:begin]
    for end in range(0, len(before), 1 + len(before) // 60):
        assert not read(protocol, [before[:end]]).finished


GARBAGE: list[Any] = [None, 1, "x", [], [[]], {"choices": None}, {"choices": 1}, {"choices": [1]}, {"choices": [{"delta": 1}]},
    {"type": 1}, {"type": None}, {"type": "content_block_delta"}, {"type": "content_block_delta", "delta": 5},
    {"type": "content_block_start"}, {"type": "message_start"}, {"type": "message_start", "message": 1},
    {"type": "message_delta", "delta": None, "usage": None}, {"type": "error"}, {"type": "error", "error": None},
    {"type": "response.completed"}, {"type": "response.completed", "response": None},
    {"type": "response.failed", "response": {"error": None}}, {"usage": {"prompt_tokens": "x"}}, {"usage": []}, {"error": []},
    {"choices": [{"finish_reason": 1}]}, {"type": "response.output_text.delta", "delta": {"x": 1}}]  # fmt: skip


@pytest.mark.parametrize("protocol", list(Protocol))
@pytest.mark.parametrize("value", GARBAGE, ids=str)
def test_strange_json_is_no_crash(protocol: Protocol, value: Any) -> None:
    read(protocol, [b"data: " + encoded(value) + b"\n\n"])
    DIALECTS[protocol].seen().whole(encoded(value))


NOT_JSON = [
    b"",
    b" ",
    b"null",
    b"[]",
    b'"text"',
    b"1",
    b"<html>",
    b"{",
    b"\xff",
    b'{"a":"\xff"',
    b"[" * 100_000,
    b'{"a":' * 5000,
    b"data: {}\n\n",
]


@pytest.mark.parametrize("protocol", list(Protocol))
@pytest.mark.parametrize("raw", NOT_JSON, ids=lambda raw: repr(raw[:12]))
def test_what_is_not_json_is_told(protocol: Protocol, raw: bytes) -> None:
    watch = DIALECTS[protocol].seen()
    assert watch.whole(raw) is False
    assert not watch.finished
    if raw.strip() and protocol is not EMBEDDINGS and b"\n" not in raw:
        said = read(protocol, [b"data: " + raw + b"\n\n"])
        assert not said.output
        assert not said.finished
        assert said.malformed == 1


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(list(Protocol)), st.binary(max_size=60))
def test_random_bytes_are_no_crash(protocol: Protocol, raw: bytes) -> None:
    read(protocol, [raw, b"\n\n"])
    DIALECTS[protocol].seen().whole(raw)


# -- whole answers

DONE = {"output": True, "finished": True, "error": None, "malformed": 0}
FAILED = Seen(output=False, finished=False, error="boom", usage=None, malformed=0)
SAID = {"message": {"content": "x"}}
WHOLE: dict[str, tuple[Protocol, Any, Seen]] = {
    "chat": (CHAT, {"object": "chat.completion", "choices": [{"message": {"content": "x"}}], "usage": CHAT_USAGE}, Seen(usage=ALL, **DONE)),
    "chat without usage": (CHAT, {"choices": [SAID]}, Seen(usage=None, **DONE)),
    "chat null usage": (CHAT, {"choices": [SAID], "usage": None}, Seen(usage=None, **DONE)),
    "chat error inside": (CHAT, {"error": {"message": "boom"}}, FAILED),
    "chat error null": (CHAT, {"error": None, "choices": [SAID]}, Seen(usage=None, **DONE)),
    "chat that says nothing": (CHAT, {"choices": []}, Seen(usage=None, **(DONE | {"output": False}))),
    "chat of a vendor's own kind": (CHAT, {"choices": [{"message": {"content": None, "audio": {"data": "x"}}}]}, Seen(usage=None, **DONE)),
    "messages": (
        MESSAGES, {"type": "message", "content": [{"type": "text", "text": "x"}], "stop_reason": "end_turn", "usage": START_USAGE | END_USAGE},
        Seen(usage=MESSAGES_ALL, **DONE),
    ),
    "messages without a reason": (
        MESSAGES, {"type": "message", "content": [{"type": "text", "text": "x"}], "stop_reason": None, "usage": START_USAGE},
        Seen(True, False, "The backend ended its answer without saying why it stopped.", AT_START, 0),
    ),
    "messages without content": (MESSAGES, {"type": "message", "usage": START_USAGE}, Seen(False, False, None, AT_START, 0)),
    "messages error inside": (MESSAGES, {"type": "error", "error": {"message": "boom"}}, Seen(False, False, "boom", None, 0)),
    "responses": (
        RESPONSES,
        {"object": "response", "error": None, "output": [{"type": "message", "content": [{"type": "output_text", "text": "x"}]}], "usage": RESPONSES_USAGE},
        Seen(usage=ALL, **DONE),
    ),
    "responses without output": (RESPONSES, {"object": "response", "error": None, "usage": RESPONSES_USAGE}, Seen(False, False, None, ALL, 0)),
    "responses in the background": (RESPONSES, {"object": "response", "status": "queued", "output": []}, Seen(usage=None, **DONE)),
    "responses that failed": (RESPONSES, {"object": "response", "status": "failed", "error": {"message": "x"}}, Seen(False, True, "x", None, 0)),
    "completions": (COMPLETIONS, {"choices": [{"text": "x"}], "usage": CHAT_USAGE}, Seen(usage=TokenUsage(20, 7), **DONE)),
    "embeddings error inside": (EMBEDDINGS, {"error": "boom"}, FAILED),
    "completions error inside": (COMPLETIONS, {"error": "boom"}, FAILED),
    "chat of unknown types": (CHAT, {"choices": [SAID], "id": 1, "usage": "many"}, Seen(usage=None, **DONE)),
    "messages of unknown types": (
        MESSAGES, {"content": [{"type": "text", "text": "x"}], "stop_reason": "end_turn", "usage": "many"}, Seen(usage=None, **DONE)
    ),
    "responses of unknown types": (
        RESPONSES, {"output": [{"type": "web_search_call"}], "usage": {"input_tokens": 1.5}}, Seen(usage=None, **DONE)
    ),
    "completions of unknown types": (COMPLETIONS, {"choices": "many"}, Seen(usage=None, **DONE)),
    "embeddings of unknown types": (EMBEDDINGS, {"usage": []}, Seen(usage=None, **DONE)),
    "embeddings": (EMBEDDINGS, {"data": [], "usage": {"prompt_tokens": 4, "total_tokens": 4}}, Seen(usage=TokenUsage(4), **DONE)),
}  # fmt: skip


@pytest.mark.parametrize(("protocol", "body", "expected"), WHOLE.values(), ids=WHOLE.keys())
def test_what_a_watch_says_of_a_whole_answer(protocol: Protocol, body: Any, expected: Seen) -> None:
    watch = DIALECTS[protocol].seen()
    assert watch.whole(encoded(body)) is True
    assert seen(watch) == expected


def test_choices_of_another_type_are_no_chat_answer() -> None:
    watch = DIALECTS[CHAT].seen()
    assert watch.whole(encoded({"choices": 1, "usage": "many"})) is False
    assert (watch.output, watch.finished, watch.malformed) == (False, False, 1)


def test_unknown_is_never_zero() -> None:
    for protocol, body in ((CHAT, {"usage": {}}), (MESSAGES, {"usage": {}}), (RESPONSES, {"usage": {}})):
        watch = DIALECTS[protocol].seen()
        watch.whole(encoded(body))
        assert watch.usage == TokenUsage()


# -- the chunk that is only there because we asked


@pytest.mark.parametrize(
    ("chunk", "extra"),
    [
        ({"choices": [], "usage": CHAT_USAGE}, True),
        ({"choices": [], "usage": {}}, True),
        ({"choices": [], "usage": None}, False),
        ({"choices": []}, False),
        ({"choices": [], "prompt_filter_results": [{"usage": 1}]}, False),
        ({**delta("stop"), "usage": CHAT_USAGE}, False),
        ({**delta(content='"usage"')}, False),
        ({"choices": [], "usage": CHAT_USAGE, "error": {"message": "x"}}, False),
    ],
)
def test_is_extra_usage(chunk: dict[str, Any], extra: bool) -> None:
    (event,) = EventSplitter().feed(chat(chunk, done=False))
    assert is_extra_usage(event) is extra
    assert is_extra_usage(b"id: 1\n" + event) is extra


@pytest.mark.parametrize(
    "event", [b"", b": usage", b'data: "usage"', b'data: {"usage"', b"data: [DONE]", b'data: ["usage"]']
)
def test_what_is_no_chunk_is_not_hidden(event: bytes) -> None:
    assert is_extra_usage(event) is False


@pytest.mark.parametrize(
    ("error", "text"),
    [
        ({"message": "m"}, "m"),
        ({"message": ""}, '{"message":""}'),
        ("m", "m"),
        ({}, "{}"),
        ("x" * 5000, "x" * 2000),
    ],
)
def test_the_text_of_an_error_inside(error: Any, text: str) -> None:
    assert error_inside(error).public == text
