"""Every recorded stream, its bytes cut in a few hundred random places: the same neutral reply as uncut, equal to the whole
answer's own reading where one is repeated; cut short anywhere, it never ends clean."""

from __future__ import annotations

import random

import pytest

from pointsman.conversation.events import Ended, Event
from pointsman.conversation.profile import Profile
from pointsman.conversation.reply import Reply, fold
from pointsman.dialects.registry import DIALECTS
from pointsman.kinds import Protocol
from pointsman.translation.sequence import Sequencer
from pointsman.wire.sse import EventSplitter

from .facts import protocol_of
from .recordings import Recording, folder, recordings

CUTS = 300


def events(protocol: str, pieces: list[bytes]) -> list[Event]:
    half = DIALECTS[Protocol(protocol)].translation
    assert half is not None
    reader, splitter, sequencer = half.reader(Profile()), EventSplitter(), Sequencer()
    found: list[Event] = []
    for piece in pieces:
        for event in splitter.feed(piece):
            found.extend(reader.read(event))
    rest = splitter.finish()
    found.extend(reader.read(rest) if rest else ())
    found.extend(reader.finish())
    return [out for event in found for out in sequencer.add(event)]


def cut(raw: bytes, dice: random.Random) -> list[bytes]:
    places = sorted(dice.randrange(len(raw) + 1) for _ in range(CUTS))
    return [raw[a:b] for a, b in zip([0, *places], [*places, len(raw)], strict=True)]


def streams() -> list[Recording]:
    return [r for r in recordings() if r.stream and r.status == 200 and protocol_of(r) is not None]


@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
def test_random_cuts_change_nothing(end: bytes) -> None:
    if not recordings():
        pytest.skip(f"NO RECORDINGS at {folder()}: readers are not checked against real streams")
    for recording in streams():
        protocol = protocol_of(recording)
        assert protocol is not None
        raw = recording.response.replace(b"\r\n", b"\n").replace(b"\n", end)
        expected: Reply = fold(events(protocol, [raw]))
        assert fold(events(protocol, cut(raw, random.Random(recording.name)))) == expected
    assert len(streams()) >= 87


def test_a_recorded_stream_that_stops_early_never_ends_clean() -> None:
    """Before the event that says why it stopped; after that only bookkeeping is missing."""
    if not recordings():
        pytest.skip(f"NO RECORDINGS at {folder()}: readers are not checked against real streams")
    marks = (
        b'"finish_reason":"',
        b'"finish_reason": "',
        b"message_stop",
        b"response.completed",
        b"response.incomplete",
    )
    for recording in streams():
        protocol = protocol_of(recording)
        assert protocol is not None
        raw = recording.response
        limit = min(at for mark in marks if (at := raw.find(mark)) >= 0)
        dice = random.Random(recording.name)
        for _ in range(20):
            kept = raw[: dice.randrange(limit)]
            assert not any(isinstance(event, Ended) for event in events(protocol, [kept])), recording.name
