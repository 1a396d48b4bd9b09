"""Chat streams and whole answers, one of each kind that must be told apart."""

from __future__ import annotations

from tests.vendor_bodies.chat import USAGE, choice, delta, stream
from tests.vendor_bodies.wire import encoded

from ..halves import PICTURE, SCHEMA
from ..reading import ALL, DONE, FAILED, NOTHING, Seen, full

ROLE = delta(role="assistant", content="")
CALL = {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": ""}}
UNEXPLAINED = (
    "The backend ended its answer without saying why it stopped: the answer may be cut."
    " If it never says, set --silent-end where it is configured."
)
SAID = {"message": {"content": "x"}}
STREAMS = {
    "chat text": (
        stream(ROLE, delta(content="hi"), delta("stop"), {"choices": [], "usage": USAGE}),
        full(),
    ),
    "chat without usage": (stream(ROLE, delta(content="hi"), delta("stop")), full(usage=None)),
    "chat without DONE": (stream(ROLE, delta(content="hi"), delta("stop"), done=False), full(usage=None)),
    "chat without finish_reason": (stream(ROLE, delta(content="hi")), full(finished=False, usage=None, error=UNEXPLAINED)),
    "chat of two, one without finish_reason": (
        stream(choice(0, content="a"), choice(1, content="b"), choice(0, "stop")),
        full(finished=False, usage=None, error=UNEXPLAINED),
    ),
    "chat of two": (stream(choice(1, content="a"), choice(0, content="b"), choice(0, "stop"), choice(1, "length")), full(usage=None)),
    "chat of two, the second's call cut": (
        stream(
            choice(0, content="a"), choice(1, tool_calls=[CALL | {"function": {"name": "f", "arguments": "{"}}]),
            choice(0, "stop"), choice(1, "tool_calls"),
        ),
        full(usage=None, error="The backend ended its answer inside the arguments of a tool call."),
    ),
    "chat without a reason, of nothing": (stream(ROLE), full(output=False, usage=None)),
    "chat cut": (stream(ROLE, delta(content="hi"), done=False), full(finished=False, usage=None)),
    "chat role only": (stream(ROLE, done=False), NOTHING),
    "chat nulls only": (stream(delta(role="assistant", content=None, refusal=None, tool_calls=None), done=False), NOTHING),
    "chat empty": (stream(ROLE, delta("stop")), full(output=False, usage=None)),
    "chat tool call": (stream(delta(role="assistant", content=None, tool_calls=[CALL]), delta("tool_calls")), full(usage=None)),
    "chat function call": (stream(delta(function_call={"name": "f"}), delta("function_call")), full(usage=None)),
    "chat refusal": (stream(ROLE, delta(refusal="no"), delta("stop")), full(usage=None)),
    "chat reasoning": (stream(ROLE, delta(reasoning_content="hm"), done=False), full(finished=False, usage=None)),
    "chat reasoning, vllm": (stream(ROLE, delta(reasoning="hm"), done=False), full(finished=False, usage=None)),
    "chat audio": (stream(ROLE, delta(audio={"id": "a"}), done=False), full(finished=False, usage=None)),
    "chat second choice": (
        stream({"choices": [{"index": 0, "delta": {}}, {"index": 1, "delta": {"content": "x"}}]}, done=False),
        full(finished=False, usage=None),
    ),
    "chat usage in the last chunk": (stream(delta(content="x"), {**delta("stop"), "usage": USAGE}), full()),
    "chat usage null in all": (stream({**delta(content="x"), "usage": None}, delta("stop")), full(usage=None)),
    "chat usage in every chunk": (
        stream({**delta(content="x"), "usage": {"prompt_tokens": 20, "completion_tokens": 1}}, {**delta("stop"), "usage": USAGE}),
        full(),
    ),
    "chat comments": (b": wait\n\n" + stream(ROLE) + b": x\n\n", full(output=False, usage=None)),
    "chat error first": (stream({"error": {"message": "boom", "code": 500}}, done=False), Seen(False, False, "boom", None, 0)),
    "chat error later": (stream(delta(content="x"), {"error": {"message": "boom"}}, done=False), full(finished=False, usage=None, error="boom")),
    "chat error as a string": (stream({"error": "boom"}, done=False), Seen(False, False, "boom", None, 0)),
    "chat garbage": (stream(b"{", b"hello", done=False), Seen(False, False, None, None, 2)),
    "chat garbage between": (stream(delta(content="x"), b"{oops", delta("stop")), full(usage=None, malformed=1)),
    "chat azure filter first": (stream({"choices": [], "prompt_filter_results": []}, delta(content="x"), done=False), full(finished=False, usage=None)),
    "chat with event names": (b"event: message\ndata: " + encoded(delta(content="x")) + b"\n\n", full(finished=False, usage=None)),}  # fmt: skip
"""name -> (the stream, what is to be seen of it)."""
WHOLE = {
    "chat": ({"object": "chat.completion", "choices": [{"message": {"content": "x"}}], "usage": USAGE}, Seen(usage=ALL, **DONE)),
    "chat without usage": ({"choices": [SAID]}, Seen(usage=None, **DONE)),
    "chat null usage": ({"choices": [SAID], "usage": None}, Seen(usage=None, **DONE)),
    "chat error inside": ({"error": {"message": "boom"}}, FAILED),
    "chat error null": ({"error": None, "choices": [SAID]}, Seen(usage=None, **DONE)),
    "chat that says nothing": ({"choices": []}, Seen(usage=None, **(DONE | {"output": False}))),
    "chat of a vendor's own kind": ({"choices": [{"message": {"content": None, "audio": {"data": "x"}}}]}, Seen(usage=None, **DONE)),
    "chat of unknown types": ({"choices": [SAID], "id": 1, "usage": "many"}, Seen(usage=None, **DONE)),
}  # fmt: skip
"""name -> (the body, what is to be seen of it)."""

REQUEST = {
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
}  # fmt: skip
"""A body as a client sends it, with most of what it can say."""
