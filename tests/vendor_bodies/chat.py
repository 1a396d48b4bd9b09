"""Chat Completions, and the older Completions beside it."""

from __future__ import annotations

import json
from typing import Any

from .wire import Step, encoded, pieces, sse

DONE = b"data: [DONE]\n\n"
USAGE = {
    "prompt_tokens": 20,
    "completion_tokens": 7,
    "total_tokens": 27,
    "prompt_tokens_details": {"cached_tokens": 5},
    "completion_tokens_details": {"reasoning_tokens": 3},
}


def ask(model: str, text: str = "hello", **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": text}], **more}


# -- streams


def delta(finish: str | None = None, /, **fields: Any) -> dict[str, Any]:
    """A chunk of the one choice, with the least that a server sends."""
    return choice(0, finish, **fields)


def choice(index: int, finish: str | None = None, /, **fields: Any) -> dict[str, Any]:
    """The same of one of several."""
    one = {"index": index, "delta": fields, "finish_reason": finish}
    return {"object": "chat.completion.chunk", "choices": [one]}


def text(words: str | None, finish: str | None = None, index: int = 0) -> dict[str, Any]:
    """The same for Completions."""
    return {
        "object": "text_completion",
        "choices": [{"index": index, "text": words, "finish_reason": finish}],
    }


def headed(chunk: dict[str, Any], model: str = "x", id: str = "chatcmpl-9", **more: Any) -> dict[str, Any]:
    """The chunk with everything that the vendor repeats in each, in the vendor's order."""
    head = {"id": id, "object": chunk["object"], "created": 1_700_000_000, "model": model}
    return {**head, **more, **chunk}


def of_choices(*choices: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A chunk of these choices, headed."""
    return headed({"object": "chat.completion.chunk", "choices": choices, **more})


def counted(usage: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The last chunk, where usage was asked for."""
    return {"object": "chat.completion.chunk", "choices": [], "usage": usage, **more}


def in_message(finish: str | None = None, /, **fields: Any) -> dict[str, Any]:
    """A chunk that says under `message` what belongs under `delta`: some servers do."""
    choice = {"index": 0, "message": fields, "finish_reason": finish}
    return {"object": "chat.completion.chunk", "choices": [choice]}


def stream(*chunks: dict[str, Any] | bytes, done: bool = True) -> bytes:
    return sse(*chunks) + (DONE if done else b"")


def said(step: Step, usage: dict[str, Any], thought: str = "", count: int = 2) -> list[dict[str, Any]]:
    """The chunks of an answer. thought: reasoning before a call."""
    chunks = [delta(role="assistant", content="")]
    if isinstance(step, str):
        chunks += [delta(content=piece) for piece in pieces(step, count)] + [delta("stop")]
    else:
        if thought:
            chunks.append(delta(reasoning_content=thought))
        first = {"index": 0, "id": f"call_{step.id}", "type": "function"}
        chunks.append(delta(tool_calls=[{**first, "function": {"name": step.name, "arguments": ""}}]))
        for piece in pieces(json.dumps(step.arguments), count):
            chunks.append(delta(tool_calls=[{"index": 0, "function": {"arguments": piece}}]))
        chunks.append(delta("tool_calls"))
    return [headed(chunk) for chunk in (*chunks, counted(usage))]


# -- whole answers


def whole(
    message: dict[str, Any],
    finish: str | None = "stop",
    usage: dict[str, Any] | None = None,
    matched: str | None = None,
    **more: Any,
) -> dict[str, Any]:
    """matched: the stop sequence that ended it, as vLLM tells it."""
    choice = {
        "index": 0,
        "message": {"role": "assistant", **message},
        "logprobs": None,
        "finish_reason": finish,
        **({} if matched is None else {"stop_reason": matched}),
    }
    head = {"id": "chatcmpl-9", "object": "chat.completion", "created": 1_700_000_000, "model": "x"}
    return {**head, "choices": [choice], "usage": usage or USAGE, **more}


def whole_text(words: str, **more: Any) -> dict[str, Any]:
    """Of Completions."""
    choice = {"index": 0, "text": words, "finish_reason": "stop", "logprobs": None}
    return {
        "id": "cmpl-9", "object": "text_completion", "created": 1_700_000_000, "model": "x",
        "choices": [choice], **more,
    }  # fmt: skip


def whole_of(step: Step, usage: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    if isinstance(step, str):
        return whole({"content": step, "refusal": None}, "stop", usage, **more)
    function = {"name": step.name, "arguments": json.dumps(step.arguments)}
    call = {"id": f"call_{step.id}", "type": "function", "function": function}
    return whole({"content": None, "tool_calls": [call]}, "tool_calls", usage, **more)


# -- errors


def error(message: str, kind: str = "server_error", code: Any = None) -> dict[str, Any]:
    """A body, or the data of an event."""
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def error_event(message: str) -> bytes:
    return b"data: " + encoded(error(message)) + b"\n\n"
