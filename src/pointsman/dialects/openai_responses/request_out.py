"""A neutral request as a Responses body (PROTOCOLS.md 3.1, 3.4, 6, 7.3, 8). Pure and deterministic.

Not here: items (items_out.py).
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
from .items_out import render_input

TAKES = frozenset(
    {
        "verbosity", "metadata", "service_tier", "cache_key", "cache_auto", "top_p", "temperature", "user", "effort",
        "thinking", "summary", "web_search", "parallel_tools", "format", "max_tool_calls",
    }
)  # fmt: skip


def render_request(request: Request, profile: Profile, notes: Notes) -> bytes:
    """The body. Raises PointsmanError 400 for what Responses has no form for."""
    body: dict[str, Any] = {"model": request.model}
    single = len(request.system) == 1 and request.system[0].cache is None
    if single:
        body["instructions"] = request.system[0].text
    body["input"] = render_input(request, profile, notes, leave_system=single)
    _tools(body, request, profile, notes)
    body |= maybe(
        {
            "max_output_tokens": request.max_tokens,
            "temperature": request.temperature,
            "top_p": request.top_p,
            "max_tool_calls": request.max_tool_calls,
            "service_tier": request.service_tier,
            "metadata": request.metadata,
            "text": _text(request, notes) or None,
            "reasoning": _reasoning(request, profile, notes) or None,
        }
    )
    include = ["reasoning.encrypted_content"] if profile.encrypted and profile.reasoning != "none" else []
    if include:
        body["include"] = include
    if request.user is not None:
        body["safety_identifier" if profile.safety_id else "user"] = request.user
    if request.cache_key is not None and profile.safety_id:
        body["prompt_cache_key"] = request.cache_key
    if request.cache_auto is not None and profile.cache_marks:
        body["prompt_cache_options"] = {"mode": "implicit"}
    body["store"] = False  # what the client did not ask to be kept is not kept
    if request.stream:
        body["stream"] = True
    return msgspec.json.encode(body)


def _tools(body: dict[str, Any], request: Request, profile: Profile, notes: Notes) -> None:
    tools: list[dict[str, Any]] = []
    groups: dict[str, dict[str, Any]] = {}
    for tool in request.tools:
        value = _tool(tool)
        if tool.namespace is None:
            tools.append(value)
            continue
        group = groups.get(tool.namespace)
        if group is None:
            group = groups[tool.namespace] = {"type": "namespace", "name": tool.namespace, "tools": []}
            tools.append(group)
        group["tools"].append(value)
    for server_tool in request.server_tools:
        if server_tool.protocol == "openai_responses":
            tools.append(server_tool.value)
        else:
            tools.append({"type": "web_search"})  # adapt() lets through only what the target runs
    if request.web_search is not None:
        if "web_search" in profile.server_tools:
            tools.append({"type": "web_search", **request.web_search})
        else:
            notes.drop("web_search", "the backend has no web search")
    if not tools:
        return
    body["tools"] = tools
    choice = request.tool_choice
    if choice is not None:
        if choice.mode == "tool":
            kind = next((tool.kind.value for tool in request.tools if tool.name == choice.name), "function")
            body["tool_choice"] = {"type": kind, "name": choice.name}
        else:
            body["tool_choice"] = {"auto": "auto", "any": "required", "none": "none"}[choice.mode]
    if request.parallel_tools is not None:
        body["parallel_tool_calls"] = request.parallel_tools


def _tool(tool: Tool) -> dict[str, Any]:
    if tool.kind is ToolKind.CUSTOM:
        return maybe(
            {"type": "custom", "name": tool.name, "description": tool.description, "format": tool.grammar}
        )
    value: dict[str, Any] = {"type": "function", "name": tool.name}
    if tool.description is not None:
        value["description"] = tool.description
    value["parameters"] = object_schema(tool.schema)
    # Said always: absent means true here, false in the other protocols (PROTOCOLS.md 3.4).
    value["strict"] = bool(tool.strict) and is_openai_strict(tool.schema or {})
    return value


def _text(request: Request, notes: Notes) -> dict[str, Any]:
    text: dict[str, Any] = {}
    found = request.format
    if found is not None and found.type == "json_object":
        text["format"] = {"type": "json_object"}
    elif found is not None:
        text["format"] = {"type": "json_schema", **json_schema(found, notes)}
    if request.verbosity is not None:
        text["verbosity"] = request.verbosity
    return text


def _reasoning(request: Request, profile: Profile, notes: Notes) -> dict[str, Any]:
    """What the client said of thinking, in the words this target knows (PROTOCOLS.md 7.3)."""
    effort = effort_of(request)
    if profile.reasoning == "none":
        if effort not in (None, "none"):
            notes.drop("effort" if request.effort is not None else "thinking", "the model does not think")
        return {}
    value: dict[str, Any] = {}
    if effort is not None:
        nearest = nearest_effort(effort, profile.efforts)
        if nearest is not None:
            if nearest != effort:
                notes.change("effort", f"the model knows {', '.join(profile.efforts)}")
            value["effort"] = nearest
    hidden = request.thinking is not None and request.thinking.display == "omitted"
    if profile.summaries and value.get("effort") != "none" and not hidden:
        value["summary"] = request.summary if request.summary in ("concise", "detailed") else "auto"
    return value
