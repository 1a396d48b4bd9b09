"""Readings of answers: the protocols that only pass, and what no protocol sends. The others' rows are in their folders."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.conversation.usage import TokenUsage
from pointsman.dialects.registry import DIALECTS
from pointsman.kinds import BACKEND_PROTOCOLS, Protocol
from tests.vendor_bodies.chat import USAGE, stream, text
from tests.vendor_bodies.wire import encoded

from .reading import DONE, FAILED, Seen, full, read
from .shared import SeenRows, WholeRows

CHAT, RESPONSES, MESSAGES = Protocol.OPENAI_CHAT, Protocol.OPENAI_RESPONSES, Protocol.ANTHROPIC_MESSAGES
COMPLETIONS, EMBEDDINGS = Protocol.COMPLETIONS, Protocol.EMBEDDINGS


COMPLETIONS_STREAMS = {
    "completions": (stream(text("hi"), text("", "stop"), {"choices": [], "usage": USAGE}), full(usage=TokenUsage(20, 7, 5, 3))),
    "completions cut": (stream(text("hi"), done=False), full(finished=False, usage=None)),
    "completions empty": (stream(text(""), text(None, "stop")), full(output=False, usage=None)),
    "completions error": (stream({"error": {"message": "boom"}}, done=False), Seen(False, False, "boom", None, 0)),
    "completions garbage": (stream(b"[", done=False), Seen(False, False, None, None, 1)),
}  # fmt: skip
COMPLETIONS_WHOLE = {
    "completions": ({"choices": [{"text": "x"}], "usage": USAGE}, Seen(usage=TokenUsage(20, 7, 5, 3), **DONE)),
    "completions error inside": ({"error": "boom"}, FAILED),
    "completions of unknown types": ({"choices": [{"text": 5}]}, Seen(usage=None, **DONE)),
}  # fmt: skip
EMBEDDINGS_WHOLE = {
    "embeddings error inside": ({"error": "boom"}, FAILED),
    "embeddings of unknown types": ({"data": [], "usage": []}, Seen(usage=None, **DONE)),
    "embeddings": ({"data": [], "usage": {"prompt_tokens": 4, "total_tokens": 4}}, Seen(usage=TokenUsage(4), **DONE)),
}  # fmt: skip


class TestCompletions(SeenRows):
    protocol = COMPLETIONS
    streams = COMPLETIONS_STREAMS
    wholes = COMPLETIONS_WHOLE


class TestEmbeddings(WholeRows):
    protocol = EMBEDDINGS
    wholes = EMBEDDINGS_WHOLE


GARBAGE: list[Any] = [None, 1, "x", [], [[]], {"choices": None}, {"choices": 1}, {"choices": [1]}, {"choices": [{"delta": 1}]},
    {"type": 1}, {"type": None}, {"type": "content_block_delta"}, {"type": "content_block_delta", "delta": 5},
    {"type": "content_block_start"}, {"type": "message_start"}, {"type": "message_start", "message": 1},
    {"type": "message_delta", "delta": None, "usage": None}, {"type": "error"}, {"type": "error", "error": None},
    {"type": "response.completed"}, {"type": "response.completed", "response": None},
    {"type": "response.failed", "response": {"error": None}}, {"usage": {"prompt_tokens": "x"}}, {"usage": []}, {"error": []},
    {"choices": [{"finish_reason": 1}]}, {"type": "response.output_text.delta", "delta": {"x": 1}}]  # fmt: skip


@pytest.mark.parametrize("protocol", BACKEND_PROTOCOLS)
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


@pytest.mark.parametrize("protocol", BACKEND_PROTOCOLS)
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
@given(st.sampled_from(BACKEND_PROTOCOLS), st.binary(max_size=60))
def test_random_bytes_are_no_crash(protocol: Protocol, raw: bytes) -> None:
    read(protocol, [raw, b"\n\n"])
    DIALECTS[protocol].seen().whole(raw)


def test_unknown_is_never_zero() -> None:
    for protocol, body in ((CHAT, {"usage": {}}), (MESSAGES, {"usage": {}}), (RESPONSES, {"usage": {}})):
        watch = DIALECTS[protocol].seen()
        watch.whole(encoded(body))
        assert watch.usage == TokenUsage()
