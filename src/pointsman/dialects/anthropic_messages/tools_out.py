"""Tools, tool choice and output format in Messages' words (PROTOCOLS.md 5.1, 5.2, 5.6, 6)."""

from __future__ import annotations

import re
from typing import Any

from ...conversation.notes import Notes
from ...conversation.profile import Profile
from ...conversation.request import Request, ServerTool, Tool
from ...jsonschema.rewrite import Unsupported, for_anthropic, object_schema
from .cache_marks import put
from .content_in import OWN
from .plain_words import compact

_VERSION = re.compile(r"_\d{8}$|_\d{4}_\d{2}_\d{2}$")
_SEARCHES = ("web_search", "web_search_preview")
_SEARCH_TYPE = "web_search_20250305"
_MOST_STRICT = 20
"""Strict tools in one request; more are a 400 (PROTOCOLS.md 6)."""
FORCED = 'tool_choice: type "tool" and "any" are not supported for this model.'
_JSON_LINE = (
    "Answer with exactly one JSON object and nothing else: no words before or after it, and no code fence."
)
_SCHEMA_LINE = _JSON_LINE + " It must be valid under this JSON Schema:\n"


def tools(request: Request, profile: Profile, notes: Notes) -> list[dict[str, Any]]:
    """The client's tools in their order, then the backend's own."""
    choice = request.tool_choice
    found = request.tools
    if choice is not None and choice.allowed is not None:
        allowed = [tool for tool in found if tool.name in choice.allowed]
        if len(allowed) < len(found):
            notes.emulate("tool_choice", "the other tools are left out, which changes what is cached")
            found = allowed
    strict = 0
    rendered = []
    for tool in found:
        block = _tool(tool, profile, notes, strict < _MOST_STRICT)
        strict += "strict" in block
        rendered.append(block)
    for server in request.server_tools:
        search = _server_tool(server, request, profile, notes)
        if search is not None:
            rendered.append(search)
    if request.web_search is not None:
        if "web_search" in profile.server_tools:
            rendered.append(_search(request.web_search, request))
        else:
            notes.drop("web_search", "the backend has no web search")
    if request.max_tool_calls is not None and not any("max_uses" in block for block in rendered):
        notes.drop("max_tool_calls")
    return rendered


def _tool(tool: Tool, profile: Profile, notes: Notes, may_be_strict: bool) -> dict[str, Any]:
    block: dict[str, Any] = {"name": tool.name}
    if tool.description:
        block["description"] = tool.description
    schema = object_schema(tool.schema)
    where = tool.path or "tools"
    strict = bool(tool.strict)
    if strict and not (profile.strict_tools and may_be_strict):
        notes.drop(f"{where}.strict", "the backend does not know it, or not for so many tools")
        strict = False
    if strict and profile.schema_subset == "closed":
        try:
            schema, changed = for_anthropic(schema)
            if changed:
                notes.change(where, "constraints its grammar does not know were put into descriptions")
        except Unsupported:
            notes.drop(f"{where}.strict", "its schema cannot be enforced there")
            strict = False
    block["input_schema"] = schema
    if strict:
        block["strict"] = True
    return put(block, tool.cache)


def _server_tool(tool: ServerTool, request: Request, profile: Profile, notes: Notes) -> dict[str, Any] | None:
    plain = _VERSION.sub("", tool.type)
    known = plain in profile.server_tools
    if tool.protocol == OWN and known:
        return dict(tool.value)
    where = tool.path or "tools"
    if plain not in _SEARCHES:
        notes.refuse(
            where, f"the backend cannot run the tool type '{tool.type}'; leave it out for this model."
        )
    if "web_search" in profile.server_tools:
        return _search(tool.value, request)
    notes.drop(where, "the backend has no web search")
    return None


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


def is_forced(request: Request, profile: Profile, notes: Notes) -> bool:
    """Must a tool be called? Raises PointsmanError 400 where the model does not take that."""
    choice = request.tool_choice
    if choice is None or choice.mode not in ("any", "tool") or not (request.tools or request.server_tools):
        return False
    if not profile.forced_tools:
        notes.refuse("tool_choice", FORCED)
    return True


def tool_choice(request: Request, rendered: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Only together with tools; `parallel_tool_calls: false` alone is `auto` without parallel use (PROTOCOLS.md 5.2)."""
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


def output_format(request: Request, profile: Profile, notes: Notes) -> tuple[dict[str, Any] | None, str]:
    """(`output_config.format`, a line for the system prompt), either or none of them."""
    wanted = request.format
    if wanted is None or wanted.type == "text":
        return None, ""
    if wanted.schema is None or wanted.type == "json_object":
        notes.emulate("format", "the model is asked in its system prompt for one JSON object")
        return None, _JSON_LINE
    schema = wanted.schema
    if profile.structured:
        if profile.schema_subset != "closed":
            return {"type": "json_schema", "schema": schema}, ""
        try:
            schema, changed = for_anthropic(schema)
        except Unsupported:
            pass
        else:
            if changed:
                notes.change("format", "constraints its grammar does not know were put into descriptions")
            return {"type": "json_schema", "schema": schema}, ""
    notes.emulate("format", "the model is asked in its system prompt to keep to the schema")
    return None, _SCHEMA_LINE + compact(wanted.schema)
