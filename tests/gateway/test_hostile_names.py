"""Names that nearly fit thousands of rules, side by side: nobody else waits for them."""

from __future__ import annotations

import asyncio
import random

import pytest
import uvloop

from pointsman.routing.slices import Slices
from pointsman.routing.table import Listed, Plan, RoutingTable

from .plane import plane, rule
from .test_model_lists import spec_of

RULES = ["*" + "*".join(random.Random(number).choices("ab", k=127)) + "*" for number in range(2000)]
NAMES = ["".join(random.Random(-number).choices("ab", k=118)) + "c" * 9 for number in range(1, 9)]


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A name for each slice that was done for it, in their order."""
    done: list[str] = []
    search = RoutingTable.search

    def counted(table: RoutingTable, model: str, lists: Listed) -> Slices[Plan]:
        work = search(table, model, lists)
        while True:
            done.append(model)
            try:
                next(work)
            except StopIteration as end:
                plan: Plan = end.value
                return plan
            yield

    monkeypatch.setattr(RoutingTable, "search", counted)
    return done


def test_whoever_asks_for_a_known_model_does_not_wait_for_hostile_names(steps: list[str]) -> None:
    """Each of them cost up to 250 ms of the event loop, 20 times that where a rule is a wall."""

    async def main() -> None:
        async with plane() as found:
            rules = [rule(pattern, "openai", id=number) for number, pattern in enumerate(RULES, 1)]
            wall = rule("*a*secret*", "local/box", id=9000, local_only=True)
            found.rules(
                *rules,
                wall,
                rule("known", "openai", id=9001),
                backends=[spec_of(1), spec_of(2, key="openai")],
            )
            data, state = found.plane, found.plane.rules
            assert state is not None
            turns: list[int] = []

            async def others() -> None:
                while True:
                    turns.append(len(steps))
                    await asyncio.sleep(0)

            watching = asyncio.create_task(others())
            asked = [asyncio.create_task(data.plan(state, f"{name}z")) for name in NAMES]
            await asyncio.sleep(0)
            assert (await data.plan(state, "known")).targets
            assert not all(one.done() for one in asked)
            await asyncio.gather(*asked, return_exceptions=True)
            watching.cancel()
            assert len(steps) > 500, "these are hostile indeed"
            # one slice a turn, whose ever it is; the first one of each name comes with its request
            gaps = [after - before for before, after in zip(turns, turns[1:], strict=False)]
            assert max(gaps) <= len(NAMES) + 2
            assert sum(gap > 2 for gap in gaps) <= 2

    uvloop.run(main())


def test_the_same_hostile_name_is_looked_for_once_however_many_ask(steps: list[str]) -> None:
    async def main() -> None:
        async with plane() as found:
            found.rules(*(rule(one, "openai", id=n) for n, one in enumerate(RULES, 1)), backends=[])
            data, state = found.plane, found.plane.rules
            assert state is not None
            for name in (NAMES[0], "b"):
                steps.clear()
                await asyncio.gather(data.plan(state, name), return_exceptions=True)
                alone = len(steps)
                state._misses.clear()
                state.plans.clear()
                steps.clear()
                found_all = await asyncio.gather(
                    *(data.plan(state, name) for _ in range(30)), return_exceptions=True
                )
                assert len({str(one) for one in found_all}) == 1
                await asyncio.gather(data.plan(state, name), return_exceptions=True)
                assert len(steps) == alone

    uvloop.run(main())


def test_who_leaves_while_the_name_is_looked_for_takes_nobody_with_him(steps: list[str]) -> None:
    async def main() -> None:
        async with plane() as found:
            found.rules(*(rule(one, "openai", id=n) for n, one in enumerate(RULES, 1)), backends=[])
            data, state = found.plane, found.plane.rules
            assert state is not None
            asked = [asyncio.create_task(data.plan(state, NAMES[0])) for _ in range(3)]
            for one in asked[:2]:
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                one.cancel()
            done = await asyncio.gather(*asked, return_exceptions=True)
            assert [type(one).__name__ for one in done[:2]] == ["CancelledError"] * 2
            assert "No rule matches" in str(done[2]) or isinstance(done[2], Plan)

    uvloop.run(main())
