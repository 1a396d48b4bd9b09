"""Nesting depth against an oracle: however it is proven shallow, the answer is the exact one."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pointsman.wire.depth import depth_exceeds
from pointsman.wire.splice import peek

TEXT = st.text(alphabet='{}[]"\\\n:,a é', max_size=12)


def depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max((depth(v) for v in value.values()), default=0)
    if isinstance(value, list):
        return 1 + max((depth(v) for v in value), default=0)
    return 0


@given(
    st.lists(st.tuples(st.booleans(), TEXT, TEXT), min_size=1, max_size=14),
    st.integers(1, 14),
    st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", " : ")]),
    st.booleans(),
)
def test_depth_is_exact(
    shells: list[tuple[bool, str, str]], limit: int, separators: tuple[str, str], ascii_only: bool
) -> None:
    value: Any = "core"
    for is_object, key, beside in shells:
        value = {key: value, key + "+": beside} if is_object else [beside, value]
    text = json.dumps(value, separators=separators, ensure_ascii=ascii_only).encode()
    assert depth_exceeds(text, limit) is (depth(value) > limit)


def test_depth_hidden_under_a_key_written_twice_is_seen() -> None:
    deep = b"[" * 140 + b"]" * 140
    assert depth_exceeds(b'{"a":' + deep + b',"a":1}', 128)
    assert depth_exceeds(b'{"x":[{"a":' + deep + b',"a":1},"' + b"{" * 400 + b'"]}', 128)


def test_code_in_strings_is_no_depth() -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": '{["\\' * 5000}] * 20}
    assert peek(json.dumps(body, separators=(",", ":")).encode()).model == "m"
