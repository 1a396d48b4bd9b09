"""Messages: the odd answers that backends send, each judged alike passed, translated and whole."""

from __future__ import annotations

from typing import Any, ClassVar

from pointsman.conversation.events import Stop
from pointsman.kinds import ErrorKind, Protocol
from tests.vendor_bodies.messages import (
    PING,
    STOP,
    USAGE,
    block,
    ended,
    error,
    json_delta,
    opened,
    piece,
    started,
    text_delta,
    whole,
)
from tests.vendor_bodies.wire import encoded, named, sse

from ..one_verdict import CALLED, CUT, GOOD, LIMIT, REFUSED, SILENT, Judged, Odd, Oddities

TEXT = {"type": "text", "text": ""}
CALL = {"type": "tool_use", "id": "t1", "name": "f", "input": {}}
SAID = block(0, TEXT, text_delta("hello"))
CALLED_WITH = {**CALL, "input": {"a": 1}}
HELLO = {"type": "text", "text": "hello"}
DONE = whole([HELLO])
THOUGHT = {"type": "thinking", "thinking": "", "signature": ""}
SEARCH = {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {}}


def of_kind(kind: str, message: str = "x") -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}}


def failing(kind: ErrorKind, answered: bool = False) -> Judged:
    return Judged(answered, False, error=kind)


class TestOddities(Oddities):
    protocol = Protocol.ANTHROPIC_MESSAGES
    odd: ClassVar = {
        "no message_start": Odd(named(*SAID, *ended()), GOOD),
        "text without a block": Odd(named(started(), piece(0, **text_delta("hello")), *ended()), GOOD, DONE, 10),
        "a block that is never closed": Odd(
            named(started(), opened(0, **TEXT), piece(0, **text_delta("hello")), *ended()), GOOD, DONE, 10
        ),
        "text in the block's start": Odd(named(started(), *block(0, HELLO), *ended()), GOOD, DONE, 10),
        "all blocks at one index": Odd(
            named(started(), *block(0, TEXT, text_delta("hello")), *block(0, CALL, json_delta('{"a":1}')), *ended("tool_use")),
            CALLED, whole([HELLO, CALLED_WITH], "tool_use"), 10,
        ),
        "a call, and end_turn": Odd(
            named(started(), *block(0, CALL, json_delta('{"a":1}')), *ended("end_turn")),
            CALLED, whole([CALLED_WITH], "end_turn"), 10,
        ),
        "a call's input in the block's start": Odd(
            named(started(), *block(0, CALLED_WITH), *ended("tool_use")), CALLED, whole([CALLED_WITH], "tool_use"), 10
        ),
        "a refusal without a block": Odd(named(started(), *ended("refusal")), REFUSED, whole([], "refusal"), 10),
        "a limit without a block": Odd(named(started(), *ended("max_tokens")), LIMIT, whole([], "max_tokens"), 10),
        "a window that is full": Odd(
            named(started(), *SAID, *ended("model_context_window_exceeded")),
            Judged(True, True, Stop.CONTEXT_WINDOW), whole([HELLO], "model_context_window_exceeded"), 10,
        ),
        "a reason that is new": Odd(named(started(), *SAID, *ended("brand_new")), GOOD, whole([HELLO], "brand_new"), 10),
        "a vendor's turn that pauses": Odd(
            named(started(), *block(0, SEARCH, json_delta('{"q":"a"}')), *ended("pause_turn")),
            Judged(True, True, Stop.PAUSE), whole([{**SEARCH, "input": {"q": "a"}}], "pause_turn"), 10,
        ),
        "no reason": Odd(
            named(started(usage=USAGE), *SAID, STOP), failing(ErrorKind.UPSTREAM_ERROR, answered=True), whole([HELLO], None), 10
        ),
        "closed after the reason": Odd(
            named(started(), *SAID, ended()[0]), Judged(True, False, Stop.END), None, 10
        ),
        "closed after the text": Odd(named(started(), *SAID), CUT, None, 10),
        "an error, then the connection closes": Odd(
            named(started(), *SAID, of_kind("overloaded_error")), failing(ErrorKind.OVERLOADED, answered=True), None, 10
        ),
        "an error before anything": Odd(
            named(of_kind("rate_limit_error")), failing(ErrorKind.RATE_LIMITED), error("x", "rate_limit_error")
        ),
        "an error in OpenAI's words": Odd(
            sse({"error": {"message": "too long", "code": "context_length_exceeded"}}),
            failing(ErrorKind.CONTEXT_LENGTH), {"error": {"message": "too long", "code": "context_length_exceeded"}},
        ),
        "a whole error body in place of a stream": Odd(
            encoded(error("busy", "overloaded_error")), failing(ErrorKind.OVERLOADED), error("busy", "overloaded_error")
        ),
        "an answer after an error": Odd(
            named(of_kind("api_error"), started(), *SAID, *ended()), failing(ErrorKind.UPSTREAM_ERROR)
        ),
        "unknown events and deltas": Odd(
            named(
                started(), PING, {"type": "brand_new", "index": 3}, opened(0, **TEXT), piece(0, type="brand_new_delta", x=1),
                piece(0, **text_delta("hello")), {"type": "content_block_stop", "index": 0}, *ended(),
            ),
            GOOD, DONE, 10,
        ),
        "no event names": Odd(sse(started(), *SAID, *ended()), GOOD, DONE, 10),
        "[DONE] after the end": Odd(named(started(), *SAID, *ended()) + b"data: [DONE]\n\n", GOOD, DONE, 10),
        "[DONE] in place of the end": Odd(named(started(), *SAID) + b"data: [DONE]\n\n", CUT, None, 10),
        "a second answer after the end": Odd(named(started(), *SAID, *ended(), *ended("refusal")), GOOD, DONE, 10),
        "usage only at the end": Odd(
            named(started(usage=None), *SAID, *ended(usage=USAGE)), GOOD, DONE, 10
        ),
        "zeros at the start, counted at the end": Odd(
            named(started(usage={"input_tokens": 0, "output_tokens": 0}), *SAID, *ended(usage=USAGE)), GOOD, DONE, 10
        ),
        "usage of another shape": Odd(named(started(usage="many"), *SAID, *ended(usage=USAGE)), GOOD, DONE, 10),
        "two reasons": Odd(named(started(), *SAID, ended(None)[0], *ended("max_tokens")), LIMIT, whole([HELLO], "max_tokens"), 10),
        "a reason of null, then the end": Odd(
            named(started(), *SAID, *ended(None)), failing(ErrorKind.UPSTREAM_ERROR, answered=True), whole([HELLO], None), 10
        ),
        "a signature alone": Odd(
            named(started(), *block(0, THOUGHT, {"type": "signature_delta", "signature": "s"}), *ended()),
            GOOD, whole([{**THOUGHT, "signature": "s"}]), 10,
        ),
        "an empty block of thinking": Odd(
            named(started(), *block(0, THOUGHT), *ended()), SILENT, whole([THOUGHT]), 10
        ),
        "thinking within a block of text": Odd(
            named(started(), *block(0, TEXT, {"type": "thinking_delta", "thinking": "hm"}, text_delta("hello")), *ended()),
            GOOD, None, 10,
        ),
        "a call without a name": Odd(
            named(started(), *block(0, {"type": "tool_use", "id": "t1", "input": {}}, json_delta("{}")), *ended("tool_use")),
            CALLED, None, 10,
        ),
        "content that is no list": Odd(named(started(content="x"), *SAID, *ended()), GOOD, DONE, 10),
    }  # fmt: skip
