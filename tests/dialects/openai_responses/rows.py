"""Responses streams and whole answers, one of each kind that must be told apart."""

from __future__ import annotations

from pointsman.conversation.usage import TokenUsage
from tests.vendor_bodies.responses import USAGE, ended, event
from tests.vendor_bodies.wire import named

from ..halves import PICTURE, SCHEMA
from ..reading import ALL, DONE, NOTHING, Seen, full

CREATED = event("created", response={"id": "resp_1", "object": "response", "usage": None, "error": None})

STREAMS = {
    "responses text": (named(CREATED, event("output_text.delta", delta="hi"), ended()), full()),
    "responses cut": (named(CREATED, event("output_text.delta", delta="hi")), full(finished=False, usage=None)),
    "responses created only": (named(CREATED, event("in_progress", response={"object": "response"})), NOTHING),
    "responses item added is silent": (named(event("output_item.added", item={"type": "message"})), NOTHING),
    "responses part added is silent": (named(event("content_part.added", part={"type": "output_text", "text": ""})), NOTHING),
    "responses empty delta is silent": (named(event("output_text.delta", delta="")), NOTHING),
    "responses reasoning": (named(event("reasoning_summary_text.delta", delta="hm")), Seen(True, False, None, None, 0)),
    "responses call": (named(event("output_item.added", item={"type": "function_call"})), Seen(True, False, None, None, 0)),
    "responses arguments": (
        named(event("output_item.added", item={"type": "function_call"}), event("function_call_arguments.delta", delta="{")),
        Seen(True, False, None, None, 0),
    ),
    "responses arguments of no call": (named(event("function_call_arguments.delta", delta="{")), Seen(False, False, None, None, 1)),
    "responses refusal": (named(event("refusal.delta", delta="no")), Seen(True, False, None, None, 0)),
    "responses item done": (named(event("output_item.done", item={"type": "web_search_call"})), Seen(True, False, None, None, 0)),
    "responses sealed reasoning": (
        named(event("output_item.done", item={"type": "reasoning", "encrypted_content": "x"})), Seen(True, False, None, None, 0)
    ),
    "responses empty reasoning is silent": (named(event("output_item.done", item={"type": "reasoning", "summary": []})), NOTHING),
    "responses items only in the end": (
        named(CREATED, ended(output=[{"type": "message", "content": [{"type": "output_text", "text": "hi"}]}])), full()
    ),
    "responses white space": (named(CREATED, event("output_text.delta", delta=" \n"), ended()), full(output=False)),
    "responses usage of another shape": (
        named(event("output_text.delta", delta="x"), ended(usage="many")), full(usage=None)
    ),
    "responses error without framing": (named(CREATED) + b'{"error":{"message":"boom"}}', Seen(False, False, "boom", None, 0)),
    "responses no output": (named(CREATED, ended()), full(output=False)),
    "responses incomplete": (named(event("output_text.delta", delta="x"), ended("incomplete")), full()),
    "responses failed": (named(CREATED, ended("failed", usage=None, error={"code": "server_error", "message": "boom"})), Seen(False, True, "boom", None, 0)),
    "responses error": (named({"type": "error", "code": "x", "message": "boom"}), Seen(False, False, "boom", None, 0)),
    "responses error without a type": (b'data: {"error":{"message":"boom"}}\n\n', Seen(False, False, "boom", None, 0)),
    "responses extra DONE": (named(event("output_text.delta", delta="x"), ended()) + b"data: [DONE]\n\n", full()),
    "responses DONE is no end": (named(event("output_text.delta", delta="x")) + b"data: [DONE]\n\n", full(finished=False, usage=None)),
    "responses garbage": (b"data: nope\n\n", Seen(False, False, None, None, 1)),}  # fmt: skip
"""name -> (the stream, what is to be seen of it)."""
WHOLE = {
    "responses": (
        {"object": "response", "error": None, "output": [{"type": "message", "content": [{"type": "output_text", "text": "x"}]}], "usage": USAGE},
        Seen(usage=ALL, **DONE),
    ),
    "responses without output": ({"object": "response", "error": None, "usage": USAGE}, Seen(False, False, None, ALL, 0)),
    "responses in the background": ({"object": "response", "status": "queued", "output": []}, Seen(usage=None, **DONE)),
    "responses that failed": ({"object": "response", "status": "failed", "error": {"message": "x"}}, Seen(False, True, "x", None, 0)),
    "responses of unknown types": (
        {"output": [{"type": "web_search_call"}], "usage": {"input_tokens": 1.5}}, Seen(usage=TokenUsage(2, web_searches=1), **DONE)
    ),
}  # fmt: skip
"""name -> (the body, what is to be seen of it)."""

REQUEST = {
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
}  # fmt: skip
"""A body as a client sends it, with most of what it can say."""
