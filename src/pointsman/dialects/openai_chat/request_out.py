"""A neutral request as a Chat Completions body (docs/protocols/requests.md, reasoning.md,
caching.md). Pure and deterministic.

Not here: messages (messages_out.py).
"""

from __future__ import annotations

from typing import Any

import msgspec

from ...conversation.parts import ToolKind
from ...conversation.profile import Profile
from ...conversation.request import Request, Tool
from ...jsonschema.rewrite import object_schema
from ..fields import maybe
from ..openai_parts import json_schema
from .messages_out import render_messages


def render_request(request: Request, profile: Profile) -> bytes:
    """The body. request: fits the target (translation/adapt.py)."""
    body: dict[str, Any] = {"model": request.model, "messages": render_messages(request, profile)}
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
        if request.tool_choice is not None:
            body["tool_choice"] = _choice(request)
        if request.parallel_tools is not None:
            body["parallel_tool_calls"] = request.parallel_tools
    body |= maybe(
        {
            profile.max_tokens_field: request.max_tokens,
            "temperature": request.temperature,
            "top_p": request.top_p,
            "top_k": request.top_k,
            "seed": request.seed,
            "frequency_penalty": request.frequency_penalty,
            "presence_penalty": request.presence_penalty,
            "logit_bias": request.logit_bias,
            "n": request.n,
            "verbosity": request.verbosity,
            "service_tier": request.service_tier,
            "metadata": request.metadata,
            "stop": list(request.stop) or None,
            "response_format": _format(request),
        }
    )
    _reasoning(body, request, profile)
    _account(body, request, profile)
    if request.stream:
        body["stream"] = True
        if profile.stream_usage:
            body["stream_options"] = {"include_usage": True}
    return msgspec.json.encode(body)


def _tool(tool: Tool) -> dict[str, Any]:
    if tool.kind is ToolKind.CUSTOM:
        grammar = tool.grammar
        form = None
        if grammar is not None:
            inner = {key: value for key, value in grammar.items() if key != "type"}
            form = {"type": "grammar", "grammar": inner}
        inside = maybe({"name": tool.name, "description": tool.description, "format": form})
        return {"type": "custom", "custom": inside}
    inside = maybe(
        {
            "name": tool.name,
            "description": tool.description,
            "parameters": object_schema(tool.schema) if tool.schema is not None else None,
            "strict": tool.strict,
        }
    )
    return {"type": "function", "function": inside}


def _choice(request: Request) -> Any:
    choice = request.tool_choice
    assert choice is not None
    if choice.mode == "tool":
        kind = next((tool.kind.value for tool in request.tools if tool.name == choice.name), "function")
        return {"type": kind, kind: {"name": choice.name}}
    return {"auto": "auto", "any": "required", "none": "none"}[choice.mode]


def _format(request: Request) -> dict[str, Any] | None:
    found = request.format
    if found is None:
        return None
    if found.type == "json_object":
        return {"type": "json_object"}
    return {"type": "json_schema", "json_schema": json_schema(found)}


def _reasoning(body: dict[str, Any], request: Request, profile: Profile) -> None:
    if request.effort is None:
        return
    if profile.reasoning == "template":
        body["chat_template_kwargs"] = {profile.template_flag: request.effort != "none"}
    else:
        body["reasoning_effort"] = request.effort


def _account(body: dict[str, Any], request: Request, profile: Profile) -> None:
    if request.user is not None:
        body["safety_identifier" if profile.safety_id else "user"] = request.user
    if request.cache_key is not None:
        body["prompt_cache_key"] = request.cache_key
    if request.cache_auto is not None:
        body["prompt_cache_options"] = {"mode": "implicit"}
    if request.web_search is not None:
        body["web_search_options"] = request.web_search
