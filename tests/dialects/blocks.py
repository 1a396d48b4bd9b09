"""Plans of answers that come in blocks or items, for the protocols whose streams have them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st


@dataclass(frozen=True)
class Plan:
    """parts: (kind, text) of text | thinking | signed | call | vendor | refusal. reason: in the protocol's own words.
    error: an error object that ends the stream."""

    parts: tuple[tuple[str, str], ...]
    reason: str | None
    usage: dict[str, Any] | None = None
    error: Any = None


words = st.sampled_from(["", " ", "\n\n", "a", " b ", "é" * 30])
errors = st.sampled_from(
    [
        None,
        None,
        None,
        {"type": "overloaded_error", "message": "busy"},
        {"type": "rate_limit_error", "message": "slow down"},
        {"code": 503, "message": "down"},
        {"code": "context_length_exceeded", "message": "too long"},
        "boom",
    ]
)
counts = st.none() | st.fixed_dictionaries(
    {"input_tokens": st.integers(0, 9), "output_tokens": st.integers(0, 9)}
)


def plans(kinds: list[str], reasons: list[str | None]) -> st.SearchStrategy[Plan]:
    parts = st.lists(st.tuples(st.sampled_from(kinds), words), max_size=4).map(tuple)
    return st.builds(Plan, parts, st.sampled_from(reasons), counts, errors)


def halves(text: str) -> list[str]:
    return [text[: len(text) // 2], text[len(text) // 2 :]]
