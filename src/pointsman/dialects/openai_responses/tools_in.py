"""Responses' tools and tool choice as neutral ones (docs/protocols/tools.md). Pure."""

from __future__ import annotations

from ...conversation.request import Request, ServerTool, Tool
from ...kinds import Protocol
from ..base import Reading
from ..fields import Fields
from ..openai_request import read_choice, read_tool
from ..tool_memory import read_declared
from ..web_search import is_search, take_search
from .client_tools import TOOLS, run_by_client

OWN = "openai_responses"


def read_tools(request: Request, fields: Fields, more: list[Fields], reading: Reading) -> None:
    """Fill tools, server_tools, web_search, tool_choice, parallel_tools. more: tools that stand
    elsewhere; those that are declared already are the same."""

    def declared(tool: Fields) -> None:
        _tool(request, tool, reading, None)

    read_declared(Protocol.OPENAI_RESPONSES, request, fields, reading, declared)
    if more:
        first, request.tools = request.tools, []
        known = {(tool.namespace, tool.name) for tool in first}
        for tool in more:
            declared(tool)
        added = [tool for tool in request.tools if (tool.namespace, tool.name) not in known]
        request.tools = [*first, *added]
    choice = fields.any("tool_choice")
    if choice is not None:
        request.tool_choice = read_choice(choice, client_run=TOOLS)
    request.parallel_tools = fields.flag("parallel_tool_calls")


def _tool(request: Request, tool: Fields, reading: Reading, namespace: str | None) -> None:
    kind = tool.need_text("type")
    if kind in ("function", "custom"):
        # A function is strict where it does not say
        # (docs/protocols/requests.md#chat-and-responses-beside-each-other).
        request.tools.append(read_tool(tool, kind, reading, strict=True, namespace=namespace))
    elif kind == "namespace":
        name = tool.need_text("name")
        description, first = tool.maybe_text("description"), len(request.tools)
        for inner in tool.objects("tools"):
            _tool(request, inner, reading, name)
        if len(request.tools) > first:
            request.tools[first].namespace_description = description
        tool.close(reading.notes)
    elif (own := run_by_client(tool.value)) is not None:
        request.tools.append(Tool(own.type, own.description, own.schema, path=tool.path))
        place = tool.object("environment")
        if place is not None:
            place.ignore("type")
            place.close(reading.notes)  # skills, of which only the vendor's own models are told
        callers = tool.items("allowed_callers")
        if callers and "direct" not in callers:
            reading.notes.drop(tool.at("allowed_callers"), "this backend runs no code that could call it")
        tool.close(reading.notes)
    elif is_search(kind):
        take_search(request, tool, reading)
    else:
        name = str(tool.value.get("name") or kind)
        request.server_tools.append(ServerTool(OWN, kind, name, tool.value, path=tool.path))
