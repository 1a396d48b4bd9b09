"""resilience.spread: the order of equals. Pure, so that most is said of all inputs."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.resilience.spread import Equal, order

EQUALS = st.builds(
    Equal,
    open=st.booleans(),
    full=st.booleans(),
    loaded=st.sampled_from([None, True, False]),
    in_flight=st.integers(0, 50),
    weight=st.integers(1, 9),
)
MANY = st.lists(EQUALS, min_size=1, max_size=4)
TURN = st.integers(0, 10_000)


@given(MANY, TURN)
def test_it_is_an_order_of_all_and_always_the_same(equals: list[Equal], turn: int) -> None:
    found = order(equals, turn)
    assert sorted(found) == list(range(len(equals)))
    assert order(list(equals), turn) == found


@given(MANY, TURN)
def test_nobody_stands_before_a_better_one(equals: list[Equal], turn: int) -> None:
    ranks = [
        (not one.open, one.full, one.loaded is False, one.in_flight // one.weight)
        for one in (equals[at] for at in order(equals, turn))
    ]
    assert ranks == sorted(ranks)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=4), TURN, st.integers(0, 3))
def test_a_round_gives_each_its_share_wherever_it_begins(weights: list[int], turn: int, dead: int) -> None:
    """Also while one of them is away: the others share among themselves as their weights say."""
    equals = [Equal(open=at != dead, weight=weight) for at, weight in enumerate(weights)]
    there = {at: one.weight for at, one in enumerate(equals) if one.open}
    asked = Counter(order(equals, turn + step)[0] for step in range(sum(there.values())))
    assert asked == (there or asked)


@given(st.lists(st.integers(1, 9), min_size=2, max_size=4), st.integers(1, 60))
def test_requests_that_stay_are_held_in_the_shares_of_the_weights(weights: list[int], requests: int) -> None:
    equals = [Equal(weight=weight) for weight in weights]
    for turn in range(requests):
        first = order(equals, turn)[0]
        equals[first] = replace(equals[first], in_flight=equals[first].in_flight + 1)
    fullest = max(-(-one.in_flight // one.weight) for one in equals)
    least = min(one.in_flight // one.weight for one in equals)
    assert fullest - least <= 1, "more than a whole share apart"


@pytest.mark.parametrize(
    ("equals", "first"),
    [
        ([Equal(loaded=False), Equal(loaded=True, in_flight=9)], 1),
        ([Equal(loaded=False), Equal(loaded=None, in_flight=9)], 1),
        ([Equal(loaded=True, in_flight=1), Equal(loaded=None)], 1),
        ([Equal(loaded=True, full=True), Equal(loaded=False)], 1),
        ([Equal(open=False), Equal(full=True)], 1),
        ([Equal(in_flight=3, weight=2), Equal(in_flight=1)], 0),
    ],
    ids=["loaded", "who cannot tell", "unknown is as good", "a place before a model", "dead", "weighed"],
)
@pytest.mark.parametrize("turn", [0, 1])
def test_what_comes_before_what(equals: list[Equal], first: int, turn: int) -> None:
    ties = equals[0].in_flight // equals[0].weight == equals[1].in_flight // equals[1].weight
    assert order(equals, turn)[0] == (first if not ties or _apart(equals) else turn)


def _apart(equals: list[Equal]) -> bool:
    one, other = equals
    return (one.open, one.full, one.loaded is False) != (other.open, other.full, other.loaded is False)


def test_three_to_one_are_well_mixed() -> None:
    assert [order([Equal(weight=3), Equal()], turn)[0] for turn in range(8)] == [0, 0, 1, 0, 0, 0, 1, 0]
