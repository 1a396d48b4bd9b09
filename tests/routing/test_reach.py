"""routing.reach: which rules get anything; compared with the routing of every short name."""

from __future__ import annotations

import time
from functools import lru_cache
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.errors import PointsmanError
from pointsman.routing.order import RulePlace, in_order
from pointsman.routing.pattern import is_wild, wild_match
from pointsman.routing.reach import common, covers, reach
from pointsman.routing.specs import MappingSpec, TargetSpec
from pointsman.routing.table import Fork, RoutingTable

NAMES = ["".join(name) for size in range(1, 6) for name in product("abc", repeat=size)]
"""`c` stands in no pattern, as most characters do."""
_pattern = st.text(alphabet="ab*?", min_size=1, max_size=4)
_rules = st.lists(st.tuples(_pattern, st.integers(-1, 1)), min_size=1, max_size=6).map(
    lambda rows: [RulePlace(number, pattern, priority) for number, (pattern, priority) in enumerate(rows, 1)]
)


@lru_cache
def _covered(pattern: str) -> frozenset[str]:
    """Of names so long that two patterns of four characters which differ differ in one of them."""
    names = ("".join(name) for size in range(1, 8) for name in product("abc", repeat=size))
    return frozenset(name for name in names if wild_match(pattern, name))


def _table(places: list[RulePlace]) -> RoutingTable:
    to = (TargetSpec("openai"),)
    return RoutingTable(
        [
            MappingSpec(one.id, one.pattern, one.priority, to, one.local_only, conditions=one.conditions)
            for one in places
        ],
        (),
    )


def _who(table: RoutingTable, name: str, held: frozenset[str] = frozenset()) -> int | None:
    """The rule of a request of which these conditions hold."""
    try:
        found = table.resolve(name, {})
        if isinstance(found, Fork):
            return found.chosen(lambda rule: set(rule.conditions) <= held).mapping_id
        return found.mapping_id
    except PointsmanError:
        return None


@settings(max_examples=80, deadline=None)
@given(_rules)
def test_a_rule_is_reached_when_some_name_gets_it(places: list[RulePlace]) -> None:
    table, found = _table(places), reach(places)
    reached = {_who(table, name) for name in NAMES}
    by_id = {place.id: place for place in places}
    for place in in_order(places):
        one = found[place.id]
        assert one.known
        assert (one.name is not None) == (place.id in reached)
        if one.name is not None:
            assert _who(table, one.name) == place.id
            continue
        names = [name for name in NAMES if wild_match(place.pattern, name)]
        takers = [by_id[number] for number in one.takers]
        assert all(taker.rank < place.rank for taker in takers)
        assert all(any(wild_match(taker.pattern, name) for taker in takers) for name in names)
        for left_out in takers:
            others = [taker for taker in takers if taker is not left_out]
            assert any(not any(wild_match(one.pattern, name) for one in others) for name in names)


_WORDS = ("images", "tools")
_conditional = st.lists(
    st.tuples(_pattern, st.integers(-1, 1), st.sets(st.sampled_from(_WORDS))), min_size=1, max_size=6
).map(
    lambda rows: [
        RulePlace(number, pattern, priority, conditions=tuple(sorted(conditions)))
        for number, (pattern, priority, conditions) in enumerate(rows, 1)
    ]
)
_SIGHTS = [frozenset(one) for one in ((), ("images",), ("tools",), _WORDS)]


@settings(max_examples=100, deadline=None)
@given(_conditional)
def test_a_rule_with_conditions_leaves_requests_to_those_behind_it(places: list[RulePlace]) -> None:
    """Never said of one that gets something; and said of one whose requests a single rule takes."""
    table, found = _table(places), reach(places)
    reached = {_who(table, name, held) for name in NAMES for held in _SIGHTS}
    for place in places:
        one = found[place.id]
        if place.id in reached:
            assert one.name is not None
        earlier = [other for other in places if other.rank < place.rank]
        alone = [
            other
            for other in earlier
            if set(other.conditions) <= set(place.conditions)
            and _covered(place.pattern) <= _covered(other.pattern)
        ]
        if alone:
            assert one.name is None
        if one.name is not None:
            assert _who(table, one.name, frozenset(place.conditions)) == place.id


@settings(max_examples=80, deadline=None)
@given(_rules)
def test_what_rules_share_is_what_both_cover(places: list[RulePlace]) -> None:
    found, ordered = reach(places), in_order(places)
    for at, place in enumerate(ordered):
        shared = {one.id: one.name for one in found[place.id].shared}
        for other in ordered[:at]:
            both = _covered(place.pattern) & _covered(other.pattern)
            special = _covered(other.pattern) <= _covered(place.pattern)
            assert (place.id in found[other.id].raised_over) == bool(
                both and other.by_itself > place.by_itself
            )
            tells = bool(both) and not special and is_wild(other.pattern) and found[place.id].name is not None
            assert (other.id in shared) == tells
            if tells:
                assert wild_match(place.pattern, shared[other.id])
                assert wild_match(other.pattern, shared[other.id])


@settings(max_examples=150, deadline=None)
@given(_pattern, _pattern)
def test_one_pattern_covers_another_when_it_covers_all_its_names(one: str, other: str) -> None:
    assert covers(one, other) == all(wild_match(one, name) for name in NAMES if wild_match(other, name))
    both = [name for name in NAMES if wild_match(one, name) and wild_match(other, name)]
    assert (common(one, other) is not None) == bool(both)


def _told(*rules: tuple[str, int]) -> dict[int, tuple[bool, tuple[int, ...]]]:
    places = [RulePlace(number, *rule) for number, rule in enumerate(rules, 1)]
    return {number: (one.name is not None, one.takers) for number, one in reach(places).items()}


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        ([("qwen*", 1), ("qwen3-coder", 0)], {2: (False, (1,))}),
        ([("a?*", 1), ("a", 1), ("a*", 0)], {3: (False, (2, 1))}),
        ([("gpt-4o", 0), ("gpt-4o", 0)], {2: (False, (1,))}),
        ([("practice:*", 9)], {1: (False, ())}),
        ([("practice*", 0)], {1: (True, ())}),
        ([("*", 9), ("practice", 0), ("practice:slow", 0)], {2: (True, ()), 3: (True, ())}),
        ([("*", 1), ("claude-*[1m]", 0)], {2: (False, (1,))}),
        ([("secret-*", 1, True), ("SECRET-*", 0)], {2: (False, (1,))}),
        ([("secret-*", 0, True), ("SECRET-*", 0)], {2: (True, ())}),
        ([("secret", 1, True), ("SECRET*", 0)], {2: (True, ())}),
    ],
)
def test_what_takes_a_rules_requests(
    rules: list[tuple[str, int]], told: dict[int, tuple[bool, tuple[int, ...]]]
) -> None:
    assert told.items() <= _told(*rules).items()


def test_an_example_of_a_rule_behind_a_wall_is_one_that_it_gets() -> None:
    places = [RulePlace(1, "secret", 1, True), RulePlace(2, "SECRET*", 0)]
    name = reach(places)[2].name
    assert name is not None
    assert _who(_table(places), name) == 2


def test_patterns_that_are_made_to_take_all_time_do_not() -> None:
    nasty = [RulePlace(number, "*a" * 20 + "?" * number + "*b", number % 3) for number in range(1, 41)]
    nasty += [RulePlace(number, "*a?" * 12 + "*?" * (number % 7) + "b*") for number in range(41, 81)]
    started = time.process_time()
    reach(nasty)
    assert time.process_time() - started < 5.0


def test_rules_that_nobody_could_look_through_are_told_as_not_known() -> None:
    apart = [f"*a{'?' * number}a*" for number in range(40)]
    many = [RulePlace(at, pattern, 1) for at, pattern in enumerate(["?" * 14, "?" * 15 + "*", *apart], 1)]
    both = reach([*many[:2], RulePlace(99, "*a" * 14 + "*")])[99]
    assert (both.name, set(both.takers)) == (None, {1, 2})
    assert not reach([*many, RulePlace(99, "*a" * 14 + "*")])[99].known
    alone = reach([RulePlace(98, "*a*", 2), *many, RulePlace(99, "*a" * 14 + "*")])[99]
    assert (alone.name, alone.takers) == (None, (98,)), "what one rule takes is found all the same"
