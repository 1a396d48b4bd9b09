"""Streams written by hand, one of each kind a watch must tell apart, and helpers to cut and read them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from pointsman.conversation.usage import TokenUsage
from pointsman.dialects.base import Seen as Reading
from pointsman.dialects.registry import DIALECTS
from pointsman.kinds import Protocol
from pointsman.wire.sse import EventSplitter


@dataclass(frozen=True)
class Seen:
    """Everything a watch says at the end of a stream."""

    output: bool
    finished: bool
    error: str | None
    usage: TokenUsage | None
    malformed: int


def seen(watch: Reading) -> Seen:
    error = watch.error.public if watch.error is not None else None
    return Seen(watch.output, watch.finished, error, watch.usage, watch.malformed)


def read(protocol: Protocol, pieces: Iterable[bytes]) -> Seen:
    """What the protocol's watch says of a stream that comes in these pieces and then ends."""
    watch = DIALECTS[protocol].seen()
    splitter = EventSplitter()
    for piece in pieces:
        for event in splitter.feed(piece):
            watch.event(event)
    rest = splitter.finish()
    if rest:
        watch.event(rest)
    return seen(watch)


def cut(raw: bytes, places: Iterable[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(raw) + 1) for place in places), len(raw)]
    return [raw[a:b] for a, b in pairwise(edges)]


def chat(*chunks: dict[str, Any] | bytes, done: bool = True) -> bytes:
    return b"".join(b"data: " + (c if isinstance(c, bytes) else encoded(c)) + b"\n\n" for c in chunks) + (
        b"data: [DONE]\n\n" if done else b""
    )


def named(*events: dict[str, Any]) -> bytes:
    return b"".join(b"event: " + e["type"].encode() + b"\ndata: " + encoded(e) + b"\n\n" for e in events)


def encoded(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def delta(finish: str | None = None, /, **fields: Any) -> dict[str, Any]:
    return {
        "object": "chat.completion.chunk",
        "choices": [{"index": 0, "delta": fields, "finish_reason": finish}],
    }


def text(words: str | None, finish: str | None = None) -> dict[str, Any]:
    return {"object": "text_completion", "choices": [{"index": 0, "text": words, "finish_reason": finish}]}


CHAT_USAGE = {
    "prompt_tokens": 20,
    "completion_tokens": 7,
    "total_tokens": 27,
    "prompt_tokens_details": {"cached_tokens": 5},
    "completion_tokens_details": {"reasoning_tokens": 3},
}
RESPONSES_USAGE = {
    "input_tokens": 20,
    "output_tokens": 7,
    "total_tokens": 27,
    "input_tokens_details": {"cached_tokens": 5},
    "output_tokens_details": {"reasoning_tokens": 3},
}
START_USAGE = {
    "input_tokens": 12,
    "cache_read_input_tokens": 5,
    "cache_creation_input_tokens": 3,
    "output_tokens": 1,
}
END_USAGE = {"output_tokens": 7, "output_tokens_details": {"thinking_tokens": 3}}
ALL = TokenUsage(20, 7, 5, 3)
MESSAGES_ALL = TokenUsage(20, 7, 5, 3, 3)
"""START_USAGE, then END_USAGE: what was written to a cache is told, too."""
AT_START = TokenUsage(20, 1, 5, None, 3)


def start(usage: dict[str, Any] | None = None) -> dict[str, Any]:
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "content": [],
        "usage": usage or START_USAGE,
    }
    return {"type": "message_start", "message": message}


def block(kind: str, index: int = 0, **fields: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": {"type": kind, **fields}}


def piece(kind: str, index: int = 0, **fields: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **fields}}


def stop(
    reason: str = "end_turn", usage: dict[str, Any] | None = None
) -> tuple[dict[str, Any], dict[str, Any]]:
    return (
        {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": usage or END_USAGE},
        {"type": "message_stop"},
    )


def response(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": f"response.{kind}", **fields}


def ended(kind: str = "completed", **fields: Any) -> dict[str, Any]:
    return response(kind, response={"id": "resp_1", "object": "response", "usage": RESPONSES_USAGE, **fields})


CREATED = response("created", response={"id": "resp_1", "object": "response", "usage": None, "error": None})
PING = {"type": "ping"}
ROLE = delta(role="assistant", content="")
CALL = {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": ""}}
NOTHING = Seen(False, False, None, None, 0)


def full(**changes: Any) -> Seen:
    """A stream that gave output, ended well and said its usage, but for these changes."""
    return Seen(**({"output": True, "finished": True, "error": None, "usage": ALL, "malformed": 0} | changes))


CHAT, RESPONSES, MESSAGES = Protocol.OPENAI_CHAT, Protocol.OPENAI_RESPONSES, Protocol.ANTHROPIC_MESSAGES
COMPLETIONS = Protocol.COMPLETIONS

STREAMS: dict[str, tuple[Protocol, bytes, Seen]] = {
    # Chat Completions
    "chat text": (
        CHAT,
        chat(ROLE, delta(content="hi"), delta("stop"), {"choices": [], "usage": CHAT_USAGE}),
        full(),
    ),
    "chat without usage": (CHAT, chat(ROLE, delta(content="hi"), delta("stop")), full(usage=None)),
    "chat without DONE": (CHAT, chat(ROLE, delta(content="hi"), delta("stop"), done=False), full(usage=None)),
    "chat without finish_reason": (CHAT, chat(ROLE, delta(content="hi")), full(usage=None)),
    "chat cut": (CHAT, chat(ROLE, delta(content="hi"), done=False), full(finished=False, usage=None)),
    "chat role only": (CHAT, chat(ROLE, done=False), NOTHING),
    "chat nulls only": (CHAT, chat(delta(role="assistant", content=None, refusal=None, tool_calls=None), done=False), NOTHING),
    "chat empty": (CHAT, chat(ROLE, delta("stop")), full(output=False, usage=None)),
    "chat tool call": (CHAT, chat(delta(role="assistant", content=None, tool_calls=[CALL]), delta("tool_calls")), full(usage=None)),
    "chat function call": (CHAT, chat(delta(function_call={"name": "f"}), delta("function_call")), full(usage=None)),
    "chat refusal": (CHAT, chat(ROLE, delta(refusal="no"), delta("stop")), full(usage=None)),
    "chat reasoning": (CHAT, chat(ROLE, delta(reasoning_content="hm"), done=False), full(finished=False, usage=None)),
    "chat reasoning, vllm": (CHAT, chat(ROLE, delta(reasoning="hm"), done=False), full(finished=False, usage=None)),
    "chat audio": (CHAT, chat(ROLE, delta(audio={"id": "a"}), done=False), full(finished=False, usage=None)),
    "chat second choice": (
        CHAT, chat({"choices": [{"index": 0, "delta": {}}, {"index": 1, "delta": {"content": "x"}}]}, done=False),
        full(finished=False, usage=None),
    ),
    "chat usage in the last chunk": (CHAT, chat(delta(content="x"), {**delta("stop"), "usage": CHAT_USAGE}), full()),
    "chat usage null in all": (CHAT, chat({**delta(content="x"), "usage": None}, delta("stop")), full(usage=None)),
    "chat usage in every chunk": (
        CHAT, chat({**delta(content="x"), "usage": {"prompt_tokens": 20, "completion_tokens": 1}}, {**delta("stop"), "usage": CHAT_USAGE}),
        full(),
    ),
    "chat comments": (CHAT, b": wait\n\n" + chat(ROLE) + b": x\n\n", full(output=False, usage=None)),
    "chat error first": (CHAT, chat({"error": {"message": "boom", "code": 500}}, done=False), Seen(False, False, "boom", None, 0)),
    "chat error later": (CHAT, chat(delta(content="x"), {"error": {"message": "boom"}}, done=False), full(finished=False, usage=None, error="boom")),
    "chat error as a string": (CHAT, chat({"error": "boom"}, done=False), Seen(False, False, "boom", None, 0)),
    "chat garbage": (CHAT, chat(b"{", b"hello", done=False), Seen(False, False, None, None, 2)),
    "chat garbage between": (CHAT, chat(delta(content="x"), b"{oops", delta("stop")), full(usage=None, malformed=1)),
    "chat azure filter first": (CHAT, chat({"choices": [], "prompt_filter_results": []}, delta(content="x"), done=False), full(finished=False, usage=None)),
    "chat with event names": (CHAT, b"event: message\ndata: " + encoded(delta(content="x")) + b"\n\n", full(finished=False, usage=None)),
    # Messages
    "messages text": (MESSAGES, named(start(), PING, block("text", text=""), piece("text_delta", text="hi"), *stop()), full(usage=MESSAGES_ALL)),
    "messages cut": (MESSAGES, named(start(), block("text", text=""), piece("text_delta", text="hi")), full(finished=False, usage=AT_START)),
    "messages start only": (MESSAGES, named(start(), PING), Seen(False, False, None, AT_START, 0)),
    "messages empty block": (MESSAGES, named(start(), block("text", text=""), *stop()), full(output=False, usage=MESSAGES_ALL)),
    "messages thinking start is silent": (MESSAGES, named(block("thinking", thinking="", signature="")), NOTHING),
    "messages empty delta is silent": (MESSAGES, named(block("text", text=""), piece("text_delta", text="")), NOTHING),
    "messages thinking": (MESSAGES, named(block("thinking"), piece("thinking_delta", thinking="hm")), Seen(True, False, None, None, 0)),
    "messages signature": (MESSAGES, named(block("thinking"), piece("signature_delta", signature="s")), Seen(True, False, None, None, 0)),
    "messages redacted": (MESSAGES, named(block("redacted_thinking", data="d")), Seen(True, False, None, None, 0)),
    "messages tool": (MESSAGES, named(block("tool_use", id="t", name="f", input={})), Seen(True, False, None, None, 0)),
    "messages server tool": (MESSAGES, named(block("server_tool_use", id="t", name="f", input={})), Seen(True, False, None, None, 0)),
    "messages text in its start": (MESSAGES, named(block("text", text="hi")), Seen(True, False, None, None, 0)),
    "messages refusal without a block": (MESSAGES, named(start(), *stop("refusal")), full(usage=MESSAGES_ALL)),
    "messages no output": (MESSAGES, named(start(), *stop()), full(output=False, usage=MESSAGES_ALL)),
    "messages usage repeats the input": (
        MESSAGES, named(start(), block("text"), piece("text_delta", text="x"), *stop(usage={**END_USAGE, "input_tokens": 12, "cache_read_input_tokens": 5})),
        full(usage=MESSAGES_ALL),
    ),
    "messages usage overwritten later": (
        MESSAGES, named(start({"input_tokens": 1, "output_tokens": 1}), *stop(usage={"input_tokens": 9, "output_tokens": 4, "cache_read_input_tokens": None})),
        full(output=False, usage=TokenUsage(9, 4)),
    ),
    "messages white space": (
        MESSAGES, named(start(), block("text", text=" "), piece("text_delta", text="\n"), *stop()), full(output=False, usage=MESSAGES_ALL)
    ),
    "messages stop sequence without text": (MESSAGES, named(start(), *stop("stop_sequence")), full(usage=MESSAGES_ALL)),
    "messages no reason": (
        MESSAGES, named(start(), block("text", text="hi"), {"type": "message_stop"}),
        Seen(True, False, "The backend ended its answer without saying why it stopped.", AT_START, 0),
    ),
    "messages usage of another shape": (
        MESSAGES, named(block("text", text="hi"), {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": 1}, {"type": "message_stop"}),
        full(usage=None),
    ),
    "messages error without framing": (MESSAGES, named(start()) + b'{"error":{"message":"boom"}}', Seen(False, False, "boom", AT_START, 0)),
    "messages error without a type": (MESSAGES, b'data: {"error":{"message":"boom"}}\n\n', Seen(False, False, "boom", None, 0)),
    "messages unknown event": (MESSAGES, named({"type": "brand_new", "delta": {"x": 1}}), NOTHING),
    "messages error": (MESSAGES, named(start(), {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}), Seen(False, False, "busy", AT_START, 0)),
    "messages error as a string": (MESSAGES, named({"type": "error", "error": "busy"}), Seen(False, False, "busy", None, 0)),
    "messages padded": (MESSAGES, named(PING).replace(b"}\n", b"   }   \n"), NOTHING),
    "messages garbage": (MESSAGES, b"event: x\ndata: {\n\n", Seen(False, False, None, None, 1)),
    # Responses
    "responses text": (RESPONSES, named(CREATED, response("output_text.delta", delta="hi"), ended()), full()),
    "responses cut": (RESPONSES, named(CREATED, response("output_text.delta", delta="hi")), full(finished=False, usage=None)),
    "responses created only": (RESPONSES, named(CREATED, response("in_progress", response={"object": "response"})), NOTHING),
    "responses item added is silent": (RESPONSES, named(response("output_item.added", item={"type": "message"})), NOTHING),
    "responses part added is silent": (RESPONSES, named(response("content_part.added", part={"type": "output_text", "text": ""})), NOTHING),
    "responses empty delta is silent": (RESPONSES, named(response("output_text.delta", delta="")), NOTHING),
    "responses reasoning": (RESPONSES, named(response("reasoning_summary_text.delta", delta="hm")), Seen(True, False, None, None, 0)),
    "responses call": (RESPONSES, named(response("output_item.added", item={"type": "function_call"})), Seen(True, False, None, None, 0)),
    "responses arguments": (
        RESPONSES, named(response("output_item.added", item={"type": "function_call"}), response("function_call_arguments.delta", delta="{")),
        Seen(True, False, None, None, 0),
    ),
    "responses arguments of no call": (RESPONSES, named(response("function_call_arguments.delta", delta="{")), Seen(False, False, None, None, 1)),
    "responses refusal": (RESPONSES, named(response("refusal.delta", delta="no")), Seen(True, False, None, None, 0)),
    "responses item done": (RESPONSES, named(response("output_item.done", item={"type": "web_search_call"})), Seen(True, False, None, None, 0)),
    "responses sealed reasoning": (
        RESPONSES, named(response("output_item.done", item={"type": "reasoning", "encrypted_content": "x"})), Seen(True, False, None, None, 0)
    ),
    "responses empty reasoning is silent": (RESPONSES, named(response("output_item.done", item={"type": "reasoning", "summary": []})), NOTHING),
    "responses items only in the end": (
        RESPONSES, named(CREATED, ended(output=[{"type": "message", "content": [{"type": "output_text", "text": "hi"}]}])), full()
    ),
    "responses white space": (RESPONSES, named(CREATED, response("output_text.delta", delta=" \n"), ended()), full(output=False)),
    "responses usage of another shape": (
        RESPONSES, named(response("output_text.delta", delta="x"), ended(usage="many")), full(usage=None)
    ),
    "responses error without framing": (RESPONSES, named(CREATED) + b'{"error":{"message":"boom"}}', Seen(False, False, "boom", None, 0)),
    "responses no output": (RESPONSES, named(CREATED, ended()), full(output=False)),
    "responses incomplete": (RESPONSES, named(response("output_text.delta", delta="x"), ended("incomplete")), full()),
    "responses failed": (RESPONSES, named(CREATED, ended("failed", usage=None, error={"code": "server_error", "message": "boom"})), Seen(False, True, "boom", None, 0)),
    "responses error": (RESPONSES, named({"type": "error", "code": "x", "message": "boom"}), Seen(False, False, "boom", None, 0)),
    "responses error without a type": (RESPONSES, b'data: {"error":{"message":"boom"}}\n\n', Seen(False, False, "boom", None, 0)),
    "responses extra DONE": (RESPONSES, named(response("output_text.delta", delta="x"), ended()) + b"data: [DONE]\n\n", full()),
    "responses DONE is no end": (RESPONSES, named(response("output_text.delta", delta="x")) + b"data: [DONE]\n\n", full(finished=False, usage=None)),
    "responses garbage": (RESPONSES, b"data: nope\n\n", Seen(False, False, None, None, 1)),
    # Completions
    "completions": (COMPLETIONS, chat(text("hi"), text("", "stop"), {"choices": [], "usage": CHAT_USAGE}), full(usage=TokenUsage(20, 7))),
    "completions cut": (COMPLETIONS, chat(text("hi"), done=False), full(finished=False, usage=None)),
    "completions empty": (COMPLETIONS, chat(text(""), text(None, "stop")), full(output=False, usage=None)),
    "completions error": (COMPLETIONS, chat({"error": {"message": "boom"}}, done=False), Seen(False, False, "boom", None, 0)),
    "completions garbage": (COMPLETIONS, chat(b"[", done=False), Seen(False, False, None, None, 1)),
}  # fmt: skip
