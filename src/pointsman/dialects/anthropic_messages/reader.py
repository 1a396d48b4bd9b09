"""Reads a Messages stream (grammar: PROTOCOLS.md 11.1) and tells it in neutral events; also a watch of it.

Lenient where compatible servers stray: deltas without their block's start, of another kind than their block, a second
`message_start`, a call whose arguments stand in its start. Not here: whole answers (reply.py).
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
from ...conversation.parts import Foreign, Opaque
from ...conversation.profile import Profile
from ...errors import PointsmanError
from ...kinds import ErrorKind
from ...wire.sse import data_of, name_of
from ..base import Reader
from .content_in import OWN, citation
from .errors import of as error_of
from .frames import KNOWN, DeltaSeen, EventSeen, MessageSeen, decode
from .plain_words import compact, words
from .reply import own_id, stop_of, thinking
from .usage import Usage, neutral_tier
from .watch import MessagesWatch

_TOLD = {"refusal", "max_tokens", "model_context_window_exceeded"}
"""Reasons that make an answer of no output: a refusal before any (recorded), a limit that was reached."""


_loose = msgspec.json.Decoder(dict[str, Any]).decode
_DELTA_KINDS = {
    "text_delta": PartKind.TEXT,
    "citations_delta": PartKind.TEXT,
    "thinking_delta": PartKind.THINKING,
    "signature_delta": PartKind.THINKING,
}
_BLOCK_KINDS = {
    "text": PartKind.TEXT,
    "thinking": PartKind.THINKING,
    "redacted_thinking": PartKind.THINKING,
    "tool_use": PartKind.TOOL,
}


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


class MessagesReader(Reader):
    """See dialects.base.Reader."""

    __slots__ = (
        "_answer",
        "_blocks",
        "_ids",
        "_last",
        "_next",
        "_profile",
        "_seen",
        "_started",
        "_usage_seen",
    )

    def __init__(self, profile: Profile) -> None:
        super().__init__()
        self._profile = profile
        self._blocks: dict[int, _Block] = {}
        self._next = 0
        self._ids: set[str] = set()
        self._started = False
        self._answer = ""
        self._seen = Usage()
        self._usage_seen = False
        self._last = DeltaSeen()  # the latest message_delta's

    def whole(self, body: bytes) -> bool:
        """See Seen."""
        watch = MessagesWatch()
        known = watch.whole(body)
        self.output, self.finished = watch.output, watch.finished
        self.error, self.usage = watch.error, watch.usage
        return known

    def read(self, event: bytes) -> Sequence[Event]:
        """See Reader."""
        data = data_of(event)
        if not data or self.finished or self.error is not None:
            return ()
        try:
            found = decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self._stray(data)
            return ()
        kind = found.type or name_of(event).decode("ascii", "replace")
        if kind == "content_block_delta":
            return self._delta(found.index, found.delta) if found.delta is not None else ()
        if kind not in KNOWN:
            return ()
        if kind == "error":
            return self._failed(error_of(found.error))
        if kind == "message_start":
            return self._start(found.message or MessageSeen())
        out = [] if self._started else self._start(MessageSeen())
        match kind:
            case "content_block_start":
                self._block_start(found.index, found.content_block or {}, out)
            case "content_block_stop":
                self._block_stop(found.index, out)
            case "message_delta":
                self._message_delta(found, out)
            case "message_stop":
                self._stop(out)
        return out

    def finish(self) -> Sequence[Event]:
        """See Reader. Nothing is held back, and without `message_stop` the stream was cut."""
        return ()

    def _stray(self, data: bytes) -> None:
        """Unknown events are legal whatever they hold; known ones of another shape are not."""
        if data.strip() == b"[DONE]":
            return
        try:
            kind = _loose(data).get("type")
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self.malformed += 1
            return
        if isinstance(kind, str) and kind in KNOWN:
            self.malformed += 1

    def _failed(self, error: PointsmanError) -> list[Event]:
        self.error = error
        return [Failed(error)]

    # -- the message

    def _start(self, message: MessageSeen) -> list[Event]:
        if message.usage is not None:
            self._count(message.usage)
        if self._started:
            return []
        self._started = True
        self._answer = message.id or ""
        self.answer_id = message.id
        return [Started(self._answer, message.model or "", self.usage)]

    def _count(self, new: Usage) -> None:
        self._seen.merge(new)
        self.usage = self._seen.neutral()

    def _message_delta(self, found: EventSeen, out: list[Event]) -> None:
        if found.usage is not None:
            self._count(found.usage)
            assert self.usage is not None
            out.append(UsageSeen(self.usage))
            self._usage_seen = True
        if found.delta is not None:
            if found.delta.stop_reason is not None:
                self._last = found.delta
                self.refused = self.refused or found.delta.stop_reason == "refusal"
            # A refusal before any output is a real answer, not an empty one; so is a limit reached.
            self.output = self.output or found.delta.stop_reason in _TOLD

    def _stop(self, out: list[Event]) -> None:
        called = bool(self._ids)
        for index in sorted(self._blocks):
            self._block_stop(index, out)
        last = self._last
        if last.stop_reason is None:  # "null at end of stream: error, not a success" (PROTOCOLS.md 9.1)
            text = "The backend ended its answer without saying why it stopped."
            out.extend(self._failed(PointsmanError(ErrorKind.UPSTREAM_ERROR, text)))
            return
        self.finished = True
        if self.usage is not None and not self._usage_seen:
            out.append(UsageSeen(self.usage))
        explanation = last.stop_details.get("explanation") if last.stop_details else None
        out.append(
            Finished(
                stop_of(last.stop_reason, called),
                last.stop_sequence,
                explanation if isinstance(explanation, str) else None,
                neutral_tier(self._seen.service_tier),
            )
        )
        out.append(Ended())

    # -- its blocks

    def _block_start(self, index: int, start: dict[str, Any], out: list[Event]) -> None:
        if index in self._blocks:
            self.malformed += 1
            self._block_stop(index, out)
        kind = _BLOCK_KINDS.get(str(start.get("type")), PartKind.FOREIGN)
        if kind is PartKind.TOOL and not start.get("name"):
            self.malformed += 1
            kind = PartKind.FOREIGN
        block = self._blocks[index] = _Block(kind, start)
        if kind is PartKind.TEXT:
            self._say(block, str(start.get("text") or ""), out)
            for one in start.get("citations") or ():
                if isinstance(one, dict):
                    self._cite(block, one, out)
        elif kind is PartKind.TOOL:
            name = str(start["name"])
            call_id = own_id(str(start.get("id") or ""), index, name, self._answer, self._ids)
            self._begin(block, out, call_id, name)
        elif start.get("type") == "thinking":
            self._say(block, str(start.get("thinking") or ""), out)
            block.signature = str(start.get("signature") or "")
        else:  # complete in its start; told at its stop
            self.output = True

    def _begin(self, block: _Block, out: list[Event], call_id: str = "", name: str = "") -> None:
        block.index = self._next
        self._next += 1
        self.output = True
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

    def _delta(self, index: int, delta: DeltaSeen) -> Sequence[Event]:
        block = self._blocks.get(index)
        if block is not None and block.index >= 0:  # the usual ways, first
            text = delta.text
            if text and block.kind is PartKind.TEXT and delta.type == "text_delta":
                return (Delta(block.index, text),)
            text = delta.partial_json
            if text and block.kind is PartKind.TOOL and delta.type == "input_json_delta":
                block.said = True
                return (Delta(block.index, text),)
        out: list[Event] = [] if self._started else self._start(MessageSeen())
        wanted = _DELTA_KINDS.get(delta.type)
        if wanted is not None:
            if block is None or block.kind is not wanted:
                block = self._other(index, wanted, out)
            self._reasoned_or_said(block, delta, out)
        elif block is None:
            self.malformed += 1
        elif block.kind is PartKind.FOREIGN:
            block.pieces.append(_text_of(delta))
            self.output = True
        return out

    def _other(self, index: int, kind: PartKind, out: list[Event]) -> _Block:
        """A delta of another kind than its block, or without one: it gets a block of its own."""
        self.malformed += 1
        if index in self._blocks:
            self._block_stop(index, out)
        block = self._blocks[index] = _Block(kind, {"type": kind.value})
        return block

    def _reasoned_or_said(self, block: _Block, delta: DeltaSeen, out: list[Event]) -> None:
        match delta.type:
            case "text_delta":
                self._say(block, delta.text or "", out)
            case "thinking_delta":
                self._say(block, delta.thinking or "", out)
            case "signature_delta":
                block.signature = delta.signature or block.signature
                self.output = self.output or bool(delta.signature)
            case "citations_delta" if delta.citation is not None:
                self._cite(block, delta.citation, out)

    def _block_stop(self, index: int, out: list[Event]) -> None:
        block = self._blocks.pop(index, None)
        if block is None:
            return
        match block.kind:
            case PartKind.THINKING:
                self._thinking_stop(block, out)
            case PartKind.TOOL:
                if not block.said:  # none, or all of them in the start
                    given = block.start.get("input")
                    out.append(Delta(block.index, compact(given) if isinstance(given, dict) else "{}"))
                out.append(PartEnd(block.index))
            case PartKind.FOREIGN:
                value = _completed(block)
                foreign = Foreign(OWN, str(value.get("type") or ""), value, words(value))
                out.append(PartStart(self._next, PartKind.FOREIGN, foreign=foreign))
                out.append(PartEnd(self._next))
                self._next += 1
            case _:
                if block.index >= 0:
                    out.append(PartEnd(block.index))

    def _thinking_stop(self, block: _Block, out: list[Event]) -> None:
        if block.start.get("type") == "redacted_thinking":
            opaque: Opaque | None = Opaque(OWN, block.start, self._profile.backend)
        else:
            text = "".join(block.pieces)
            exact = {**block.start, "thinking": text, "signature": block.signature}
            part = thinking(exact, text, self._profile)
            if part is None:
                return
            opaque = part.opaque
        if block.index < 0:
            self._begin(block, out)
        out.append(PartEnd(block.index, opaque))


def _text_of(delta: DeltaSeen) -> str:
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
        return {**block.start, "input": msgspec.json.decode(text)}
    except (msgspec.DecodeError, RecursionError):
        return {**block.start, "input": {"INVALID_JSON": text}}
