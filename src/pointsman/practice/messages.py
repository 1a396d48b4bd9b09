"""Anthropic Messages, as the practice model speaks it: request in, answer or stream out. No I/O."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any

from .model import (
    Ask,
    Phase,
    PracticeAnswer,
    PracticeCall,
    PracticeError,
    PracticeFrame,
    PracticeTool,
    StopReason,
    compact,
    pieces,
)
from .reading import cost_of, items_of, limit_of, mapping, objects, stops_of, text_of

_STOP = {
    StopReason.END: "end_turn",
    StopReason.SEQUENCE: "stop_sequence",
    StopReason.LENGTH: "max_tokens",
    StopReason.TOOL: "tool_use",
}
_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    529: "overloaded_error",
}


def parse(body: Mapping[str, Any], fingerprint: str) -> Ask:
    if "max_tokens" not in body:
        raise PracticeError(400, "max_tokens: Field required", param="max_tokens")
    messages = items_of(body, "messages")
    choice = mapping(body.get("tool_choice"))
    thinking = mapping(body.get("thinking"))
    tools = objects(body.get("tools"))
    asked = [text for item in messages if item.get("role") == "user" and (text := _said(item))]
    return Ask(
        id=fingerprint,
        model=body["model"],
        text=asked[-1] if asked else "",
        tool_result=_result(messages[-1]),
        # A server tool has a dated type and no schema; this model has nothing behind it, so it is not called.
        tools=tuple(
            PracticeTool(str(item.get("name", "")), mapping(item["input_schema"]))
            for item in tools
            if "input_schema" in item
        ),
        choice=_choice(choice),
        parallel=choice.get("disable_parallel_tool_use") is not True,
        thinks=thinking.get("type") in ("enabled", "adaptive"),
        thought_hidden=thinking.get("display") == "omitted",
        max_tokens=limit_of(body, "max_tokens"),
        stop=stops_of(body.get("stop_sequences")),
        schema=_schema(body),
        stream=body.get("stream") is True,
        input_tokens=tokens(body),
    )


def tokens(body: Mapping[str, Any]) -> int:
    """Input tokens of a Messages or count_tokens request."""
    extra = [text_of(body.get("system")), objects(body.get("tools"))]
    return cost_of(items_of(body, "messages"), extra)


def counted(body: Mapping[str, Any]) -> dict[str, Any]:
    """The answer of /v1/messages/count_tokens."""
    return {"input_tokens": tokens(body)}


def _said(item: dict[str, Any]) -> str:
    content = item.get("content")
    if isinstance(content, list):
        texts = [part for part in objects(content) if part.get("type") == "text"]
        # Claude Code puts its reminders before what the person typed; an echo of them helps nobody.
        content = [part for part in texts if not text_of(part).startswith("<system-reminder>")] or texts
    return text_of(content)


def _result(item: dict[str, Any]) -> str | None:
    results = [part for part in objects(item.get("content")) if part.get("type") == "tool_result"]
    return "\n".join(text_of(part.get("content")) for part in results) if results else None


def _choice(choice: dict[str, Any]) -> str:
    kind = choice.get("type")
    if kind == "tool":
        return str(choice.get("name", "auto"))
    return {"any": "required", "none": "none"}.get(str(kind), "auto")


def _schema(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    form = mapping(mapping(body.get("output_config")).get("format")) or mapping(body.get("output_format"))
    return mapping(form.get("schema")) if form.get("type") == "json_schema" else None


def _usage(answer: PracticeAnswer) -> dict[str, Any]:
    usage: dict[str, Any] = {
        "input_tokens": answer.input_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": answer.output_tokens,
    }
    if answer.thinking_tokens:
        usage["output_tokens_details"] = {"thinking_tokens": answer.thinking_tokens}
    return usage


def _signature(ask: Ask) -> str:
    return base64.b64encode(f"practice:{ask.id}".encode()).decode()


def _block(call: PracticeCall) -> dict[str, Any]:
    return {
        "type": "tool_use",
        "id": f"toolu_{call.id}",
        "name": call.name,
        "input": json.loads(call.arguments),
    }


def _envelope(ask: Ask) -> dict[str, Any]:
    return {"id": f"msg_{ask.id}", "type": "message", "role": "assistant", "model": ask.model, "content": []}


def whole(ask: Ask, answer: PracticeAnswer) -> dict[str, Any]:
    content: list[dict[str, Any]] = []
    if answer.thinking:
        text = "" if ask.thought_hidden else answer.thinking
        content.append({"type": "thinking", "thinking": text, "signature": _signature(ask)})
    if answer.text:
        content.append({"type": "text", "text": answer.text})
    content += [_block(call) for call in answer.calls]
    return {
        **_envelope(ask),
        "content": content,
        "stop_reason": _STOP[answer.stop],
        "stop_sequence": answer.stop_sequence,
        "usage": {**_usage(answer), "service_tier": "standard"},
    }


def _frame(stage: Phase, kind: str, **fields: Any) -> PracticeFrame:
    # The event line is not decoration: the Python SDK ignores frames without it.
    return PracticeFrame(stage, f"event: {kind}\ndata: {compact({'type': kind, **fields})}\n\n".encode())


def frames(ask: Ask, answer: PracticeAnswer) -> Iterator[PracticeFrame]:
    usage = {**_usage(answer), "output_tokens": 1, "service_tier": "standard"}
    usage.pop("output_tokens_details", None)
    message = {**_envelope(ask), "stop_reason": None, "stop_sequence": None, "usage": usage}
    yield _frame(Phase.START, "message_start", message=message)
    yield _frame(Phase.START, "ping")
    for index, (block, deltas) in enumerate(_blocks(ask, answer)):
        yield _frame(Phase.OUTPUT, "content_block_start", index=index, content_block=block)
        for delta in deltas:
            yield _frame(Phase.OUTPUT, "content_block_delta", index=index, delta=delta)
        yield _frame(Phase.OUTPUT, "content_block_stop", index=index)
    delta = {"stop_reason": _STOP[answer.stop], "stop_sequence": answer.stop_sequence}
    yield _frame(Phase.END, "message_delta", delta=delta, usage=_usage(answer))
    yield _frame(Phase.END, "message_stop")


def _blocks(ask: Ask, answer: PracticeAnswer) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Each block as it starts, and its deltas in order."""
    if answer.thinking:
        thoughts = [""] if ask.thought_hidden else pieces(answer.thinking)
        deltas = [{"type": "thinking_delta", "thinking": piece} for piece in thoughts]
        # The SDK assigns the signature, it does not append: one delta, right before the stop.
        deltas.append({"type": "signature_delta", "signature": _signature(ask)})
        yield {"type": "thinking", "thinking": "", "signature": ""}, deltas
    if answer.text:
        yield (
            {"type": "text", "text": ""},
            [{"type": "text_delta", "text": piece} for piece in pieces(answer.text)],
        )
    for call in answer.calls:
        parts = [""] if call.arguments == "{}" else ["", *pieces(call.arguments)]
        yield (
            {**_block(call), "input": {}},
            [{"type": "input_json_delta", "partial_json": piece} for piece in parts],
        )


def error_body(problem: PracticeError, request_id: str) -> dict[str, Any]:
    error = {"type": _TYPES.get(problem.status, "api_error"), "message": problem.message}
    return {"type": "error", "error": error, "request_id": request_id}


def error_frames(ask: Ask, problem: PracticeError, sent: int) -> list[bytes]:
    return [f"event: error\ndata: {compact(error_body(problem, f'req_{ask.id}'))}\n\n".encode()]
