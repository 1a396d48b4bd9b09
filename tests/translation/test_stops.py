"""conversation.stops: the answer ends where a search over the whole text would end it, however the text is cut."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.conversation.events import (
    Cited,
    Delta,
    Ended,
    Event,
    Finished,
    PartEnd,
    PartKind,
    PartStart,
    Stop,
)
from pointsman.conversation.parts import Citation
from pointsman.translation.stops import StopMatcher


def run(pieces: list[str], sequences: list[str], kind: PartKind = PartKind.TEXT) -> list[Event]:
    matcher = StopMatcher(sequences)
    events: list[Event] = [PartStart(0, kind), *[Delta(0, piece) for piece in pieces if piece], PartEnd(0)]
    events += [Finished(Stop.END), Ended()]
    found = [out for event in events for out in matcher.add(event)]
    assert matcher.matched == (Finished(Stop.END) not in found)
    assert isinstance(found[-1], Ended)
    assert isinstance(found[-2], Finished)
    assert isinstance(found[-3], PartEnd)
    return found


def text_of(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, Delta))


def matched(events: list[Event]) -> str | None:
    return next(event.sequence for event in events if isinstance(event, Finished))


def naive(text: str, sequences: list[str]) -> tuple[str, str | None]:
    """What is left of the text, and the sequence that ended it: looked for after every character."""
    for end in range(1, len(text) + 1):
        found = [one for one in sequences if text[:end].endswith(one)]
        if found:
            longest = max(found, key=len)
            return text[: end - len(longest)], longest
    return text, None


@pytest.mark.parametrize(
    ("text", "sequences", "left", "which"),
    [
        ("one END two", ["END"], "one ", "END"),
        ("one", ["END"], "one", None),
        ("one EN", ["END"], "one EN", None),
        ("END", ["END"], "", "END"),
        ("a\n\nb", ["\n\n", "\n"], "a", "\n"),
        ("xaby", ["ab", "b", "xab"], "", "xab"),
        ("aab", ["ab"], "a", "ab"),
        ("ababac", ["abac"], "ab", "abac"),
    ],
)
def test_a_text(text: str, sequences: list[str], left: str, which: str | None) -> None:
    for pieces in ([text], list(text)):
        events = run(pieces, sequences)
        assert (text_of(events), matched(events)) == (left, which)


@settings(max_examples=300, deadline=None)
@given(
    pieces=st.lists(st.text("abc", max_size=5), max_size=10),
    sequences=st.lists(st.text("abc", min_size=1, max_size=4), min_size=1, max_size=3),
)
def test_equal_to_a_search_over_the_whole_text(pieces: list[str], sequences: list[str]) -> None:
    events = run(pieces, sequences)
    assert (text_of(events), matched(events)) == naive("".join(pieces), sequences)


@pytest.mark.parametrize("kind", [PartKind.THINKING, PartKind.TOOL, PartKind.REFUSAL])
def test_only_text_is_searched(kind: PartKind) -> None:
    assert matched(run(["one END two"], ["END"], kind)) is None


def test_not_across_parts() -> None:
    matcher = StopMatcher(["END"])
    events: list[Event] = [PartStart(0, PartKind.TEXT), Delta(0, "EN"), PartEnd(0)]
    events += [PartStart(1, PartKind.TEXT), Delta(1, "D"), PartEnd(1)]
    assert [out for event in events for out in matcher.add(event)] == events
    assert not matcher.matched


def test_no_more_is_held_than_could_become_one() -> None:
    matcher = StopMatcher(["</stop>"])
    matcher.add(PartStart(0, PartKind.TEXT))
    assert matcher.add(Delta(0, "plain text")) == [Delta(0, "plain text")]
    assert matcher.add(Delta(0, "a</st")) == [Delta(0, "a")]
    assert matcher.add(Delta(0, "ay")) == [Delta(0, "</stay")]


def test_citations_wait_for_their_text_and_go_with_it() -> None:
    kept, cut = Cited(0, Citation("a", end=2)), Cited(0, Citation("b", start=2, end=6))
    matcher = StopMatcher(["END"])
    events: list[Event] = [PartStart(0, PartKind.TEXT), Delta(0, "okEN"), kept, cut]
    assert [out for event in events for out in matcher.add(event)] == [
        PartStart(0, PartKind.TEXT),
        Delta(0, "ok"),
    ]
    assert list(matcher.add(Delta(0, "D more"))) == [
        kept,
        PartEnd(0),
        Finished(Stop.STOP_SEQUENCE, "END"),
        Ended(),
    ]
    other = StopMatcher(["END"])
    events = [*events, Delta(0, "!"), PartEnd(0)]
    assert [out for event in events for out in other.add(event)][2:] == [
        Delta(0, "EN!"),
        kept,
        cut,
        PartEnd(0),
    ]


def test_nothing_passes_after_a_match() -> None:
    matcher = StopMatcher(["x"])
    matcher.add(PartStart(0, PartKind.TEXT))
    matcher.add(Delta(0, "x"))
    assert matcher.matched
    assert matcher.add(Delta(0, "more")) == ()
    assert matcher.add(Ended()) == ()
