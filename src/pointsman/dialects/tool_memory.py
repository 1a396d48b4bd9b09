"""Declarations of tools, remembered by their content: read once, and rendered once for each protocol.

Only what depends on nothing but its text is kept: functions and custom tools of which nothing had to be told. The text is
the whole key, so that another list, and another client's protocol, is another entry. Declarations hold no secret of a
client: no arguments, no messages. Bounds: MOST_LISTS and MOST_BYTES of text, the least recently used goes first
(docs/protocols/tools.md#remembered-declarations). Not here: what a target makes of a tool (translation/fit_tools.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from ..conversation.known import KnownList
from ..conversation.request import Request, Tool
from ..kinds import Protocol
from .base import Reading
from .fields import Fields
from .memory import Memory

MOST_LISTS = 32
MOST_BYTES = 1024 * 1024
_SMALLEST = 512
"""Bytes of text below which reading costs no more than remembering."""
_LARGEST = MOST_BYTES // 4
_encode = msgspec.json.Encoder().encode
_Key = tuple[Protocol, bytes]


MEMORY: Memory[_Key, KnownList[Tool]] = Memory(MOST_LISTS, MOST_BYTES)


def read_declared(
    protocol: Protocol,
    request: Request,
    fields: Fields,
    reading: Reading,
    read: Callable[[Fields], None],
) -> None:
    """Fill the request with the client's `tools`. read: takes one declaration into the request."""
    declared = fields.value.get("tools")
    if type(declared) is KnownList:  # see turn_memory.load_known()
        fields.ignore("tools")
        request.tools = declared
        return
    text = _text(declared)
    known = MEMORY.get([(protocol, text)])[0] if text else None
    if known is not None:
        fields.ignore("tools")
        request.tools = known
        return
    told = len(reading.notes.warnings)
    for tool in fields.objects("tools"):
        read(tool)
    plain = not request.server_tools and request.web_search is None
    if text and request.tools and plain and len(reading.notes.warnings) == told:
        request.tools = known = KnownList(request.tools, text)
        MEMORY.put((protocol, text), len(text), known)


def _text(tools: Any) -> bytes:
    """b"" of what is not remembered."""
    if type(tools) is not list or not tools:
        return b""
    try:
        text = _encode(tools)
    except (OverflowError, TypeError, ValueError):  # a number beyond 64 bits
        return b""
    return text if _SMALLEST <= len(text) <= _LARGEST else b""


def rendered(protocol: Protocol, tools: list[Tool], render: Callable[[list[Tool]], list[Any]]) -> Any:
    """The tools as JSON values, or as the JSON itself where it was made before. render: depends on them alone."""
    if type(tools) is not KnownList:
        return render(tools)
    return tools.once(protocol, lambda: msgspec.Raw(_encode(render(tools))))
