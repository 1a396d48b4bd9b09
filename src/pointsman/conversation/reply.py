"""A whole reply, and its equality with a stream: fold(events) is the reply, unfold(reply) are events that fold to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from .events import (
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
from .parts import AssistantPart, Citation, Foreign, Opaque, Refusal, Text, Thinking, ToolCall
from .usage import TokenUsage


class Reply(msgspec.Struct):
    """A finished answer. id, model: as the upstream named them ("" when it did not). word: see events.Finished."""

    id: str = ""
    model: str = ""
    parts: list[AssistantPart] = msgspec.field(default_factory=list)
    stop: Stop = Stop.END
    sequence: str | None = None
    explanation: str | None = None
    usage: TokenUsage | None = None
    service_tier: str | None = None
    word: str = ""


class CutShort(ValueError):
    """The events stopped before Ended."""


class Fold:
    """Events in, one reply out. Memory: the reply. add() raises the error of a Failed event."""

    __slots__ = ("_citations", "_open", "_pieces", "ended", "reply")

    def __init__(self) -> None:
        self.reply = Reply()
        self.ended = False
        self._open: dict[int, PartStart] = {}
        self._pieces: dict[int, list[str]] = {}
        self._citations: dict[int, list[Citation]] = {}

    def add(self, event: Event) -> None:
        """One more event, in order."""
        # by class, the commonest first: patterns with fields cost several times as much
        if isinstance(event, Delta):
            self._pieces[event.index].append(event.text)
        elif isinstance(event, PartStart):
            self._open[event.index] = event
            self._pieces[event.index] = []
        elif isinstance(event, PartEnd):
            self.reply.parts.append(self._close(event.index, event.opaque))
        elif isinstance(event, Cited):
            self._citations.setdefault(event.index, []).append(event.citation)
        else:
            self._about(event)

    def _about(self, event: Event) -> None:
        """What is of no part."""
        reply = self.reply
        if isinstance(event, Started):
            reply.id, reply.model = event.id, event.model
            reply.usage = event.usage or reply.usage
        elif isinstance(event, UsageSeen):
            reply.usage = event.usage
        elif isinstance(event, Finished):
            reply.stop, reply.sequence = event.stop, event.sequence
            reply.explanation, reply.service_tier = event.explanation, event.service_tier
            reply.word = event.word
        elif isinstance(event, Ended):
            self.ended = True
        elif isinstance(event, Failed):
            raise event.error

    def _close(self, index: int, opaque: Opaque | None) -> AssistantPart:
        start = self._open.pop(index)
        text = "".join(self._pieces.pop(index))
        kind = start.kind
        if kind is PartKind.TEXT:
            return Text(text, None, tuple(self._citations.pop(index, ())))
        if kind is PartKind.TOOL:
            return ToolCall(start.call_id, start.name, text, start.tool_kind, start.namespace)
        if kind is PartKind.THINKING:
            return Thinking(text, opaque, start.redacted)
        if kind is PartKind.REFUSAL:
            return Refusal(text)
        assert start.foreign is not None
        return start.foreign


def fold(events: Iterable[Event]) -> Reply:
    """The reply that a stream told. Raises CutShort when it never ended, PointsmanError when it failed."""
    folding = Fold()
    for event in events:
        folding.add(event)
    if not folding.ended:
        raise CutShort("the stream ended before its end was told")
    return folding.reply


def unfold(reply: Reply) -> Iterator[Event]:
    """A whole reply as events, one delta a part; citations before their text, whose places are then known to a writer."""
    yield Started(reply.id, reply.model, reply.usage)
    for index, part in enumerate(reply.parts):
        yield from _unfold_part(index, part)
    if reply.usage is not None:
        yield UsageSeen(reply.usage)
    yield Finished(reply.stop, reply.sequence, reply.explanation, reply.service_tier, reply.word)
    yield Ended()


def _unfold_part(index: int, part: AssistantPart) -> Iterator[Event]:
    text, opaque = "", None
    match part:
        case Text():
            yield PartStart(index, PartKind.TEXT)
            text = part.text
        case Thinking():
            yield PartStart(index, PartKind.THINKING, redacted=part.redacted)
            text, opaque = part.text, part.opaque
        case Refusal():
            yield PartStart(index, PartKind.REFUSAL)
            text = part.text
        case ToolCall():
            yield PartStart(index, PartKind.TOOL, part.id, part.name, part.kind, part.namespace)
            text = part.arguments
        case Foreign():
            yield PartStart(index, PartKind.FOREIGN, foreign=part)
    if isinstance(part, Text):
        for citation in part.citations:
            yield Cited(index, citation)
    if text:
        yield Delta(index, text)
    yield PartEnd(index, opaque)
