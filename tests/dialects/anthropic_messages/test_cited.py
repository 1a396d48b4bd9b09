"""A text cut into blocks by what it cites: nothing is lost, whatever the spans and however the text is cut."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.conversation.parts import Citation
from pointsman.dialects.anthropic_messages.cited import CITED, CUT, CitedText, blocks_of


def told(text: str, *spans: tuple[int, int]) -> list[tuple[str, list[str]]]:
    found = blocks_of(text, tuple(Citation(f"u{at}", start=a, end=b) for at, (a, b) in enumerate(spans)))
    return [(block["text"], [one["url"] for one in block.get("citations", [])]) for block in found]


@pytest.mark.parametrize(
    ("text", "spans", "expected"),
    [
        ("abcdef", [(2, 4)], [("ab", []), ("cd", ["u0"]), ("ef", [])]),
        ("abcdef", [(0, 6)], [("abcdef", ["u0"])]),
        ("abcdef", [(2, 4), (2, 4)], [("ab", []), ("cd", ["u0", "u1"]), ("ef", [])]),
        ("abcdef", [(0, 2), (4, 6)], [("ab", ["u0"]), ("cd", []), ("ef", ["u1"])]),
        ("abcdef", [(0, 2), (2, 4)], [("ab", ["u0"]), ("cd", ["u1"]), ("ef", [])]),
        ("abcdef", [(0, 3), (2, 5)], [("abcde", ["u0", "u1"]), ("f", [])]),
        ("abcdef", [(0, 5), (1, 2)], [("abcde", ["u0", "u1"]), ("f", [])]),
        ("ab  cd", [(0, 2), (4, 6)], [("ab  ", ["u0"]), ("cd", ["u1"])]),
        ("ab  cd", [(0, 2)], [("ab", ["u0"]), ("  cd", [])]),
        ("  ab", [(2, 4)], [("  ab", ["u0"])]),
        ("ab  ", [(0, 2)], [("ab  ", ["u0"])]),
        ("abc", [(1, 99)], [("a", []), ("bc", ["u0"])]),
        ("abc", [(50, 99)], [("abc", ["u0"])]),
        ("abc", [(2, 2)], [("abc", ["u0"])]),
        (" ", [], []),
        ("", [], []),
        (" ", [(0, 1)], [(" ", ["u0"])]),
    ],
)
def test_spans(text: str, spans: list[tuple[int, int]], expected: list[tuple[str, list[str]]]) -> None:
    assert told(text, *spans) == expected


spans = st.lists(st.tuples(st.integers(0, 14), st.integers(0, 14)), max_size=5)
texts = st.text(st.sampled_from("ab \n"), max_size=12)


@settings(max_examples=400, deadline=None)
@given(text=texts, spans=spans, size=st.integers(1, 5))
def test_no_word_and_no_citation_is_lost_and_no_block_is_blank(
    text: str, spans: list[tuple[int, int]], size: int
) -> None:
    found = told(text, *spans)
    words = "".join(said for said, _ in found)
    assert words == (text if found else "")
    assert found or not text.strip()
    assert sorted(url for _, urls in found for url in urls) == sorted(f"u{at}" for at in range(len(spans)))
    if text.strip():
        assert all(said.strip() for said, _ in found)
    # the same in pieces
    cutter = CitedText()
    steps = [s for at, (a, b) in enumerate(spans) for s in cutter.cite(Citation(f"u{at}", start=a, end=b))]
    for at in range(0, len(text), size):
        steps += cutter.text(text[at : at + size])
    steps += cutter.end()
    pieces: list[tuple[str, list[str]]] = []
    new = True
    for kind, value in steps:
        if kind == CUT:
            new = True
            continue
        if new:
            pieces.append(("", []))
            new = False
        said, urls = pieces[-1]
        pieces[-1] = (said, [*urls, value["url"]]) if kind == CITED else (said + value, urls)
    assert pieces == found


@settings(max_examples=400, deadline=None)
@given(
    text=texts,
    late=st.lists(st.tuples(st.integers(0, 12), st.integers(0, 14), st.integers(0, 14)), max_size=4),
)
def test_citations_that_come_at_any_time_are_told_once(text: str, late: list[tuple[int, int, int]]) -> None:
    cutter, urls, words = CitedText(), [], ""
    steps = []
    for at in range(13):
        for number, (when, a, b) in enumerate(late):
            if when == at:
                steps += cutter.cite(Citation(f"u{number}", start=a, end=b))
        steps += cutter.text(text[at : at + 1])
    for kind, value in [*steps, *cutter.end()]:
        if kind == CITED:
            urls.append(value["url"])
        elif kind != CUT:
            words += value
    assert sorted(urls) == sorted(f"u{number}" for number in range(len(late)))
    if text.strip():
        assert words.rstrip() == text.rstrip()
