"""A Responses stream told in neutral events, and a whole answer as a reply
(docs/protocols/streams.md#responses-streams). What it means is read in seen.py.

Items by output_index, their parts by content_index; encrypted reasoning arrives when its item is done. What repeats a
whole text adds what its deltas left out (told.py). Not here: facts of the answer, which only see() sets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
from ...conversation.parts import AssistantPart, Opaque, Text
from ...conversation.profile import Profile
from ...conversation.reply import Reply, fold
from ..base import Reader
from ..ids import unique_id
from ..openai_parts import citation_of
from ..same_again import SameAgain
from .frames import (
    Frame,
    Item,
    Response,
    arguments_of,
    kind_of,
    objects,
    text_alone_of,
    thought_of,
    words_of,
)
from .open_parts import OpenMessage, OpenThought, OpenWords, ToldArguments
from .plain_words import answered
from .reply import call_of, opaque_of
from .seen import CALLS, CLOSING, ResponsesSeen
from .told import Told

_TEXTS = {"response.output_text.delta": PartKind.TEXT, "response.refusal.delta": PartKind.REFUSAL}
_THOUGHTS = ("response.reasoning_summary_text.delta", "response.reasoning_text.delta")
_OURS = ("message", "reasoning", "", *CALLS)
"""Items that every client returns in some form; any other is of a tool that the vendor ran."""
_ARGUMENTS = ("response.function_call_arguments.delta", "response.custom_tool_call_input.delta")
_WHOLE_TEXTS = {"response.output_text.done": PartKind.TEXT, "response.refusal.done": PartKind.REFUSAL}
_WHOLE_THOUGHTS = ("response.reasoning_summary_text.done", "response.reasoning_text.done")
_WHOLE_ARGUMENTS = ("response.function_call_arguments.done", "response.custom_tool_call_input.done")


class ResponsesReader(ResponsesSeen, Reader):
    """See dialects.base.Reader."""

    __slots__ = (
        "_calls", "_held", "_ids", "_messages", "_next", "_profile", "_refusal", "_started", "_thoughts",
    )  # fmt: skip

    def __init__(self, profile: Profile) -> None:
        super().__init__()
        self._profile = profile
        self._started = False
        self._next = 0
        self._messages: dict[int, OpenMessage] = {}  # by output_index, as the others
        self._thoughts: dict[int, OpenThought] = {}
        self._calls: dict[int, ToldArguments] = {}
        self._ids: set[str] = set()  # of the calls so far
        self._refusal: list[str] = []
        # A reasoning that is over but for what it led to, which the next item tells.
        self._held: tuple[int, Opaque] | None = None

    def reply(self, body: bytes) -> Reply:
        """See Reader. Told and folded as the last event of a stream that told nothing before it."""
        response = self.take_whole(body)
        if self.error is not None:
            raise self.error
        if response is None or response.output is None or self.stop is None:
            raise ValueError("it has no output, or has not ended")
        texts = [text_alone_of(item) for _, item in self.late]
        if all(texts):
            return self._plain(response, texts, self.stop)
        out: list[Event] = []
        self._finished(out)
        return fold(out)

    def _plain(self, response: Response, texts: list[str], stop: Stop) -> Reply:
        """Of texts alone, as almost all are: what its stream would fold to."""
        parts: list[AssistantPart] = [Text(text) for text in texts]
        model, tier = response.model or "", _tier(response)
        return Reply(self.answer_id or "", model, parts, stop, None, None, self.usage, tier, self.stop_word)

    @property
    def only_repeats(self) -> bool:
        """See Reader: the last event holds the whole answer once more."""
        return self.ended and not self.late

    def read(self, event: bytes) -> Sequence[Event]:
        """See Reader."""
        text = self.more(event)
        if text:
            return (Delta(self.part, text),)
        frame = self.event(event)
        if frame is None:
            return ()
        if self.error is not None:
            return (Failed(self.error),)
        out: list[Event] = []
        kind = frame.type
        if kind.endswith(".delta"):
            self._delta_of(frame, out)
            if len(out) == 1:
                self._learn(event, frame, out[0])
        elif kind == "response.output_item.added":
            self._start(None, out)
            self._release(frame.item, out)
            if kind_of(frame.item or {}) in CALLS:
                self._begin_call(frame.output_index, frame.item or {}, out)
        elif kind == "response.output_item.done":
            self._start(None, out)
            self._item_done(frame.output_index, frame.item or {}, out)
        elif kind in CLOSING:
            self._start(None, out)
            self._closing(frame, out)
        elif kind == "response.output_text.annotation.added":
            self._annotated(frame.output_index, frame.content_index, [frame.annotation], out)
        elif kind == "response.created":
            self._start(frame.response, out)
        elif self.finished:
            self._finished(out)
        return out

    def _learn(self, event: bytes, frame: Frame, told: Event) -> None:
        """A delta that told its text as more of a part, and nothing else. One of a refusal is read in full: its words are
        told once more at the end."""
        if type(told) is not Delta or not self.output or self.halves is not None:
            return
        place, kind = frame.output_index, frame.type
        hears: Callable[[str], object]
        if kind in _THOUGHTS:
            hears = self._thoughts[place].add
        elif kind in _ARGUMENTS:
            call = self._calls[place]
            if call.seen is None or call.seen is not self._open_calls.get(place):
                return
            hears = call.add
        elif _TEXTS[kind] is PartKind.TEXT:
            hears = self._part_of(place, frame.content_index).told.add
        else:
            return
        if self.again is None:
            self.again = SameAgain(self.text_keys, self.free_keys)
        self.part, self.hears = told.index, hears
        self.again.learn(event, told.text)

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
        self._release(None, out)
        left = [
            part.index for message in self._messages.values() for part in message.values() if part.index >= 0
        ]
        left += [thought.index for thought in self._thoughts.values()]
        left += [call.index for call in self._calls.values()]
        out.extend(PartEnd(index) for index in sorted(left))
        if self.usage is not None:
            out.append(UsageSeen(self.usage))
        if self.stop is not None:
            words = "".join(self._refusal) if self.stop is Stop.REFUSAL else ""
            out.append(Finished(self.stop, None, words or None, _tier(self.response), self.stop_word))
            out.append(Ended())

    def _part(self, kind: PartKind, out: list[Event]) -> int:
        self._release(None, out)
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
            part = self._part_of(place, frame.content_index)
            part.told.add(text)
            self._say(part, _TEXTS[frame.type], text, out)
        elif frame.type in _ARGUMENTS:
            call = self._calls.get(place)
            if call is not None:
                call.told.add(text)
                out.append(Delta(call.index, text))
        elif frame.type in _THOUGHTS:
            self._start(None, out)
            self._think(frame, text, out)

    def _closing(self, frame: Frame, out: list[Event]) -> None:
        """It repeats all of what deltas said."""
        kind, place, at = frame.type, frame.output_index, frame.content_index
        if kind in _WHOLE_TEXTS:
            self._say_rest(self._part_of(place, at), _WHOLE_TEXTS[kind], frame.said, out)
        elif kind in _WHOLE_ARGUMENTS:
            call = self._calls.get(place)
            if call is not None and (rest := call.told.rest(frame.said)):
                out.append(Delta(call.index, rest))
        elif kind in _WHOLE_THOUGHTS:
            self._think_rest(frame, out)
        else:
            self._part_done(place, at, frame.whole_part(), out)

    def _part_of(self, place: int, at: int) -> OpenWords:
        return self._messages.setdefault(place, {}).setdefault(at, OpenWords())

    def _say(self, part: OpenWords, kind: PartKind, text: str, out: list[Event]) -> None:
        """A text-like part begins with its first words."""
        if kind is PartKind.REFUSAL:
            self._refusal.append(text)
        if part.index < 0:
            part.index = self._part(kind, out)
            self._cite(part, out)
        out.append(Delta(part.index, text))

    def _say_rest(self, part: OpenWords, kind: PartKind, whole: str, out: list[Event]) -> None:
        if rest := part.told.rest(whole):
            self._say(part, kind, rest, out)

    def _part_done(self, place: int, at: int, value: dict[str, Any], out: list[Event]) -> None:
        text, refusal = words_of(value)
        kind = PartKind.REFUSAL if refusal else PartKind.TEXT
        self._say_rest(self._part_of(place, at), kind, text, out)
        self._annotated(place, at, objects(value, "annotations"), out)

    def _annotated(self, place: int, at: int, annotations: list[Any], out: list[Event]) -> None:
        """Each comes several times: alone, with its part, with its item."""
        part = self._part_of(place, at)
        part.annotations += [one for one in annotations if one not in part.annotations]
        if part.index >= 0:
            self._cite(part, out)

    def _cite(self, part: OpenWords, out: list[Event]) -> None:
        found = (citation_of(one) for one in part.annotations[part.cited :])
        out.extend(Cited(part.index, citation) for citation in found if citation is not None)
        part.cited = len(part.annotations)

    def _think(self, frame: Frame, text: str, out: list[Event]) -> None:
        """Parts of a summary are joined by a blank line
        (docs/protocols/streams.md#parts-of-a-responses-answer)."""
        at = frame.summary_index if "summary" in frame.type else frame.content_index
        thought = self._thoughts.get(frame.output_index)
        if thought is None:
            index = self._part(PartKind.THINKING, out)
            thought = self._thoughts[frame.output_index] = OpenThought(index, at)
        gap = ""
        if at != thought.at:
            thought.at, thought.piece, gap = at, Told(), "\n\n"
        thought.piece.add(text)
        thought.told.add(gap + text)
        out.append(Delta(thought.index, gap + text))

    def _think_rest(self, frame: Frame, out: list[Event]) -> None:
        at = frame.summary_index if "summary" in frame.type else frame.content_index
        thought = self._thoughts.get(frame.output_index)
        if thought is None or at > thought.at:
            if frame.said:
                self._think(frame, frame.said, out)
        elif at == thought.at and (rest := thought.piece.rest(frame.said)):
            thought.told.add(rest)
            out.append(Delta(thought.index, rest))

    def _begin_call(self, place: int, item: Item, out: list[Event]) -> ToldArguments:
        before = self._calls.pop(place, None)
        if before is not None:
            out.append(PartEnd(before.index))
        call = self._calls[place] = ToldArguments(self._next, self._open_calls.get(place))
        self._next += 1
        told = call_of(item)
        call_id = unique_id(told.id or f"call_{place}", self._ids)
        out.append(PartStart(call.index, PartKind.TOOL, call_id, told.name, told.kind, told.namespace))
        return call

    # -- items that are complete: what was not streamed is told now, and every part of it ends

    def _item_done(self, place: int, item: Item, out: list[Event]) -> None:
        self._release(item, out)
        kind = kind_of(item)
        if kind == "message":
            self._message_done(place, item, out)
        elif kind == "reasoning":
            self._thought_done(self._thoughts.pop(place, None), item, out)
        elif kind in CALLS:
            call = self._calls.get(place) or self._begin_call(place, item, out)
            if rest := call.told.rest(arguments_of(item)):
                out.append(Delta(call.index, rest))
            out.append(PartEnd(call.index))
            del self._calls[place]
        elif kind:
            for foreign in answered(item):
                out.append(PartStart(self._next, PartKind.FOREIGN, foreign=foreign))
                out.append(PartEnd(self._next))
                self._next += 1

    def _message_done(self, place: int, item: Item, out: list[Event]) -> None:
        for at, value in enumerate(objects(item, "content")):
            self._part_done(place, at, value, out)
        message = self._messages.pop(place, {})
        out.extend(PartEnd(part.index) for part in message.values() if part.index >= 0)

    def _thought_done(self, thought: OpenThought | None, item: Item, out: list[Event]) -> None:
        opaque = opaque_of(item, self._profile)
        text = thought_of(item)
        if thought is None:
            if opaque is None and not text:
                return
            thought = OpenThought(self._part(PartKind.THINKING, out), 0)
        if rest := thought.told.rest(text):
            out.append(Delta(thought.index, rest))
        if opaque is None:
            out.append(PartEnd(thought.index))
        else:
            self._held = (thought.index, opaque)

    def _release(self, after: Item | None, out: list[Event]) -> None:
        """End the reasoning that was held. after: the item that follows it
        (docs/protocols/reasoning.md#with-a-servers-tool)."""
        if self._held is None:
            return
        (index, opaque), self._held = self._held, None
        led_to = after.get("id") if after is not None and kind_of(after) not in _OURS else None
        if isinstance(led_to, str):
            opaque = msgspec.structs.replace(opaque, before=led_to)
        out.append(PartEnd(index, opaque))


def _tier(response: Response) -> str | None:
    return response.service_tier if isinstance(response.service_tier, str) else None
