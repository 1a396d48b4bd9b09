"""Calls that a client can use, and that it can send back: with a name, and with arguments that are an object
(docs/protocols/tools.md#calls-of-weak-models).

Applied to answers on their way to the client; histories are healed with the same rule (heal.py). Not here: which pieces
are one call (dialects/openai_chat/calls.py).
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ..conversation.events import Delta, Event, PartEnd, PartKind, PartStart
from ..conversation.parts import ToolKind
from ..conversation.request import Request
from ..wire.surrogates import mended

NAMELESS = "unnamed_tool"
"""Of a call without a name where several tools could be meant: the client answers that it has no such tool."""


def as_object(text: str) -> str:
    """Arguments as the JSON text of an object: as they are, halves of characters as U+FFFD; out of a string that holds
    one; else kept as they came under `INVALID_JSON`. White space alone is none."""
    if not text.strip():
        return ""
    given = text.encode("utf-8", "replace")
    sound = mended(given)
    if sound is not given:
        text = sound.decode()
    try:
        value = msgspec.json.decode(text)
        if isinstance(value, str):  # encoded twice
            text, value = value, msgspec.json.decode(value)
        if isinstance(value, dict):
            return text
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        pass
    return msgspec.json.encode({"INVALID_JSON": given.decode()}).decode()


class UsableCalls:
    """add(event) -> the events that may go out. Events come in writer's order. Arguments that begin an object stream on;
    others are held until their part ends."""

    __slots__ = ("_held", "_index", "_name")

    def __init__(self, request: Request) -> None:
        self._index = -1  # of the open call whose arguments have not begun an object
        self._held = ""
        names = {tool.name for tool in request.tools}
        self._name = names.pop() if len(names) == 1 else NAMELESS

    @property
    def waits(self) -> bool:
        """Is a call open whose arguments have not begun an object?"""
        return self._index >= 0

    def add(self, event: Event) -> Sequence[Event]:
        """One event."""
        if type(event) is PartStart:
            return (self._begin(event),)
        if self._index < 0:
            return (event,)
        if type(event) is Delta and event.index == self._index:
            self._held += event.text
            if not self._held.lstrip().startswith("{"):
                return ()
            self._index = -1
            return (Delta(event.index, self._held),)
        if type(event) is PartEnd and event.index == self._index:
            self._index = -1
            text = as_object(self._held)
            return (Delta(event.index, text), event) if text else (event,)
        return (event,)

    def _begin(self, event: PartStart) -> PartStart:
        if event.kind is not PartKind.TOOL:
            return event
        if event.tool_kind is ToolKind.FUNCTION:
            self._index, self._held = event.index, ""
        return event if event.name else msgspec.structs.replace(event, name=self._name)
