"""The three ways to a verdict on one answer, and a fourth that trusts only what a client of another protocol would get.

For the property that they are equal, whatever the dialect.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from pointsman.conversation.events import (
    SILENT_STOPS,
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
from pointsman.conversation.parts import ToolKind
from pointsman.conversation.profile import Profile
from pointsman.dialects.base import Reader, Seen, Verdict
from pointsman.dialects.registry import DIALECTS
from pointsman.kinds import Protocol
from pointsman.wire.sse import EventSplitter


def straight(protocol: Protocol, pieces: Iterable[bytes]) -> Verdict:
    """Of a stream that passes as it is."""
    seen = DIALECTS[protocol].seen()
    for event in _events(pieces):
        seen.event(event)
    seen.end()
    return seen.verdict


def translated(protocol: Protocol, pieces: Iterable[bytes]) -> tuple[Verdict, list[Event]]:
    """Of the same stream on its way into another protocol, and what is told there."""
    reader = reader_of(protocol)
    told: list[Event] = []
    for event in _events(pieces):
        told.extend(reader.read(event))
    told.extend(reader.finish())
    return reader.verdict, told


def whole(protocol: Protocol, body: bytes) -> Verdict:
    """Of a whole answer, passed and translated, which must agree."""
    seen: Seen = DIALECTS[protocol].seen()
    assert seen.whole(body)
    reader = reader_of(protocol)
    try:
        reader.reply(body)
    except Exception as error:
        assert error is reader.error or (isinstance(error, ValueError) and reader.stop is None)
    assert reader.verdict == seen.verdict
    return seen.verdict


def reader_of(protocol: Protocol) -> Reader:
    translation = DIALECTS[protocol].translation
    assert translation is not None
    return translation.reader(Profile())


def _events(pieces: Iterable[bytes]) -> Iterable[bytes]:
    splitter = EventSplitter()
    for piece in pieces:
        yield from splitter.feed(piece)
    rest = splitter.finish()
    if rest:
        yield rest


def of_events(events: list[Event]) -> Verdict:
    """By what was told alone. While an answer is under way this may say less than has been seen: a vendor's block is
    told when it is complete."""
    kinds: dict[int, PartKind] = {}
    calls: dict[int, list[str]] = {}  # of functions: their arguments
    answered = finished = refused = False
    stop: Stop | None = None
    error = usage = None
    for event in events:
        match event:
            case Started(usage=told) | UsageSeen(usage=told):
                usage = told if told is not None else usage
            case PartStart(index, kind):
                kinds[index] = kind
                if kind is PartKind.TOOL and event.tool_kind is ToolKind.FUNCTION:
                    calls[index] = []
                answered = answered or kind in (PartKind.TOOL, PartKind.FOREIGN)
            case Delta(index, text):
                calls.get(index, []).append(text)
                said = bool(text.strip()) if kinds[index] is PartKind.TEXT else bool(text)
                answered = answered or said
                refused = refused or kinds[index] is PartKind.REFUSAL
            case Cited():
                answered = True
            case PartEnd(_, opaque):
                answered = answered or opaque is not None
            case Finished():
                stop = event.stop
                refused = refused or stop is Stop.REFUSAL
                answered = answered or stop not in SILENT_STOPS
            case Ended():
                finished = True
            case Failed(found):
                error = (found.kind, found.status)
    texts = ["".join(pieces) for pieces in calls.values()]
    return Verdict(answered, finished, stop, refused, error, usage, all(map(_nothing_open, texts)))


def _nothing_open(text: str) -> bool:
    """Strings are paired, and no more is opened than closed. Slow, and sure."""
    bare = re.sub(r'"(?:[^"\\]|\\.)*"', "", text, flags=re.DOTALL)
    return '"' not in bare and sum(map(bare.count, "{[")) <= sum(map(bare.count, "}]"))


def agree(protocol: Protocol, pieces: list[bytes]) -> Verdict:
    """The verdict of a stream on both paths, held against what was told."""
    passed = straight(protocol, pieces)
    seen, events = translated(protocol, pieces)
    assert seen == passed
    told = of_events(events)
    if passed.error is not None:  # after an error nothing else of an answer is promised
        assert told.error == passed.error
    elif passed.finished:
        assert told == passed
    else:  # a cut: what was told was seen, and nothing looks like an end
        assert (told.finished, told.stop, told.error) == (False, None, None)
        assert passed.answered >= told.answered
        assert passed.refused >= told.refused
    return passed
