"""JSON by position: what is not touched keeps its bytes, and what routing relies on cannot be said twice."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.errors import PointsmanError
from pointsman.wire.depth import depth_exceeds
from pointsman.wire.splice import peek, replace_model, set_flag

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
BODIES = st.tuples(
    st.dictionaries(st.text(max_size=8).filter(lambda k: k not in ("model", "stream")), VALUES, max_size=5),
    st.sampled_from([None, 1, 3]),
    st.booleans(),
)


@given(BODIES, st.text(min_size=1, max_size=12).filter(lambda t: t.isprintable()))
def test_only_the_model_changes(case: tuple[dict[str, Any], int | None, bool], name: str) -> None:
    fields, indent, ascii_only = case
    body = {**fields, "model": "first", "z": {"model": "inner"}}
    raw = json.dumps(body, indent=indent, ensure_ascii=ascii_only).encode()
    assert peek(raw).model == "first"
    changed = replace_model(raw, name)
    assert json.loads(changed) == {**body, "model": name}
    at = raw.index(b'"first"') if b'"first"' in raw else 0
    assert changed[:at] == raw[:at]


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"a","model":"b"}',
        b'{"model":"a","mod\\u0065l":"b"}',
        b'{"mod\\u0065l":"a", "x":[1,{"model":2}], "model":"b"}',
        b'{ "model" : "a" , "model" : "a" }',
        b"{",
        b"[]",
        b'"model"',
        b'{"model":""}',
        b'{"messages":[]}',
        b'{"model":1}',
        b'{"model":"a"} x',
        b'{"model":"a","x":' + b"[" * 128 + b"]" * 128 + b"}",
        b'{"model":"a","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
)
def test_what_cannot_be_routed_safely_is_a_400(body: bytes) -> None:
    with pytest.raises(PointsmanError) as caught:
        peek(body)
    assert caught.value.status == 400


def test_depth_128_passes_and_brackets_in_strings_do_not_count() -> None:
    peek(b'{"model":"a","x":' + b"[" * 127 + b"]" * 127 + b"}")
    peek(json.dumps({"model": "a", "code": '{["\\' * 400}).encode())
    assert depth_exceeds(b"[" * 129 + b"]" * 129, 128)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('{"model":"a"}', True),
        ('{"model":"a","stream_options":null}', True),
        ('{"model":"a","stream_options":{}}', True),
        ('{"model":"a","stream_options":{"include_usage":false}}', True),
        ('{"model":"a","stream_options":{"x":1}}', True),
        ('{"model":"a","stream_options":{"include_usage":true}}', False),
    ],
)
def test_usage_is_asked_for_once(body: str, expected: bool) -> None:
    asked = set_flag(body.encode(), "stream_options", "include_usage")
    assert (asked is not None) is expected
    if asked is not None:
        assert json.loads(asked)["stream_options"]["include_usage"] is True
