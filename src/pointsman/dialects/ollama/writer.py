"""Ollama's streams for a client: state machines whose legal moves are the tables MOVES
(docs/protocols/ollama.md#streams)."""

from __future__ import annotations

from typing import Any

from ...conversation.events import Cited, PartEnd, PartKind, PartStart, Started, Stop
from ...conversation.parts import Foreign
from ...errors import PointsmanError
from ..base import Answering
from ..part_writer import PartWriter
from .errors import stream_error
from .lines import PING, line
from .reply import call_value, ending, head, other_text, picture_data

_PIECES = frozenset({"text", "thinking", "tool call", "picture"})
_NEXT = _PIECES | {"done", "error"}
CHAT_MOVES = {
    "": _NEXT,
    "text": _NEXT,
    "thinking": _NEXT,
    "tool call": _NEXT,
    "picture": _NEXT,
    "done": frozenset[str](),
    "error": frozenset[str](),
}
"""Frame -> the frames that may follow it: any piece at any time, one end."""
GENERATE_MOVES = {frame: after - {"tool call"} for frame, after in CHAT_MOVES.items() if frame != "tool call"}


class ChatWriter(PartWriter):
    """See dialects.base.Writer. A call's arguments are an object, so that a call is one piece and waits for its end."""

    __slots__ = ("_arguments", "_calls", "_head", "_part", "_refused")
    moves = CHAT_MOVES

    def __init__(self, answering: Answering) -> None:
        super().__init__(answering, self.moves)
        self._head: dict[str, Any] = head(answering)
        self._part: PartStart | None = None
        self._arguments: list[str] = []
        self._calls = 0
        self._refused = False

    def ping(self) -> bytes:
        """See Writer."""
        return PING

    def fail(self, error: PointsmanError) -> bytes:
        """See Writer: a line with `error`, at which the clients raise; no `done` follows."""
        self._moves.to("error")
        return stream_error(error, self._answering.request_id)

    # -- lines

    def _piece(self, frame: str, **members: Any) -> bytes:
        self._moves.to(frame)
        return line({**self._head, **self._said(members), "done": False})

    def _said(self, members: dict[str, Any]) -> dict[str, Any]:
        """members: of a piece, under the names that a message has."""
        return {"message": {"role": "assistant", "content": "", **members}}

    def _begin(self, event: Started) -> bytes:
        return b""

    def _start(self, event: PartStart) -> bytes:
        self._part = event
        if event.kind is PartKind.FOREIGN and event.foreign is not None:
            return self._other(event.foreign)
        self._refused = self._refused or event.kind is PartKind.REFUSAL
        return b""

    def more(self, text: str) -> bytes:
        """See PartWriter."""
        part = self._part
        assert part is not None
        if part.kind is PartKind.TOOL:
            self._arguments.append(text)
            return b""
        if part.kind is PartKind.THINKING:
            return self._piece("thinking", thinking=text)
        return self._piece("text", content=text)

    def _other(self, foreign: Foreign) -> bytes:
        out = b"".join(self._piece("picture", images=[one]) for one in picture_data(foreign))
        text = other_text(foreign, self._answering)
        return out + self._piece("text", content=text) if text else out

    def _cite(self, event: Cited) -> bytes:
        return b""  # Crossing.not_cited tells it

    def _end(self, event: PartEnd) -> bytes:
        part, self._part = self._part, None
        assert part is not None
        if part.kind is not PartKind.TOOL:
            return b""
        call = call_value(self._calls, part.call_id, part.name, "".join(self._arguments))
        self._arguments.clear()
        self._calls += 1
        return self._piece("tool call", tool_calls=[call])

    def _close(self) -> bytes:
        finish, out = self._finish, b""
        if finish.stop is Stop.REFUSAL and finish.explanation and not self._refused:
            out = self._piece("text", content=finish.explanation)
        self._moves.to("done")
        last = ending(finish, self._usage, self._answering)
        return out + line({**self._head, **self._said({}), **last})


class GenerateWriter(ChatWriter):
    """The same on the path of one prompt, which has no tools."""

    __slots__ = ()
    moves = GENERATE_MOVES

    def _said(self, members: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {"response": members.get("content", "")}
        if "thinking" in members:
            found["thinking"] = members["thinking"]
        if "images" in members:
            found["image"] = members["images"][0]
        return found
