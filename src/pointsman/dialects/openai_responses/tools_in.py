"""Responses' tools and tool choice as neutral ones (docs/protocols/tools.md). Pure."""

from __future__ import annotations

from typing import Any

from ...conversation.notes import Notes
from ...conversation.parts import ToolKind
from ...conversation.request import Request, ServerTool, Tool
from ..fields import Fields
from ..openai_request import read_choice

OWN = "openai_responses"
_CLIENT_RUN: dict[str, tuple[str, str, dict[str, Any]]] = {
    "local_shell": (
        "local_shell",
        "Runs a command on the user's computer and returns its output.",
        {
            "type": "object",
            "properties": {
                "action": {
                    "type": "object",
                    "properties": {
                        "type": {"type": "string", "enum": ["exec"]},
                        "command": {"type": "array", "items": {"type": "string"}},
                        "working_directory": {"type": "string"},
                        "timeout_ms": {"type": "integer"},
                    },
                    "required": ["type", "command"],
                }
            },
            "required": ["action"],
        },
    ),
}
"""Tools that the client runs and whose schema only the vendor's models know: (name, description, schema)."""


def read_tools(request: Request, fields: Fields, notes: Notes) -> None:
    """Fill tools, server_tools, tool_choice, parallel_tools."""
    for tool in fields.objects("tools"):
        _tool(request, tool, notes, None)
        tool.close(notes)
    choice = fields.any("tool_choice")
    if choice is not None:
        request.tool_choice = read_choice(choice, hosted=True)
    request.parallel_tools = fields.flag("parallel_tool_calls")


def _tool(request: Request, tool: Fields, notes: Notes, namespace: str | None) -> None:
    kind = tool.need_text("type")
    if kind == "function":
        strict = tool.flag("strict")
        tool.ignore("defer_loading")
        request.tools.append(
            Tool(
                tool.need_text("name"),
                tool.maybe_text("description"),
                tool.mapping("parameters"),
                # absent means true here
                # (docs/protocols/requests.md#chat-and-responses-beside-each-other)
                strict if "strict" in tool.value else True,
                namespace=namespace,
                path=tool.path,
            )
        )
    elif kind == "custom":
        grammar = tool.mapping("format")
        plain = grammar is None or grammar.get("type") == "text"
        request.tools.append(
            Tool(
                tool.need_text("name"),
                tool.maybe_text("description"),
                kind=ToolKind.CUSTOM,
                grammar=None if plain else grammar,
                namespace=namespace,
                path=tool.path,
            )
        )
        tool.ignore("defer_loading")
    elif kind == "namespace":
        name = tool.need_text("name")
        tool.ignore("description")
        for inner in tool.objects("tools"):
            _tool(request, inner, notes, name)
            inner.close(notes)
    elif kind in _CLIENT_RUN:
        own, description, schema = _CLIENT_RUN[kind]
        request.tools.append(Tool(own, description, schema, path=tool.path))
    else:
        value = tool.value
        tool.rest()
        request.server_tools.append(
            ServerTool(OWN, kind, str(value.get("name") or kind), value, path=tool.path)
        )
