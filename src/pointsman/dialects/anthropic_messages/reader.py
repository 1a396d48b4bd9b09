"""A Messages stream told in neutral events, and a whole answer as a reply. What it means is read in seen.py.

Lenient where compatible servers stray: deltas without their block's start, of another kind than their block, a second
`message_start`, a call whose arguments stand in its start. Not here: facts of the answer, which only see() sets.
"""

from __future__ import annotations

import hashlib
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
from ...conversation.parts import AssistantPart, Foreign, Opaque, Text
from ...conversation.profile import Profile
from ...conversation.reply import Reply, fold
from ...wire.surrogates import decode
from ..base import Reader
from ..ids import unique_id
from ..same_again import SameAgain
from .content_in import OWN, citation
from .frames import KNOWN, Frame, FrameDelta, FrameMessage
from .plain_words import answered, compact
from .seen import MessagesSeen
from .usage import neutral_tier

_KEYS = {PartKind.TEXT: b'"text"', PartKind.THINKING: b'"thinking"', PartKind.TOOL: b'"partial_json"'}
"""Where the text of a delta stands, by the kind of its block."""


class _Block:
    """One content block that is open. index: of its neutral part, -1 until that has begun. pieces: what its end needs."""

    __slots__ = ("index", "kind", "pieces", "said", "signature", "start")

    def __init__(self, kind: PartKind, start: dict[str, Any]) -> None:
        self.kind = kind
        self.start = start
        self.index = -1
        self.pieces: list[str] = []
        self.signature = ""
        self.said = False  # of a call: its arguments came in deltas


class MessagesReader(MessagesSeen, Reader):
    """See dialects.base.Reader."""

    __slots__ = (
        "_answer", "_held", "_ids", "_known", "_next", "_open", "_profile", "_started",
        "_telling", "_usage_told",
    )  # fmt: skip

    def __init__(self, profile: Profile) -> None:
        super().__init__()
        self._profile = profile
        self._telling = False

    def _begin_telling(self) -> None:
        """Before the first event is told: most whole answers are read without any."""
        self._telling = True
        self._open: dict[int, _Block] = {}
        self._next = 0
        self._ids: set[str] = set()
        self._started = False
        self._answer = ""
        self._usage_told = False
        self._known = {kind: SameAgain((key,)) for kind, key in _KEYS.items()}
        # A thinking that is over but for what it led to, which the next block tells.
        self._held: tuple[int, Opaque] | None = None
        self.again = self._known[PartKind.TEXT]

    def reply(self, body: bytes) -> Reply:
        """See Reader. Told and folded as the stream it could have been."""
        message = self.take_whole(body)
        if self.error is not None:
            raise self.error
        if message is None or message.content is None or self.stop is None:
            raise ValueError("it has no content that can be read")
        texts: list[Any] = []
        for block in message.content:
            if block.get("type") != "text" or not block.get("text") or "citations" in block:
                break
            texts.append(block["text"])
        else:
            return self._plain(message.model or "", texts)
        self._begin_telling()
        out: list[Event] = []
        self._start(message, out)
        for index, block in enumerate(message.content):
            self._block_start(index, block, out)
            self._block_stop(index, out)
        self._message_stop(out)
        return fold(out)

    def _plain(self, model: str, texts: list[Any]) -> Reply:
        """Of texts alone, as almost all are: what its stream would fold to."""
        assert self.stop is not None
        parts: list[AssistantPart] = [Text(str(text)) for text in texts]
        last, usage = self.last, self.usage
        tier = neutral_tier(self.counted.tier if self.counted is not None else None)
        return Reply(
            self.answer_id or "", model, parts, self.stop, last.stop_sequence, last.explanation, usage, tier,
            self.stop_word,
        )  # fmt: skip

    def read(self, event: bytes) -> Sequence[Event]:
        """See Reader."""
        if not self._telling:
            self._begin_telling()
        text = self.more(event)
        if text:
            return (Delta(self.part, text),)
        frame = self.event(event)
        if frame is None or frame.type not in KNOWN:
            return ()
        if frame.type == "content_block_delta":
            told = self._delta_of(frame.index, frame.delta) if frame.delta is not None else ()
            if type(told) is tuple and told and self.output and self.halves is None:
                self._learn(event, frame.index, told[0])
            return told
        if self.error is not None:
            return (Failed(self.error),)
        out: list[Event] = []
        self._start(frame.message, out)
        match frame.type:
            case "content_block_start":
                self._block_start(frame.index, frame.content_block or {}, out)
            case "content_block_stop":
                self._block_stop(frame.index, out)
            case "message_delta":
                self._message_delta(frame, out)
            case "message_stop":
                self._message_stop(out)
        return out

    def _learn(self, event: bytes, index: int, told: Event) -> None:
        """A delta of a block that is open, and of its kind, which told one piece and nothing else."""
        kind = self.blocks[index]
        if type(told) is not Delta or kind not in self._known:
            return
        self.part, self.again, self.hears = told.index, self._known[kind], None
        if kind is PartKind.TOOL:
            self.hears = self._texts[index].feed
        elif kind is PartKind.THINKING:
            self.hears = self._open[index].pieces.append
        self.again.learn(event, told.text)

    def finish(self) -> Sequence[Event]:
        """See Reader. Nothing is held back, and without `message_stop` the stream was cut."""
        self.end()
        return ()

    # -- the message

    def _start(self, message: FrameMessage | None, out: list[Event]) -> None:
        """Of the first frame, whichever it is."""
        if self._started:
            return
        self._started = True
        self._answer = self.answer_id or ""
        model = message.model if message is not None else None
        out.append(Started(self._answer, model or "", self.usage if message is not None else None))

    def _message_delta(self, frame: Frame, out: list[Event]) -> None:
        if frame.usage is not None and self.usage is not None:
            out.append(UsageSeen(self.usage))
            self._usage_told = True

    def _message_stop(self, out: list[Event]) -> None:
        for index in sorted(self._open):
            self._block_stop(index, out)
        self._release(None, out)
        if self.stop is None:
            return
        if self.usage is not None and not self._usage_told:
            out.append(UsageSeen(self.usage))
        last = self.last
        tier = neutral_tier(self.counted.tier if self.counted is not None else None)
        out.append(Finished(self.stop, last.stop_sequence, last.explanation, tier, self.stop_word))
        out.append(Ended())

    # -- its blocks

    def _block_start(self, index: int, start: dict[str, Any], out: list[Event]) -> None:
        if index in self._open:
            self._block_stop(index, out)
        kind = self.blocks[index]
        self._release(start if kind is PartKind.FOREIGN else None, out)
        block = self._open[index] = _Block(kind, start)
        if kind is PartKind.TEXT:
            self._say(block, str(start.get("text") or ""), out)
            citations = start.get("citations")
            for one in citations if isinstance(citations, list) else ():
                if isinstance(one, dict):
                    self._cite(block, one, out)
        elif kind is PartKind.TOOL:
            name = str(start["name"])
            call_id = str(start.get("id") or "") or _made_up(index, name, self._answer)
            self._begin(block, out, unique_id(call_id, self._ids), name)
        elif start.get("type") == "thinking":
            self._say(block, str(start.get("thinking") or ""), out)
            block.signature = str(start.get("signature") or "")

    def _begin(self, block: _Block, out: list[Event], call_id: str = "", name: str = "") -> None:
        block.index = self._next
        self._next += 1
        redacted = block.start.get("type") == "redacted_thinking"
        out.append(PartStart(block.index, block.kind, call_id, name, redacted=redacted))

    def _say(self, block: _Block, text: str, out: list[Event]) -> None:
        """Text of a text or thinking block. An empty string opens nothing."""
        if not text:
            return
        if block.index < 0:
            self._begin(block, out)
        if block.kind is PartKind.THINKING:
            block.pieces.append(text)
        out.append(Delta(block.index, text))

    def _cite(self, block: _Block, value: dict[str, Any], out: list[Event]) -> None:
        if block.index < 0:
            self._begin(block, out)
        out.append(Cited(block.index, citation(value)))

    def _delta_of(self, index: int, delta: FrameDelta) -> Sequence[Event]:
        kind, block = self.blocks.get(index), self._open.get(index)
        if block is not None and block.index >= 0 and block.kind is kind:  # the usual ways, first
            text = delta.text
            if text and kind is PartKind.TEXT and delta.type == "text_delta":
                return (Delta(block.index, text),)
            text = delta.partial_json
            if text and kind is PartKind.TOOL and delta.type == "input_json_delta":
                block.said = True
                return (Delta(block.index, text),)
            text = delta.thinking
            if text and kind is PartKind.THINKING and delta.type == "thinking_delta":
                block.pieces.append(text)
                return (Delta(block.index, text),)
        out: list[Event] = []
        self._start(None, out)
        if kind is None:
            return out
        if block is None or block.kind is not kind:  # a delta of another kind than its block, or without one
            self._block_stop(index, out)
            self._release(None, out)
            block = self._open[index] = _Block(kind, {"type": kind.value})
        if kind is PartKind.FOREIGN:
            block.pieces.append(_text_of(delta))
        else:
            self._reasoned_or_said(block, delta, out)
        return out

    def _reasoned_or_said(self, block: _Block, delta: FrameDelta, out: list[Event]) -> None:
        match delta.type:
            case "text_delta":
                self._say(block, delta.text or "", out)
            case "thinking_delta":
                self._say(block, delta.thinking or "", out)
            case "signature_delta":
                block.signature = delta.signature or block.signature
            case "citations_delta" if delta.citation is not None:
                self._cite(block, delta.citation, out)

    def _block_stop(self, index: int, out: list[Event]) -> None:
        block = self._open.pop(index, None)
        if block is None:
            return
        match block.kind:
            case PartKind.THINKING:
                self._thinking_stop(block, out)
            case PartKind.TOOL:
                if not block.said:  # none, or all of them in the start
                    out.append(Delta(block.index, compact(block.start.get("input") or {})))
                out.append(PartEnd(block.index))
            case PartKind.FOREIGN:
                value = _completed(block)
                foreign = Foreign(OWN, str(value.get("type") or ""), value, answered(value))
                out.append(PartStart(self._next, PartKind.FOREIGN, foreign=foreign))
                out.append(PartEnd(self._next))
                self._next += 1
            case _:
                if block.index >= 0:
                    out.append(PartEnd(block.index))

    def _thinking_stop(self, block: _Block, out: list[Event]) -> None:
        """Its exact form is what its maker wants back, signed or not."""
        exact = block.start
        if exact.get("type") != "redacted_thinking":
            text = "".join(block.pieces)
            if not text and not block.signature:
                return
            exact = {**exact, "thinking": text, "signature": block.signature}
        if block.index < 0:
            self._begin(block, out)
        self._held = (block.index, Opaque(OWN, exact, self._profile.backend))

    def _release(self, after: dict[str, Any] | None, out: list[Event]) -> None:
        """End the thinking that was held. after: the vendor's own block that follows it
        (docs/protocols/reasoning.md#with-a-servers-tool)."""
        if self._held is None:
            return
        (index, opaque), self._held = self._held, None
        led_to = after.get("id") if after is not None else None
        if isinstance(led_to, str):
            opaque = msgspec.structs.replace(opaque, before=led_to)
        out.append(PartEnd(index, opaque))


def _made_up(index: int, name: str, answer_id: str) -> str:
    """For a call without an id; the same call of the same answer always gets the same one."""
    return "call_" + hashlib.sha256(f"{index}:{name}:{answer_id}".encode()).hexdigest()[:24]


def _text_of(delta: FrameDelta) -> str:
    found = delta.partial_json if delta.type == "input_json_delta" else delta.content
    return found if isinstance(found, str) else ""


def _completed(block: _Block) -> dict[str, Any]:
    """A block of the vendor's own with what its deltas said: the input of a call, the words of a compaction."""
    text = "".join(block.pieces)
    if not text:
        return block.start
    if "input" not in block.start:
        return {**block.start, "content": text}
    try:
        return {**block.start, "input": decode(text)}
    except (msgspec.DecodeError, RecursionError):
        return {**block.start, "input": {"INVALID_JSON": text}}
