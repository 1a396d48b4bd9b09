"""A neutral request as a Responses body (docs/protocols/requests.md, reasoning.md, caching.md).
Pure and deterministic.

Not here: items (items_out.py).
"""

from __future__ import annotations

from typing import Any

import msgspec

from ...conversation.parts import ToolKind
from ...conversation.profile import Profile
from ...conversation.request import RUN, SEARCH, Request, Tool, WebSearch
from ...jsonschema.rewrite import object_schema
from ...kinds import Protocol
from ..fields import maybe
from ..openai_request import account_value, choice_value, format_value
from ..tool_memory import rendered
from ..web_search import searches
from .items_out import render_input

_SHOWN = {SEARCH: "web_search_call.action.sources", RUN: "code_interpreter_call.outputs"}
"""What a run found stands in the answer only where it is asked for (OpenAI SDK, `response_includable.py`)."""


def render_request(request: Request, profile: Profile) -> bytes:
    """The body. request: fits the target (translation/adapt.py)."""
    body: dict[str, Any] = {"model": request.model}
    single = len(request.system) == 1 and request.system[0].cache is None and bool(request.messages)
    if request.format is not None and request.format.type == "json_object":
        single = False  # "input messages must contain the word 'json'": in `instructions` it does not count
    if single:
        body["instructions"] = request.system[0].text
    body["input"] = render_input(request, profile, leave_system=single)
    _tools(body, request)
    body |= maybe(
        {
            "max_output_tokens": request.max_tokens,
            "temperature": request.temperature,
            "top_p": request.top_p,
            "max_tool_calls": _tool_calls(request),
            "text": _text(request) or None,
            "reasoning": maybe({"effort": request.effort, "summary": request.summary}) or None,
        }
    )
    include = ["reasoning.encrypted_content"] if profile.encrypted and profile.reasoning != "none" else []
    include += [_SHOWN[kind] for kind in sorted(request.hosted) if kind in _SHOWN]
    if include:
        body["include"] = include
    body |= account_value(request, profile)
    body["store"] = False  # what the client did not ask to be kept is not kept
    if request.stream:
        body["stream"] = True
    return msgspec.json.encode(body)


def _tools(body: dict[str, Any], request: Request) -> None:
    if request.server_tools or request.web_search is not None:
        tools = _declared(request.tools)
        for server_tool in request.server_tools:
            tools.append(server_tool.value)  # adapt() lets through only what the target runs
        if request.web_search is not None:
            tools.append(_search(request.web_search))
        body["tools"] = tools
    elif request.tools:
        body["tools"] = rendered(Protocol.OPENAI_RESPONSES, request.tools, _declared)
    else:
        return
    if request.tool_choice is not None:
        body["tool_choice"] = choice_value(request, nested=False)
    if request.parallel_tools is not None:
        body["parallel_tool_calls"] = request.parallel_tools


def _declared(declared: list[Tool]) -> list[dict[str, Any]]:
    tools: list[dict[str, Any]] = []
    groups: dict[str, dict[str, Any]] = {}
    for tool in declared:
        value = _tool(tool)
        if tool.namespace is None:
            tools.append(value)
            continue
        group = groups.get(tool.namespace)
        if group is None:
            group = {"type": "namespace", "name": tool.namespace, "description": tool.namespace_description}
            group = groups[tool.namespace] = {**maybe(group), "tools": []}
            tools.append(group)
        group["tools"].append(value)
    return tools


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


def _search(found: WebSearch) -> dict[str, Any]:
    filters = {"allowed_domains": list(found.allowed_domains)} if found.allowed_domains else None
    place = {"type": "approximate", **found.location} if found.location is not None else None
    settings = {"filters": filters, "search_context_size": found.context_size, "user_location": place}
    return maybe({"type": "web_search", **settings, "external_web_access": found.live})


def _tool_calls(request: Request) -> int | None:
    """The limit is on all tools that the backend runs: of another protocol's, on its search."""
    found = request.web_search
    return request.max_tool_calls if found is None else searches(found, request.max_tool_calls)


def _text(request: Request) -> dict[str, Any]:
    form = request.format
    value = format_value(form, nested=False) if form is not None else None
    return maybe({"format": value, "verbosity": request.verbosity})
