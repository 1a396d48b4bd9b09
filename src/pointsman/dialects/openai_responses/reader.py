"""A Responses stream told in neutral events, and a whole answer as a reply
(docs/protocols/streams.md#responses-streams). What it means is read in seen.py.

Items by output_index, their parts by content_index; encrypted reasoning arrives when its item is done. Not here: facts
of the answer, which only see() sets.
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
from ...conversation.parts import Foreign
from ...conversation.profile import Profile
from ...conversation.reply import Reply, fold
from ..base import Reader
from ..openai_parts import citation_of
from .frames import UNREADABLE, Frame, Item, Response, decode_object, kind_of, objects, thought_of, words_of
from .reply import OWN, call_of, opaque_of
from .seen import CALLS, ResponsesSeen

_TEXTS = {"response.output_text.delta": PartKind.TEXT, "response.refusal.delta": PartKind.REFUSAL}
_THOUGHTS = ("response.reasoning_summary_text.delta", "response.reasoning_text.delta")
_ARGUMENTS = ("response.function_call_arguments.delta", "response.custom_tool_call_input.delta")


class _Message:
    """A message on its way. parts: content index -> index of the part."""

    __slots__ = ("parts",)

    def __init__(self) -> None:
        self.parts: dict[int, int] = {}


class _Thought:
    """A reasoning item on its way. index: of its part. at: place of the summary's part that is being told."""

    __slots__ = ("at", "index")

    def __init__(self, index: int, at: int) -> None:
        self.index = index
        self.at = at


class _Call:
    """A call on its way. index: of its part. said: some of its arguments were told."""

    __slots__ = ("index", "said")

    def __init__(self, index: int) -> None:
        self.index = index
        self.said = False


class ResponsesReader(ResponsesSeen, Reader):
    """See dialects.base.Reader."""

    __slots__ = ("_calls", "_messages", "_next", "_profile", "_refusal", "_started", "_thoughts")

    def __init__(self, profile: Profile) -> None:
        super().__init__()
        self._profile = profile
        self._started = False
        self._next = 0
        self._messages: dict[int, _Message] = {}  # by output_index, as the others
        self._thoughts: dict[int, _Thought] = {}
        self._calls: dict[int, _Call] = {}
        self._refusal: list[str] = []

    def reply(self, body: bytes) -> Reply:
        """See Reader. Told and folded as the last event of a stream that told nothing before it."""
        response = self.take_whole(body)
        if self.error is not None:
            raise self.error
        if response is None or response.output is None or self.stop is None:
            raise ValueError("it has no output, or has not ended")
        out: list[Event] = []
        self._finished(out)
        return fold(out)

    def read(self, event: bytes) -> Sequence[Event]:
        """See Reader."""
        frame = self.event(event)
        if frame is None:
            return ()
        if self.error is not None:
            return (Failed(self.error),)
        out: list[Event] = []
        kind = frame.type
        if kind.endswith(".delta"):
            self._delta_of(frame, out)
        elif kind == "response.output_item.added":
            self._start(None, out)
            if kind_of(frame.item or {}) in CALLS:
                self._begin_call(frame.output_index, frame.item or {}, out)
        elif kind == "response.output_item.done":
            self._start(None, out)
            self._item_done(frame.output_index, frame.item or {}, out)
        elif kind == "response.content_part.done":
            message = self._messages.get(frame.output_index)
            if message is not None:
                self._cite(_object(frame.part), message, frame.content_index, out)
        elif kind == "response.created":
            self._start(frame.response, out)
        elif self.finished:
            self._finished(out)
        return out

    def finish(self) -> Sequence[Event]:
        """See Reader: all has been said by the last event, or the stream was cut."""
        self.end()
        return ()

    # -- the answer

    def _start(self, response: Response | None, out: list[Event]) -> None:
        if not self._started:
            self._started = True
            model = response.model if response is not None else None
            out.append(Started(self.answer_id or "", model or ""))

    def _finished(self, out: list[Event]) -> None:
        self._start(self.response, out)
        for place, item in self.late:
            self._item_done(place, item, out)
        left = [index for message in self._messages.values() for index in message.parts.values()]
        left += [thought.index for thought in self._thoughts.values()]
        left += [call.index for call in self._calls.values()]
        out.extend(PartEnd(index) for index in sorted(left))
        if self.usage is not None:
            out.append(UsageSeen(self.usage))
        if self.stop is not None:
            words = "".join(self._refusal) if self.stop is Stop.REFUSAL else ""
            tier = self.response.service_tier
            tier = tier if isinstance(tier, str) else None
            out.append(Finished(self.stop, None, words or None, tier, self.stop_word))
            out.append(Ended())

    def _part(self, kind: PartKind, out: list[Event]) -> int:
        index = self._next
        self._next += 1
        out.append(PartStart(index, kind))
        return index

    # -- its pieces

    def _delta_of(self, frame: Frame, out: list[Event]) -> None:
        text, place = frame.delta, frame.output_index
        if not isinstance(text, str) or not text:
            return
        if frame.type in _TEXTS:
            self._start(None, out)
            message = self._messages.get(place)
            if message is None:
                message = self._messages[place] = _Message()
            out.append(Delta(self._said(message, frame.content_index, _TEXTS[frame.type], text, out), text))
        elif frame.type in _ARGUMENTS:
            call = self._calls.get(place)
            if call is not None:
                call.said = True
                out.append(Delta(call.index, text))
        elif frame.type in _THOUGHTS:
            self._start(None, out)
            self._think(frame, text, out)

    def _said(self, message: _Message, at: int, kind: PartKind, text: str, out: list[Event]) -> int:
        """The index of a text-like part, which begins with its first words."""
        if kind is PartKind.REFUSAL:
            self._refusal.append(text)
        index = message.parts.get(at)
        if index is None:
            index = message.parts[at] = self._part(kind, out)
        return index

    def _think(self, frame: Frame, text: str, out: list[Event]) -> None:
        """Parts of a summary are joined by a blank line
        (docs/protocols/streams.md#parts-of-a-responses-answer)."""
        at = frame.summary_index if "summary" in frame.type else frame.content_index
        thought = self._thoughts.get(frame.output_index)
        if thought is None:
            index = self._part(PartKind.THINKING, out)
            thought = self._thoughts[frame.output_index] = _Thought(index, at)
        if at != thought.at:
            thought.at, text = at, "\n\n" + text
        out.append(Delta(thought.index, text))

    def _begin_call(self, place: int, item: Item, out: list[Event]) -> _Call:
        before = self._calls.pop(place, None)
        if before is not None:
            out.append(PartEnd(before.index))
        call = self._calls[place] = _Call(self._next)
        self._next += 1
        told = call_of(item)
        out.append(PartStart(call.index, PartKind.TOOL, told.id, told.name, told.kind, told.namespace))
        return call

    def _cite(self, part: dict[str, Any], message: _Message, at: int, out: list[Event]) -> None:
        index = message.parts.get(at)
        if index is None:
            return
        for annotation in objects(part, "annotations"):
            citation = citation_of(annotation)
            if citation is not None:
                out.append(Cited(index, citation))

    # -- items that are complete: what was not streamed is told now, and every part of it ends

    def _item_done(self, place: int, item: Item, out: list[Event]) -> None:
        kind = kind_of(item)
        if kind == "message":
            message = self._messages.pop(place) if place in self._messages else _Message()
            self._message_done(message, item, out)
        elif kind == "reasoning":
            self._thought_done(self._thoughts.pop(place, None), item, out)
        elif kind in CALLS:
            call = self._calls.get(place) or self._begin_call(place, item, out)
            text = call_of(item).arguments
            if text and not call.said:
                out.append(Delta(call.index, text))
            out.append(PartEnd(call.index))
            del self._calls[place]
        elif kind:
            foreign = Foreign(OWN, kind, item)
            out.append(PartStart(self._next, PartKind.FOREIGN, foreign=foreign))
            out.append(PartEnd(self._next))
            self._next += 1

    def _message_done(self, message: _Message, item: Item, out: list[Event]) -> None:
        streamed = set(message.parts)
        for at, part in enumerate(objects(item, "content")):
            text, refusal = words_of(part)
            if text and at not in streamed:
                kind = PartKind.REFUSAL if refusal else PartKind.TEXT
                out.append(Delta(self._said(message, at, kind, text, out), text))
                self._cite(part, message, at, out)
        out.extend(PartEnd(index) for index in message.parts.values())

    def _thought_done(self, thought: _Thought | None, item: Item, out: list[Event]) -> None:
        opaque = opaque_of(item, self._profile)
        text = thought_of(item)
        if thought is None:
            if opaque is None and not text:
                return
            thought = _Thought(self._part(PartKind.THINKING, out), 0)
            if text:
                out.append(Delta(thought.index, text))
        out.append(PartEnd(thought.index, opaque))


def _object(raw: msgspec.Raw) -> dict[str, Any]:
    try:
        return decode_object(raw)
    except UNREADABLE:
        return {}
