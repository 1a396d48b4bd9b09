"""The order of a rule's equals for one request: who is there, has the model loaded, has least to do, has the turn. Pure.

Not here: which targets are equals, and what is known of each (gateway/request/spreading.py, admin/control/standing.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class Equal:
    """One target among its equals. open: it is not passed over. full: a request would have to wait for a place there.
    loaded: does it have the model loaded? None where it cannot tell, which counts as loaded. in_flight: requests that are
    there, or wait there. weight: how many requests at once count as one."""

    open: bool = True
    full: bool = False
    loaded: bool | None = None
    in_flight: int = 0
    weight: int = 1


@dataclass(slots=True)
class Rota:
    """Of one rule that spreads. count: of its requests, from 0. asked: a target's label -> when it was last the first to be
    asked, monotonic seconds."""

    count: int = -1
    asked: dict[str, float] = field(default_factory=dict)


def order(equals: Sequence[Equal], turn: int) -> list[int]:
    """Their positions, who is to be asked first at the front. turn: counts the requests; of equals that nothing else tells
    apart it decides, so that of so many turns as the weights add up to each gets its own share.

    In this order: those that are passed over come last, before them those without a free place, before them those that say
    that the model is not loaded. Then the fewest requests in flight, divided by the weight, the fraction left out: two that
    are less than one whole share apart are equally busy. Then the turn.
    """
    there = [at for at, one in enumerate(equals) if one.open]
    turns = _turns(tuple(equals[at].weight for at in there))
    due = {at: _due(turns, place, turn) for place, at in enumerate(there)}

    def rank(at: int) -> tuple[bool, bool, bool, int, int]:
        one = equals[at]
        busy = one.in_flight // one.weight
        return (not one.open, one.full, one.loaded is False, busy, due.get(at, at))

    return sorted(range(len(equals)), key=rank)


@lru_cache(maxsize=256)
def _turns(weights: tuple[int, ...]) -> tuple[int, ...]:
    """Whose turn it is in each of one round, the shares of all well mixed: 3 and 1 are 0, 0, 1, 0."""
    total = sum(weights)
    credit = [0] * len(weights)
    turns: list[int] = []
    for _ in range(total):
        credit = [have + weight for have, weight in zip(credit, weights, strict=True)]
        chosen = max(range(len(weights)), key=credit.__getitem__)
        credit[chosen] -= total
        turns.append(chosen)
    return tuple(turns)


def _due(turns: tuple[int, ...], place: int, turn: int) -> int:
    """In how many turns it is this one's."""
    length = len(turns)
    return next(ahead for ahead in range(length) if turns[(turn + ahead) % length] == place)
