"""In which order rules are asked, and which priorities put one before or behind another. Pure.

Not here: who gets which names by it (table.py, reach.py).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from .pattern import is_wild, literal_length

Rank = tuple[int, bool, bool, int, int, int]


def rank(priority: int, pattern: str, number: int, conditions: int = 0) -> Rank:
    """Rules are asked in the order of these: priority, then with conditions before without, then exact before wild, then the
    longer literal part, then more conditions, then the lower id (docs/design.md#patterns-and-the-order-of-rules).
    conditions: how many it has."""
    return (-priority, not conditions, is_wild(pattern), -literal_length(pattern), -conditions, number)


class RulePlace(NamedTuple):
    """What of a rule decides which requests it gets."""

    id: int
    pattern: str
    priority: int = 0
    local_only: bool = False
    conditions: tuple[str, ...] = ()

    @property
    def rank(self) -> Rank:
        """Among all rules."""
        return rank(self.priority, self.pattern, self.id, len(self.conditions))

    @property
    def by_itself(self) -> tuple[bool, bool, int, int, int]:
        """Among rules of one priority."""
        return self.rank[1:]


def in_order(places: Sequence[RulePlace]) -> list[RulePlace]:
    """As they are asked."""
    return sorted(places, key=lambda place: place.rank)


def priorities(wanted: Sequence[RulePlace], most: int, moving: int | None = None) -> dict[int, int]:
    """The fewest priorities, by rule, that have to change so that the rules are asked in this order. moving: where one will
    do, it is rather this rule's. most: no priority is further from 0. Raises ValueError where there is no room.

    A rule may have the priority of the one before it where it comes later by itself, and must have a lower one where it
    does not: a step down. With the steps down to each rule added to its priority, those rules can keep theirs whose sums
    never rise, and the others fit in between.
    """
    steps = [0] * len(wanted)
    for at in range(1, len(wanted)):
        steps[at] = steps[at - 1] + (wanted[at - 1].by_itself > wanted[at].by_itself)
    if wanted and steps[-1] > 2 * most:
        raise ValueError("there are more rules than priorities")
    sums = [place.priority + step for place, step in zip(wanted, steps, strict=True)]
    least = (steps[-1] if steps else 0) - most
    able = [at for at, found in enumerate(sums) if least <= found <= most]
    weights = [1 if wanted[at].id == moving else 2 for at in able]
    kept = {able[one] for one in _heaviest([sums[at] for at in able], weights)}
    return _changed(wanted, steps, sums, kept, (least, most))


def _changed(
    wanted: Sequence[RulePlace],
    steps: Sequence[int],
    sums: Sequence[int],
    kept: set[int],
    ends: tuple[int, int],
) -> dict[int, int]:
    """Each as near to what it was as those that are kept let it."""
    floor = ends[0]
    floors = [floor] * len(wanted)
    for at in reversed(range(len(wanted))):
        floor = sums[at] if at in kept else floor
        floors[at] = floor
    found: dict[int, int] = {}
    above = ends[1]
    for at, place in enumerate(wanted):
        if at not in kept:
            above = max(floors[at], min(above, sums[at]))
            found[place.id] = above - steps[at]
        else:
            above = sums[at]
    return found


def _heaviest(values: Sequence[int], weights: Sequence[int]) -> list[int]:
    """The places of a never rising sequence among these values that weighs most."""
    levels = sorted({-value for value in values})
    best = [(0, -1)] * (len(levels) + 1)  # a Fenwick tree: (weight, place of the last)
    before = [-1] * len(values)
    for at, value in enumerate(values):
        node, found = bisect_right(levels, -value), (0, -1)
        while node:
            found = max(found, best[node], key=lambda one: one[0])
            node &= node - 1
        before[at] = found[1]
        mine = (found[0] + weights[at], at)
        node = bisect_left(levels, -value) + 1
        while node <= len(levels):
            best[node] = max(best[node], mine, key=lambda one: one[0])
            node += node & -node
    _, last = max(best, key=lambda one: one[0])
    found_places = []
    while last >= 0:
        found_places.append(last)
        last = before[last]
    return found_places[::-1]


def moved(
    places: Sequence[RulePlace], moving: int, beside: int, most: int, *, behind: bool
) -> dict[int, int]:
    """The fewest new priorities, by rule, that put one rule directly before another, or directly behind it; all others keep
    their order. Raises ValueError where there is no room, and KeyError for a rule that is not there."""
    ordered = in_order(places)
    by_id = {place.id: place for place in ordered}
    rule, other = by_id[moving], by_id[beside]
    if rule is other:
        return {}
    ordered.remove(rule)
    ordered.insert(ordered.index(other) + behind, rule)
    return priorities(ordered, most, moving)
