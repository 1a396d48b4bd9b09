"""conversation.presets: the closed list of what a rule may set, as it is typed and as it is kept."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.conversation.presets import PRESETS, checked, merged, read, written

GOOD: dict[str, Any] = {
    "temperature": 0.2, "top_p?": 1, "top_k": 40, "min_p": 0.05, "repeat_penalty": 1.1, "presence_penalty": -2,
    "frequency_penalty?": 2, "seed": 0, "max_tokens": 4096, "stop": ["END", "\n"], "system": "Speak plainly.\n",
    "thinking": False, "effort": "high", "num_ctx": 32768, "chat_template_kwargs.enable_thinking": False,
    "chat_template_kwargs.style?": "short",
}  # fmt: skip


def test_every_name_takes_what_it_is_for() -> None:
    assert checked(GOOD) == GOOD
    assert set(PRESETS) <= {name.removesuffix("?") for name in GOOD}
    assert checked({"stop": "END"}) == {"stop": ["END"]}


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("temprature", 1, "'temprature' cannot be set; what can be is temperature, top_p, top_k"),
        ("chat_template_kwargs", {}, "and chat_template_kwargs.NAME"),
        ("chat_template_kwargs.a-b", 1, "cannot be set"),
        ("chat_template_kwargs.x", [1], "must be true, false, a number or a text"),
        ("temperature", 2.1, "temperature must be a number from 0 to 2"),
        ("temperature", float("nan"), "from 0 to 2"),
        ("temperature", True, "from 0 to 2"),
        ("temperature?", "hot", "temperature must be a number"),
        ("top_k", 1.5, "top_k must be a whole number from 0 to 100000"),
        ("seed", -1, "seed must be a whole number"),
        ("stop", [], "stop must be a text, or a list of at most 16"),
        ("stop", ["a"] * 17, "at most 16"),
        ("stop", [""], "stop must be"),
        ("system", "  ", "system must be a text"),
        ("system", "\ud800", "system must be a text"),
        ("thinking", "yes", "thinking must be true or false"),
        ("effort", "huge", "effort must be one of none, minimal, low"),
        ("num_ctx", 1, "num_ctx must be a whole number from 256"),
    ],
)
def test_what_it_cannot_be_is_refused_with_what_it_can(name: str, value: Any, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        checked({name: value})


def test_a_name_is_not_set_twice_nor_too_many_at_once() -> None:
    with pytest.raises(ValueError, match="top_p is set twice, always and where the client is silent"):
        checked({"top_p": 1, "top_p?": 0.5})
    with pytest.raises(ValueError, match="65 are too many; a rule sets at most 64"):
        checked({f"chat_template_kwargs.n{at}": 1 for at in range(65)})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("temperature=0.2", ("temperature", 0.2)),
        ("temperature?=1", ("temperature?", 1)),
        ("system=1 = one", ("system", "1 = one")),
        ("stop=END", ("stop", ["END"])),
        ('stop=["a","b"]', ("stop", ["a", "b"])),
        ("thinking=off", ("thinking", False)),
        ("thinking=true", ("thinking", True)),
        ("effort=low", ("effort", "low")),
        ("chat_template_kwargs.enable_thinking=false", ("chat_template_kwargs.enable_thinking", False)),
        ("chat_template_kwargs.style=short", ("chat_template_kwargs.style", "short")),
    ],
)
def test_as_it_is_typed(text: str, expected: tuple[str, Any]) -> None:
    assert read(text) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("temperature", "'temperature' is not NAME=VALUE"),
        ("=1", "is not NAME=VALUE"),
        ("temperature=hot", "temperature must be a number"),
        ("seed=null", "take it away with --unset seed"),
        ("heat=1", "'heat' cannot be set"),
    ],
)
def test_what_is_typed_wrongly_is_told(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read(text)


@given(st.dictionaries(st.sampled_from(sorted(GOOD)), st.just(None), max_size=len(GOOD)))
def test_what_is_written_is_read_again(names: dict[str, None]) -> None:
    presets = {name: GOOD[name] for name in names}
    assert dict(map(read, written(presets))) == presets


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["seed", "seed?", "top_k", "top_k?"]), st.none() | st.integers(0, 9), max_size=2
        ),
        max_size=6,
    )
)
def test_changes_leave_one_of_each_and_no_null(changes: list[dict[str, int | None]]) -> None:
    stand: dict[str, Any] = {}
    for change in changes:
        stand = merged(stand, change)
        for name, value in change.items():
            assert value is None or name not in stand or stand[name] == value
    assert None not in stand.values()
    assert len({name.removesuffix("?") for name in stand}) == len(stand)


def test_a_new_value_takes_the_place_of_the_other_form_and_null_takes_away() -> None:
    assert merged({"seed?": 1, "top_k": 2}, {"seed": 3}) == {"top_k": 2, "seed": 3}
    assert merged({"seed?": 1, "top_k": 2}, {"top_k": None}) == {"seed?": 1}
    assert merged({"seed?": 1}, {"seed": None}) == {"seed?": 1}
