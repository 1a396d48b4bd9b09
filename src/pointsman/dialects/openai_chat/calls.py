"""Which call a piece of a Chat answer belongs to. Servers tell calls in every shape
(docs/protocols/tools.md#pieces-of-a-call): by index, by id, by both, by neither.

Not here: what calls mean for the answer (seen.py), and how they are told on (reader.py).
"""

from __future__ import annotations

from typing import Any

from ...conversation.parts import ToolKind
from ...wire.jsontext import Closing
from .frames import Call


class Tool:
    """One call. place: among the answer's calls. id, name: the first that was told, "" until then. ids: every id that
    its pieces had. text: its arguments, as far as they are closed; those of a custom tool are free text. extra: what must
    come back with it. index: the one that its first piece had."""

    __slots__ = ("extra", "id", "ids", "index", "kind", "name", "place", "text")

    def __init__(self, place: int, text: Closing) -> None:
        self.place = place
        self.text = text
        self.id = ""
        self.ids: set[str] = set()
        self.name = ""
        self.kind = ToolKind.FUNCTION
        self.extra: dict[str, Any] = {}
        self.index: int | None = None

    def named_on(self, call_id: str, name: str, text: str) -> bool:
        """Does a piece tell more of its name, which comes in pieces, too?"""
        if self.text.begun or not self.id:
            return False
        return not call_id or (call_id in self.ids and (not text or name.startswith(self.name)))

    def ended_by(self, call_id: str, name: str, text: str, *, beside: bool) -> bool:
        """Does a piece that could go on with this call begin another one? beside: it stands in one list with the last."""
        if name and self.name and name != self.name:
            return beside or not self.named_on(call_id, name, text)
        new_id = bool(call_id and self.ids) and call_id not in self.ids
        if not name and not new_id:
            return False
        if self.text.begun:
            again = text.lstrip().startswith("{")
            return self.text.closed and (again or (new_id and bool(name)))
        whole = Closing()
        whole.feed(text)
        return new_id and bool(name) and whole.closed


class Calls:
    """The calls of one answer. fresh: (call, text) of the pieces of the last frame, for whoever tells them on."""

    __slots__ = ("_by_id", "_frame", "_last", "fresh", "tools")

    def __init__(self) -> None:
        self.tools: list[Tool] = []
        self.fresh: list[tuple[Tool, str]] = []
        self._frame = b""
        self._last: dict[int, Tool] = {}  # by index
        self._by_id: dict[tuple[int | None, str], Tool] = {}

    def known(self, call: Call, name: str, text: str, frame: bytes) -> Tool | None:
        """The call that this piece of the frame goes on with; None: it begins one."""
        tool = self._by_id.get((call.index, call.id)) if call.id else None
        if tool is None and call.index is not None:
            tool = self._last.get(call.index)
        elif tool is None and self.tools:
            tool = self.tools[-1]
        beside = frame is self._frame
        return None if tool is None or tool.ended_by(call.id or "", name, text, beside=beside) else tool

    def begin(self, text: Closing) -> Tool:
        """One more call."""
        tool = Tool(len(self.tools), text)
        self.tools.append(tool)
        return tool

    def add(self, tool: Tool, call: Call, name: str, text: str, frame: bytes) -> None:
        """One piece of a call, of this frame."""
        if call.custom is not None or call.type == "custom":
            tool.kind = ToolKind.CUSTOM
        if call.index is not None:
            self._last[call.index] = tool
        if call.id:
            tool.id = tool.id or call.id
            tool.ids.add(call.id)
            self._by_id[None, call.id] = self._by_id[call.index, call.id] = tool
        if call.extra_content is not None or call.provider_specific_fields is not None:
            tool.extra = tool.extra or call.beside()
        if name and name != tool.name:  # repeated in every chunk by some, in pieces by others
            tool.name = name if name.startswith(tool.name) else tool.name + name
        if tool.index is None:
            tool.index = call.index
        if tool.kind is ToolKind.FUNCTION:
            tool.text.feed(text)
        if frame is not self._frame:
            self._frame, self.fresh = frame, []
        self.fresh.append((tool, text))
