"""What a client gets of a stream that passes as it is: everything, but no end that cannot be."""

from __future__ import annotations

from typing import Any

import pytest

from pointsman.dialects.registry import DIALECTS
from pointsman.errors import PointsmanError
from pointsman.gateway.attempt.relay import Passing
from pointsman.kinds import ErrorKind, Protocol
from pointsman.wire.key_mask import KeyMask
from pointsman.wire.sse import EventSplitter
from tests.vendor_bodies import chat, responses
from tests.vendor_bodies.wire import named

CALL = {"index": 0, "id": "c", "type": "function", "function": {"name": "rm", "arguments": '{"path":"/ho'}}
ITEM = {"id": "fc", "type": "function_call", "call_id": "c", "name": "rm", "arguments": ""}
CUT = {
    Protocol.OPENAI_CHAT: (
        chat.stream(chat.delta(role="assistant"), chat.delta(tool_calls=[CALL]), chat.delta("tool_calls")),
        b"[DONE]",
    ),
    Protocol.ANTHROPIC_MESSAGES: (
        named(
            {"type": "message_start", "message": {"id": "msg_1", "type": "message", "content": []}},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "id": "t", "name": "rm", "input": {}}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": "{"}},
            {"type": "message_delta", "delta": {"stop_reason": "tool_use"}},
            {"type": "message_stop"},
        ),
        b"message_stop",
    ),
    Protocol.OPENAI_RESPONSES: (
        named(
            responses.event("output_item.added", output_index=0, item=ITEM),
            responses.event("function_call_arguments.delta", output_index=0, delta='{"a"'),
            responses.event("completed", response={"id": "r", "status": "completed", "output": []}),
        ),
        b"response.completed",
    ),
}  # fmt: skip


def relay(protocol: Protocol) -> Passing:
    dialect = DIALECTS[protocol]
    return Passing(dialect, dialect.seen(), KeyMask(b""))


def passed(protocol: Protocol, pieces: list[bytes]) -> bytes:
    """The client's bytes, with the error where there is one to tell."""
    one, out = relay(protocol), b""
    for piece in pieces:
        out += one.take(piece)
        if one.complete:
            break
    out += one.end()
    return out + one.fail(one.untold, "req_1") if one.untold is not None else out


@pytest.mark.parametrize("protocol", list(CUT))
def test_the_end_after_a_cut_call_never_reaches_the_client_however_the_bytes_are_cut(
    protocol: Protocol,
) -> None:
    raw, last = CUT[protocol]
    for at in range(len(raw)):
        out = passed(protocol, [raw[:at], raw[at:]])
        assert last not in out
        assert b"inside the arguments of a tool call" in out
    every_byte = passed(protocol, [raw[at : at + 1] for at in range(len(raw))])
    assert last not in every_byte


@pytest.mark.parametrize("protocol", list(CUT))
def test_a_good_stream_passes_byte_for_byte_however_it_is_cut(protocol: Protocol) -> None:
    raw = (
        CUT[protocol][0]
        .replace(b'\\"/ho', b'\\"/ho\\"}')
        .replace(b'"partial_json":"{"', b'"partial_json":"{}"')
    )
    raw = raw.replace(b'{\\"a\\"', b"{}")
    for at in range(len(raw)):
        assert passed(protocol, [raw[:at], raw[at:]]) == raw


@pytest.mark.parametrize("more", [b"", b"x" * 100, b"x" * 70_000])
def test_an_error_of_ours_begins_an_event_of_its_own_wherever_the_stream_was_cut(more: bytes) -> None:
    one = relay(Protocol.OPENAI_CHAT)
    out = one.take(b'data: {"choices":[{"index":0,"delta":{"content":"' + b"y" * 70_000)
    out += one.take(more)
    out += one.fail(PointsmanError(ErrorKind.UPSTREAM_ERROR, "cut"), "req_1")
    last: Any = EventSplitter().feed(out)[-1]
    assert last.startswith(b"data: {")
    assert b'"cut"' in last


def test_what_follows_an_end_that_cannot_be_in_the_same_bytes_is_not_passed() -> None:
    raw, _ = CUT[Protocol.OPENAI_CHAT]
    assert b"late" not in passed(Protocol.OPENAI_CHAT, [raw + chat.stream(chat.delta(content="late"))])
