"""Tools and tool choice in Messages' words (docs/protocols/tools.md)."""

from __future__ import annotations

from typing import Any

from ...conversation.request import SEARCH, Request, Tool, WebSearch
from ...jsonschema.rewrite import object_schema
from ...kinds import Protocol
from ..tool_memory import rendered
from ..web_search import searches
from .cache_marks import put

_SEARCH_TYPE = "web_search_20250305"


def tools(request: Request) -> Any:
    """The client's tools in their order, then the backend's own: a list, or its JSON. None without any."""
    if not request.server_tools and request.web_search is None:
        return rendered(Protocol.ANTHROPIC_MESSAGES, request.tools, _declared) if request.tools else None
    found = _declared(request.tools)
    found += [dict(server.value) for server in request.server_tools]
    if request.web_search is not None:
        found.append(_search(request.web_search, request))
    return found


def _declared(tools: list[Tool]) -> list[dict[str, Any]]:
    return [_tool(tool) for tool in tools]


def _tool(tool: Tool) -> dict[str, Any]:
    block: dict[str, Any] = {"name": tool.name}
    if tool.description:
        block["description"] = tool.description
    block["input_schema"] = object_schema(tool.schema)
    if tool.strict:
        block["strict"] = True
    return put(block, tool.cache)


def _search(found: WebSearch, request: Request) -> dict[str, Any]:
    """Its first version, which every model with a search has."""
    block: dict[str, Any] = {"type": _SEARCH_TYPE, "name": SEARCH}
    most = searches(found, request.max_tool_calls)
    if most is not None:
        block["max_uses"] = most
    if found.allowed_domains:
        block["allowed_domains"] = list(found.allowed_domains)
    if found.blocked_domains:
        block["blocked_domains"] = list(found.blocked_domains)
    if found.location:
        block["user_location"] = {"type": "approximate", **found.location}
    return put(block, found.cache)


def tool_choice(request: Request, tools: Any) -> dict[str, Any] | None:
    """tools: as rendered. Only together with tools; `parallel_tool_calls: false` alone is `auto` without parallel use
    (docs/protocols/tools.md#choice)."""
    if tools is None:
        return None
    choice, found = request.tool_choice, None
    if choice is not None:
        found = {"type": choice.mode, "name": choice.name} if choice.mode == "tool" else {"type": choice.mode}
    if request.parallel_tools is False:
        found = found or {"type": "auto"}
        if found["type"] != "none":
            return {**found, "disable_parallel_tool_use": True}
    return found
