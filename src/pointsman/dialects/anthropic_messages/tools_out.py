"""Tools and tool choice in Messages' words (docs/protocols/tools.md)."""

from __future__ import annotations

from typing import Any

from ...conversation.request import Request, Tool
from ...jsonschema.rewrite import object_schema
from .cache_marks import put
from .content_in import OWN

_SEARCH_TYPE = "web_search_20250305"


def tools(request: Request) -> list[dict[str, Any]]:
    """The client's tools in their order, then the backend's own."""
    rendered = [_tool(tool) for tool in request.tools]
    for server in request.server_tools:
        rendered.append(dict(server.value) if server.protocol == OWN else _search(server.value, request))
    if request.web_search is not None:
        rendered.append(_search(request.web_search, request))
    return rendered


def _tool(tool: Tool) -> dict[str, Any]:
    block: dict[str, Any] = {"name": tool.name}
    if tool.description:
        block["description"] = tool.description
    block["input_schema"] = object_schema(tool.schema)
    if tool.strict:
        block["strict"] = True
    return put(block, tool.cache)


def _search(value: Any, request: Request) -> dict[str, Any]:
    """OpenAI's web search as this vendor's."""
    block: dict[str, Any] = {"type": _SEARCH_TYPE, "name": "web_search"}
    options = value if isinstance(value, dict) else {}
    if request.max_tool_calls is not None:
        block["max_uses"] = request.max_tool_calls
    filters = options.get("filters")
    if isinstance(filters, dict):
        for key in ("allowed_domains", "blocked_domains"):
            if isinstance(filters.get(key), list) and filters[key] and "allowed_domains" not in block:
                block[key] = filters[key]
    place = options.get("user_location")
    if isinstance(place, dict):
        inner = place.get("approximate")
        fields = inner if isinstance(inner, dict) else place
        kept = {k: fields[k] for k in ("city", "region", "country", "timezone") if fields.get(k)}
        if kept:
            block["user_location"] = {"type": "approximate", **kept}
    return block


def tool_choice(request: Request, rendered: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Only together with tools; `parallel_tool_calls: false` alone is `auto` without parallel use
    (docs/protocols/tools.md#choice)."""
    if not rendered:
        return None
    choice, found = request.tool_choice, None
    if choice is not None:
        found = {"type": choice.mode, "name": choice.name} if choice.mode == "tool" else {"type": choice.mode}
    if request.parallel_tools is False:
        found = found or {"type": "auto"}
        if found["type"] != "none":
            return {**found, "disable_parallel_tool_use": True}
    return found
