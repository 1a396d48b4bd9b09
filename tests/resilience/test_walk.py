"""resilience.walk: targets in order, each at most once, until one answers; and which failure is told."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.errors import PointsmanError
from pointsman.kinds import ErrorKind, FallbackReason
from pointsman.resilience.walk import Held, Walked, walk


def held(reason: FallbackReason = FallbackReason.CONNECT, answer: str | None = None) -> Held[str]:
    return Held(reason, PointsmanError(ErrorKind.UPSTREAM_ERROR, f"failed: {reason.value}"), answer)


def run(outcomes: list[Held[str] | None], *, fall_back: bool = True) -> tuple[Walked[int, str], list[int]]:
    """Walk over targets 0, 1, 2, ... of which each ends as told; also the targets that were tried."""
    tried: list[int] = []

    async def try_one(target: int) -> Held[str] | None:
        tried.append(target)
        await asyncio.sleep(0)
        return outcomes[target]

    walked: Walked[int, str] = asyncio.run(walk(range(len(outcomes)), try_one, fall_back=fall_back))
    return walked, tried


def test_the_first_that_answers_serves_and_no_other_is_tried() -> None:
    walked, tried = run([None, None])
    assert (walked.served, walked.failures, tried) == (0, [], [0])


def test_the_next_serves_when_one_fails() -> None:
    first = held()
    walked, tried = run([first, None, None])
    assert (walked.served, walked.failures, tried) == (1, [(0, first)], [0, 1])


def test_all_fail() -> None:
    all_held = [
        held(reason) for reason in (FallbackReason.CONNECT, FallbackReason.TIMEOUT, FallbackReason.EMPTY)
    ]
    walked, tried = run(list(all_held))
    assert walked.served is None
    assert tried == [0, 1, 2]
    assert walked.failures == list(enumerate(all_held))


def test_without_fallback_only_the_first_is_tried() -> None:
    first = held()
    walked, tried = run([first, None], fall_back=False)
    assert (walked.served, walked.failures, tried) == (None, [(0, first)], [0])
    assert run([None, None], fall_back=False)[0].served == 0


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ([None, None], 1),
        (["a", None], 0),
        ([None, "b"], 1),
        (["a", "b"], 1),
        (["a", "b", None], 1),
        ([""], 0),
        (["", None], 0),
    ],
)
def test_told_is_the_last_answer_an_upstream_gave_else_the_last_failure(
    answers: list[str | None], told: int
) -> None:
    all_held = [held(answer=answer) for answer in answers]
    walked, _ = run(list(all_held))
    assert walked.most_useful() is all_held[told]


def test_an_exception_is_not_swallowed() -> None:
    async def broken(target: int) -> Held[str] | None:
        raise RuntimeError(target)

    with pytest.raises(RuntimeError, match="0"):
        asyncio.run(walk([0, 1], broken, fall_back=True))


def test_a_cancelled_walk_tries_no_further_target() -> None:
    tried: list[int] = []

    async def main() -> None:
        async def hangs(target: int) -> Held[str] | None:
            tried.append(target)
            await asyncio.sleep(60)
            return None

        task = asyncio.ensure_future(walk([0, 1], hangs, fall_back=True))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert tried == [0]


@settings(max_examples=80, deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=6), st.booleans())
def test_each_target_is_tried_at_most_once_and_in_order(works: list[bool], fall_back: bool) -> None:
    walked, tried = run([None if ok else held() for ok in works], fall_back=fall_back)
    reached = works[: works.index(True) + 1] if True in works else works
    expected = list(range(len(reached))) if fall_back else [0]
    assert tried == expected
    assert [target for target, _ in walked.failures] == [i for i in expected if not works[i]]
    assert walked.served == (expected[-1] if works[expected[-1]] else None)
