"""conversation.sequence: whatever a reader interleaves, a writer sees one open part at a time and nothing is lost."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.conversation.events import (
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
from pointsman.conversation.parts import Citation, Opaque
from pointsman.conversation.usage import TokenUsage
from pointsman.errors import PointsmanError
from pointsman.kinds import ErrorKind
from pointsman.translation.sequence import Sequencer

TEXT, THINKING, TOOL = PartKind.TEXT, PartKind.THINKING, PartKind.TOOL
END: tuple[Event, ...] = (Finished(Stop.END), Ended())


def tool(index: int) -> PartStart:
    return PartStart(index, TOOL, f"call_{index}", "f")


def run(events: Iterable[Event]) -> list[Event]:
    sequencer = Sequencer()
    return [out for event in events for out in sequencer.add(event)]


def check_order(events: Iterable[Event]) -> list[tuple[PartStart, str]]:
    """The parts with their text. Fails where two are open, or an index is not the next."""
    parts: list[tuple[PartStart, str]] = []
    opened = False
    for event in events:
        if isinstance(event, PartStart):
            assert not opened
            assert event.index == len(parts)
            parts.append((event, ""))
            opened = True
        elif isinstance(event, Delta | Cited | PartEnd):
            assert opened
            assert event.index == len(parts) - 1
            if isinstance(event, Delta):
                parts[-1] = (parts[-1][0], parts[-1][1] + event.text)
            opened = not isinstance(event, PartEnd)
        elif isinstance(event, Finished | Ended):
            assert not opened
    return parts


def test_what_is_sequential_passes_as_it_is() -> None:
    events: list[Event] = [
        Started("id", "m"),
        PartStart(0, THINKING),
        Delta(0, "a"),
        PartEnd(0, Opaque("p", 1)),
        PartStart(1, TEXT),
        Delta(1, "b"),
        Cited(1, Citation("u")),
        PartEnd(1),
        tool(2),
        Delta(2, "{}"),
        UsageSeen(TokenUsage(1, 2)),
        PartEnd(2),
        *END,
    ]
    found = run(events)
    assert found == events
    assert all(one is other for one, other in zip(found, events, strict=True))


def test_parallel_calls_stream_one_after_the_other() -> None:
    sequencer = Sequencer()
    assert sequencer.add(tool(0)) == [tool(0)]
    assert sequencer.add(tool(1)) == []
    assert sequencer.add(Delta(1, "b1")) == ()
    assert sequencer.add(Delta(0, "a1")) == (Delta(0, "a1"),), "the first is live"
    assert sequencer.add(Delta(1, "b2")) == ()
    assert sequencer.add(PartEnd(0)) == [PartEnd(0), tool(1), Delta(1, "b1"), Delta(1, "b2")]
    assert sequencer.add(Delta(1, "b3")) == (Delta(1, "b3"),), "now the second is"
    assert list(sequencer.add(END[0])) == [PartEnd(1), END[0]]


def test_indices_are_made_contiguous() -> None:
    found = run([PartStart(3, TEXT), Delta(3, "a"), PartEnd(3), tool(7), Delta(7, "{}"), PartEnd(7), *END])
    assert [start.index for start, _ in check_order(found)] == [0, 1]


def test_text_that_begins_ends_the_thinking_before_it() -> None:
    found = run([PartStart(0, THINKING), Delta(0, "a"), PartStart(1, TEXT), Delta(1, "b")])
    assert found == [
        PartStart(0, THINKING),
        Delta(0, "a"),
        PartEnd(0),
        PartStart(1, TEXT),
        Delta(1, "b"),
    ]


def test_what_comes_late_for_an_ended_part_is_a_new_one() -> None:
    opaque = Opaque("p", "signature")
    found = run(
        [
            PartStart(0, THINKING),
            Delta(0, "a"),
            PartStart(1, TEXT),
            Delta(1, "b"),
            Delta(0, "c"),
            PartEnd(0, opaque),
            PartEnd(1),
            *END,
        ]
    )
    parts = check_order(found)
    assert [(start.kind, text) for start, text in parts] == [(THINKING, "a"), (TEXT, "b"), (THINKING, "c")]
    assert PartEnd(2, opaque) in found


def test_the_opaque_alone_that_comes_late_is_kept() -> None:
    opaque = Opaque("p", "signature")
    found = run([PartStart(0, THINKING), PartStart(1, TEXT), PartEnd(0, opaque), Delta(1, "b"), *END])
    check_order(found)
    assert [event.opaque for event in found if isinstance(event, PartEnd) and event.opaque] == [opaque]


def test_text_waits_for_an_open_call() -> None:
    found = run([tool(0), Delta(0, "{"), PartStart(1, TEXT), Delta(1, "b"), Delta(0, "}"), *END])
    assert [text for _, text in check_order(found)] == ["{}", "b"]


def test_an_index_used_twice_is_two_parts() -> None:
    found = run([tool(0), Delta(0, "a"), tool(0), Delta(0, "b"), *END])
    assert [text for _, text in check_order(found)] == ["a", "b"]


def test_a_failure_closes_nothing() -> None:
    failed = Failed(PointsmanError(ErrorKind.UPSTREAM_ERROR, "no"))
    assert run([PartStart(0, TEXT), failed]) == [PartStart(0, TEXT), failed]


KINDS = st.sampled_from([TEXT, THINKING, TOOL, TOOL, PartKind.REFUSAL])


@st.composite
def interleaved(draw: st.DrawFn) -> list[Event]:
    """Parts whose events are mixed in any way; some never end; parts that are no tool may go on after others began."""
    count = draw(st.integers(0, 6))
    events: list[Event] = [Started()]
    todo: dict[int, list[Event]] = {}
    for index in range(count):
        kind = draw(KINDS)
        own: list[Event] = [
            PartStart(index * 2, kind, "c", "f") if kind is TOOL else PartStart(index * 2, kind)
        ]
        own += [Delta(index * 2, f"{index}.{n};") for n in range(draw(st.integers(0, 3)))]
        if draw(st.booleans()):
            own.append(PartEnd(index * 2, Opaque("p", index) if kind is THINKING else None))
        todo[index] = own
    begun = 0
    while todo:
        index = draw(st.sampled_from(sorted(todo)[: begun + 1]))
        events.append(todo[index].pop(0))
        if not todo[index]:
            del todo[index]
        begun = draw(st.integers(0, count))
    return [*events, *END]


@settings(max_examples=200, deadline=None)
@given(interleaved())
def test_any_interleaving_comes_out_in_order_with_all_its_text(events: list[Event]) -> None:
    events = [
        event
        for at, event in enumerate(events)  # a part begins before anything of it
        if not isinstance(event, Delta | PartEnd)
        or any(isinstance(one, PartStart) and one.index == event.index for one in events[:at])
    ]
    found = run(events)
    parts = check_order(found)
    assert found[-2:] == list(END)

    def texts(kind: PartKind, index: int) -> str:
        return "".join(e.text for e in events if isinstance(e, Delta) and e.index == index)

    told = sorted("".join(text for _, text in parts).split(";"))
    asked = sorted("".join(e.text for e in events if isinstance(e, Delta)).split(";"))
    assert told == asked
    for start in events:  # a call is one part, whole
        if isinstance(start, PartStart) and start.kind is TOOL:
            assert texts(TOOL, start.index) in [text for one, text in parts if one.kind is TOOL]
    opaques = [e.opaque for e in events if isinstance(e, PartEnd) and e.opaque]
    assert sorted(e.opaque.data for e in found if isinstance(e, PartEnd) and e.opaque) == sorted(
        o.data for o in opaques
    )
