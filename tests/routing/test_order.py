"""routing.order: the fewest priorities that put one rule before another; compared with trying all."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.routing.order import RulePlace, in_order, moved

MOST = 3
_patterns = st.sampled_from(["a", "b", "ab", "a*", "b*", "*", "?", "ab*", "a*b"])
_rules = st.lists(st.tuples(_patterns, st.integers(-MOST, MOST)), min_size=1, max_size=6).map(
    lambda rows: [RulePlace(number, pattern, priority) for number, (pattern, priority) in enumerate(rows, 1)]
)


def _with(places: list[RulePlace], changes: dict[int, int]) -> list[RulePlace]:
    return [place._replace(priority=changes.get(place.id, place.priority)) for place in places]


def _fits(wanted: list[RulePlace], changed: tuple[int, ...]) -> bool:
    """Can it be this order when only those change? Each that does gets as much as it can have."""
    before: RulePlace | None = None
    for at, place in enumerate(wanted):
        highest = MOST
        if before is not None:
            highest = before.priority - (before.by_itself > place.by_itself)
        if (place.priority > highest and at not in changed) or highest < -MOST:
            return False
        before = place._replace(priority=highest) if at in changed else place
    return True


@settings(max_examples=400, deadline=None)
@given(_rules, st.data())
def test_a_move_gives_the_order_that_was_asked_by_as_few_priorities_as_can_be(
    places: list[RulePlace], data: st.DataObject
) -> None:
    rule, other = (data.draw(st.sampled_from(places)) for _ in range(2))
    behind = data.draw(st.booleans())
    wanted = [place for place in in_order(places) if place is not rule]
    at = wanted.index(other) + behind if rule is not other else in_order(places).index(rule)
    wanted.insert(at, rule)
    tries = (changed for many in range(len(places) + 1) for changed in combinations(range(len(places)), many))
    fewest = next((len(changed) for changed in tries if _fits(wanted, changed)), None)
    if fewest is None:
        with pytest.raises(ValueError, match="priorities"):
            moved(places, rule.id, other.id, MOST, behind=behind)
        return
    changes = moved(places, rule.id, other.id, MOST, behind=behind)
    assert [place.id for place in in_order(_with(places, changes))] == [place.id for place in wanted]
    assert all(abs(priority) <= MOST for priority in changes.values())
    assert len(changes) == fewest
    assert set(_with(places, changes)) - set(places) == {
        place for place in _with(places, changes) if place.id in changes
    }, "no rule is told to change to what it has"


@pytest.mark.parametrize(
    ("priorities", "changes"),
    [
        ([9, 4, 0], {3: 5}),  # there is room between
        ([5, 4, 4], {3: 5}),  # behind the exact one, which comes first by itself
        ([4, 4, 4], {2: 3}),  # one rule lowered, where two would have to be raised
    ],
)
def test_a_general_rule_goes_between_two_that_are_more_exact(
    priorities: list[int], changes: dict[int, int]
) -> None:
    patterns = ["qwen3", "qwen3*", "*"]
    exact, long, short = (RulePlace(at + 1, patterns[at], priorities[at]) for at in range(3))
    assert moved([exact, long, short], short.id, long.id, 10, behind=False) == changes


def test_a_rule_that_is_raised_by_hand_changes_and_not_the_one_below() -> None:
    assert moved([RulePlace(1, "qwen3-coder"), RulePlace(2, "qwen*")], 2, 1, 10, behind=False) == {2: 1}


def test_a_rule_that_was_raised_goes_back_to_the_nearest_priority_that_will_do() -> None:
    raised, exact = RulePlace(1, "qwen*", 7), RulePlace(2, "qwen3-coder", 2)
    assert moved([raised, exact], raised.id, exact.id, 10, behind=True) == {raised.id: 2}


def test_five_thousand_rules_are_moved_at_once() -> None:
    places = [RulePlace(number, f"model-{number}*", number % 7) for number in range(1, 5001)]
    ordered = in_order(places)
    changes = moved(places, ordered[-1].id, ordered[0].id, 1_000_000, behind=False)
    assert list(changes) == [ordered[-1].id]
