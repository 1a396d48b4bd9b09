"""Chat's tools and tool choice as neutral ones (docs/protocols/tools.md), the older `functions`
included. Pure."""

from __future__ import annotations

from typing import Any

from ...conversation.notes import Notes
from ...conversation.parts import CacheMark, ToolKind
from ...conversation.request import Request, ServerTool, Tool, ToolChoice
from ..fields import Fields
from ..openai_request import read_choice

OWN = "openai_chat"


def read_tools(request: Request, fields: Fields, notes: Notes) -> None:
    """Fill tools, server_tools, tool_choice, parallel_tools."""
    for tool in fields.objects("tools"):
        _tool(request, tool, notes)
    for function in fields.objects("functions"):
        request.tools.append(_function(function, function.path))
        function.close(notes)
        request.legacy_functions = True
    choice = fields.any("tool_choice")
    legacy = fields.any("function_call")
    if choice is not None:
        request.tool_choice = read_choice(choice, hosted=False)
    elif legacy is not None:
        request.paths["tool_choice"] = "function_call"
        request.tool_choice = (
            read_choice(legacy, hosted=False)
            if isinstance(legacy, str)
            else ToolChoice("tool", Fields(legacy, "function_call").need_text("name"))
        )
    request.parallel_tools = fields.flag("parallel_tool_calls")
    request.max_tool_calls = fields.integer("max_tool_calls", 0)


def _tool(request: Request, tool: Fields, notes: Notes) -> None:
    kind = tool.text("type", "function")
    if kind == "function":
        inner = tool.object("function")
        made = _function(inner, inner.path) if inner is not None else _function(tool, tool.path)
        mark = tool.mapping("cache_control")
        if mark is not None:
            made.cache = CacheMark(mark.get("ttl"), path=tool.at("cache_control"))
        request.tools.append(made)
        if inner is not None:
            inner.close(notes)
        tool.close(notes)
    elif kind == "custom":
        inner = tool.object("custom") or Fields({}, "custom", tool)
        grammar = inner.mapping("format")
        request.tools.append(
            Tool(
                inner.need_text("name"),
                inner.maybe_text("description"),
                kind=ToolKind.CUSTOM,
                grammar=_grammar(grammar),
                path=tool.path,
            )
        )
        inner.close(notes)
    else:
        request.server_tools.append(
            ServerTool(OWN, kind, tool.text("name", kind), tool.value, path=tool.path)
        )


def _grammar(found: dict[str, Any] | None) -> dict[str, Any] | None:
    """Chat nests what Responses writes flat: {"type": "grammar", "grammar": {"syntax", "definition"}}."""
    if found is None or found.get("type") == "text":
        return None
    inner = found.get("grammar")
    return {"type": "grammar", **inner} if isinstance(inner, dict) else found


def _function(function: Fields, path: str) -> Tool:
    name = function.need_text("name")
    schema = function.mapping("parameters")
    return Tool(name, function.maybe_text("description"), schema, function.flag("strict"), path=path)
