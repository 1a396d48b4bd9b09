"""A client's tools and tool choice into neutral ones (docs/protocols/tools.md)."""

from __future__ import annotations

from typing import Any

from ...conversation.request import SEARCH, Request, ServerTool, Tool, ToolChoice
from ...kinds import Protocol
from ..base import Reading
from ..fields import Fields
from ..tool_memory import read_declared
from ..web_search import is_search, take_search
from .client_tools import spelt_out
from .content_in import OWN, mark

_FORCED = ("auto", "any", "tool", "none")


def read_tools(request: Request, body: Fields, reading: Reading) -> None:
    """Fill tools, server_tools, web_search: the client's, and those that the backend would run."""

    def declared(tool: Fields) -> None:
        kind = tool.maybe_text("type") or "custom"
        known = spelt_out(kind)
        if kind == "custom":
            name, schema = tool.need_text("name"), tool.mapping("input_schema")
            made = _function(tool, name, tool.maybe_text("description"), schema, reading)
            request.tools.append(made)
        elif known is not None:
            name, description, schema = known
            made = _function(tool, tool.text("name") or name, description, schema, reading)
            request.tools.append(made)
        elif is_search(kind):
            _of_server(tool, reading)
            take_search(request, tool, reading)
        else:
            _of_server(tool, reading)
            found = ServerTool(OWN, kind, tool.text("name"), tool.value, path=tool.path)
            found.name = found.name or found.kind
            request.server_tools.append(found)

    read_declared(Protocol.ANTHROPIC_MESSAGES, request, body, reading, declared)


def _function(
    tool: Fields, name: str, description: str | None, schema: dict[str, Any] | None, reading: Reading
) -> Tool:
    _extras(tool, reading)
    cache, strict = mark(tool, reading), tool.flag("strict")
    tool.close(reading.notes)
    return Tool(name, description, schema, strict, cache=cache, path=tool.path)


def _of_server(tool: Fields, reading: Reading) -> None:
    """What a tool that the backend runs may say beside what it shall do."""
    _extras(tool, reading)
    if tool.flag("strict"):
        reading.notes.drop(tool.at("strict"), "the backend asks its own tools as it will")


def _extras(tool: Fields, reading: Reading) -> None:
    """What only the vendor's own models use. How a tool's input streams, and that the model itself may call it, are
    defaults everywhere else."""
    tool.ignore("eager_input_streaming")
    if tool.flag("defer_loading"):
        reading.notes.drop(tool.at("defer_loading"), "this backend sees all tools from the start")
    callers = tool.items("allowed_callers")
    if callers and "direct" not in callers:
        reading.notes.drop(tool.at("allowed_callers"), "this backend runs no code that could call it")
    if tool.items("input_examples"):
        reading.notes.drop(tool.at("input_examples"))


def tool_choice(request: Request, body: Fields, reading: Reading) -> tuple[ToolChoice | None, bool | None]:
    """The choice, and whether several calls at once are allowed (None = not said)."""
    choice = body.object("tool_choice")
    if choice is None:
        return None, None
    mode = choice.need_choice("type", _FORCED)
    name = choice.need_text("name") if mode == "tool" else None
    parallel = False if choice.flag("disable_parallel_tool_use") else None
    choice.close(reading.notes)
    server = {SEARCH} if request.web_search is not None else set()
    server |= {tool.name for tool in request.server_tools}
    return ToolChoice(mode, name, server=name in server), parallel
