"""routing.pattern: `*` and `?` are wild, everything else is itself; compared with a regular expression."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.routing.pattern import is_wild, literal_length, wild_match, without_suffix


@pytest.mark.parametrize(
    ("pattern", "name", "covers"),
    [
        ("gpt-4o", "gpt-4o", True),
        ("gpt-4o", "gpt-4o-mini", False),
        ("gpt-4o", "GPT-4o", False),
        ("gpt-4o*", "gpt-4o", True),
        ("gpt-4o*", "gpt-4o-mini", True),
        ("gpt-?o", "gpt-4o", True),
        ("gpt-?o", "gpt-o", False),
        ("gpt-?o", "gpt-44o", False),
        ("*", "", True),
        ("*", "anything/at all", True),
        ("?", "", False),
        ("**", "x", True),
        ("*?", "", False),
        ("*?*", "x", True),
        ("*-mini", "gpt-4o-mini", True),
        ("*-mini", "gpt-4o-mini-x", False),
        ("*a*b*", "xxaxxbxx", True),
        ("*a*b*", "xxbxxaxx", False),
        ("a*b", "ab", True),
        ("a*b", "abab", True),
        ("claude-[1m]", "claude-1", False),
        ("claude-[1m]", "claude-[1m]", True),
        ("claude-*[1m]", "claude-x[1m]", True),
        ("claude-*[1m]", "claude-x1", False),
        ("a.c", "abc", False),
        ("a+", "aa", False),
        ("(a|b)", "a", False),
        ("{a,b}", "a", False),
        ("a\\*", "a*", False),
        ("a\\*", "a\\x", True),
        ("a?c", "a\nc", True),
        ("a*c", "a\n\nc", True),
        ("m?del", "m\u00f6del", True),
        ("models/*", "models/a/b", True),
        ("", "", True),
        ("", "x", False),
    ],
)
def test_table(pattern: str, name: str, covers: bool) -> None:
    assert wild_match(pattern, name) is covers


letters = st.text(alphabet="ab[]1m.\n", max_size=10)
patterns = st.text(alphabet="ab[]1m.\n*?*?", max_size=10)


def oracle(pattern: str, name: str) -> bool:
    parts = {"*": ".*", "?": "."}
    return re.fullmatch("".join(parts.get(c) or re.escape(c) for c in pattern), name, re.DOTALL) is not None


@settings(max_examples=400, deadline=None)
@given(patterns, letters)
def test_any_pattern_covers_what_the_oracle_covers(pattern: str, name: str) -> None:
    assert wild_match(pattern, name) == oracle(pattern, name)


def test_many_stars_cost_no_exponential_time() -> None:
    started = time.process_time()
    assert not wild_match("*a" * 100 + "b", "a" * 1000)
    assert time.process_time() - started < 1.0


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("*" + "a" * 10_000 + "b*", "a" * 100_000),
        ("*" + "a?" * 1000 + "b*", "a" * 20_000),
        ("*a" * 5000 + "*b*", "a" * 100_000),
    ],
)
def test_a_long_piece_is_not_looked_for_at_every_place_anew(pattern: str, name: str) -> None:
    """Each would be hundreds of millions of steps for a matcher that goes back."""
    started = time.process_time()
    assert not wild_match(pattern, name)
    assert time.process_time() - started < 2.0


@pytest.mark.parametrize(
    ("pattern", "wild", "length"), [("", False, 0), ("a[1m]", False, 5), ("a*", True, 1), ("?*b?", True, 1)]
)
def test_what_is_literal(pattern: str, wild: bool, length: int) -> None:
    assert is_wild(pattern) is wild
    assert literal_length(pattern) == length


@pytest.mark.parametrize(
    ("name", "bare"),
    [
        ("claude[1m]", "claude"),
        ("claude", "claude"),
        ("claude[1m]x", "claude[1m]x"),
        ("[1m]", "[1m]"),
        ("a[1m][1m]", "a[1m]"),
    ],
)
def test_without_suffix(name: str, bare: str) -> None:
    assert without_suffix(name) == bare
