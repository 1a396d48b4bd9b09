"""A Chat stream for a client: a state machine whose legal moves are the table MOVES
(docs/protocols/streams.md#chat-streams)."""

from __future__ import annotations

from typing import Any

import msgspec

from ...conversation.events import Cited, PartEnd, PartKind, PartStart, Started, Stop
from ...conversation.parts import Citation, Foreign, Thinking, ToolKind
from ...errors import PointsmanError
from ..base import Answering
from ..ids import own_id
from ..part_writer import PartWriter
from ..shown import pictures_of, words_for
from .errors import stream_error
from .reply import FINISH, annotation_value, detail_value, image_value, usage_value

_DELTAS = frozenset(
    {"role", "content", "reasoning", "refusal", "tool call", "arguments", "annotations", "images"}
)
_AFTER_DELTA = _DELTAS - {"role"} | {"finish", "error"}
MOVES = {
    "": frozenset({"role", "error"}),
    "role": _AFTER_DELTA - {"arguments"},
    "content": _AFTER_DELTA - {"arguments"},
    "reasoning": _AFTER_DELTA - {"arguments"},
    "refusal": _AFTER_DELTA - {"arguments"},
    "annotations": _AFTER_DELTA - {"arguments"},
    "images": _AFTER_DELTA - {"arguments"},
    "tool call": _AFTER_DELTA,
    "arguments": _AFTER_DELTA,
    "finish": frozenset({"usage", "done", "error"}),
    "usage": frozenset({"done", "error"}),
    "done": frozenset[str](),
    "error": frozenset[str](),
}
"""Frame -> the frames that may follow it."""

_encode = msgspec.json.Encoder().encode
_PING = b": ping\n\n"
_AFTER = b',"logprobs":null,"finish_reason":null}]}\n\n'
_FIELDS = {
    PartKind.TEXT: ("content", "content"),
    PartKind.THINKING: ("reasoning", "reasoning_content"),
    PartKind.REFUSAL: ("refusal", "refusal"),
}


class ChatWriter(PartWriter):
    """See dialects.base.Writer."""

    __slots__ = (
        "_annotations", "_arguments", "_calls", "_cited", "_frame", "_head", "_id", "_images", "_kind", "_length", "_offset",
        "_piece", "_refused", "_thought", "_thoughts",
    )  # fmt: skip

    def __init__(self, answering: Answering) -> None:
        super().__init__(answering, MOVES)
        self._head = b""
        self._frame, self._piece = (
            "",
            (b"", b""),
        )  # of the open part: its frame, and what stands around its text
        self._id = ""
        self._kind: PartStart | None = None
        self._calls = 0
        self._arguments = False
        self._thought: list[str] = []
        self._thoughts = 0
        self._offset = self._length = 0
        self._cited: list[Citation] = []  # of the open text: it may be cited before it is said
        self._annotations = 0
        self._images = 0
        self._refused = False

    def ping(self) -> bytes:
        """See Writer: a comment, which every parser skips."""
        return _PING

    def fail(self, error: PointsmanError) -> bytes:
        """See Writer: a frame with `error`, on which the SDKs raise; no `[DONE]` follows."""
        self._moves.to("error")
        return stream_error(error, self._answering.request_id, self._id or None)

    # -- frames

    def _begin(self, event: Started) -> bytes:
        request = self._answering.request
        self._id = own_id("chatcmpl-", self._answering.request_id)
        head = {
            "id": self._id,
            "object": "chat.completion.chunk",
            "created": self._answering.created,
            "model": request.model,
        }
        usage = b',"usage":null' if request.include_usage else b""
        self._head = b"data: " + _encode(head)[:-1] + usage + b',"choices":[{"index":0,"delta":'
        return self._chunk("role", {"role": "assistant", "content": ""})

    def _chunk(self, frame: str, delta: dict[str, Any]) -> bytes:
        self._moves.to(frame)
        return self._head + _encode(delta) + _AFTER

    def more(self, text: str) -> bytes:
        """See PartWriter."""
        part = self._kind
        assert part is not None
        if part.kind is PartKind.TOOL:
            self._arguments = True
        elif part.kind is PartKind.THINKING:
            self._thought.append(text)
        elif part.kind is PartKind.TEXT:
            self._length += len(text)
        else:
            self._refused = True
        before, after = self._piece
        self._moves.again(self._frame)
        return before + _encode(text) + after

    def _framed(self, part: PartStart) -> None:
        """What stands around each piece of a part, rendered once."""
        if part.kind is PartKind.TOOL:
            name = "input" if part.tool_kind is ToolKind.CUSTOM else "arguments"
            self._frame, delta = "arguments", self._of_call({name: ""}, part)
        else:
            self._frame, field = _FIELDS[part.kind]
            delta = {field: ""}
        before, _, after = _encode(delta).rpartition(b'""')
        self._piece = (self._head + before, after + _AFTER)

    def _call(self, frame: str, inner: dict[str, Any], part: PartStart, **first: str) -> bytes:
        """Id and name once only: the SDK joins the strings of all deltas
        (docs/protocols/streams.md#id-and-name-once)."""
        return self._chunk(frame, self._of_call(inner, part, **first))

    def _of_call(self, inner: dict[str, Any], part: PartStart, **first: str) -> dict[str, Any]:
        if self._answering.request.legacy_functions:
            return {"function_call": inner}
        return {"tool_calls": [{"index": self._calls - 1, **first, part.tool_kind.value: inner}]}

    def _cite(self, event: Cited) -> bytes:
        self._cited.append(event.citation)
        return b""

    def _annotate(self) -> bytes:
        """All of one text at once, each with its own index: the SDK joins the lists of all deltas by it
        (docs/protocols/messages.md#citations)."""
        found = (annotation_value(one, self._offset, self._length) for one in self._cited)
        values = [{"index": self._annotations + at, **one} for at, one in enumerate(filter(None, found))]
        self._cited.clear()
        self._annotations += len(values)
        return self._chunk("annotations", {"annotations": values}) if values else b""

    def _start(self, event: PartStart) -> bytes:
        self._kind = event
        if event.kind is PartKind.TEXT:
            self._offset += self._length
            self._length = 0
        if event.kind is PartKind.FOREIGN and event.foreign is not None:
            return self._other(event.foreign)
        if event.kind is not PartKind.TOOL:
            if event.kind in _FIELDS:
                self._framed(event)
            return b""
        self._calls += 1
        self._framed(event)
        self._arguments = False
        empty = {"input": ""} if event.tool_kind is ToolKind.CUSTOM else {"arguments": ""}
        inner = {"name": event.name, **empty}
        return self._call("tool call", inner, event, id=event.call_id, type=event.tool_kind.value)

    def _other(self, foreign: Foreign) -> bytes:
        """Another protocol's own block (docs/protocols/messages.md#pictures-in-an-answer)."""
        if pictures := pictures_of(foreign):
            values = [image_value(one, self._images + at) for at, one in enumerate(pictures)]
            self._images += len(pictures)
            return self._chunk("images", {"images": values})
        text = words_for(foreign, self._answering.request)
        self._length += len(text)
        return self._chunk("content", {"content": text}) if text else b""

    def _end(self, event: PartEnd) -> bytes:
        part, self._kind = self._kind, None
        assert part is not None
        if part.kind is PartKind.TOOL and not self._arguments and part.tool_kind is ToolKind.FUNCTION:
            self._kind = part
            found = self.more("{}")
            self._kind = None
            return found
        if self._cited:
            return self._annotate()
        if part.kind is PartKind.THINKING:
            text = "".join(self._thought)
            self._thought.clear()
            self._thoughts += 1
            if event.opaque is not None:
                place = (self._offset + self._length, self._calls)
                thought = Thinking(text, event.opaque)
                value = detail_value(thought, self._thoughts - 1, self._answering, place)
                return self._chunk("reasoning", {"reasoning_details": [value]})
        return b""

    def _close(self) -> bytes:
        finish = self._finish
        word = FINISH[finish.stop]
        request = self._answering.request
        if request.legacy_functions and word == "tool_calls":
            word = "function_call"
        out = b""
        if finish.stop is Stop.REFUSAL and finish.explanation and not self._refused:
            out = self._chunk("refusal", {"refusal": finish.explanation})
        self._moves.to("finish")
        ending: dict[str, Any] = {"finish_reason": word}
        if finish.sequence is not None:
            ending["stop_reason"] = finish.sequence
        out += self._head + b"{}," + _encode(ending)[1:] + b"]}\n\n"
        if request.include_usage and (usage := usage_value(self._usage)) is not None:
            self._moves.to("usage")
            head = self._head.replace(b',"usage":null', b"", 1)
            out += head[: head.rindex(b',"choices"')] + b',"choices":[],"usage":' + _encode(usage) + b"}\n\n"
        self._moves.to("done")
        return out + b"data: [DONE]\n\n"
