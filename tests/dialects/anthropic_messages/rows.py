"""Messages streams and whole answers, one of each kind that must be told apart."""

from __future__ import annotations

from pointsman.conversation.usage import TokenUsage
from tests.vendor_bodies.messages import PING, ended, opened, piece, started
from tests.vendor_bodies.wire import named

from ..halves import PICTURE, SCHEMA
from ..reading import DONE, NOTHING, Seen, full

START_USAGE = {
    "input_tokens": 12,
    "cache_read_input_tokens": 5,
    "cache_creation_input_tokens": 3,
    "output_tokens": 1,
}
END_USAGE = {"output_tokens": 7, "output_tokens_details": {"thinking_tokens": 3}}
MESSAGES_ALL = TokenUsage(20, 7, 5, 3, 3)
"""START_USAGE, then END_USAGE: what was written to a cache is told, too."""
AT_START = TokenUsage(20, 1, 5, None, 3)

STREAMS = {
    "messages text": (named(started(usage=START_USAGE), PING, opened(0, type="text", text=""), piece(0, type="text_delta", text="hi"), *ended(usage=END_USAGE)), full(usage=MESSAGES_ALL)),
    "messages cut": (named(started(usage=START_USAGE), opened(0, type="text", text=""), piece(0, type="text_delta", text="hi")), full(finished=False, usage=AT_START)),
    "messages start only": (named(started(usage=START_USAGE), PING), Seen(False, False, None, AT_START, 0)),
    "messages empty block": (named(started(usage=START_USAGE), opened(0, type="text", text=""), *ended(usage=END_USAGE)), full(output=False, usage=MESSAGES_ALL)),
    "messages thinking start is silent": (named(opened(0, type="thinking", thinking="", signature="")), NOTHING),
    "messages empty delta is silent": (named(opened(0, type="text", text=""), piece(0, type="text_delta", text="")), NOTHING),
    "messages thinking": (named(opened(0, type="thinking"), piece(0, type="thinking_delta", thinking="hm")), Seen(True, False, None, None, 0)),
    "messages signature": (named(opened(0, type="thinking"), piece(0, type="signature_delta", signature="s")), Seen(True, False, None, None, 0)),
    "messages redacted": (named(opened(0, type="redacted_thinking", data="d")), Seen(True, False, None, None, 0)),
    "messages tool": (named(opened(0, type="tool_use", id="t", name="f", input={})), Seen(True, False, None, None, 0)),
    "messages server tool": (named(opened(0, type="server_tool_use", id="t", name="f", input={})), Seen(True, False, None, None, 0)),
    "messages text in its start": (named(opened(0, type="text", text="hi")), Seen(True, False, None, None, 0)),
    "messages refusal without a block": (named(started(usage=START_USAGE), *ended("refusal", END_USAGE)), full(usage=MESSAGES_ALL)),
    "messages no output": (named(started(usage=START_USAGE), *ended(usage=END_USAGE)), full(output=False, usage=MESSAGES_ALL)),
    "messages usage repeats the input": (
        named(started(usage=START_USAGE), opened(0, type="text"), piece(0, type="text_delta", text="x"), *ended(usage={**END_USAGE, "input_tokens": 12, "cache_read_input_tokens": 5})),
        full(usage=MESSAGES_ALL),
    ),
    "messages usage overwritten later": (
        named(started(usage={"input_tokens": 1, "output_tokens": 1}), *ended(usage={"input_tokens": 9, "output_tokens": 4, "cache_read_input_tokens": None})),
        full(output=False, usage=TokenUsage(9, 4)),
    ),
    "messages white space": (
        named(started(usage=START_USAGE), opened(0, type="text", text=" "), piece(0, type="text_delta", text="\n"), *ended(usage=END_USAGE)), full(output=False, usage=MESSAGES_ALL)
    ),
    "messages stop sequence without text": (named(started(usage=START_USAGE), *ended("stop_sequence", END_USAGE)), full(usage=MESSAGES_ALL)),
    "messages no reason": (
        named(started(usage=START_USAGE), opened(0, type="text", text="hi"), {"type": "message_stop"}),
        Seen(True, False, "The backend ended its answer without saying why it stopped.", AT_START, 0),
    ),
    "messages usage of another shape": (
        named(opened(0, type="text", text="hi"), {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": 1}, {"type": "message_stop"}),
        full(usage=None),
    ),
    "messages error without framing": (named(started(usage=START_USAGE)) + b'{"error":{"message":"boom"}}', Seen(False, False, "boom", AT_START, 0)),
    "messages error without a type": (b'data: {"error":{"message":"boom"}}\n\n', Seen(False, False, "boom", None, 0)),
    "messages unknown event": (named({"type": "brand_new", "delta": {"x": 1}}), NOTHING),
    "messages error": (named(started(usage=START_USAGE), {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}), Seen(False, False, "busy", AT_START, 0)),
    "messages error as a string": (named({"type": "error", "error": "busy"}), Seen(False, False, "busy", None, 0)),
    "messages padded": (named(PING).replace(b"}\n", b"   }   \n"), NOTHING),
    "messages garbage": (b"event: x\ndata: {\n\n", Seen(False, False, None, None, 1)),}  # fmt: skip
"""name -> (the stream, what is to be seen of it)."""
WHOLE = {
    "messages": (
        {"type": "message", "content": [{"type": "text", "text": "x"}], "stop_reason": "end_turn", "usage": START_USAGE | END_USAGE},
        Seen(usage=MESSAGES_ALL, **DONE),
    ),
    "messages without a reason": (
        {"type": "message", "content": [{"type": "text", "text": "x"}], "stop_reason": None, "usage": START_USAGE},
        Seen(True, False, "The backend ended its answer without saying why it stopped.", AT_START, 0),
    ),
    "messages without content": ({"type": "message", "usage": START_USAGE}, Seen(False, False, None, AT_START, 0)),
    "messages error inside": ({"type": "error", "error": {"message": "boom"}}, Seen(False, False, "boom", None, 0)),
    "messages of unknown types": (
        {"content": [{"type": "text", "text": "x"}], "stop_reason": "end_turn", "usage": "many"}, Seen(usage=None, **DONE)
    ),
}  # fmt: skip
"""name -> (the body, what is to be seen of it)."""

REQUEST = {
    "model": "m", "max_tokens": 50, "temperature": 0.5, "stop_sequences": ["END"], "stream": True,
    "system": [{"type": "text", "text": "be short", "cache_control": {"type": "ephemeral"}}],
    "metadata": {"user_id": "u"}, "tools": [{"name": "f", "description": "d", "input_schema": SCHEMA}],
    "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "look"}, {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PICTURE}}]},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": "s"}, {"type": "text", "text": "I will"}, {"type": "tool_use", "id": "call_1", "name": "f", "input": {"a": "1"}}, {"type": "tool_use", "id": "call_2", "name": "f", "input": {"a": "2"}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_1", "content": "one"}, {"type": "tool_result", "tool_use_id": "call_2", "content": [{"type": "text", "text": "two"}]}, {"type": "text", "text": "go on"}]},
    ],
}  # fmt: skip
"""A body as a client sends it, with most of what it can say."""
