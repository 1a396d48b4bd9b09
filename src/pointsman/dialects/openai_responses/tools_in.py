"""Responses' tools and tool choice as neutral ones (docs/protocols/tools.md). Pure."""

from __future__ import annotations

from typing import Any

from ...conversation.request import Request, ServerTool, Tool
from ..base import Reading
from ..fields import Fields
from ..openai_request import read_choice, read_tool

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


def read_tools(request: Request, fields: Fields, reading: Reading) -> None:
    """Fill tools, server_tools, tool_choice, parallel_tools."""
    for tool in fields.objects("tools"):
        _tool(request, tool, reading, None)
    choice = fields.any("tool_choice")
    if choice is not None:
        request.tool_choice = read_choice(choice, hosted=True)
    request.parallel_tools = fields.flag("parallel_tool_calls")


def _tool(request: Request, tool: Fields, reading: Reading, namespace: str | None) -> None:
    kind = tool.need_text("type")
    if kind in ("function", "custom"):
        # A function is strict where it does not say
        # (docs/protocols/requests.md#chat-and-responses-beside-each-other).
        request.tools.append(read_tool(tool, kind, reading, strict=True, namespace=namespace))
    elif kind == "namespace":
        name = tool.need_text("name")
        tool.ignore("description")
        for inner in tool.objects("tools"):
            _tool(request, inner, reading, name)
        tool.close(reading.notes)
    elif kind in _CLIENT_RUN:
        own, description, schema = _CLIENT_RUN[kind]
        request.tools.append(Tool(own, description, schema, path=tool.path))
        tool.close(reading.notes)
    else:
        name = str(tool.value.get("name") or kind)
        request.server_tools.append(ServerTool(OWN, kind, name, tool.value, path=tool.path))
