"""wire.sse: whole events out, however the bytes were cut; compared with a line-by-line oracle."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.wire.sse import KEPT, MAX_EVENT, EventSplitter, cut_at_event_end, data_of, name_of

CHEAP = settings(max_examples=150, deadline=None)

LINE_ENDS = [b"\n", b"\r\n", b"\r"]


def oracle(raw: bytes) -> list[bytes]:
    """The events of a whole stream, line by line as the WHATWG text says; the unfinished last one included."""
    events: list[bytes] = []
    lines: list[bytes] = []
    *complete, last = re.split(rb"\r\n|\n|\r", raw)
    for line in complete:
        if line:
            lines.append(line)
        elif lines:
            events.append(b"\n".join(lines))
            lines = []
    if last:
        lines.append(last)
    if lines:
        events.append(b"\n".join(lines))
    return events


def split(pieces: list[bytes]) -> list[bytes]:
    splitter = EventSplitter()
    events = [event for piece in pieces for event in splitter.feed(piece)]
    rest = splitter.finish()
    return events + ([rest] if rest else [])


def cut(raw: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(min(place, len(raw)) for place in places), len(raw)]
    return [raw[a:b] for a, b in pairwise(edges)]


streams = st.lists(
    st.sampled_from(
        [
            b"data: {}",
            b"data:",
            b"event: ping",
            b": a comment",
            b"x",
            b"data: \xc3\xa9",
            b"\r",
            b"\n",
            b"\r\n",
        ]
        + [b"\n\n", b"\r\n\r\n", b"\r\r", b"\n\r\n", b"\r\n\n", b"\r\n\r"]
    ),
    max_size=14,
).map(b"".join)


@CHEAP
@given(streams, st.lists(st.integers(0, 120), max_size=8))
def test_any_cut_gives_the_events_of_the_oracle(raw: bytes, places: list[int]) -> None:
    assert split(cut(raw, places)) == oracle(raw)


@CHEAP
@given(streams)
def test_byte_by_byte_and_at_once_agree(raw: bytes) -> None:
    assert split([raw[i : i + 1] for i in range(len(raw))]) == split([raw]) == oracle(raw)


@pytest.mark.parametrize("end", LINE_ENDS)
def test_every_single_cut_of_a_stream(end: bytes) -> None:
    lines = [
        b": hello",
        b"",
        b"event: a",
        b"data: 1",
        b"",
        b"data: 2",
        b"data: 3",
        b"",
        b"",
        b"data: [DONE]",
        b"",
        b"",
    ]
    raw = end.join(lines)
    expected = [b": hello", b"event: a\ndata: 1", b"data: 2\ndata: 3", b"data: [DONE]"]
    for place in range(len(raw) + 1):
        assert split([raw[:place], raw[place:]]) == expected, place


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_an_event_is_given_as_soon_as_it_is_complete(end: bytes) -> None:
    splitter = EventSplitter()
    assert splitter.feed(b"data: 1" + end) == []
    assert splitter.feed(end) == [b"data: 1"]
    assert splitter.finish() == b""


def test_a_carriage_return_at_the_end_waits_for_its_line_feed() -> None:
    splitter = EventSplitter()
    assert splitter.feed(b"data: 1\r") == []
    assert splitter.feed(b"\n\r") == []
    assert splitter.feed(b"\ndata: 2\r\r") == [b"data: 1"]
    assert splitter.finish() == b"data: 2"


def test_finish_leaves_nothing_behind() -> None:
    splitter = EventSplitter()
    splitter.feed(b"data: half\r")
    assert splitter.finish() == b"data: half"
    assert splitter.finish() == b""
    assert splitter.feed(b"data: new\n\n") == [b"data: new"]


# -- events that are too long


def sizes(events: list[bytes]) -> list[int]:
    return [len(event) for event in events]


@pytest.mark.parametrize("pieces", [1, 2, 3, 1000])
@pytest.mark.parametrize(
    ("size", "kept"), [(MAX_EVENT, MAX_EVENT), (MAX_EVENT + 1, KEPT), (MAX_EVENT + 9, KEPT)]
)
def test_a_too_long_event_is_cut_the_same_way_however_it_comes(size: int, kept: int, pieces: int) -> None:
    raw = b"data: 1\n\n\n" + b"y" * size + b"\n\ndata: 2\n\n"
    step = len(raw) // pieces + 1
    events = split([raw[i : i + step] for i in range(0, len(raw), step)])
    assert sizes(events) == [7, kept, 7]
    assert events[-1] == b"data: 2"


@pytest.mark.parametrize("cut_after", [0, 1, 2])
def test_the_end_of_a_too_long_event_is_seen_across_a_cut(cut_after: int) -> None:
    end = b"\n\ndata: 2\n\ndata: 3"
    splitter = EventSplitter()
    assert splitter.feed(b"y" * (MAX_EVENT + 5)) == []
    events = splitter.feed(end[:cut_after]) + splitter.feed(end[cut_after:])
    assert sizes(events) == [KEPT, 7]
    assert splitter.finish() == b"data: 3"


def test_a_line_end_at_the_edge_of_what_is_kept_does_not_split_a_too_long_event() -> None:
    splitter = EventSplitter()
    long = b"y" * (KEPT - 1) + b"\n" + b"z" * MAX_EVENT
    assert splitter.feed(long) == []
    assert splitter.feed(b"w\n") == []
    assert splitter.feed(b"w\r\n\r") == []
    assert splitter.feed(b"\ndata: 2\n\n") == [long[:KEPT], b"data: 2"]


def test_memory_of_a_stream_without_any_event_end_is_bounded() -> None:
    splitter = EventSplitter()
    for _ in range(40):
        splitter.feed(b"y" * (1024 * 1024))
        assert sum(map(len, splitter._pending)) <= MAX_EVENT + 2 * 1024 * 1024
    assert len(splitter.finish()) == KEPT


def test_many_small_pieces_of_one_event_cost_linear_time() -> None:
    splitter = EventSplitter()
    for _ in range(200_000):  # quadratic would be minutes
        splitter.feed(b"data: x ")
    assert len(splitter.feed(b"\n\n")[0]) == 1_600_000


# -- what an event says


@pytest.mark.parametrize(
    ("event", "data"),
    [
        (b"data: x", b"x"),
        (b"data:x", b"x"),
        (b"data:  x", b" x"),
        (b"data:", b""),
        (b"data", b""),
        (b"data: a\ndata: b", b"a\nb"),
        (b"data: a\ndata\ndata:b", b"a\n\nb"),
        (b"event: e\ndata: a\nid: 1", b"a"),
        (b": comment", b""),
        (b": comment\ndata: a", b"a"),
        (b"database: a", b""),
        (b"data : a", b""),
        (b"event: e", b""),
    ],
)
def test_data_of(event: bytes, data: bytes) -> None:
    assert data_of(event) == data


@pytest.mark.parametrize(
    ("event", "name"),
    [
        (b"event: ping\ndata: 1", b"ping"),
        (b"event:ping", b"ping"),
        (b"data: 1\nevent: x", b"x"),
        (b"data: 1", b""),
    ],
)
def test_name_of(event: bytes, name: bytes) -> None:
    assert name_of(event) == name


# -- cutting raw bytes where an event ends

uniform = st.builds(
    lambda end, lines: end.join(lines),
    st.sampled_from(LINE_ENDS),
    st.lists(st.sampled_from([b"data: 1", b": c", b"", b"", b"event: x"]), max_size=12),
)


@CHEAP
@given(uniform)
def test_a_cut_is_the_last_place_after_a_blank_line(raw: bytes) -> None:
    place = cut_at_event_end(raw)
    ends = [match.end() for match in re.finditer(rb"(?=(\r\n\r\n|\n\n|\r\r))", raw)]
    lengths = {b"\r\n\r\n": 4, b"\n\n": 2, b"\r\r": 2}
    places = [m.start() + lengths[m[1]] for m in re.finditer(rb"(?=(\r\n\r\n|\n\n|\r\r))", raw)]
    assert place == max(places, default=0)
    assert bool(ends) == bool(place)


@CHEAP
@given(uniform)
def test_what_stands_before_a_cut_is_whole_events(raw: bytes) -> None:
    place = cut_at_event_end(raw)
    assert oracle(raw[:place]) + oracle(raw[place:]) == oracle(raw)
