"""Event splitting: however the bytes are cut, the same events."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pointsman.wire.sse import EventSplitter, cut_at_event_end, data_of, name_of

STREAM = b': hi\n\nevent: a\ndata: {"x":1}\n\ndata: one\ndata: two\n\n\n\ndata: [DONE]\n\n'
EVENTS = [b": hi", b'event: a\ndata: {"x":1}', b"data: one\ndata: two", b"data: [DONE]"]


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    splitter, events, last = EventSplitter(), [], 0
    for cut in [*sorted(c % (len(data) + 1) for c in cuts), len(data)]:
        events += splitter.feed(data[last:cut])
        last = cut
    rest = splitter.finish()
    return [*events, rest] if rest else events


@given(st.lists(st.integers(0, 500)), st.sampled_from([b"\n", b"\r\n", b"\r"]))
def test_any_cut_and_any_line_end_gives_the_same_events(cuts: list[int], end: bytes) -> None:
    assert split(STREAM.replace(b"\n", end), cuts) == EVENTS


@given(st.binary(max_size=200), st.lists(st.integers(0, 200)))
def test_any_bytes_in_any_pieces_are_as_in_one(data: bytes, cuts: list[int]) -> None:
    assert split(data, cuts) == split(data, [])


def test_data_and_name() -> None:
    assert data_of(EVENTS[2]) == b"one\ntwo"
    assert name_of(EVENTS[1]) == b"a"
    assert data_of(EVENTS[0]) == b""


@given(st.binary(max_size=60))
def test_a_cut_never_leaves_a_whole_event_behind(data: bytes) -> None:
    cut = cut_at_event_end(data)
    assert b"\n\n" not in data[cut:]
