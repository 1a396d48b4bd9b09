"""A Responses stream from an upstream, told in neutral events (PROTOCOLS.md 11.3, 11.6).

Items by output_index, their parts by content_index; encrypted reasoning arrives when its item is done.
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
    UsageSeen,
)
from ...conversation.parts import AssistantPart, Foreign, Refusal, ToolCall, ToolKind
from ...conversation.profile import Profile
from ...wire.sse import data_of
from ..base import Reader
from .errors import error_inside
from .reply import OWN, Usage, citation_of, opaque_of, stop_of, thought_of


class _Response(msgspec.Struct):
    id: str | None = None
    model: str | None = None
    status: str | None = None
    usage: Usage | None = None
    error: Any = None
    incomplete_details: Any = None
    service_tier: str | None = None


class _Event(msgspec.Struct):
    type: str = ""
    delta: Any = None
    text: str | None = None
    output_index: int = 0
    content_index: int = 0
    summary_index: int = 0
    item: dict[str, Any] | None = None
    part: dict[str, Any] | None = None
    annotation: Any = None
    response: _Response | None = None
    message: Any = None
    code: Any = None
    error: Any = None


_event = msgspec.json.Decoder(_Event).decode
_ENDS = ("response.completed", "response.incomplete")
_CALLS = ("function_call", "custom_tool_call")
_IN_PARTS = ("message", "reasoning", *_CALLS)


class _Item:
    """One output item on its way. parts: content index -> index of the part; seen: characters told of it."""

    __slots__ = ("parts", "seen", "summary", "type")

    def __init__(self, kind: str) -> None:
        self.type = kind
        self.parts: dict[int, int] = {}
        self.seen: dict[int, int] = {}
        self.summary = -1


class ResponsesReader(Reader):
    """See dialects.base.Reader."""

    __slots__ = (
        "_done", "_items", "_next", "_profile", "_refusal", "_started", "_tools",
    )  # fmt: skip

    def __init__(self, profile: Profile) -> None:
        super().__init__()
        self._profile = profile
        self._started = False
        self._done = False
        self._next = 0
        self._items: dict[int, _Item] = {}
        self._tools = False
        self._refusal: list[str] = []

    def read(self, event: bytes) -> Sequence[Event]:
        """See Reader."""
        data = data_of(event)
        if not data or self._done or data.strip() == b"[DONE]":
            return ()
        try:
            found = _event(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self.malformed += 1
            return ()
        out: list[Event] = []
        self._one(found, out)
        return out

    def finish(self) -> Sequence[Event]:
        """See Reader: all has been said by the last event, or the stream was cut."""
        return ()

    def _one(self, found: _Event, out: list[Event]) -> None:
        kind = found.type
        if kind.endswith(".delta"):
            self._delta(found, out)
        elif kind == "response.output_item.added":
            self._added(found, out)
        elif kind == "response.output_item.done":
            self._item_done(found, out)
        elif kind == "response.content_part.done":
            item = self._items.get(found.output_index)
            if item is not None and item.type == "message" and found.content_index in item.parts:
                self._cite(found.part, item, found.content_index, out)
        elif kind == "response.created":
            self._start(found.response, out)
        elif kind in _ENDS:
            self._end(found.response or _Response(), out)
        elif kind == "response.failed":
            response = found.response or _Response()
            self._fail(response.error or {"message": "The response failed."}, out)
        elif kind == "error":
            self._fail(found.error or {"message": found.message, "code": found.code}, out)
        elif not kind:
            self.malformed += 1

    def _start(self, response: _Response | None, out: list[Event]) -> None:
        if not self._started:
            self._started = True
            self.answer_id = response.id if response is not None else None
            out.append(Started(self.answer_id or "", (response.model if response else None) or ""))

    def _part(self, found: _Event, kind: PartKind, at: int, out: list[Event]) -> int:
        """The index of a text-like part, which begins with its first words."""
        item = self._items.get(found.output_index)
        if item is None:
            self._start(None, out)
            item = self._items[found.output_index] = _Item(
                "reasoning" if kind is PartKind.THINKING else "message"
            )
        index = item.parts.get(at)
        if index is None:
            index = item.parts[at] = self._next
            self._next += 1
            out.append(PartStart(index, kind))
        return index

    def _delta(self, found: _Event, out: list[Event]) -> None:
        text = found.delta
        if not isinstance(text, str) or not text:
            return
        kind = found.type
        if kind == "response.output_text.delta":
            index = self._part(found, PartKind.TEXT, found.content_index, out)
        elif kind in ("response.function_call_arguments.delta", "response.custom_tool_call_input.delta"):
            item = self._items.get(found.output_index)
            if item is None or 0 not in item.parts:
                self.malformed += 1
                return
            index = item.parts[0]
        elif kind == "response.refusal.delta":
            index = self._part(found, PartKind.REFUSAL, found.content_index, out)
            self._refusal.append(text)
            self.refused = True
        elif kind in ("response.reasoning_summary_text.delta", "response.reasoning_text.delta"):
            index = self._part(found, PartKind.THINKING, 0, out)
            text = self._apart(found, text)
        else:
            return
        self.output = True
        item = self._items[found.output_index]
        at = 0 if item.type == "reasoning" else found.content_index
        item.seen[at] = item.seen.get(at, 0) + len(text)
        out.append(Delta(index, text))

    def _apart(self, found: _Event, text: str) -> str:
        """Parts of a summary are joined by a blank line (PROTOCOLS.md 11.6)."""
        item = self._items[found.output_index]
        at = found.summary_index if "summary" in found.type else found.content_index
        before, item.summary = item.summary, at
        return "\n\n" + text if before >= 0 and at != before else text

    def _added(self, found: _Event, out: list[Event]) -> None:
        self._start(None, out)
        value = found.item or {}
        kind = str(value.get("type") or "")
        item = self._items[found.output_index] = _Item(kind)
        if kind in _CALLS:
            self._tools = self.output = True
            index = item.parts[0] = self._next
            self._next += 1
            tool = ToolKind.CUSTOM if kind == "custom_tool_call" else ToolKind.FUNCTION
            call_id, name = str(value.get("call_id") or value.get("id") or ""), str(value.get("name") or "")
            out.append(PartStart(index, PartKind.TOOL, call_id, name, tool, value.get("namespace")))

    def _cite(self, part: dict[str, Any] | None, item: _Item, at: int, out: list[Event]) -> None:
        for annotation in (part or {}).get("annotations") or []:
            citation = citation_of(annotation)
            if citation is not None:
                out.append(Cited(item.parts[at], citation))

    def _item_done(self, found: _Event, out: list[Event]) -> None:
        """Complete: what was not streamed is told now, and every part of it ends."""
        self._start(None, out)
        value = found.item or {}
        kind = str(value.get("type") or "")
        item = self._items.get(found.output_index)
        if item is None:
            if kind in _CALLS:
                self._added(found, out)
            item = self._items.setdefault(found.output_index, _Item(kind))
        if kind not in _IN_PARTS:
            self.output = True
            index = self._next
            self._next += 1
            out.append(PartStart(index, PartKind.FOREIGN, foreign=Foreign(OWN, kind, value)))
            out.append(PartEnd(index))
            return
        if kind == "message":
            self._message_done(found, value, item, out)
        elif kind == "reasoning":
            self._reasoning_done(found, value, item, out)
        else:
            text = value.get("input" if kind == "custom_tool_call" else "arguments")
            if isinstance(text, str) and text and not item.seen:
                out.append(Delta(item.parts[0], text))
            out.append(PartEnd(item.parts[0]))
        del self._items[found.output_index]

    def _message_done(self, found: _Event, value: dict[str, Any], item: _Item, out: list[Event]) -> None:
        for at, part in enumerate(value.get("content") or []):
            refusal = part.get("type") == "refusal"
            text = part.get("refusal" if refusal else "text")
            if isinstance(text, str) and text and not item.seen.get(at):
                found.content_index = at
                index = self._part(found, PartKind.REFUSAL if refusal else PartKind.TEXT, at, out)
                if refusal:
                    self._refusal.append(text)
                    self.refused = True
                self.output = True
                out.append(Delta(index, text))
                self._cite(part, item, at, out)
        out.extend(PartEnd(index) for index in item.parts.values())

    def _reasoning_done(self, found: _Event, value: dict[str, Any], item: _Item, out: list[Event]) -> None:
        opaque = opaque_of(value, self._profile)
        text = thought_of(value)
        if not item.parts and (opaque is not None or text):
            index = self._part(found, PartKind.THINKING, 0, out)
            if text:
                self.output = True
                out.append(Delta(index, text))
        if item.parts:
            out.append(PartEnd(item.parts[0], opaque))

    def _end(self, response: _Response, out: list[Event]) -> None:
        self._start(response, out)
        self.finished = self._done = True
        if response.usage is not None:
            self.usage = response.usage.neutral()
            out.append(UsageSeen(self.usage))
        told: list[AssistantPart] = [Refusal("".join(self._refusal))] if self._refusal else []
        if self._tools:
            told.append(ToolCall("", ""))
        details = response.incomplete_details
        reason = details.get("reason") if isinstance(details, dict) else None
        stop, explanation = stop_of(response.status or "completed", reason, told)
        self.output = self.output or response.status == "incomplete"
        out.append(Finished(stop, None, explanation, response.service_tier))
        out.append(Ended())

    def _fail(self, error: Any, out: list[Event]) -> None:
        self._done = True
        found = error_inside(error)
        self.error = found
        out.append(Failed(found))
