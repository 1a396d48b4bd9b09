"""What a body refers to: the quick look says the same as the one that decodes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.dialects.openai_responses.references import REMEMBERED, references
from pointsman.wire.scan import body_look

NAMES = [
    "store",
    "previous_response_id",
    "conversation",
    "prompt",
    "prompt_cache_key",
    "tools",
    "id",
    "stored",
    "text",
]  # fmt: skip
LEAVES = st.sampled_from(
    [
        None,
        True,
        False,
        "x",
        "",
        "store",
        "id",
        "item_reference",
        "previous_response_id",
        '"store":false',
        "a\\",
        1,
    ]
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*NAMES, "type", "role"]), inner, max_size=4),
    max_leaves=8,
)  # fmt: skip
ITEMS = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from([None, "message", "item_reference", "function_call"]),
            "role": st.sampled_from([None, "user"]),
            "id": st.sampled_from([None, "msg_1", "", 7]),
            "content": st.sampled_from(["hi", '"id":"x"', "\u00e9\u001b", {"id": "x"}, {"id": {"type": "string"}}]),
        },
    ),
    max_size=3,
)  # fmt: skip
BODIES = st.tuples(
    st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=6),
    st.one_of(st.just("hi"), ITEMS),
    st.booleans(),
)


def looked_at(body: bytes) -> tuple[bool, bool] | None:
    """As the lane asks. None where it does not."""
    seen = body_look(body, 64, 64, REMEMBERED.words)
    if seen is None:
        return None
    found = REMEMBERED.seen(body, seen[4] & ((1 << len(REMEMBERED.words)) - 1) != 0)
    return found.stored, found.keeps


@given(BODIES, st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", " :\t")]), st.booleans())
def test_the_quick_look_says_what_decoding_says(
    made: tuple[dict[str, Any], Any, bool], separators: tuple[str, str], ascii: bool
) -> None:
    members, given, last = made
    body: dict[str, Any] = {"model": "m"} | ({} if last else {"input": given}) | members
    text = json.dumps(
        body | ({"input": given} if last else {}), separators=separators, ensure_ascii=ascii
    ).encode()
    found = looked_at(text)
    if found is not None:
        asks = references(text)
        assert found == (asks.stored, asks.keeps)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b'{"model":"m","input":"hi"}', (False, True)),
        (b'{"model":"m","input":"hi","store":false}', (False, False)),
        (b'{"model":"m","store" : false ,"input":[{"role":"user","content":"hi"}]}', (False, False)),
        (b'{"model":"m","tools":[{"parameters":{"store":false}}],"input":"hi"}', (False, True)),
        (b'{"model":"m","tools":[{"parameters":{"store":true}}],"input":"hi","store":false}', (False, False)),
        (b'{"model":"m","input":[{"type":"item\\u005freference","id":"a"}],"store":false}', (True, False)),
        (b'{"model":"m","input":[{"i\\u0064":"a"}],"store":false}', (True, False)),
        (b'{"model":"m","input":[{"id" : "a"}]}', (True, True)),
        (b'{"model":"m","input":"\\u001b[1m","store":false}', (False, False)),
        (b'{"model":"m","previous_response_id":"resp_1","input":"hi","store":true}', (True, True)),
        (b'{"model":"m","conversation":"c","input":"hi"}', (True, True)),
    ],
)
def test_what_a_body_refers_to(body: bytes, found: tuple[bool, bool]) -> None:
    assert looked_at(body) == found
    asks = references(body)
    assert (asks.stored, asks.keeps) == found
