"""Ids of our own: unique over a conversation, safe everywhere, and the backend's own found again in them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.dialects.ids import own_id, told_id, upstream_id

LEGAL = re.compile(r"[A-Za-z0-9_-]{1,40}").fullmatch
REQUESTS = [f"req_{n:020x}" for n in range(2000)]


@pytest.mark.parametrize(
    "own",
    [
        "call_0",
        "toolu_01A09q90qw90lq917835lq9",
        "call_" + "a" * 24,
        "functions.f:0",
        "123456789",
        "a-b:c",
        "日本",
        "--00",
    ],
)
def test_a_backend_gets_its_own_id_again(own: str) -> None:
    told = told_id(own, "req_1")
    assert told != own
    assert LEGAL(told)
    assert upstream_id(told) == own


def test_a_gateway_behind_a_gateway_gets_its_own_id_again() -> None:
    told = told_id("call_0", "req_1")
    assert upstream_id(told_id(told, "req_2")) == told


@given(st.text(min_size=1, max_size=80), st.text(max_size=30))
def test_every_id_is_told_as_one_that_all_vendors_take(own: str, request: str) -> None:
    told = told_id(own, request)
    assert LEGAL(told)
    assert told == told_id(own, request)
    assert upstream_id(told) in (own, told)


@pytest.mark.parametrize("own", ["call_0", "functions.get_weather:0", "chatcmpl-tool-" + "0" * 32])
def test_the_same_id_in_every_answer_is_another_one_each_time(own: str) -> None:
    assert len({told_id(own, request) for request in REQUESTS}) == len(REQUESTS)
    assert len({own_id("msg_", request) for request in REQUESTS}) == len(REQUESTS)


@pytest.mark.parametrize("theirs", ["call_1", "toolu_pm", "x_pm12345", "x_pq123456", ""])
def test_ids_of_a_clients_own_making_stay(theirs: str) -> None:
    assert upstream_id(theirs) == theirs
