"""Pieces of Responses answers, read, and whole ones, written (docs/protocols/stop-reasons.md, usage.md, streams.md).
Pure. Not here: streams."""

from __future__ import annotations

from typing import Any

import msgspec

from ...conversation.events import Stop
from ...conversation.known import KnownList
from ...conversation.parts import Opaque, ToolCall, ToolKind
from ...conversation.profile import Profile
from ...conversation.request import Request
from ...conversation.usage import TokenUsage
from ..base import Answering
from ..ids import own_id
from .frames import Item, arguments_of, kind_of

OWN = "openai_responses"


_CALLS = {"function_call": ToolKind.FUNCTION, "custom_tool_call": ToolKind.CUSTOM}


def call_of(item: Item) -> ToolCall:
    """A call, as far as its item tells it."""
    kind = _CALLS[kind_of(item)]
    namespace = item.get("namespace")
    return ToolCall(
        str(item.get("call_id") or item.get("id") or ""),
        str(item.get("name") or ""),
        arguments_of(item),
        kind,
        namespace if isinstance(namespace, str) else None,
    )


def opaque_of(item: dict[str, Any], profile: Profile) -> Opaque | None:
    """What its producer needs to recognise a reasoning item."""
    encrypted = item.get("encrypted_content")
    if not encrypted:
        return None
    return Opaque(OWN, {"id": item.get("id"), "encrypted_content": encrypted}, profile.backend)


# -- writing


def usage_value(usage: TokenUsage | None) -> dict[str, Any] | None:
    """Responses' usage; its detail objects are required
    (docs/protocols/usage.md#what-each-protocol-counts)."""
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


_SETTINGS = (
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
_UNSAID = {name: _DEFAULTS.get(name) for name in _SETTINGS}


def echo(request: Request) -> dict[str, Any]:
    """The request's settings, which a response object repeats
    (docs/protocols/requests.md#settings-in-a-response-object)."""
    value = _UNSAID.copy()
    for name, found in request.raw.items():
        if found is not None and name in value:
            value[name] = found
    for tools in (value["tools"], request.tools):  # as they were sent, though they were not read once more
        if type(tools) is KnownList and tools.text:
            value["tools"] = msgspec.Raw(tools.text)
    return value


def response_value(
    answering: Answering,
    status: str,
    output: list[dict[str, Any]],
    usage: TokenUsage | None,
) -> dict[str, Any]:
    """A response object with every key that the SDK's type requires."""
    request = answering.request
    return {
        "id": own_id("resp_", answering.request_id),
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
    """(status, incomplete_details) of a stop (docs/protocols/stop-reasons.md#from-messages)."""
    if stop in (Stop.MAX_TOKENS, Stop.CONTEXT_WINDOW, Stop.PAUSE):
        return "incomplete", {"reason": "max_output_tokens"}
    if stop is Stop.REFUSAL:
        return "incomplete", {"reason": "content_filter"}
    return "completed", None
