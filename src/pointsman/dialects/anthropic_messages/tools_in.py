"""A client's tools and tool choice into neutral ones (docs/protocols/tools.md)."""

from __future__ import annotations

import re
from typing import Any

from ...conversation.parts import CacheMark
from ...conversation.request import ServerTool, Tool, ToolChoice
from ..base import Reading
from ..fields import Fields
from .client_tools import spelt_out
from .content_in import OWN, mark

_VERSION = re.compile(r"_\d{8}$")
_FORCED = ("auto", "any", "tool", "none")


def tools(body: Fields, reading: Reading) -> tuple[list[Tool], list[ServerTool]]:
    """The client's tools, and those that the backend would run."""
    own: list[Tool] = []
    server: list[ServerTool] = []
    for tool in body.objects("tools"):
        kind = tool.maybe_text("type") or "custom"
        known = spelt_out(kind)
        if kind == "custom":
            name, schema = tool.need_text("name"), tool.mapping("input_schema")
            own.append(_function(tool, name, tool.maybe_text("description"), schema, reading))
        elif known is not None:
            name, description, schema = known
            own.append(_function(tool, tool.text("name") or name, description, schema, reading))
        else:
            name = tool.text("name") or _VERSION.sub("", kind)
            server.append(ServerTool(OWN, kind, name, tool.value, path=tool.path))
    return own, server


def _function(
    tool: Fields, name: str, description: str | None, schema: dict[str, Any] | None, reading: Reading
) -> Tool:
    cache, strict = _extras(tool, reading), tool.flag("strict")
    tool.close(reading.notes)
    return Tool(name, description, schema, strict, cache=cache, path=tool.path)


def _extras(tool: Fields, reading: Reading) -> CacheMark | None:
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
    return mark(tool, reading)


def tool_choice(body: Fields, reading: Reading) -> tuple[ToolChoice | None, bool | None]:
    """The choice, and whether several calls at once are allowed (None = not said)."""
    choice = body.object("tool_choice")
    if choice is None:
        return None, None
    mode = choice.need_choice("type", _FORCED)
    name = choice.need_text("name") if mode == "tool" else None
    parallel = False if choice.flag("disable_parallel_tool_use") else None
    choice.close(reading.notes)
    return ToolChoice(mode, name), parallel
