"""routing.conditions: how a condition is written, whether it holds, and which says more than another."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.routing.conditions import (
    CONTENTS,
    Contents,
    Sight,
    all_implied,
    check,
    known,
    normal,
    parse,
    taken,
)

WRITTEN = {
    "tokens>60000": "tokens>60000",
    " Tokens > 60_000 ": "tokens>60000",
    "tokens>60k": "tokens>60000",
    "IMAGES": "images",
    "web-search": "web-search",
    "effort=High": "effort=high",
    "client=Claude-Code": "client=claude-code",
    "key=My Laptop": "key=My Laptop",
    "protocol=anthropic_messages": "protocol=anthropic_messages",
    "header:X-Team = Blue": "header:x-team=Blue",
    "hours=22-7": "hours=22-7",
    "hours=08:30-24": "hours=8:30-0",
    "hours=8-18@Europe/Berlin": "hours=8-18@Europe/Berlin",
}
WRONG = {
    "tokens<5": "is no condition; write one of: tokens>N",
    "tokens>many": "is not a number of tokens",
    "tokens>99999999999": "is not a number of tokens",
    "pictures": "is no condition",
    "effort=huge": "is no effort; write one of: none, minimal",
    "protocol=chat": "is no protocol; write one of: openai_chat",
    "client=": "say which client",
    "key=": "say which key",
    "header:x-team": "say which header and value",
    "header:x team=1": "say which header and value",
    "header:x-team=\u00e9": "say which header and value",
    "header:Authorization=Bearer x": "holds a key, which must not stand in a rule",
    "header:x-api-key=1": "holds a key",
    "hours=7-7": "no time at all, or all day",
    "hours=25-3": "no span of hours",
    "hours=1-2@Mars": "is no time zone",
    "hours=1-2@": "no span of hours",
    "": "is no condition",
    "x" * 201: "at most 200 characters",
}


@pytest.mark.parametrize("text", WRITTEN)
def test_a_condition_has_one_form(text: str) -> None:
    assert parse(text).text == WRITTEN[text]
    assert parse(WRITTEN[text]) == parse(text)


@pytest.mark.parametrize("text", WRONG)
def test_what_is_none_says_what_to_write(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(WRONG[text])):
        parse(text)


def sight(contents: Contents | None = None, **more: object) -> Sight:
    headers = more.pop("headers", {})
    assert isinstance(headers, dict)
    fields: dict[str, object] = {
        "protocol": "openai_chat",
        "clients": frozenset(),
        "key": "",
        "header": headers.get,
        "at": 0.0,
        "contents": contents,
    }
    return Sight(**(fields | more))  # type: ignore[arg-type]


def test_hours_go_over_midnight_and_have_a_zone() -> None:
    def held(text: str, hour: int, minute: int = 0) -> bool | None:
        return parse(text).holds(sight(at=datetime(2026, 1, 5, hour, minute, tzinfo=UTC).timestamp()))

    assert [hour for hour in range(24) if held("hours=22-7@UTC", hour)] == [*range(7), 22, 23]
    assert [hour for hour in range(24) if held("hours=7-22@UTC", hour)] == [*range(7, 22)]
    assert [held("hours=8:30-9:15@UTC", *at) for at in ((8, 29), (8, 30), (9, 14), (9, 15))] == [
        False, True, True, False,
    ]  # fmt: skip
    assert held("hours=0-1@Asia/Tokyo", 15)
    assert not held("hours=0-1@Asia/Tokyo", 0)


def test_what_cannot_be_told_is_kept_behind_a_wall_and_left_without() -> None:
    for texts, unknown in ((("images",), sight()), (("key=a",), sight(key=None)), (("gone?",), sight())):
        found = check(texts, unknown)
        assert [one.held for one in found] == [None]
        assert taken(found, wall=True)
        assert not taken(found, wall=False)
    mixed = check(("images", "protocol=openai_responses"), sight())
    assert not taken(mixed, wall=True)


def test_conditions_that_never_hold_together_are_refused() -> None:
    for texts in (
        ("effort=low", "effort=high"),
        ("key=a", "key=b"),
        ("protocol=openai_chat", "protocol=openai_responses"),
        ("header:x-a=1", "header:x-a=2"),
        ("hours=1-3", "hours=3-5"),
    ):
        with pytest.raises(ValueError, match="never hold together"):
            normal(texts)
    with pytest.raises(ValueError, match="at most 16"):
        normal(f"header:x-{number}=1" for number in range(17))


def test_one_that_says_nothing_more_is_left_out() -> None:
    assert normal(["tokens>5", "images", "tokens>9", "images"]) == ("images", "tokens>9")
    assert normal(["hours=22-7", "hours=23-1"]) == ("hours=23-1",)


_texts = st.one_of(
    st.sampled_from(CONTENTS),
    st.integers(0, 3).map(lambda n: f"tokens>{n}"),
    st.sampled_from(["none", "low", "high"]).map(lambda word: f"effort={word}"),
    st.sampled_from("ab").map(lambda name: f"key={name}"),
    st.sampled_from("ab").map(lambda name: f"client={name}"),
    st.tuples(st.integers(0, 23), st.integers(1, 23)).map(
        lambda span: f"hours={span[0]}-{(span[0] + span[1]) % 24}@UTC"
    ),
)
_SIGHTS = [
    sight(Contents(tokens, frozenset(kinds), effort), key=key, clients=frozenset(clients), at=hour * 3600.0)
    for tokens, kinds, effort, (key, clients), hour in product(
        range(5), ((), ("images", "thinking"), CONTENTS), ("none", "low", "high"), (("a", "a"), ("b", "ab")), range(0, 24, 3)
    )
]  # fmt: skip


@given(st.lists(_texts, max_size=3), st.lists(_texts, max_size=3))
def test_a_rule_that_takes_all_of_another_s_requests_does(general: list[str], special: list[str]) -> None:
    def takes(texts: list[str]) -> Callable[[Sight], bool]:
        return lambda one: taken(check(texts, one), wall=False)

    if all_implied(general, special):
        assert all(takes(general)(one) for one in _SIGHTS if takes(special)(one))
    try:
        kept = normal(special)
    except ValueError:
        assert not any(takes(special)(one) for one in _SIGHTS)
    else:
        assert all(takes(list(kept))(one) == takes(special)(one) for one in _SIGHTS)


@given(st.text(max_size=30))
def test_no_text_breaks_it(text: str) -> None:
    one = known(text)
    assert one is None or parse(one.text) == one
