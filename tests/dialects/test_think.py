"""conversation.think: inline thinking is told apart from the answer, wherever the tags are cut."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.dialects.think import ThinkSplitter


def split(pieces: list[str]) -> tuple[str, str]:
    """(thinking, text) of a text that came in pieces."""
    splitter = ThinkSplitter()
    found = [pair for piece in pieces for pair in splitter.feed(piece)] + splitter.finish()
    assert all(text for _, text in found), "nothing empty is told"
    assert [thinking for thinking, _ in found] == sorted((t for t, _ in found), reverse=True), (
        "thinking first"
    )
    return "".join(t for thinking, t in found if thinking), "".join(
        t for thinking, t in found if not thinking
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<think>a</think>b", ("a", "b")),
        ("<think>\na\n</think>\n\nb\n", ("a\n", "b\n")),
        ("\n <think>a</think>b", ("a", "b")),
        ("<think>\n\n</think>\n\nb", ("", "b")),
        ("b", ("", "b")),
        ("", ("", "")),
        (" \n", ("", " \n")),
        ("<thin", ("", "<thin")),
        ("<thinking>b", ("", "<thinking>b")),
        ("b <think>c</think>", ("", "b <think>c</think>")),
        ("<think>a</think>b <think>c</think>", ("a", "b <think>c</think>")),
        ("<think>a <think> b</think>c</think>", ("a <think> b", "c</think>")),
        ("<think>cut </thin", ("cut </thin", "")),
        ("<think>only", ("only", "")),
        ("<think>a</think>", ("a", "")),
        ("a</think>b", ("", "a</think>b")),
    ],
)
def test_a_text(text: str, expected: tuple[str, str]) -> None:
    assert split([text]) == expected
    assert split(list(text)) == expected


@settings(max_examples=200, deadline=None)
@given(
    pieces=st.lists(
        st.sampled_from(
            ["<think>", "</think>", "<", "think>", "</", "\n", " ", "a", "b c", "<thi", "nk>", ""]
        ),
        max_size=12,
    ),
)
def test_how_it_is_cut_does_not_matter(pieces: list[str]) -> None:
    whole = "".join(pieces)
    assert split(pieces) == split([whole]) == split(list(whole))


def test_text_streams_at_once() -> None:
    splitter = ThinkSplitter()
    assert splitter.feed("Hello") == [(False, "Hello")]
    assert splitter.feed(" <think>") == [(False, " <think>")]
    thinking = ThinkSplitter()
    assert thinking.feed("<think>so") == [(True, "so")]
    assert thinking.feed(" far</") == [(True, " far")]
    assert thinking.feed("x") == [(True, "</x")]
