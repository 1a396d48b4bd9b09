"""Chat's tools and tool choice as neutral ones (docs/protocols/tools.md), the older `functions`
included. Pure."""

from __future__ import annotations

from ...conversation.request import Request, ServerTool, ToolChoice
from ...kinds import Protocol
from ..base import Reading
from ..fields import Fields
from ..openai_request import read_choice, read_tool
from ..tool_memory import read_declared
from ..web_search import is_search, take_search

OWN = "openai_chat"


def read_tools(request: Request, fields: Fields, reading: Reading) -> None:
    """Fill tools, server_tools, web_search, tool_choice, parallel_tools."""

    def declared(tool: Fields) -> None:
        kind = tool.text("type", "function")
        if kind in ("function", "custom"):
            request.tools.append(read_tool(tool, kind, reading))
        elif is_search(kind):  # as in Responses, which some compatible providers take here
            take_search(request, tool, reading)
        else:
            found = ServerTool(OWN, kind, tool.text("name", kind), tool.value, path=tool.path)
            request.server_tools.append(found)

    read_declared(Protocol.OPENAI_CHAT, request, fields, reading, declared)
    older = [read_tool(function, "function", reading) for function in fields.objects("functions")]
    if older:
        request.tools = [*request.tools, *older]
        request.legacy_functions = True
    options = fields.object("web_search_options")
    if options is not None:
        take_search(request, options, reading)
    choice, call = fields.any("tool_choice"), fields.any("function_call")
    if choice is not None:
        request.tool_choice = read_choice(choice)
    elif call is not None:
        request.paths["tool_choice"] = "function_call"
        if isinstance(call, str):
            request.tool_choice = read_choice(call)
        else:
            request.tool_choice = ToolChoice("tool", Fields(call, "function_call").need_text("name"))
    request.parallel_tools = fields.flag("parallel_tool_calls")
    request.max_tool_calls = fields.integer("max_tool_calls", 0)
