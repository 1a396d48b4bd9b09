"""Where a body begins to differ from one before it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.wire.changed import alike_until, grew, place_of

TOOLS = [{"type": "function", "function": {"name": "read", "parameters": {"type": "object"}}}]


def body(messages: list[Any], separators: tuple[str, str] = (",", ":"), **more: Any) -> bytes:
    return json.dumps(
        {"model": "m", "messages": messages, "tools": TOOLS, **more}, separators=separators
    ).encode()


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "text", "text": text}]}


@given(st.binary(max_size=40), st.binary(max_size=40), st.integers(0, 3))
def test_the_first_byte_that_differs_is_found(before: bytes, now: bytes, times: int) -> None:
    before, now = (b"x" * 70_001 * times + one for one in (before, now))
    at = alike_until(before, now)
    assert before[:at] == now[:at]
    assert at in (len(before), len(now)) or before[at] != now[at]


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_a_conversation_that_goes_on_is_no_change(separators: tuple[str, str]) -> None:
    turns = [user("see [1], [2]"), {"role": "assistant", "content": 'so "it" is \\'}]
    before, now = body(turns, separators), body([*turns, user("and now")], separators)
    assert grew(before, now, alike_until(before, now))


texts = st.text(st.sampled_from('a],}{[":\\ \n'), max_size=12)


@given(st.lists(texts, min_size=1, max_size=4), texts, texts)
def test_only_a_list_that_goes_on_is_told_as_that(turns: list[str], other: str, more: str) -> None:
    said = [user(text) for text in turns]
    before = body(said)
    for now, goes_on in (
        (body([*said, user(more)]), True),
        (body([*said[:-1], user(turns[-1] + other)]), False),
    ):
        if now != before:
            assert grew(before, now, alike_until(before, now)) is goes_on


CHANGES: dict[str, tuple[bytes, bytes]] = {
    "messages[1].content[0].text": (body([user("a"), user("b")]), body([user("a"), user("c"), user("d")])),
    "messages[0].role": (body([user("a")]), body([user("a") | {"role": "system"}])),
    "model": (body([]), body([]).replace(b'"m"', b'"n"')),
    "tools[0].function.name": (body([]), body([]).replace(b"read", b"rite")),
    "tools[0].function.parameters": (body([]), body([]).replace(b'"type":"object"', b'"secret":"object"')),
    "metadata": (body([], metadata={"ann": 1}), body([], metadata={"bob": 1})),
    "messages": (body([user("a"), user("b")]), body([user("a")])),
    "temperature": (body([]), body([], temperature=1)),
    "": (b"no json", b"no JSON"),
}


@pytest.mark.parametrize("path", CHANGES)
def test_a_change_is_told_by_its_path(path: str) -> None:
    before, now = CHANGES[path]
    at = alike_until(before, now)
    assert not grew(before, now, at)
    assert place_of(now, at) == path


def test_no_name_that_a_client_chose_is_in_a_path() -> None:
    for chosen in ("Ann's diary", "ann@example.org", "x" * 60):
        now = body([], **{chosen: {"ann": 1}})
        for at in range(len(now)):
            assert chosen[:20] not in place_of(now, at)


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=5), json_values, max_size=3), st.data())
def test_any_place_of_any_body_has_a_path(value: dict[str, Any], data: st.DataObject) -> None:
    text = json.dumps(value).encode()
    assert isinstance(place_of(text, data.draw(st.integers(0, len(text)))), str)
    assert isinstance(place_of(text[: data.draw(st.integers(0, len(text)))], 0), str)
