"""Anthropic Messages."""

from __future__ import annotations

import json
from typing import Any

from .wire import Step, named, pieces

PING = {"type": "ping"}
STOP = {"type": "message_stop"}
USAGE = {"input_tokens": 10, "output_tokens": 5}


def ask(model: str, text: str = "hello", **more: Any) -> dict[str, Any]:
    return {"model": model, "max_tokens": 256, "messages": [{"role": "user", "content": text}], **more}


# -- streams


def started(**message: Any) -> dict[str, Any]:
    usage = {"input_tokens": 10, "output_tokens": 1}
    return {"type": "message_start", "message": whole([], None, usage) | message}


def opened(index: int, /, **block: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": block}


def piece(index: int, /, **delta: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": delta}


def block(index: int, start: dict[str, Any], *deltas: dict[str, Any]) -> list[dict[str, Any]]:
    """A whole block: its start, its deltas, its stop."""
    closed = {"type": "content_block_stop", "index": index}
    return [opened(index, **start), *(piece(index, **delta) for delta in deltas), closed]


def text_delta(text: str) -> dict[str, Any]:
    return {"type": "text_delta", "text": text}


def json_delta(text: str) -> dict[str, Any]:
    return {"type": "input_json_delta", "partial_json": text}


def ended(
    reason: str | None = "end_turn", usage: dict[str, Any] | None = None, **delta: Any
) -> list[dict[str, Any]]:
    """usage: `{"output_tokens": 5}` where none is given."""
    change = {"stop_reason": reason, "stop_sequence": None, **delta}
    return [{"type": "message_delta", "delta": change, "usage": usage or {"output_tokens": 5}}, STOP]


def said(
    step: Step, usage: dict[str, Any], thought: dict[str, Any] | None = None, count: int = 2
) -> list[dict[str, Any]]:
    """The events of an answer. thought: a signed thinking block before a call."""
    begun = {**usage, "output_tokens": 1}
    events = [started(id="msg_9", model="x", usage=begun), PING]
    if isinstance(step, str):
        events += block(0, {"type": "text", "text": ""}, *map(text_delta, pieces(step, count)))
        return events + ended("end_turn", {"output_tokens": usage["output_tokens"]})
    if thought is not None:
        deltas = [{"type": "thinking_delta", "thinking": thought["thinking"]}]
        deltas.append({"type": "signature_delta", "signature": thought["signature"]})
        events += block(0, {"type": "thinking", "thinking": "", "signature": ""}, *deltas)
    call = {"type": "tool_use", "id": f"toolu_{step.id}", "name": step.name, "input": {}}
    parts = ["", *pieces(json.dumps(step.arguments), count)]
    events += block(0 if thought is None else 1, call, *map(json_delta, parts))
    return events + ended("tool_use", {"output_tokens": usage["output_tokens"]})


# -- whole answers


def whole(
    content: list[Any], reason: str | None = "end_turn", usage: dict[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    return {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "content": content,
        "stop_reason": reason, "stop_sequence": None, "usage": usage or USAGE, **more,
    }  # fmt: skip


def whole_of(step: Step, usage: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    head = {"id": "msg_9", "model": "x", **more}
    if isinstance(step, str):
        return whole([{"type": "text", "text": step}], "end_turn", usage, **head)
    call = {"type": "tool_use", "id": f"toolu_{step.id}", "name": step.name, "input": step.arguments}
    return whole([call], "tool_use", usage, **head)


# -- errors


def error(message: str, kind: str = "api_error") -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_upstream"}


def error_event(message: str, kind: str = "overloaded_error") -> bytes:
    return named({"type": "error", "error": {"type": kind, "message": message}})
