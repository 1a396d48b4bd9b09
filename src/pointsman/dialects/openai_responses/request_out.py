"""A neutral request as a Responses body (docs/protocols/requests.md, reasoning.md, caching.md).
Pure and deterministic.

Not here: items (items_out.py).
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
from .items_out import render_input


def render_request(request: Request, profile: Profile) -> bytes:
    """The body. request: fits the target (translation/adapt.py)."""
    body: dict[str, Any] = {"model": request.model}
    single = len(request.system) == 1 and request.system[0].cache is None
    if single:
        body["instructions"] = request.system[0].text
    body["input"] = render_input(request, profile, leave_system=single)
    _tools(body, request)
    body |= maybe(
        {
            "max_output_tokens": request.max_tokens,
            "temperature": request.temperature,
            "top_p": request.top_p,
            "max_tool_calls": request.max_tool_calls,
            "service_tier": request.service_tier,
            "metadata": request.metadata,
            "text": _text(request) or None,
            "reasoning": maybe({"effort": request.effort, "summary": request.summary}) or None,
        }
    )
    include = ["reasoning.encrypted_content"] if profile.encrypted and profile.reasoning != "none" else []
    if include:
        body["include"] = include
    if request.user is not None:
        body["safety_identifier" if profile.safety_id else "user"] = request.user
    if request.cache_key is not None:
        body["prompt_cache_key"] = request.cache_key
    if request.cache_auto is not None:
        body["prompt_cache_options"] = {"mode": "implicit"}
    body["store"] = False  # what the client did not ask to be kept is not kept
    if request.stream:
        body["stream"] = True
    return msgspec.json.encode(body)


def _tools(body: dict[str, Any], request: Request) -> None:
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
        tools.append({"type": "web_search", **request.web_search})
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
    # Said always: absent means true here, false in the other protocols
    # (docs/protocols/requests.md#chat-and-responses-beside-each-other).
    value["strict"] = bool(tool.strict)
    return value


def _text(request: Request) -> dict[str, Any]:
    text: dict[str, Any] = {}
    found = request.format
    if found is not None and found.type == "json_object":
        text["format"] = {"type": "json_object"}
    elif found is not None:
        text["format"] = {"type": "json_schema", **json_schema(found)}
    if request.verbosity is not None:
        text["verbosity"] = request.verbosity
    return text
