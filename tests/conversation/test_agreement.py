"""Two answers compared: how alike texts are, and which calls and values are the same."""

from __future__ import annotations

import json
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.conversation.agreement import agreement, refuses
from pointsman.conversation.events import Stop
from pointsman.conversation.likeness import MOST_CHARACTERS, likeness
from pointsman.conversation.parts import Refusal, Text, Thinking, ToolCall, ToolKind
from pointsman.conversation.reply import Reply

WORDS = st.text()
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(WORDS)
def test_a_text_is_like_itself(text: str) -> None:
    assert likeness(text, text) == 1.0


@given(WORDS, WORDS)
def test_likeness_is_the_same_from_both_sides_and_a_share(one: str, other: str) -> None:
    assert likeness(one, other) == likeness(other, one)
    assert 0.0 <= likeness(one, other) <= 1.0


@given(st.lists(st.sampled_from("abc"), min_size=1), st.lists(st.sampled_from("xyz"), min_size=1))
def test_texts_without_a_word_in_common_are_not_alike(one: list[str], other: list[str]) -> None:
    assert likeness(" ".join(one), " ".join(other)) == 0.0


@pytest.mark.parametrize(
    ("one", "other", "wanted"),
    [
        ("The answer is 42.", "the ANSWER is: 42", 1.0),
        ("a b c", "a b d", 3 / 7),  # a, b, a-b of a b c d a-b b-c b-d
        ("a b", "b a", 2 / 4),
        ("日本語", "日本", 3 / 5),
        ("", "a", 0.0),
        ("!", "?", 0.0),
        ("!", "!", 1.0),
    ],
)
def test_likeness_by_hand(one: str, other: str, wanted: float) -> None:
    assert likeness(one, other) == wanted


def test_only_the_beginning_of_a_long_text_is_looked_at() -> None:
    same = "word " * (MOST_CHARACTERS // 5)
    assert likeness(same + " left " * 9999, same + " right " * 9999) == 1.0


def called(*calls: tuple[str, Any]) -> Reply:
    parts = [ToolCall(f"c{at}", name, json.dumps(given)) for at, (name, given) in enumerate(calls)]
    return Reply(parts=[*parts])


@given(st.lists(st.tuples(st.sampled_from(["get", "put"]), VALUES), min_size=1, max_size=3), st.data())
def test_calls_agree_in_any_order(calls: list[tuple[str, Any]], data: st.DataObject) -> None:
    other = data.draw(st.sampled_from(list(permutations(calls))))
    found = agreement(called(*calls), called(*other), structured=False)
    assert (found.tools, found.arguments, found.verdict, found.likeness) == (True, True, True, None)


def test_one_call_too_many_is_another_answer() -> None:
    once, twice = called(("get", {})), called(("get", {}), ("get", {}))
    assert agreement(once, twice, structured=False).tools is False
    assert agreement(Reply(parts=[Text("no")]), once, structured=False).arguments is False


def test_a_free_text_call_is_compared_as_it_is() -> None:
    one = Reply(parts=[ToolCall("1", "run", '{"a":1}', ToolKind.CUSTOM)])
    other = Reply(parts=[ToolCall("1", "run", '{"a": 1}', ToolKind.CUSTOM)])
    assert agreement(one, other, structured=False).arguments is False


@given(VALUES)
def test_structured_output_is_a_value(value: Any) -> None:
    one = Reply(parts=[Thinking("hm"), Text(json.dumps(value, indent=2))])
    other = Reply(parts=[Text(json.dumps(value, sort_keys=True, ensure_ascii=False))])
    assert agreement(one, other, structured=True).structured is True
    assert agreement(one, other, structured=False).structured is None


def test_refusals_are_told_in_each_protocol_s_own_way() -> None:
    assert refuses(Reply(parts=[Refusal("no")]))
    assert refuses(Reply(parts=[Text("no")], stop=Stop.REFUSAL))
    assert not refuses(Reply(parts=[Text("I cannot do that.")]))
