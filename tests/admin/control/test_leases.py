"""Limits that three gateways share on a real PostgreSQL: each has its own accountant, usage log and cashier, all hammer one
limit at once. The decisions alone, with deaths and lost answers: tests/ledger/test_leased.py.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pointsman.admin.control.accountant import Accountant
from pointsman.admin.store.database import Store
from pointsman.admin.store.postgres_backing import PostgresBacking
from pointsman.admin.store.usage import UsageStore
from pointsman.admin.store.usage_opening import open_usage
from pointsman.errors import PointsmanError
from pointsman.kinds import ErrorKind, Limit
from pointsman.ledger import slices
from pointsman.ledger.accounts import LimitSpec
from pointsman.ledger.blocks import block_of
from pointsman.ledger.records import UsageRecord
from pointsman.link.leasing import LeasingCashier
from tests.postgres_ready import ReadyDatabases

TOKENS = LimitSpec("key/1", Limit.TOKENS, 60_000)
RATE = LimitSpec("key/1", Limit.REQUESTS, 600)
PLACES = LimitSpec("key/1", Limit.PARALLEL, 6)
MOST = 400
"""Tokens of a request, which is what it reserves."""
_IDS = itertools.count()


def on_a_loop(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Run as a whole on a loop of its own."""

    @functools.wraps(test)
    def run(*given: Any, **named: Any) -> None:
        async def whole() -> None:
            async with asyncio.timeout(60):
                await test(*given, **named)

        asyncio.run(whole())

    return run


@dataclass
class Node:
    """name, incarnation, live: see accountant.Sharing. told: to webhooks."""

    name: str
    store: Store
    usage: UsageStore
    incarnation: str = "1"
    told: list[tuple[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.accountant = Accountant(self.store, self.usage, lambda *one: self.told.append(one), self)
        cashier = self.accountant.cashier
        assert isinstance(cashier, LeasingCashier)
        self.cashier = cashier
        self.cashier.settled_at = 0.0  # it has been there for a while
        self.away = False
        book = self.accountant._book
        assert book is not None
        take = book.take

        def reached(*given: Any) -> Any:
            if self.away:
                raise PointsmanError(ErrorKind.UNAVAILABLE, "The database cannot be reached.")
            return take(*given)

        book.take = reached  # type: ignore[method-assign]

    def kill(self) -> None:
        assert self.cashier._renewing is not None
        self.cashier._renewing.cancel()

    def live(self) -> int:
        return 3

    def log(self, tokens: int) -> None:
        record = UsageRecord(
            id=f"req_{next(_IDS):06}", at=time.time(), protocol="openai_chat", path="/v1/chat/completions", model="m",
            target="openai:m", attempts=1, fallback=None, status=200, outcome="ok", stream=False, input_tokens=tokens,
            output_tokens=0, key_id=1, attempt=1,
        )  # fmt: skip
        self.usage.add(block_of([record]))

    async def use(
        self, limit: LimitSpec, amount: int, seconds: float = 0.0, used: int | None = None
    ) -> int | None:
        """What it took, None where it was refused."""
        taken = await self.cashier.admit([(limit, amount)])
        if taken.receipt is None:
            return None
        await asyncio.sleep(seconds)
        used = amount if used is None else used
        self.cashier.settle(taken.receipt, {limit.kind: used})
        return used


@pytest.fixture
def make(ready_databases: ReadyDatabases, tmp_path: Path) -> Iterator[Callable[..., list[Node]]]:
    """Nodes that share these limits."""
    with ExitStack() as stack:
        url = stack.enter_context(ready_databases.lent())

        def nodes(*names: str, incarnation: str = "1") -> list[Node]:
            made = []
            for name in names:
                store = Store.open(tmp_path / name, url)
                stack.callback(store.close)
                usage = open_usage(store, tmp_path / name)
                stack.callback(usage.close)
                made.append(Node(name, store, usage, incarnation))
                made[-1].cashier.follow([TOKENS, RATE, PLACES])
            return made

        yield nodes


@on_a_loop
async def test_three_nodes_use_all_of_a_budget_and_no_more_and_each_threshold_is_told_once(
    make: Callable[..., list[Node]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pointsman.ledger.leased.RENEW_SECONDS", 0.5)
    monkeypatch.setattr("pointsman.ledger.leased.SCARCE_SECONDS", 0.1)
    monkeypatch.setattr("pointsman.ledger.leased.PAUSE_SECONDS", 0.1)
    monkeypatch.setattr("pointsman.link.leasing.TICK_SECONDS", 0.1)
    nodes, chance, spent = make("a", "b", "c"), random.Random(18), 0

    async def work(node: Node) -> None:
        nonlocal spent
        while True:
            used = await node.use(TOKENS, MOST, chance.random() / 100, chance.randint(1, MOST))
            if used is not None:
                spent += used
                node.log(used)
            elif node.cashier.budgets()[0].refusal(1, time.monotonic(), time.time()) == (TOKENS, 0, None):
                return
            else:
                await asyncio.sleep(0.05)

    await asyncio.gather(*(work(node) for node in nodes for _ in range(8)))
    assert TOKENS.most <= spent <= TOKENS.most + MOST
    for node in nodes:
        await node.cashier.give_back()
    told = [name for node in nodes for name, _ in node.told]
    assert sorted(told) == ["budget.reached", "budget.warned"]


@on_a_loop
async def test_three_nodes_never_have_more_requests_at_once_than_the_limit(
    make: Callable[..., list[Node]],
) -> None:
    nodes, now, peak = make("a", "b", "c"), 0, 0

    async def work(node: Node) -> None:
        nonlocal now, peak
        for _ in range(3):
            while (taken := await node.cashier.admit([(PLACES, 1)])).receipt is None:
                await asyncio.sleep(0.05)
            now += 1
            peak = max(peak, now)
            await asyncio.sleep(0.02)
            now -= 1
            node.cashier.settle(taken.receipt, {})

    await asyncio.gather(*(work(node) for node in nodes for _ in range(6)))
    assert PLACES.most - 1 <= peak <= PLACES.most
    for node in nodes:
        await node.cashier.give_back()


@on_a_loop
async def test_three_nodes_share_a_rate(make: Callable[..., list[Node]]) -> None:
    nodes, begun, passed = make("a", "b", "c"), time.monotonic(), 0

    async def work(node: Node) -> None:
        nonlocal passed
        while await node.use(RATE, 1) is not None:
            passed += 1

    await asyncio.gather(*(work(node) for node in nodes))
    took = time.monotonic() - begun
    assert RATE.most - 3 <= passed <= RATE.most + took * RATE.most / slices.RATE_SECONDS + 1
    await asyncio.gather(*(node.cashier.give_back() for node in nodes))


@on_a_loop
async def test_without_the_database_a_node_goes_on_within_its_part_and_then_refuses(
    make: Callable[..., list[Node]],
) -> None:
    (node,) = make("a")
    assert await node.use(TOKENS, MOST, used=10) == 10
    node.away = True
    assert await node.use(TOKENS, MOST - 10) is not None
    with pytest.raises(PointsmanError, match="cannot be looked up"):
        await node.use(TOKENS, MOST)
    node.away = False
    await asyncio.sleep(1.1)  # before it is asked again
    assert await node.use(TOKENS, MOST) == MOST
    await node.cashier.give_back()


@on_a_loop
async def test_a_node_that_has_just_started_asks_again_before_it_refuses(
    make: Callable[..., list[Node]],
) -> None:
    (node,) = make("a")
    node.cashier.settled_at = time.monotonic() + 2.5
    node.away = True
    waits = asyncio.create_task(node.use(TOKENS, MOST))
    await asyncio.sleep(0.5)
    assert not waits.done()
    node.away = False
    assert await waits == MOST
    node.away, asked = True, time.monotonic()
    with pytest.raises(PointsmanError, match="cannot be looked up"):
        await node.use(RATE, 1)
    assert time.monotonic() - asked > 0.5, "until it is no longer new"
    with pytest.raises(PointsmanError, match="cannot be looked up"):
        await asyncio.wait_for(node.use(RATE, 1), 0.3)
    node.away = False
    await node.cashier.give_back()


@on_a_loop
async def test_allowed_to_a_node_goes_on_as_if_alone_and_tells_what_it_used_when_the_database_is_back(
    make: Callable[..., list[Node]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POINTSMAN_LIMITS_WITHOUT_DATABASE", "allow")
    node, other = make("a", "b")
    assert node.accountant.leases == "allow"
    assert await other.use(TOKENS, 20_000) == 20_000
    await other.cashier.give_back()
    assert await node.use(TOKENS, MOST) == MOST
    node.away = True
    assert await node.use(TOKENS, 30_000) == 30_000
    assert await node.use(TOKENS, 9_600) == 9_600
    assert await node.use(TOKENS, MOST) is None  # all is spent, as far as it knows
    assert [await node.use(PLACES, 1), await node.use(RATE, 1)] == [1, 1]
    node.away = False
    await asyncio.sleep(1.1)
    assert (await node.cashier.look([(TOKENS, MOST)])).refused is not None
    assert await other.use(TOKENS, MOST) is None
    await asyncio.gather(node.cashier.give_back(), other.cashier.give_back())


@on_a_loop
async def test_what_a_killed_node_held_counts_as_used_while_others_are_at_it(
    make: Callable[..., list[Node]],
) -> None:
    killed, other = make("a", "b")
    assert await killed.use(TOKENS, 40_000, used=35_000) == 35_000
    killed.log(35_000)
    killed.kill()  # and nobody is told of it
    assert (await other.cashier.look([(TOKENS, 20_001)])).refused is not None
    (again,) = make("a", incarnation="2")
    assert (await again.cashier.look([(TOKENS, 1)])).refused is None
    assert [budget.spent for budget in again.cashier.budgets()] == [40_000]
    await again.cashier.give_back()
    await asyncio.sleep(0.6)
    assert (await other.cashier.look([(TOKENS, 20_000)])).refused is None
    await other.cashier.give_back()


@on_a_loop
async def test_what_a_killed_node_used_is_read_from_the_log_where_nobody_else_is_at_it(
    make: Callable[..., list[Node]],
) -> None:
    killed, other = make("a", "b")
    assert await other.use(TOKENS, 1_000) == 1_000
    other.log(1_000)
    await other.cashier.give_back()
    assert await killed.use(TOKENS, 40_000, used=35_000) == 35_000
    killed.log(35_000)
    killed.kill()
    assert isinstance(killed.store.backing, PostgresBacking)
    with killed.store.backing.server.raw() as link:
        link.execute("UPDATE leases SET until = 0")  # ten seconds later
    (again,) = make("a", incarnation="2")
    assert (await again.cashier.look([(TOKENS, 24_000)])).refused is None
    assert [(one.spent, one.left) for one in again.cashier.budgets()] == [(35_000, 24_000)]
    await again.cashier.give_back()


@on_a_loop
async def test_what_all_nodes_have_used_before_there_was_a_budget_counts_once(
    make: Callable[..., list[Node]],
) -> None:
    nodes = make("a", "b", "c")
    for node in nodes:
        node.log(10_000)
    for node in nodes:
        assert (await node.cashier.look([(TOKENS, 1)])).refused is None
        assert [budget.left for budget in node.cashier.budgets()] == [30_000]
        await node.cashier.give_back()


@on_a_loop
async def test_a_question_that_comes_late_changes_nothing(make: Callable[..., list[Node]]) -> None:
    (node,) = make("a")
    book = node.accountant._book
    assert book is not None
    late = slices.LeaseAsk(TOKENS, 1, hold=5)
    first, second = slices.LeaseAsk(TOKENS, 2, hold=9), slices.LeaseAsk(TOKENS, 3, used=9)
    assert [given.share for given in book.take([first], "a", "1", 1).given if given] == [9]
    assert book.take([late], "a", "1", 1).given == [None]
    assert [given.share for given in book.take([second], "a", "1", 1).given if given] == [9]
    assert [given.share for given in book.take([late], "a", "2", 1).given if given] == [5]
