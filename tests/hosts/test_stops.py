"""Stop strings: whatever pieces a text comes in, what is shown ends before the first stop string."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.hosts.stops import StopText

TEXTS = st.text("ab ", max_size=30)
STOPS = st.lists(st.text("ab ", min_size=1, max_size=4), max_size=3)


def shown(pieces: list[str], stops: list[str]) -> tuple[list[str], StopText]:
    """What is shown after each piece, and at the end if nothing stopped it."""
    filter_ = StopText(stops)
    out = [filter_.take(piece) for piece in pieces]
    return [*out, "" if filter_.found else filter_.end()], filter_


def ends_first(text: str, stops: list[str]) -> tuple[int, int] | None:
    """(end, begin) of the stop string that is complete first; of several the one that began first."""
    found = [(at + len(stop), at) for stop in stops if (at := text.find(stop)) >= 0]
    return min(found) if found else None


@settings(deadline=None)
@given(TEXTS, STOPS, st.data())
def test_pieces_make_no_difference(text: str, stops: list[str], data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    out, filter_ = shown(pieces, stops)
    first = ends_first(text, stops)
    assert "".join(out) == (text if first is None else text[: first[1]])
    assert (filter_.found is None) == (first is None)


@settings(deadline=None)
@given(TEXTS, STOPS)
def test_nothing_is_held_back_longer_than_it_must(text: str, stops: list[str]) -> None:
    """What is held back could be the beginning of a stop string."""
    filter_ = StopText(stops)
    given = seen = ""
    for one in text:
        given += one
        seen += filter_.take(one)
        if filter_.found:
            return
        held = given[len(seen) :]
        assert not held or any(stop.startswith(held) for stop in stops)


def test_after_a_stop_nothing_comes() -> None:
    filter_ = StopText(["<|end|>"])
    assert [filter_.take(part) for part in ("a<|e", "nd|", "> b", "c")] == ["a", "", "", ""]
    assert (filter_.found, filter_.end()) == ("<|end|>", "")
