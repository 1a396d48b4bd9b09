"""A neutral request as a Chat Completions body (PROTOCOLS.md 3.1, 3.4, 6, 7.3, 8). Pure and deterministic.

Not here: messages (messages_out.py).
"""

from __future__ import annotations

from typing import Any

import msgspec

from ...conversation.notes import Notes
from ...conversation.parts import ToolKind
from ...conversation.profile import Profile
from ...conversation.request import Request, Tool
from ...jsonschema.rewrite import is_openai_strict, object_schema
from ..effort import effort_of, nearest_effort
from ..fields import maybe
from ..openai_parts import json_schema
from .messages_out import render_messages

TAKES = frozenset(
    {
        "seed", "frequency_penalty", "presence_penalty", "logit_bias", "verbosity", "metadata", "service_tier", "cache_key",
        "cache_auto", "top_k", "top_p", "temperature", "user", "effort", "thinking", "summary", "web_search",
        "parallel_tools", "n", "format",
    }
)  # fmt: skip


def render_request(request: Request, profile: Profile, notes: Notes) -> bytes:
    """The body. Raises PointsmanError 400 for what Chat has no form for."""
    body: dict[str, Any] = {"model": request.model, "messages": render_messages(request, profile, notes)}
    if request.tools:
        body["tools"] = [_tool(tool, profile) for tool in request.tools]
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
            "response_format": _format(request, notes),
        }
    )
    _reasoning(body, request, profile, notes)
    _account(body, request, profile, notes)
    if request.stream:
        body["stream"] = True
        if profile.stream_usage:
            body["stream_options"] = {"include_usage": True}
    return msgspec.json.encode(body)


def _tool(tool: Tool, profile: Profile) -> dict[str, Any]:
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
            "strict": tool.strict if profile.strict_tools else None,
        }
    )
    if inside.get("strict") and not is_openai_strict(tool.schema or {}):
        inside["strict"] = False  # OpenAI's strict needs every property required; others' does not
    return {"type": "function", "function": inside}


def _choice(request: Request) -> Any:
    choice = request.tool_choice
    assert choice is not None
    if choice.mode == "tool":
        kind = next((tool.kind.value for tool in request.tools if tool.name == choice.name), "function")
        return {"type": kind, kind: {"name": choice.name}}
    return {"auto": "auto", "any": "required", "none": "none"}[choice.mode]


def _format(request: Request, notes: Notes) -> dict[str, Any] | None:
    found = request.format
    if found is None:
        return None
    if found.type == "json_object":
        return {"type": "json_object"}
    return {"type": "json_schema", "json_schema": json_schema(found, notes)}


def _reasoning(body: dict[str, Any], request: Request, profile: Profile, notes: Notes) -> None:
    """What the client said of thinking, in the words this target knows (PROTOCOLS.md 7.3)."""
    effort = effort_of(request)
    if effort is None:
        return
    if profile.reasoning == "none" and effort != "none":
        notes.drop("effort" if request.effort is not None else "thinking", "the model does not think")
    if profile.reasoning == "template":
        body["chat_template_kwargs"] = {profile.template_flag: effort != "none"}
    elif profile.reasoning != "none":
        nearest = nearest_effort(effort, profile.efforts)
        if nearest is not None:
            if nearest != effort:
                notes.change("effort", f"the model knows {', '.join(profile.efforts)}")
            body["reasoning_effort"] = nearest


def _account(body: dict[str, Any], request: Request, profile: Profile, notes: Notes) -> None:
    if request.user is not None:
        body["safety_identifier" if profile.safety_id else "user"] = request.user
    if request.cache_key is not None and profile.safety_id:
        body["prompt_cache_key"] = request.cache_key
    if request.cache_auto is not None and profile.cache_marks:
        body["prompt_cache_options"] = {"mode": "implicit"}
    if request.web_search is not None:
        if "web_search" in profile.server_tools:
            body["web_search_options"] = request.web_search
        else:
            notes.drop("web_search", "the backend has no web search")
    if request.server_tools:
        first = request.server_tools[0]
        notes.refuse(
            first.path or "tools",
            f"Chat Completions has no tool of type '{first.type}'; leave it out for this model.",
        )
