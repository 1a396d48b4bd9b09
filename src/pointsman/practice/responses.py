"""OpenAI Responses, as the practice model speaks it: request in, answer or stream out. No I/O."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import Any

from .chat import error_body as error_body
from .chat import openai_error
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
from .reading import cost_of, items_of, limit_of, mapping, objects, schema_of, text_of

_RESULTS = ("function_call_output", "custom_tool_call_output")
# Given back as the caller sent them (or as these defaults), the way the provider does.
_ECHO: dict[str, Any] = {
    "background": False,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}, "verbosity": "medium"},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
    "metadata": {},
}


def parse(body: Mapping[str, Any], fingerprint: str) -> Ask:
    if body.get("previous_response_id") is not None or body.get("conversation") is not None:
        raise PracticeError(
            400,
            "the practice model keeps nothing: send the whole conversation in `input`",
            code="previous_response_not_found",
            param="previous_response_id",
        )
    items = _input(body)
    reasoning = mapping(body.get("reasoning"))
    form = mapping(mapping(body.get("text")).get("format"))
    tools = objects(body.get("tools"))
    asked = [text_of(item.get("content")) for item in items if item.get("role") == "user"]
    include = body.get("include") if isinstance(body.get("include"), list) else []
    return Ask(
        id=fingerprint,
        model=body["model"],
        text=asked[-1] if asked else "",
        tool_result=_result(items[-1]),
        tools=tuple(_tool(item) for item in tools if item.get("type") in ("function", "custom")),
        choice=_choice(body.get("tool_choice")),
        parallel=body.get("parallel_tool_calls") is not False,
        thinks=bool(reasoning) and reasoning.get("effort") != "none",
        sealed="reasoning.encrypted_content" in (include or []),
        summary=bool(reasoning.get("summary") or reasoning.get("generate_summary")),
        max_tokens=limit_of(body, "max_output_tokens"),
        schema=schema_of(form, form),
        stream=body.get("stream") is True,
        input_tokens=tokens(body),
        echo={name: body.get(name, default) for name, default in _ECHO.items()},
    )


def _input(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    said = body.get("input")
    return [{"role": "user", "content": said}] if isinstance(said, str) else items_of(body, "input")


def tokens(body: Mapping[str, Any]) -> int:
    """Input tokens of a Responses or input_tokens request."""
    items = [{"text": item.get("output") or item.get("arguments"), **item} for item in _input(body)]
    return cost_of(items, [text_of(body.get("instructions")), objects(body.get("tools"))])


def counted(body: Mapping[str, Any]) -> dict[str, Any]:
    """The answer of /v1/responses/input_tokens."""
    return {"object": "response.input_tokens", "input_tokens": tokens(body)}


def _result(item: dict[str, Any]) -> str | None:
    return text_of(item.get("output")) if item.get("type") in _RESULTS else None


def _tool(item: dict[str, Any]) -> PracticeTool:
    return PracticeTool(
        str(item.get("name", "")), mapping(item.get("parameters")), item.get("type") == "custom"
    )


def _choice(value: Any) -> str:
    if isinstance(value, dict):
        return str(value.get("name", "auto"))
    return value if value in ("none", "required") else "auto"


def _thought(ask: Ask, answer: PracticeAnswer) -> dict[str, Any]:
    """The reasoning item: a summary when asked for, else its text, and the capsule a client may replay."""
    item: dict[str, Any] = {"id": f"rs_{ask.id}", "type": "reasoning", "summary": []}
    if answer.thinking and ask.summary:
        item["summary"] = [{"type": "summary_text", "text": answer.thinking}]
    elif answer.thinking:
        item["content"] = [{"type": "reasoning_text", "text": answer.thinking}]
    if ask.sealed and answer.thinking:
        item["encrypted_content"] = base64.b64encode(f"practice:{ask.id}".encode()).decode()
    return item


def _message(ask: Ask, content: list[dict[str, Any]], status: str) -> dict[str, Any]:
    return {
        "id": f"msg_{ask.id}",
        "type": "message",
        "status": status,
        "content": content,
        "role": "assistant",
    }


def _part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "annotations": [], "logprobs": [], "text": text}


def _call(call: PracticeCall, status: str, arguments: str) -> dict[str, Any]:
    kind, slot, short = (
        ("custom_tool_call", "input", "ctc") if call.custom else ("function_call", "arguments", "fc")
    )
    item = {"id": f"{short}_{call.id}", "type": kind, "status": status, slot: arguments}
    return {**item, "call_id": f"call_{call.id}", "name": call.name}


def _output(ask: Ask, answer: PracticeAnswer) -> list[dict[str, Any]]:
    output = [_thought(ask, answer)] if answer.thinking else []
    if answer.text:
        status = "incomplete" if answer.stop is StopReason.LENGTH else "completed"
        output.append(_message(ask, [_part(answer.text)], status))
    return output + [_call(call, "completed", call.arguments) for call in answer.calls]


def _envelope(ask: Ask, status: str, **fields: Any) -> dict[str, Any]:
    return {
        "id": f"resp_{ask.id}",
        "object": "response",
        "created_at": CREATED,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "model": ask.model,
        "output": [],
        **ask.echo,
        "service_tier": "default",
        "store": False,
        "usage": None,
        **fields,
    }


def whole(ask: Ask, answer: PracticeAnswer) -> dict[str, Any]:
    cut = answer.stop is StopReason.LENGTH
    return _envelope(
        ask,
        "incomplete" if cut else "completed",
        incomplete_details={"reason": "max_output_tokens"} if cut else None,
        output=_output(ask, answer),
        usage={
            "input_tokens": answer.input_tokens,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": answer.output_tokens,
            "output_tokens_details": {"reasoning_tokens": answer.thinking_tokens},
            "total_tokens": answer.input_tokens + answer.output_tokens,
        },
    )


_Event = tuple[Phase, str, dict[str, Any]]


def frames(ask: Ask, answer: PracticeAnswer) -> Iterator[PracticeFrame]:
    for sequence, (stage, kind, fields) in enumerate(_events(ask, answer)):
        yield PracticeFrame(stage, _encoded(kind, sequence, fields))


def _encoded(kind: str, sequence: int, fields: dict[str, Any]) -> bytes:
    return (
        f"event: {kind}\ndata: {compact({'type': kind, 'sequence_number': sequence, **fields})}\n\n".encode()
    )


def _events(ask: Ask, answer: PracticeAnswer) -> Iterator[_Event]:
    for kind in ("response.created", "response.in_progress"):
        yield Phase.START, kind, {"response": _envelope(ask, "in_progress")}
    index = 0
    if answer.thinking:
        yield from _outputs(
            index, _thought(ask, PracticeAnswer()), _thought(ask, answer), _thinking(ask, answer)
        )
        index += 1
    if answer.text:
        done = _output(ask, PracticeAnswer(text=answer.text, stop=answer.stop))[0]
        yield from _outputs(index, _message(ask, [], "in_progress"), done, _saying(answer.text))
        index += 1
    for call in answer.calls:
        done = _call(call, "completed", call.arguments)
        yield from _outputs(index, _call(call, "in_progress", ""), done, _calling(call))
        index += 1
    final = whole(ask, answer)
    yield Phase.END, f"response.{final['status']}", {"response": final}


def _outputs(
    index: int, start: dict[str, Any], done: dict[str, Any], inner: Iterator[tuple[str, dict[str, Any]]]
) -> Iterator[_Event]:
    """One output item: added, what happens in it, done."""
    yield Phase.OUTPUT, "response.output_item.added", {"output_index": index, "item": start}
    for kind, fields in inner:
        yield Phase.OUTPUT, f"response.{kind}", {"item_id": start["id"], "output_index": index, **fields}
    yield Phase.OUTPUT, "response.output_item.done", {"output_index": index, "item": done}


def _thinking(ask: Ask, answer: PracticeAnswer) -> Iterator[tuple[str, dict[str, Any]]]:
    if ask.summary:
        part, text, at, shape = (
            "reasoning_summary_part",
            "reasoning_summary_text",
            "summary_index",
            "summary_text",
        )
    else:
        part, text, at, shape = "content_part", "reasoning_text", "content_index", "reasoning_text"
    yield f"{part}.added", {at: 0, "part": {"type": shape, "text": ""}}
    for piece in pieces(answer.thinking):
        yield f"{text}.delta", {at: 0, "delta": piece}
    yield f"{text}.done", {at: 0, "text": answer.thinking}
    yield f"{part}.done", {at: 0, "part": {"type": shape, "text": answer.thinking}}


def _saying(text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    at = {"content_index": 0}
    yield "content_part.added", {**at, "part": _part("")}
    for piece in pieces(text):
        yield "output_text.delta", {**at, "delta": piece, "logprobs": []}
    yield "output_text.done", {**at, "text": text, "logprobs": []}
    yield "content_part.done", {**at, "part": _part(text)}


def _calling(call: PracticeCall) -> Iterator[tuple[str, dict[str, Any]]]:
    name, slot = (
        ("custom_tool_call_input", "input") if call.custom else ("function_call_arguments", "arguments")
    )
    for piece in pieces(call.arguments):
        yield f"{name}.delta", {"delta": piece}
    named = {} if call.custom else {"name": call.name}
    yield f"{name}.done", {**named, slot: call.arguments}


def error_frames(ask: Ask, problem: PracticeError, sent: int) -> list[bytes]:
    """Both forms, as a recorded stream of the provider has them: the bare event, then the response."""
    _, code = openai_error(problem)
    code = code if code == "rate_limit_exceeded" else "server_error"
    bare = {"code": code, "message": problem.message, "param": None}
    failed = _envelope(ask, "failed", error={"code": code, "message": problem.message})
    return [_encoded("error", sent, bare), _encoded("response.failed", sent + 1, {"response": failed})]
