"""conversation.think: inline thinking is told apart from the answer, wherever the tags are cut."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.dialects.think import PATIENCE, ThinkSplitter


def split(pieces: list[str], patient: bool = False) -> tuple[str, str]:
    """(thinking, text) of a text that came in pieces."""
    splitter = ThinkSplitter(patient)
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
        ("<thought>a</thought>b", ("a", "b")),
        ("\n[THINK]a[/THINK]\n\nb", ("a", "b")),
        ("<seed:think>a</seed:think>b", ("a", "b")),
        ("\u25c1think\u25b7a\u25c1/think\u25b7b", ("a", "b")),
        ("<thought>a</think>b", ("a</think>b", "")),
        ("[THINK", ("", "[THINK")),
        ("[1] see", ("", "[1] see")),
        ("<thoughts>b", ("", "<thoughts>b")),
        ("</think>\n\nb", ("", "b")),
        ("\n</seed:think>b", ("", "b")),
        ("</thin", ("", "</thin")),
        ("<|channel>thought\na<channel|>b", ("a", "b")),
        ("<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>b", ("a", "b")),
    ],
)
def test_a_text(text: str, expected: tuple[str, str]) -> None:
    assert split([text]) == expected
    assert split(list(text)) == expected


@settings(max_examples=200, deadline=None)
@given(
    pieces=st.lists(
        st.sampled_from(
            [
                "<think>",
                "</think>",
                "[THINK]",
                "[/THINK]",
                "`",
                "<",
                "think>",
                "</",
                "\n",
                " ",
                "a",
                "b c",
                "<thi",
                "nk>",
                "",
            ]
        ),
        max_size=12,
    ),
)
def test_how_it_is_cut_does_not_matter(pieces: list[str]) -> None:
    whole = "".join(pieces)
    for patient in (False, True):
        assert split(pieces, patient) == split([whole], patient) == split(list(whole), patient)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("so it is 4.\n</think>\n\nFour.", ("so it is 4.\n", "Four.")),
        ("so it is 4.</think>Four.", ("so it is 4.", "Four.")),
        ("so it is 4. </think>\nFour.", ("so it is 4. ", "Four.")),
        ("so it is 4.\n</think>", ("so it is 4.\n", "")),
        ("\n</think>\n\nFour.", ("", "Four.")),
        ("</think>Four.", ("", "Four.")),
        ("a</think>b</think>c", ("a", "b</think>c")),
        ("<think>a</think>b", ("a", "b")),
        ("no tag at all", ("", "no tag at all")),
        ("so\n[/THINK]b", ("so\n", "b")),
        ("so\n</thought>b", ("so\n", "b")),
        ("so</seed:think>b", ("so", "b")),
        ("the </think> tag ends it", ("", "the </think> tag ends it")),
        ("write `</think>` at its end", ("", "write `</think>` at its end")),
        ('write "</think>" at its end', ("", 'write "</think>" at its end')),
        ("```\nx\n</think>\n```", ("", "```\nx\n</think>\n```")),
        ("first <think>, then\n</think>\n", ("", "first <think>, then\n</think>\n")),
        ("cut </thin", ("", "cut </thin")),
    ],
)
def test_a_text_that_may_begin_inside_its_reasoning(text: str, expected: tuple[str, str]) -> None:
    assert split([text], True) == expected
    assert split(list(text), True) == expected
    for at in range(len(text)):
        assert split([text[:at], text[at:]], True) == expected


def test_a_text_that_waits_for_a_tag_costs_linear_time_and_no_more_than_its_bound() -> None:
    splitter, told = ThinkSplitter(patient=True), 0
    for _ in range(PATIENCE):  # quadratic would be minutes
        told += sum(len(text) for _, text in splitter.feed("ab"))
    assert told > PATIENCE
    assert splitter.finish() == []


def test_text_streams_at_once() -> None:
    splitter = ThinkSplitter()
    assert splitter.feed("Hello") == [(False, "Hello")]
    assert splitter.feed(" <think>") == [(False, " <think>")]
    thinking = ThinkSplitter()
    assert thinking.feed("<think>so") == [(True, "so")]
    assert thinking.feed(" far</") == [(True, " far")]
    assert thinking.feed("x") == [(True, "</x")]
