"""Whole Responses answers, read and written (PROTOCOLS.md 3.3, 9, 10, 11.6). Pure. Not here: streams."""

from __future__ import annotations

from typing import Any

import msgspec

from ...conversation.events import Stop
from ...conversation.parts import (
    AssistantPart,
    Citation,
    Foreign,
    Opaque,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolKind,
)
from ...conversation.profile import Profile
from ...conversation.reply import Reply
from ...conversation.request import Request
from ...conversation.usage import TokenUsage
from ..base import Answering
from .errors import error_inside

OWN = "openai_responses"
_INCOMPLETE = {
    "max_output_tokens": Stop.MAX_TOKENS,
    "content_filter": Stop.REFUSAL,
}


class InputDetails(msgspec.Struct):
    """Parts of the input tokens."""

    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class OutputDetails(msgspec.Struct):
    """Parts of the output tokens."""

    reasoning_tokens: int | None = None


class Usage(msgspec.Struct):
    """Responses' usage."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: InputDetails | None = None
    output_tokens_details: OutputDetails | None = None

    def neutral(self) -> TokenUsage:
        """Cached tokens are part of the input tokens here as there (PROTOCOLS.md 10)."""
        given, made = (
            self.input_tokens_details or InputDetails(),
            self.output_tokens_details or OutputDetails(),
        )
        return TokenUsage(
            self.input_tokens,
            self.output_tokens,
            given.cached_tokens,
            made.reasoning_tokens,
            cache_write=given.cache_write_tokens,
        )


def parse_reply(body: bytes, profile: Profile) -> Reply:
    """Raises ValueError when it is no Responses answer, PointsmanError when it says that it failed."""
    value = msgspec.json.decode(body)
    if not isinstance(value, dict):
        raise ValueError("not an object")
    if value.get("error"):
        raise error_inside(value["error"])
    if value.get("status") in ("failed", "cancelled"):
        raise error_inside({"message": f"The response's status is {value['status']}."})
    output = value.get("output")
    if not isinstance(output, list):
        raise ValueError("no output")
    reply = Reply(str(value.get("id") or ""), str(value.get("model") or ""))
    try:
        for item in output:
            reply.parts += parts_of(item, profile)
        reply.usage = msgspec.convert(value["usage"], Usage).neutral() if value.get("usage") else None
    except (msgspec.ValidationError, TypeError, AttributeError, KeyError) as error:
        raise ValueError(str(error)) from None
    details = value.get("incomplete_details")
    reason = details.get("reason") if isinstance(details, dict) else None
    reply.stop, reply.explanation = stop_of(str(value.get("status") or "completed"), reason, reply.parts)
    tier = value.get("service_tier")
    reply.service_tier = tier if isinstance(tier, str) else None
    return reply


def stop_of(status: str, reason: Any, parts: list[AssistantPart]) -> tuple[Stop, str | None]:
    """Why it stopped (PROTOCOLS.md 9.2), and a refusal's words."""
    refusal = next((part.text for part in parts if isinstance(part, Refusal)), None)
    if status == "incomplete":
        stop = _INCOMPLETE.get(str(reason), Stop.END)
        return stop, refusal if stop is Stop.REFUSAL else None
    if refusal is not None:
        return Stop.REFUSAL, refusal
    called = any(isinstance(part, ToolCall) for part in parts)
    return (Stop.TOOL_USE if called else Stop.END), None


def parts_of(item: dict[str, Any], profile: Profile) -> list[AssistantPart]:
    """One output item as parts."""
    kind = item.get("type")
    if kind == "message":
        found: list[AssistantPart] = []
        for part in item.get("content") or []:
            if part.get("type") == "refusal":
                found.append(Refusal(str(part.get("refusal") or "")))
            elif part.get("text"):
                citations = (citation_of(one) for one in part.get("annotations") or [])
                found.append(Text(part["text"], None, tuple(one for one in citations if one is not None)))
        return found
    if kind == "reasoning":
        return [Thinking(thought_of(item), opaque_of(item, profile))]
    if kind == "function_call":
        return [
            ToolCall(
                str(item["call_id"]),
                str(item["name"]),
                str(item.get("arguments") or ""),
                namespace=item.get("namespace"),
            )
        ]
    if kind == "custom_tool_call":
        name, text = str(item["name"]), str(item.get("input") or "")
        return [ToolCall(str(item["call_id"]), name, text, ToolKind.CUSTOM, item.get("namespace"))]
    return [Foreign(OWN, str(kind), item)]


def thought_of(item: dict[str, Any]) -> str:
    """A reasoning item's words: its summary, else its content; parts apart by a blank line (PROTOCOLS.md 11.6)."""
    for key in ("summary", "content"):
        texts = [str(part.get("text") or "") for part in item.get(key) or []]
        if any(texts):
            return "\n\n".join(texts)
    return ""


def opaque_of(item: dict[str, Any], profile: Profile) -> Opaque | None:
    """What its producer needs to recognise a reasoning item."""
    encrypted = item.get("encrypted_content")
    if not encrypted:
        return None
    return Opaque(OWN, {"id": item.get("id"), "encrypted_content": encrypted}, profile.backend)


def citation_of(annotation: Any) -> Citation | None:
    """A web citation; file citations need a file id, which means nothing elsewhere."""
    if not isinstance(annotation, dict) or annotation.get("type") != "url_citation":
        return None
    return Citation(
        annotation.get("url"),
        annotation.get("title"),
        None,
        annotation.get("start_index"),
        annotation.get("end_index"),
    )


# -- writing


def response_id(upstream: str, request_id: str) -> str:
    """Ours, from the upstream's where it had one."""
    clean = "".join(c for c in upstream if c.isalnum() or c in "_-")[:80]
    return clean if clean.startswith("resp_") else f"resp_{clean or request_id}"


def usage_value(usage: TokenUsage | None) -> dict[str, Any] | None:
    """Responses' usage; its detail objects are required (PROTOCOLS.md 10)."""
    if usage is None or (usage.input is None and usage.output is None):
        return None
    given, made = usage.input or 0, usage.output or 0
    return {
        "input_tokens": given,
        "input_tokens_details": {
            "cached_tokens": usage.cached or 0,
            "cache_write_tokens": usage.cache_write or 0,
        },
        "output_tokens": made,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning or 0},
        "total_tokens": given + made,
    }


_ECHOED = (
    "instructions", "max_output_tokens", "max_tool_calls", "parallel_tool_calls", "previous_response_id", "prompt_cache_key",
    "reasoning", "safety_identifier", "service_tier", "temperature", "text", "tool_choice", "tools", "top_logprobs", "top_p",
    "truncation", "user",
)  # fmt: skip
_DEFAULTS: dict[str, Any] = {
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
    "truncation": "disabled",
    "text": {"format": {"type": "text"}},
}


def echo(request: Request) -> dict[str, Any]:
    """The request's settings, which a response object repeats (PROTOCOLS.md 3.3)."""
    raw = request.raw
    value: dict[str, Any] = {}
    for name in _ECHOED:
        found = raw.get(name)
        value[name] = found if found is not None else _DEFAULTS.get(name)
    return value


def response_value(
    answering: Answering,
    upstream_id: str,
    status: str,
    output: list[dict[str, Any]],
    usage: TokenUsage | None,
) -> dict[str, Any]:
    """A response object with every key that the SDK's type requires."""
    request = answering.request
    return {
        "id": response_id(upstream_id, answering.request_id),
        "object": "response",
        "created_at": answering.created,
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": None,
        "model": request.model,
        "output": output,
        **echo(request),
        "store": False,
        "metadata": request.metadata or {},
        "usage": usage_value(usage),
    }


def status_of(stop: Stop) -> tuple[str, dict[str, str] | None]:
    """(status, incomplete_details) of a stop (PROTOCOLS.md 9.1)."""
    if stop in (Stop.MAX_TOKENS, Stop.CONTEXT_WINDOW, Stop.PAUSE):
        return "incomplete", {"reason": "max_output_tokens"}
    if stop is Stop.REFUSAL:
        return "incomplete", {"reason": "content_filter"}
    return "completed", None


def render_reply(reply: Reply, answering: Answering) -> bytes:
    """The client's whole body: what its stream would have ended with."""
    from .writer import ResponsesWriter

    writer = ResponsesWriter(answering)
    return msgspec.json.encode(writer.whole(reply))
