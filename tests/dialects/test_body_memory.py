"""Bodies that are cut by what a body before had: the same pieces as when cut anew, whatever changed between the two."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from pointsman.dialects.body_memory import Bodies, Cut

WHOSE = "chat:1"
TURNS = st.lists(
    st.sampled_from(
        [{"role": "user", "content": 'a",]}'}, {"role": "user"}, {}, [], 1, 12, "]", '","', None]
    ),
    max_size=5,
)
MEMBERS = st.dictionaries(
    st.sampled_from(["model", "tools", "system", "messages", "max_tokens", 'a"b']),
    st.sampled_from(["m", "messages", [], [1, 2], {"messages": [1]}, '"messages":[1]', 1, 12]),
    max_size=4,
)
BODIES = st.tuples(MEMBERS, TURNS, MEMBERS)


def text_of(first: dict[str, Any], turns: list[Any], rest: dict[str, Any]) -> bytes:
    """Two members may have one key, so that it is written by hand."""
    members = [*first.items(), ("messages", turns), *rest.items()]
    return b"{" + b",".join(compact(key) + b":" + compact(value) for key, value in members) + b"}"


def compact(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def pieces(bodies: Bodies, body: bytes) -> tuple[object, Cut | None, Cut | None]:
    """What it was cut into; None where it cannot be."""
    try:
        found = bodies.cut(body, WHOSE, "messages")
    except (msgspec.DecodeError, UnicodeDecodeError):
        found = None
    if found is None:
        return None, None, None
    cut, before = found
    return (cut.head, cut.first, cut.texts, cut.rest, cut.size), cut, before


@given(st.lists(BODIES, min_size=1, max_size=4), st.binary(max_size=2), st.integers(0, 60))
def test_a_body_is_cut_as_if_none_had_been_before(
    made: list[tuple[dict[str, Any], list[Any], dict[str, Any]]], odd: bytes, at: int
) -> None:
    bodies = Bodies(most_bodies=2)
    for one in made:
        body = text_of(*one)
        grown = text_of(one[0], [*one[1], {"role": "user"}], one[2])
        shorter = text_of(one[0], one[1][:-1], one[2])
        for text in (body, grown, shorter, body[:at] + odd + body[at:], body[: -1 - at] + odd, body):
            found, cut, before = pieces(bodies, text)
            assert found == pieces(Bodies(), text)[0]
            if cut is not None:
                bodies.keep(WHOSE, cut, before)


def test_what_was_not_proven_is_looked_at() -> None:
    bodies = Bodies()
    body = text_of({"model": "m"}, [{"role": "user"}], {"tools": [1], "max_tokens": 1})
    _, cut, before = pieces(bodies, body)
    assert cut is not None
    assert not cut.proven
    bodies.keep(WHOSE, cut, before)
    _, cut, before = pieces(bodies, body.replace(b"[1]", b"[2]"))
    assert cut is not None
    assert cut.proven == {"model", "max_tokens"}
    assert before is not None


def test_bounds() -> None:
    bodies = Bodies(most_bodies=2, most_bytes=400)
    for name in "abc":
        _, cut, _ = pieces(bodies, text_of({"model": name * 100}, [{"role": "user"}], {}))
        assert cut is not None
        bodies.keep(WHOSE, cut, None)
    kept = bodies.bytes
    assert 0 < kept < 400
    bodies.keep("chat:2", cut, None)
    bodies.keep("chat:2", cut, cut)  # instead of itself
    assert bodies.bytes == kept
    known = [pieces(bodies, text_of({"model": name * 100}, [{"role": "user"}], {}))[2] for name in "abc"]
    assert [one is not None for one in known] == [False, False, True]
