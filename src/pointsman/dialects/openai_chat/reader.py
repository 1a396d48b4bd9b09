"""A Chat stream from an upstream, told in neutral events (PROTOCOLS.md 11.2, 11.4). Lenient: it takes what servers send.

One delta may carry several kinds at once; tool calls may interleave; ids and names may come late, or repeat.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from ...conversation.events import (
    Cited,
    Delta,
    Ended,
    Event,
    Failed,
    Finished,
    PartEnd,
    PartKind,
    PartStart,
    Started,
    Stop,
    UsageSeen,
)
from ...conversation.parts import Opaque, ToolKind
from ...conversation.profile import Profile
from ...wire.sse import data_of
from ..base import Reader
from ..think import ThinkSplitter
from .errors import error_inside
from .reply import OWN, STOPS, Usage, citation_of, unique_id


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: Any = None
    input: str | None = None


class _Call(msgspec.Struct):
    index: int | None = None
    id: str | None = None
    type: str | None = None
    function: _Function | None = None
    custom: _Function | None = None


class _Delta(msgspec.Struct):
    content: Any = None
    reasoning_content: str | None = None
    reasoning: Any = None
    reasoning_details: list[dict[str, Any]] | None = None
    refusal: str | None = None
    tool_calls: list[_Call] | None = None
    function_call: _Function | None = None
    annotations: list[dict[str, Any]] | None = None


class _Choice(msgspec.Struct):
    delta: _Delta | None = None
    message: _Delta | None = None
    finish_reason: str | None = None
    stop_reason: Any = None
    index: int | None = None


class _Chunk(msgspec.Struct):
    id: str | None = None
    model: str | None = None
    choices: list[_Choice] | None = None
    usage: Usage | None = None
    error: Any = None
    service_tier: str | None = None


_chunk = msgspec.json.Decoder(_Chunk).decode
_TEXT, _THINKING, _REFUSAL = PartKind.TEXT, PartKind.THINKING, PartKind.REFUSAL


class _Tool:
    """One call on its way. part: its index among the parts, once it has begun."""

    __slots__ = ("id", "kind", "name", "part", "waiting")

    def __init__(self) -> None:
        self.id = ""
        self.name = ""
        self.kind = ToolKind.FUNCTION
        self.part = -1
        self.waiting = ""


class ChatReader(Reader):
    """See dialects.base.Reader."""

    __slots__ = (
        "_blank",
        "_done",
        "_finish",
        "_next",
        "_opaque",
        "_open",
        "_open_kind",
        "_profile",
        "_refusal",
        "_seen",
        "_splitter",
        "_started",
        "_tier",
        "_tools",
    )  # fmt: skip

    def __init__(self, profile: Profile) -> None:
        super().__init__()
        self._profile = profile
        self._started = False
        self._done = False
        self._next = 0
        self._open = -1
        self._open_kind: PartKind | None = None
        self._opaque: Opaque | None = None
        self._blank = ""  # white space that is shown only if more text follows (PROTOCOLS.md 11.4, step 3)
        self._tools: dict[int, _Tool] = {}
        self._seen: set[str] = set()
        self._finish: tuple[str, Any] | None = None
        self._refusal = ""
        self._tier: str | None = None
        self._splitter: ThinkSplitter | None = ThinkSplitter()

    def read(self, event: bytes) -> Sequence[Event]:
        """See Reader."""
        data = data_of(event)
        if not data or self._done:
            return ()
        if data.strip() == b"[DONE]":
            self.finished = True
            return ()
        try:
            chunk = _chunk(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self.malformed += 1
            return ()
        out: list[Event] = []
        if chunk.error:
            self._done = True
            error = error_inside(chunk.error)
            self.error = error
            return (Failed(error),)
        if not self._started:
            self._started = True
            self.answer_id = chunk.id
            out.append(Started(chunk.id or "", chunk.model or ""))
        if chunk.choices:
            choice = chunk.choices[0]
            if not choice.index:  # of several choices the first is the answer
                self._choice(choice, out)
        if chunk.usage is not None:
            self.usage = chunk.usage.neutral()
            out.append(UsageSeen(self.usage))
        if chunk.service_tier is not None:
            self._tier = chunk.service_tier
        return out

    def _choice(self, choice: _Choice, out: list[Event]) -> None:
        delta = choice.delta or choice.message
        if delta is not None:
            # One after the other, never instead of the other (PROTOCOLS.md 11.4, step 2).
            thought = delta.reasoning_content or (delta.reasoning if isinstance(delta.reasoning, str) else "")
            if thought:
                self._splitter = None  # this server has a parser of its own
                self._add(_THINKING, thought, out)
            if delta.reasoning_details:
                self._details(delta.reasoning_details)
            if delta.content:
                self._content(delta.content, out)
            if delta.refusal:
                self._refusal += delta.refusal
                self.refused = True
                self._add(_REFUSAL, delta.refusal, out)
            if delta.annotations:
                self._cite(delta.annotations, out)
            if delta.tool_calls:
                for call in delta.tool_calls:
                    self._call(call, out)
            if delta.function_call is not None:
                self._call(_Call(0, None, None, delta.function_call), out)
        if choice.finish_reason is not None and self._finish is None:
            self._finish = (choice.finish_reason, choice.stop_reason)
            self.finished = True
            # A limit or a filter before any output is an answer, not an empty one.
            self.output = self.output or choice.finish_reason in ("length", "content_filter")

    def _content(self, content: Any, out: list[Event]) -> None:
        if isinstance(content, list):  # Mistral
            for one in content:
                if isinstance(one, dict) and one.get("type") == "thinking":
                    for piece in one.get("thinking") or []:
                        self._add(_THINKING, str(piece.get("text") or ""), out)
                elif isinstance(one, dict):
                    self._add(_TEXT, str(one.get("text") or ""), out)
            return
        if not isinstance(content, str):
            self.malformed += 1
            return
        if self._splitter is None:
            self._add(_TEXT, content, out)
            return
        for thinking, text in self._splitter.feed(content):
            self._add(_THINKING if thinking else _TEXT, text, out)
            if not thinking:
                self._splitter = None  # from here on it is all text

    def _add(self, kind: PartKind, text: str, out: list[Event]) -> None:
        if not text:
            return
        if self._open_kind is not kind:
            if kind is _TEXT and not text.strip():
                self._blank += text
                return
            self._close(out)
            self._start(kind, out)
            if kind is _TEXT and self._blank:
                text, self._blank = self._blank + text, ""
        self.output = True
        out.append(Delta(self._open, text))

    def _start(self, kind: PartKind, out: list[Event]) -> None:
        self._open, self._open_kind = self._next, kind
        self._next += 1
        out.append(PartStart(self._open, kind))

    def _close(self, out: list[Event]) -> None:
        if self._open >= 0:
            opaque = self._opaque if self._open_kind is _THINKING else None
            out.append(PartEnd(self._open, opaque))
            self._open, self._open_kind = -1, None
            if opaque is not None:
                self._opaque = None

    def _details(self, details: list[dict[str, Any]]) -> None:
        for one in details:
            if one.get("signature") or one.get("data"):
                self._opaque = Opaque(OWN, one, self._profile.backend)

    def _cite(self, annotations: list[dict[str, Any]], out: list[Event]) -> None:
        if self._open_kind is _TEXT:
            for one in annotations:
                citation = citation_of(one)
                if citation is not None:
                    out.append(Cited(self._open, citation))

    def _call(self, call: _Call, out: list[Event]) -> None:
        index = call.index if call.index is not None else self._index_of(call)
        tool = self._tools.get(index)
        if tool is not None and call.id and tool.id and call.id != tool.id:
            index = max(self._tools) + 1  # another call under the same index, as some servers do
            tool = None
        if tool is None:
            tool = self._tools[index] = _Tool()
        inner = call.custom or call.function or _Function()
        if call.custom is not None or call.type == "custom":
            tool.kind = ToolKind.CUSTOM
        if call.id and not tool.id:
            tool.id = unique_id(call.id, index, "", self._seen)
        if inner.name and not tool.name:
            tool.name = inner.name  # repeated in every chunk by some: the first counts
        text = inner.input if inner.input is not None else inner.arguments
        if isinstance(text, dict | list):
            text = msgspec.json.encode(text).decode()
        tool.waiting += text if isinstance(text, str) else ""
        if tool.part < 0 and tool.id and tool.name:
            self._begin(tool, out)
        if tool.part >= 0 and tool.waiting:
            out.append(Delta(tool.part, tool.waiting))
            tool.waiting = ""

    def _index_of(self, call: _Call) -> int:
        """Without an index: the call with this id, else a new one if it names itself, else the last."""
        for index, tool in self._tools.items():
            if call.id and tool.id == call.id:
                return index
        if call.id or (call.function is not None and call.function.name) or not self._tools:
            return len(self._tools)
        return max(self._tools)

    def _begin(self, tool: _Tool, out: list[Event]) -> None:
        self._close(out)
        self._blank = ""
        self._splitter = None
        tool.part = self._next
        self._next += 1
        self.output = True
        out.append(PartStart(tool.part, PartKind.TOOL, tool.id, tool.name, tool.kind))

    def finish(self) -> Sequence[Event]:
        """See Reader. A stream is whole after a finish reason or `[DONE]`."""
        if self._done or not self._started:
            return ()
        self._done = True
        out: list[Event] = []
        if self._splitter is not None:
            for thinking, text in self._splitter.finish():
                self._add(_THINKING if thinking else _TEXT, text, out)
        for index, tool in self._tools.items():
            if tool.part < 0 and (tool.name or tool.waiting):
                tool.id = tool.id or unique_id(None, index, tool.name, self._seen)
                self._begin(tool, out)
                if tool.waiting:
                    out.append(Delta(tool.part, tool.waiting))
        self._close(out)
        out.extend(PartEnd(tool.part) for tool in self._tools.values() if tool.part >= 0)
        if not self.finished:
            return out
        out.append(self._finished())
        out.append(Ended())
        return out

    def _finished(self) -> Finished:
        reason, matched = self._finish or ("stop", None)
        stop = STOPS.get(reason, Stop.END)
        if self._refusal and stop is not Stop.MAX_TOKENS:
            return Finished(Stop.REFUSAL, None, self._refusal, self._tier)
        if stop is Stop.END and self._tools:
            stop = Stop.TOOL_USE
        if stop is Stop.END and isinstance(matched, str) and matched:
            return Finished(Stop.STOP_SEQUENCE, matched, None, self._tier)
        return Finished(stop, None, None, self._tier)
