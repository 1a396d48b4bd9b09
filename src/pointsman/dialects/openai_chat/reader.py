"""A Chat answer from an upstream, told in neutral events
(docs/protocols/streams.md#reading-leniently). Lenient: it takes what servers send.

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
from ...conversation.parts import Citation, Foreign, Opaque
from ...conversation.profile import Profile
from ...conversation.reply import Reply, fold
from ...conversation.usage import TokenUsage
from ..base import Reader
from ..fields import Fields
from ..ids import unique_id
from ..openai_parts import citation_of, picture_of, source_of
from ..same_again import SameAgain
from ..shown import PICTURE
from ..think import IN_ALL, ThinkSplitter, closes
from .calls import Tool
from .details import BESIDE_CALL, BESIDE_MESSAGE, Detail, Details
from .frames import Chunk, pieces, says_text_alone, signed
from .frames import Delta as ChatDelta
from .plain_reply import plain_reply
from .reply import OWN
from .seen import ChatSeen
from .told_calls import ToldCall

_TEXT, _THINKING, _REFUSAL = PartKind.TEXT, PartKind.THINKING, PartKind.REFUSAL


class ChatReader(ChatSeen, Reader):
    """See dialects.base.Reader."""

    __slots__ = (
        "_at_once", "_base", "_begun_calls", "_blank", "_cited", "_cites", "_detail", "_details",
        "_ids", "_late", "_next", "_open", "_open_kind", "_over", "_profile", "_refusal",
        "_sources", "_splitter", "_started", "_telling", "_thought", "_tier", "_told", "_usage", "tag",
    )  # fmt: skip

    def __init__(self, profile: Profile) -> None:
        super().__init__()
        self._profile = profile
        self._telling = self._over = False  # over: its error, or its end, has been told
        self.tag = ""

    def _begin_telling(self) -> None:
        """Before the first event is told: most whole answers are read without any."""
        self._telling = True
        # thought: some of it was told, and not by its details; at once: its text was told as it came
        self._started = self._thought = self._at_once = False
        self._next, self._begun_calls, self._open = 0, 0, -1
        self._open_kind: PartKind | None = None
        self._details: Details | None = None
        self._detail: Detail | None = None  # of the reasoning that is under way
        self._late: list[dict[str, Any]] = []  # must come back; came while something else was under way
        self._blank = self._refusal = ""  # blank: as in docs/protocols/streams.md#reading-leniently
        self._base = 0  # characters of the text, as the server counts (`given`), where its last part began
        self._cited: list[Citation] = []  # whose text has not begun, or is over
        self._cites: set[Any] = set()  # those so far, and their URLs: servers repeat them
        self._sources: list[Any] = []  # as told beside the answer; each time all of them
        self._told: list[ToldCall] = []  # by the call's place
        self._ids: set[str] = set()
        self._tier: str | None = None
        self._usage: TokenUsage | None = None  # as told
        self._splitter: ThinkSplitter | None = ThinkSplitter(self._profile.begins_inside)
        self.again, self.heard_in = SameAgain((b'"content"',), ChatSeen.free_keys), IN_ALL

    def read(self, event: bytes) -> Sequence[Event]:
        """See Reader."""
        if not self._telling:
            self._begin_telling()
        text = self.more(event)
        if text:
            return (Delta(self.part, text),)
        frame = self.event(event)
        if frame is None or self._over:
            return ()
        told = self._tell(frame)
        if len(told) == 1 and type(told[0]) is Delta and self._open_kind is _TEXT and says_text_alone(frame):
            if not (self._splitter or self._told or self._finish or self.halves):
                self.part, self.hears = self._open, self._look_for_tag if self._at_once else None
                assert self.again is not None
                self.again.learn(event, told[0].text)
        return told

    def reply(self, body: bytes) -> Reply:
        """See Reader. Told and folded as the stream it could have been."""
        frame = self.whole_frame(body)
        if frame is None:
            raise ValueError("not JSON of this protocol")
        if self.error is not None:
            raise self.error
        plain = plain_reply(self, frame)
        if plain is not None:
            return plain
        self._begin_telling()
        self._splitter = ThinkSplitter(patient=True)
        return fold([*self._tell(frame), *self.finish()])

    def _tell(self, frame: Chunk) -> Sequence[Event]:
        out: list[Event] = []
        if self.error is not None:
            self._over = True
            return (Failed(self.error),)
        if not self._started:
            self._started = True
            out.append(Started(frame.id or "", frame.model or ""))
        if self.unknown:
            self._vendors_own(out)
        for choice in frame.choices or ():
            delta = choice.delta or choice.message
            if delta is not None and self.answers(choice):
                self._parts(delta, out)
        if frame.citations or frame.search_results:
            self._sources = frame.sources
        if self.usage is not None and self.usage is not self._usage:
            self._usage = self.usage
            out.append(UsageSeen(self.usage))
        if frame.service_tier is not None:
            self._tier = frame.service_tier
        return out

    def _parts(self, delta: ChatDelta, out: list[Event]) -> None:
        """One after the other, never instead of the other
        (docs/protocols/streams.md#reading-leniently)."""
        thought = delta.thought()
        if thought or delta.reasoning_details:
            self._reasoned(delta, thought, out)
        if delta.content:
            if self._told:
                self._begin_named(out, len(self._told))
            self._content(delta.content, out)
        if delta.annotations:
            self._cite(delta.annotations, out)
        if delta.images:
            self._pictures(delta.images, out)
        if delta.refusal:
            self._refusal += str(delta.refusal)
            self._add(_REFUSAL, str(delta.refusal), out)
        if self.calls is not None and (delta.tool_calls or delta.function_call is not None):
            fresh, self.calls.fresh = self.calls.fresh, []
            for tool, text in fresh:
                self._call(tool, text, out)
        if delta.extra_content and (beside := signed({"extra_content": delta.extra_content})):
            self._seal({"type": BESIDE_MESSAGE, **beside}, out)

    def _vendors_own(self, out: list[Event]) -> None:
        """Output of a kind that only its vendor knows, once: an answer all the same."""
        assert self.unknown is not None
        foreign, self.unknown = Foreign(OWN, next(iter(self.unknown)), self.unknown, ""), None
        self._whole(foreign, out)

    def _whole(self, foreign: Foreign, out: list[Event]) -> None:
        out.append(PartStart(self._next, PartKind.FOREIGN, foreign=foreign))
        out.append(PartEnd(self._next))
        self._next += 1

    def _pictures(self, images: Any, out: list[Event]) -> None:
        """Those that the model made (docs/protocols/messages.md#pictures-in-an-answer)."""
        self._settle(out)
        self._close(out)
        for at, one in enumerate(images if isinstance(images, list) else [images]):
            shown = picture_of(Fields(one, f"images[{at}]")) if isinstance(one, dict) else None
            self._whole(Foreign(OWN, "images", one, PICTURE, () if shown is None else (shown,)), out)

    def _content(self, content: str | list[Any], out: list[Event]) -> None:
        if isinstance(content, list):
            for thinking, text in pieces(content):
                self.given += 0 if thinking else len(text)
                self._add(_THINKING if thinking else _TEXT, text, out)
            return
        self.given += len(content)
        if self._splitter is None:
            self._add(_TEXT, content, out)
            self._look_for_tag(content)
            return
        for thinking, text in self._splitter.feed(content):
            self._add(_THINKING if thinking else _TEXT, text, out)
            if not thinking and self._splitter is not None:  # from here on it is all text
                self.tag, self._splitter = self._splitter.tag, None
                self._at_once = not self.tag

    def _look_for_tag(self, content: str) -> None:
        if self._at_once and (closing := closes(content)) is not None:
            self.tag = closing[0]

    def _settle(self, out: list[Event]) -> None:
        """No tags can follow: what was held for one is text."""
        splitter, self._splitter = self._splitter, None
        if splitter is not None:
            for thinking, text in splitter.finish():
                self._add(_THINKING if thinking else _TEXT, text, out)
            self.tag = splitter.tag

    def _add(self, kind: PartKind, text: str, out: list[Event]) -> None:
        if not text:
            return
        if self._open_kind is not kind:
            if kind is _TEXT and not text.strip():
                self._blank += text
                return
            self._close(out)
            self._start(kind, out)
            if kind is _TEXT:
                text, self._blank = self._blank + text, ""
                self._base = self.given - len(text)
                self._tell_cited(out)
        out.append(Delta(self._open, text))

    def _start(self, kind: PartKind, out: list[Event]) -> None:
        self._open, self._open_kind = self._next, kind
        self._next += 1
        out.append(PartStart(self._open, kind))

    def _close(self, out: list[Event]) -> None:
        if self._open >= 0:
            opaque, detail = None, self._detail
            if detail is not None:
                opaque = Opaque(OWN, dict(detail.value), self._profile.backend)
                detail.over, self._detail = True, None
            out.append(PartEnd(self._open, opaque))
            self._open, self._open_kind = -1, None

    def _reasoned(self, delta: ChatDelta, thought: str, out: list[Event]) -> None:
        """By its details where they say the same words, each a part of its own; most servers tell both."""
        told = []
        for piece in delta.details():
            self._details = self._details or Details()
            found = self._details.add(piece)
            if found is not None:
                told.append(found)
        words = "".join(text for _, text in told)
        shown = bool(words) and thought in ("", words) and not self._thought
        if (thought or shown) and self._splitter is not None and not self._splitter.told:
            self._settle(out)  # this server has a parser of its own, which may leave the closing tag behind
            self._splitter = ThinkSplitter(told=True)
        if thought and not shown:
            self._thought = True
            self._add(_THINKING, thought, out)
        for detail, text in told:
            self._part_of(detail, text if shown else "", out)

    def _part_of(self, detail: Detail, text: str, out: list[Event]) -> None:
        """A detail belongs to the reasoning that is under way, or gets a part of its own. None cuts a text in two."""
        if detail.over:  # signed late
            if not any(one is detail.value for one in self._late):
                self._late.append(detail.value)
        elif detail is not self._detail:
            ours = self._open_kind is _THINKING and self._detail is None
            if not ours and not text and self._open_kind not in (None, _THINKING):
                detail.over = True
                self._late.append(detail.value)
                return
            if not ours:
                self._close(out)
                self._start(_THINKING, out)
            self._detail = detail
        if text:
            out.append(Delta(self._open, text))

    def _seal(self, value: dict[str, Any], out: list[Event]) -> None:
        """What must come back and has no words, in a part of its own as soon as that cuts nothing in two."""
        self._late.append(value)
        if self._open < 0:
            self._tell_late(out)

    def _tell_late(self, out: list[Event]) -> None:
        for value in self._late:
            if "number" in value:  # of a call that began before it was signed
                value["back"] = self._begun_calls - value.pop("number") + 1
            self._close(out)
            self._start(_THINKING, out)
            out.append(PartEnd(self._open, Opaque(OWN, dict(value), self._profile.backend)))
            self._open, self._open_kind = -1, None
        self._late.clear()

    def _cite(self, annotations: Any, out: list[Event]) -> None:
        found = annotations if isinstance(annotations, list) else [annotations]
        for one in map(citation_of, found):
            if one is not None and not self._repeated(one):
                self._cited.append(one)
        if self._open_kind is _TEXT:
            self._tell_cited(out)

    def _repeated(self, one: Citation) -> bool:
        """Some servers tell all citations so far in each chunk."""
        key = (one.url, one.start, one.end) if one.url else msgspec.json.encode(one.raw)
        before = key in self._cites
        self._cites |= {key, one.url}
        return before

    def _all_sources(self) -> None:
        """What stands beside the answer, and nowhere in it."""
        found = [one for one in map(source_of, self._sources) if one and one.url not in self._cites]
        self._cited += [one for one in found if not self._repeated(one)]

    def _tell_cited(self, out: list[Event]) -> None:
        """Their places are in the whole text, an event's in its part."""
        cited, self._cited = self._cited, []
        out.extend(Cited(self._open, one.moved(-self._base)) for one in cited)

    def _call(self, tool: Tool, text: str, out: list[Event]) -> None:
        if tool.place == len(self._told):
            self._told.append(ToldCall(tool))
        told = self._told[tool.place]
        if tool.id and not told.id:
            told.twin = next((one for one in self._told if one.is_twin(tool)), None)
            told.id = unique_id(tool.id, self._ids)
        told.waiting += text
        if text:
            told.text.append(text)
            if told.part < 0 and told.id and tool.name and told.twin is None:
                self._begin_named(out, tool.place)
        if told.part >= 0 and told.waiting:
            out.append(Delta(told.part, told.waiting))
            told.waiting = ""
        if tool.extra and told.part >= 0 and not told.sealed:
            told.sealed = True
            self._late.append({"type": BESIDE_CALL, "number": told.number, **tool.extra})

    def _begin_named(self, out: list[Event], upto: int) -> None:
        """Calls begin in their order, each with its first argument: until then its name may go on."""
        for told in self._told[: upto + 1]:
            if told.part < 0 and told.id and told.tool.name and told.twin is None:
                self._begin(told.tool, told, out)

    def _begin(self, tool: Tool, told: ToldCall, out: list[Event]) -> None:
        self._settle(out)
        self._close(out)
        self._blank = ""
        if tool.extra:
            told.sealed = True
            self._late.append({"type": BESIDE_CALL, **tool.extra})
        self._tell_late(out)
        self._begun_calls += 1
        told.number = self._begun_calls
        told.part = self._next
        self._next += 1
        out.append(PartStart(told.part, PartKind.TOOL, told.id, tool.name, tool.kind))

    def finish(self) -> Sequence[Event]:
        """See Reader. A stream is whole after a finish reason or `[DONE]`."""
        if self._over:
            return ()
        if not self._telling:
            self._begin_telling()
        self._over = True
        self.end()
        if self.error is not None:  # nothing but the end told it
            return (Failed(self.error),)
        out: list[Event] = []
        if self.finished and not self._started:
            out.append(Started())
        self._settle(out)
        for tool, told in zip(self.calls.tools if self.calls is not None else (), self._told, strict=True):
            if told.part < 0 and (tool.name or told.waiting) and not told.repeats:
                told.id = told.id or unique_id(f"call_{tool.place}_{tool.name}"[:64], self._ids)
                self._begin(tool, told, out)
                if told.waiting:
                    out.append(Delta(told.part, told.waiting))
        self._tell_late(out)
        self._all_sources()
        if self._cited and self.output:
            if self._open_kind is not _TEXT:  # they came after their text
                self._close(out)
                self._start(_TEXT, out)
                self._base = self.given
            self._tell_cited(out)
        self._close(out)
        out.extend(PartEnd(told.part) for told in self._told if told.part >= 0)
        if self.finished:
            out += (self._last(), Ended())
        return out

    def _last(self) -> Finished:
        stop = self.stop or Stop.END
        matched = self.matched if stop is Stop.STOP_SEQUENCE else None
        refusal = self._refusal if stop is Stop.REFUSAL else ""
        return Finished(stop, matched, refusal or None, self._tier, self.stop_word)
