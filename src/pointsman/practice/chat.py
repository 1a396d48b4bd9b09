"""OpenAI Chat Completions, as the practice model speaks it: request in, answer or stream out. No I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .model import (
    CREATED,
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
from .reading import cost_of, items_of, limit_of, mapping, objects, schema_of, stops_of, text_of

_FINISH = {
    StopReason.END: "stop",
    StopReason.SEQUENCE: "stop",
    StopReason.LENGTH: "length",
    StopReason.TOOL: "tool_calls",
}


def parse(body: Mapping[str, Any], fingerprint: str) -> Ask:
    messages = items_of(body, "messages")
    tools = objects(body.get("tools"))
    last = messages[-1]
    form = mapping(body.get("response_format"))
    asked = [text_of(item.get("content")) for item in messages if item.get("role") == "user"]
    return Ask(
        id=fingerprint,
        model=body["model"],
        text=asked[-1] if asked else "",
        tool_result=text_of(last.get("content")) if last.get("role") == "tool" else None,
        tools=tuple(_tool(item) for item in tools),
        choice=_choice(body.get("tool_choice")),
        parallel=body.get("parallel_tool_calls") is not False,
        thinks=_thinks(body),
        max_tokens=limit_of(body, "max_completion_tokens", "max_tokens"),
        stop=stops_of(body.get("stop")),
        schema=schema_of(form, mapping(form.get("json_schema"))),
        stream=body.get("stream") is True,
        include_usage=mapping(body.get("stream_options")).get("include_usage") is True,
        n=min(limit_of(body, "n") or 1, 8),
        input_tokens=cost_of(messages, tools),
    )


def _tool(item: dict[str, Any]) -> PracticeTool:
    custom = item.get("type") == "custom"
    inner = mapping(item.get("custom" if custom else "function"))
    return PracticeTool(str(inner.get("name", "")), mapping(inner.get("parameters")), custom)


def _choice(value: Any) -> str:
    if isinstance(value, dict):
        inner = mapping(value.get("function")) or mapping(value.get("custom"))
        return str(inner.get("name", "auto"))
    return value if value in ("none", "required") else "auto"


def _thinks(body: Mapping[str, Any]) -> bool:
    if body.get("reasoning_effort") is not None:
        return bool(body["reasoning_effort"] != "none")
    reasoning = mapping(body.get("reasoning"))
    if reasoning:
        return reasoning.get("enabled") is not False and reasoning.get("effort") != "none"
    template = mapping(body.get("chat_template_kwargs"))
    return bool(body.get("enable_thinking") or template.get("enable_thinking"))


def totals(ask: Ask, answer: PracticeAnswer) -> dict[str, Any]:
    """What both of OpenAI's older protocols tell of the cost."""
    output = answer.output_tokens * ask.n
    return {
        "prompt_tokens": answer.input_tokens,
        "completion_tokens": output,
        "total_tokens": answer.input_tokens + output,
    }


def _usage(ask: Ask, answer: PracticeAnswer) -> dict[str, Any]:
    return {
        **totals(ask, answer),
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": answer.thinking_tokens * ask.n,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _call(call: PracticeCall) -> dict[str, Any]:
    if call.custom:
        return {
            "id": f"call_{call.id}",
            "type": "custom",
            "custom": {"name": call.name, "input": call.arguments},
        }
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": f"call_{call.id}", "type": "function", "function": function}


def whole(ask: Ask, answer: PracticeAnswer) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": None if answer.calls else answer.text}
    if answer.thinking:
        message["reasoning_content"] = answer.thinking
    message["refusal"] = None
    if answer.calls:
        message["tool_calls"] = [_call(call) for call in answer.calls]
    choices = [
        {"index": index, "message": message, "logprobs": None, "finish_reason": _FINISH[answer.stop]}
        for index in range(ask.n)
    ]
    return {
        "id": f"chatcmpl-{ask.id}",
        "object": "chat.completion",
        "created": CREATED,
        "model": ask.model,
        "choices": choices,
        "usage": _usage(ask, answer),
        "service_tier": "default",
        "system_fingerprint": "fp_practice",
    }


class _Chunks:
    """Makes the chunks of one stream; what must be equal in all of them stands here once."""

    def __init__(self, ask: Ask) -> None:
        self.ask = ask
        self.base = {
            "id": f"chatcmpl-{ask.id}",
            "object": "chat.completion.chunk",
            "created": CREATED,
            "model": ask.model,
            "service_tier": "default",
            "system_fingerprint": "fp_practice",
        }

    def frame(
        self, stage: Phase, choices: list[dict[str, Any]], usage: dict[str, Any] | None = None
    ) -> PracticeFrame:
        chunk = {**self.base, "choices": choices}
        if self.ask.include_usage:
            # null in every chunk but the last (docs/protocols/streams.md#chat-streams)
            chunk["usage"] = usage
        return PracticeFrame(stage, f"data: {compact(chunk)}\n\n".encode())

    def delta(
        self, stage: Phase, index: int, delta: dict[str, Any], finish: str | None = None
    ) -> PracticeFrame:
        choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
        return self.frame(stage, [choice])


def frames(ask: Ask, answer: PracticeAnswer) -> Iterator[PracticeFrame]:
    chunks = _Chunks(ask)
    content = None if answer.calls else ""
    for index in range(ask.n):
        yield chunks.delta(Phase.START, index, {"role": "assistant", "content": content, "refusal": None})
    for index in range(ask.n):
        for delta in _deltas(answer):
            yield chunks.delta(Phase.OUTPUT, index, delta)
    for index in range(ask.n):
        yield chunks.delta(Phase.END, index, {}, _FINISH[answer.stop])
    if ask.include_usage:
        yield chunks.frame(Phase.END, [], _usage(ask, answer))
    yield PracticeFrame(Phase.END, b"data: [DONE]\n\n")


def _deltas(answer: PracticeAnswer) -> Iterator[dict[str, Any]]:
    for piece in pieces(answer.thinking):
        yield {"reasoning_content": piece}
    for piece in pieces(answer.text):
        yield {"content": piece}
    for index, call in enumerate(answer.calls):
        kind, slot = ("custom", "input") if call.custom else ("function", "arguments")
        first = {"index": index, "id": f"call_{call.id}", "type": kind, kind: {"name": call.name, slot: ""}}
        yield {"tool_calls": [first]}
        for piece in pieces(call.arguments):
            yield {"tool_calls": [{"index": index, kind: {slot: piece}}]}


def error_body(problem: PracticeError, request_id: str) -> dict[str, Any]:
    kind, code = openai_error(problem)
    return {"error": {"message": problem.message, "type": kind, "param": problem.param, "code": code}}


def openai_error(problem: PracticeError) -> tuple[str, str | None]:
    """The type and code OpenAI uses for a status."""
    known: dict[int, tuple[str, str | None]] = {
        401: ("invalid_request_error", "invalid_api_key"),
        429: ("requests", "rate_limit_exceeded"),
        503: ("server_error", "overloaded"),
        529: ("server_error", "overloaded"),
    }
    fallback = ("server_error" if problem.status >= 500 else "invalid_request_error", None)
    kind, code = known.get(problem.status, fallback)
    return kind, problem.code or code


def error_frames(ask: Ask, problem: PracticeError, sent: int) -> list[bytes]:
    return [f"data: {compact(error_body(problem, ''))}\n\n".encode()]
