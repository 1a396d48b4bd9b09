"""resilience.walk: targets in order, each at most once unless it is the only one; who is passed over; what is told."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.errors import PointsmanError
from pointsman.kinds import ErrorKind, FallbackReason
from pointsman.resilience.walk import Closed, Held, Walked, walk

R = FallbackReason


def held(reason: FallbackReason = R.CONNECT, answer: str | None = None, **more: bool) -> Held[str]:
    return Held(reason, PointsmanError(ErrorKind.UPSTREAM_ERROR, f"failed: {reason.value}"), answer, **more)


class World:
    """outcomes: target -> how its tries end, in order, the last one for ever. closed: who is passed over."""

    def __init__(
        self,
        outcomes: Sequence[Held[str] | list[Held[str] | None] | None],
        closed: dict[int, Closed] | None = None,
        *,
        repeat: float | None = None,
        time_left: float = 100.0,
    ) -> None:
        self.outcomes = [list(one) if isinstance(one, list) else [one] for one in outcomes]
        self.shut = closed or {}
        self.wait = repeat
        self.left = time_left
        self.tried: list[int] = []
        self.paused: list[float] = []

    async def try_one(self, target: int, rest: Sequence[int]) -> list[tuple[int, Held[str]]] | None:
        self.tried.append(target)
        await asyncio.sleep(0)
        mine = self.outcomes[target]
        found = mine.pop(0) if len(mine) > 1 else mine[0]
        return None if found is None else [(target, found)]

    async def pause(self, seconds: float) -> None:
        self.paused.append(seconds)

    def walk(self, *, fall_back: bool = True) -> Walked[int, str]:
        return asyncio.run(walk(range(len(self.outcomes)), self, fall_back=fall_back))

    def closed(self, target: int) -> Closed | None:
        return self.shut.get(target)

    def repeat(self, target: int, held: Held[str]) -> float | None:
        return self.wait

    def time_left(self) -> float:
        return self.left


def test_the_first_that_answers_serves_and_no_other_is_tried() -> None:
    world = World([None, None])
    assert world.walk().served
    assert world.tried == [0]


def test_the_next_serves_when_one_fails() -> None:
    first = held()
    world = World([first, None, None])
    walked = world.walk()
    assert (walked.served, walked.failures, world.tried) == (True, [(0, first)], [0, 1])


def test_all_fail_and_none_of_several_is_asked_twice() -> None:
    world = World([held(R.CONNECT), held(R.TIMEOUT), held(R.EMPTY)], repeat=0.1)
    walked = world.walk()
    assert (walked.served, world.tried, world.paused) == (False, [0, 1, 2], [])


def test_without_fallback_only_the_first_is_tried_and_counts_as_the_only_one() -> None:
    world = World([held(), None], repeat=0.1)
    assert not world.walk(fall_back=False).served
    assert (world.tried, world.paused) == ([0, 0], [0.1])


def test_the_only_target_is_asked_once_more_after_a_wait() -> None:
    world = World([[held(), None]], repeat=0.2)
    assert world.walk().served
    assert (world.tried, world.paused) == ([0, 0], [0.2])


def test_the_only_target_is_not_asked_again_without_leave_or_time() -> None:
    for world in (World([held()]), World([held()], repeat=5.0, time_left=1.0)):
        assert not world.walk().served
        assert world.tried == [0]


def test_a_closed_target_is_passed_over_while_another_remains() -> None:
    world = World([None, None], {0: Closed(R.UPSTREAM_ERROR, 9.0)})
    walked = world.walk()
    assert (walked.served, world.tried, walked.passed_over) == (
        True,
        [1],
        [(0, Closed(R.UPSTREAM_ERROR, 9.0))],
    )


BUSY = Closed(R.THROTTLED, 0.0, busy=True)


def test_a_busy_target_is_passed_over_and_waited_for_where_nobody_else_serves() -> None:
    world = World([None, None], {0: BUSY})
    assert (world.walk().served, world.tried) == (True, [1])
    world = World([None, held(), held()], {0: BUSY, 2: Closed(R.UPSTREAM_ERROR, 5.0)})
    assert (world.walk().served, world.tried, world.paused) == (True, [1, 0], [])


def test_a_busy_target_is_still_somebody_to_go_to() -> None:
    """The first answered "too long" to its client, while the larger one only had a queue."""
    rests: list[Sequence[int]] = []

    class Told(World):
        async def try_one(self, target: int, rest: Sequence[int]) -> list[tuple[int, Held[str]]] | None:
            rests.append(list(rest))
            return await super().try_one(target, rest)

    assert Told([held(), None, None], {1: BUSY, 2: Closed(R.CONNECT, None)}).walk().served
    assert rests == [[1], []]


def test_the_last_candidate_is_never_shut_out() -> None:
    world = World([None], {0: Closed(R.UPSTREAM_ERROR, 300.0)})
    assert world.walk().served
    world = World([held(), None], {1: Closed(R.UPSTREAM_ERROR, 300.0)})
    assert world.walk().served
    assert world.tried == [0, 1]


def test_of_those_shut_out_only_the_one_that_opens_first_is_asked() -> None:
    closed = {
        0: Closed(R.UPSTREAM_ERROR, 20.0),
        1: Closed(R.UPSTREAM_ERROR, 5.0),
        2: Closed(R.AUTH, None, key=True),
    }
    world = World([held(), held(), held()], closed)
    assert not world.walk().served
    assert world.tried == [1]


def test_a_refused_key_is_asked_only_when_nobody_else_was() -> None:
    dead = Closed(R.AUTH, None, key=True)
    world = World([held(), None], {1: dead})
    assert not world.walk().served
    assert world.tried == [0]
    world = World([None], {0: dead})
    assert world.walk().served


def test_a_short_throttling_of_the_only_target_is_waited_for() -> None:
    world = World([None], {0: Closed(R.THROTTLED, 2.0)})
    assert world.walk().served
    assert world.paused == [2.0]
    world = World([None], {0: Closed(R.THROTTLED, 60.0)})
    assert world.walk().served
    assert world.paused == []


def test_a_final_failure_ends_the_walk() -> None:
    world = World([held(R.UPSTREAM_ERROR, "400 inside", final=True, clients=True), None], repeat=0.1)
    assert not world.walk().served
    assert world.tried == [0]


def test_nobody_else_is_asked_when_the_time_is_up() -> None:
    world = World([held(R.TIMEOUT), None], time_left=0.0)
    assert not world.walk().served
    assert world.tried == [0]


@pytest.mark.parametrize(
    ("failures", "told"),
    [
        ([held(R.CONNECT), held(R.TIMEOUT)], 1),
        ([held(R.TIMEOUT), held(R.CONNECT)], 0),  # a server that is not there is the least one can say
        ([held(R.THROTTLED, "429"), held(R.UPSTREAM_ERROR, "500")], 0),  # it says when to come again
        ([held(R.UPSTREAM_ERROR, "500"), held(R.UPSTREAM_ERROR, "503")], 1),
        ([held(R.UPSTREAM_ERROR, "500"), held(R.AUTH, "401")], 0),
        ([held(R.AUTH, "401"), held(R.TIMEOUT)], 0),
        ([held(R.UPSTREAM_ERROR, "too long", clients=True), held(R.THROTTLED, "429")], 0),
    ],
)
def test_the_most_useful_failure_is_told(failures: list[Held[str]], told: int) -> None:
    walked: Walked[int, str] = Walked(False, list(enumerate(failures)))
    assert walked.most_useful() is failures[told]


_reasons = st.sampled_from(list(FallbackReason))
_outcome = st.none() | _reasons.map(held)
_closed = st.builds(Closed, _reasons, st.none() | st.floats(0, 300), st.booleans())


@settings(max_examples=150, deadline=None)
@given(
    outcomes=st.lists(_outcome, min_size=1, max_size=4),
    closed=st.dictionaries(st.integers(0, 3), _closed, max_size=4),
    repeat=st.none() | st.floats(0, 2),
    fall_back=st.booleans(),
)
def test_whatever_happens_somebody_is_asked_and_nobody_too_often(
    outcomes: list[Held[str] | None], closed: dict[int, Closed], repeat: float | None, fall_back: bool
) -> None:
    world = World(outcomes, closed, repeat=repeat)
    walked = world.walk(fall_back=fall_back)
    targets = len(outcomes) if fall_back else 1
    assert world.tried, "nobody was asked"
    assert set(world.tried) <= set(range(targets))
    most = 2 if targets == 1 else 1
    assert all(world.tried.count(target) <= most for target in set(world.tried))
    assert len([target for target in world.tried if target in closed]) <= most
    assert walked.served == (outcomes[world.tried[-1]] is None)
    assert walked.served or walked.most_useful() is not None
    open_ones = [t for t in range(targets) if t not in closed]
    if open_ones and outcomes[open_ones[0]] is None:
        assert world.tried == [open_ones[0]], "a healthy target that answers is asked first and alone"
