"""Budgets, rates and places (ledger/accounts.py): examples, and a machine whose invariants hold whatever comes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pointsman.kinds import Limit, Per
from pointsman.ledger.accounts import (
    Accounts,
    BudgetAccount,
    LimitSpec,
    PlacesAccount,
    RateAccount,
    Reservation,
    Shortfall,
    Want,
    dollars,
)

NOON = 1_795_780_800.0
"""2026-11-27 12:00 UTC."""
DAY = 86_400.0


def accounts_of(*limits: LimitSpec, spent: int = 0) -> Accounts:
    made = Accounts()
    made.follow(limits, NOON)
    for budget in made.budgets():
        budget.count_from_now()
        budget.learn(spent, budget.period)
    return made


def ask(
    accounts: Accounts, *wanted: tuple[LimitSpec, int], now: float = 0.0, wall: float = NOON
) -> Reservation | Shortfall:
    wants = []
    for limit, amount in wanted:
        account = accounts.of(limit)
        assert account is not None
        wants.append(Want(account, amount))
    return accounts.admit(wants, now, wall)


def let_in(accounts: Accounts, *wanted: tuple[LimitSpec, int], **when: float) -> Reservation:
    found = ask(accounts, *wanted, **when)
    assert isinstance(found, Reservation), found
    return found


def refused(accounts: Accounts, *wanted: tuple[LimitSpec, int], **when: float) -> Shortfall:
    found = ask(accounts, *wanted, **when)
    assert isinstance(found, Shortfall)
    return found


TOKENS = LimitSpec("key/1", Limit.TOKENS, 1000, Per.DAY)
RATE = LimitSpec("key/1", Limit.REQUESTS, 60)
AT_ONCE = LimitSpec("key/1", Limit.PARALLEL, 2)
MANY = LimitSpec("key/1", Limit.PARALLEL, 20)


def test_what_is_promised_cannot_be_promised_again() -> None:
    accounts = accounts_of(TOKENS)
    first = let_in(accounts, (TOKENS, 600))
    assert refused(accounts, (TOKENS, 600)) == (TOKENS, 400, 1.0)
    first.settle({Limit.TOKENS: 100}, 0.0)
    let_in(accounts, (TOKENS, 600))


def test_a_spent_budget_tells_when_it_begins_anew() -> None:
    accounts = accounts_of(TOKENS, spent=1000)
    assert refused(accounts, (TOKENS, 1)) == (TOKENS, 0, DAY / 2)
    let_in(accounts_of(TOKENS, spent=999), (TOKENS, 1))
    total = LimitSpec("key/1", Limit.TOKENS, 1000)
    assert refused(accounts_of(total, spent=1000), (total, 1)).wait is None


def test_one_alone_may_take_more_than_is_left() -> None:
    accounts = accounts_of(TOKENS, spent=900)
    alone = let_in(accounts, (TOKENS, 5000))
    assert refused(accounts, (TOKENS, 1)).left == 0
    alone.settle({Limit.TOKENS: 20}, 0.0)
    let_in(accounts, (TOKENS, 80))


def test_a_new_day_begins_with_nothing_spent_and_old_requests_count_where_they_were_let_in() -> None:
    accounts = accounts_of(TOKENS, spent=1000)
    (budget,) = accounts.budgets()
    budget.spent = 0
    late = let_in(accounts, (TOKENS, 500))
    wanted = [Want(budget, 10)]
    assert accounts.unknown(wanted, 0.0, NOON + DAY / 2) == [budget]
    budget.learn(0, budget.period)
    late.settle({Limit.TOKENS: 500}, 0.0)
    assert (budget.spent, budget.reserved, budget.open) == (0, 0, 0)


def test_what_is_settled_while_the_log_is_asked_is_not_lost() -> None:
    accounts = accounts_of(TOKENS)
    (budget,) = accounts.budgets()
    before = let_in(accounts, (TOKENS, 10))
    after = let_in(accounts, (TOKENS, 10))
    before.settle({Limit.TOKENS: 7}, 0.0)
    budget.count_from_now()  # the 7 are in the answer
    after.settle({Limit.TOKENS: 5}, 0.0)
    budget.learn(107, budget.period)
    assert budget.spent == 112


def test_what_nobody_knows_counts_as_what_was_reserved() -> None:
    accounts = accounts_of(TOKENS)
    let_in(accounts, (TOKENS, 300)).settle({Limit.TOKENS: None}, 0.0)
    (budget,) = accounts.budgets()
    assert (budget.spent, budget.reserved) == (300, 0)


def test_it_is_all_or_none() -> None:
    accounts = accounts_of(TOKENS, AT_ONCE, spent=1000)
    refused(accounts, (AT_ONCE, 1), (TOKENS, 1))
    places = accounts.of(AT_ONCE)
    assert isinstance(places, PlacesAccount)
    assert places.open == 0


def test_of_two_refusals_the_one_is_told_that_waiting_helps_least() -> None:
    accounts = accounts_of(TOKENS, AT_ONCE, spent=1000)
    for _ in range(2):
        let_in(accounts, (AT_ONCE, 1))
    assert refused(accounts, (AT_ONCE, 1), (TOKENS, 1)).limit is TOKENS


def test_a_rate_lets_a_minutes_burst_in_and_then_one_a_second() -> None:
    accounts = accounts_of(RATE)
    for _ in range(60):
        let_in(accounts, (RATE, 1))
    assert refused(accounts, (RATE, 1)).wait == pytest.approx(1.0)
    let_in(accounts, (RATE, 1), now=1.0)
    assert refused(accounts, (RATE, 1), now=1.0).wait == pytest.approx(1.0)


def test_a_rate_of_tokens_gets_back_what_was_not_used() -> None:
    rate = LimitSpec("key/1", Limit.TOKEN_RATE, 600)
    accounts = accounts_of(rate)
    let_in(accounts, (rate, 600)).settle({Limit.TOKEN_RATE: 100}, 0.0)
    let_in(accounts, (rate, 500))
    assert refused(accounts, (rate, 60)).wait == pytest.approx(6.0)


def test_a_request_larger_than_a_minutes_tokens_waits_for_a_full_minute_and_not_for_ever() -> None:
    rate = LimitSpec("key/1", Limit.TOKEN_RATE, 600)
    accounts = accounts_of(rate)
    let_in(accounts, (rate, 6000))
    found = refused(accounts, (rate, 6000))
    assert found.wait == pytest.approx(600.0)
    let_in(accounts, (rate, 6000), now=600.0)


def test_places_come_back_once() -> None:
    accounts = accounts_of(AT_ONCE)
    first, _ = let_in(accounts, (AT_ONCE, 1)), let_in(accounts, (AT_ONCE, 1))
    refused(accounts, (AT_ONCE, 1))
    first.settle({}, 0.0)
    first.settle({}, 0.0)
    let_in(accounts, (AT_ONCE, 1))
    refused(accounts, (AT_ONCE, 1))


def test_a_limit_that_is_raised_keeps_what_was_spent_and_another_period_begins_anew() -> None:
    accounts = accounts_of(TOKENS, spent=1000)
    raised = LimitSpec("key/1", Limit.TOKENS, 2000, Per.DAY)
    accounts.follow([raised], NOON)
    let_in(accounts, (raised, 1000))
    accounts.follow([LimitSpec("key/1", Limit.TOKENS, 2000, Per.WEEK)], NOON)
    assert [(one.known, one.spent) for one in accounts.budgets()] == [(False, 0)]


def test_what_is_settled_and_not_stored_yet_is_not_forgotten_when_the_log_is_asked_again() -> None:
    accounts = accounts_of(TOKENS)
    (budget,) = accounts.budgets()
    let_in(accounts, (TOKENS, 10)).settle({Limit.TOKENS: 10}, 0.0)
    budget.known = False
    budget.count_from_now()
    budget.learn(3, budget.period)
    assert budget.spent == 10


def test_each_threshold_is_told_once() -> None:
    accounts = accounts_of(TOKENS)
    (budget,) = accounts.budgets()
    told = []
    for _ in range(12):
        let_in(accounts, (TOKENS, 90)).settle({Limit.TOKENS: 90}, 0.0)
        told.append(budget.due)
    assert [one for one in told if one is not None] == [80, 100]
    accounts.follow([LimitSpec("key/1", Limit.TOKENS, 1200, Per.DAY)], NOON)
    assert (budget.due, budget.due) == (80, None)


@dataclass
class Held:
    ticket: Reservation
    reserved: int
    day: int


class Machine(RuleBasedStateMachine):
    """A budget a day, a rate and places, with settlements in any order, twice, and over midnight."""

    def __init__(self) -> None:
        super().__init__()
        self.now, self.wall = 0.0, NOON
        self.accounts = accounts_of(TOKENS, RATE, MANY)
        self.held: list[Held] = []
        self.ledger: dict[int, int] = {}  # day -> tokens
        self.over: dict[int, int] = {}  # day -> what was used beyond what was reserved
        self.worst: dict[int, int] = {}  # day -> the largest that was let in alone
        self.passed: list[float] = []

    @property
    def day(self) -> int:
        return int(self.wall // DAY)

    def budget(self) -> BudgetAccount:
        (found,) = self.accounts.budgets()
        found.look(self.now, self.wall)
        if not found.known:
            found.count_from_now()
            found.learn(self.ledger.get(self.day, 0), found.period)
        return found

    @rule(amount=st.integers(0, 1500))
    def admit(self, amount: int) -> None:
        budget = self.budget()
        alone = budget.open == 0
        left = 1000 - budget.spent - budget.reserved
        found = ask(self.accounts, (TOKENS, amount), (RATE, 1), (MANY, 1), now=self.now, wall=self.wall)
        if isinstance(found, Reservation):
            assert amount <= left or (alone and budget.spent < 1000)
            if amount > left:
                self.worst[self.day] = max(self.worst.get(self.day, 0), amount)
            self.held.append(Held(found, amount, self.day))
            self.passed.append(self.now)

    @precondition(lambda self: self.held)
    @rule(data=st.data(), used=st.integers(0, 2000), twice=st.booleans())
    def settle(self, data: st.DataObject, used: int, twice: bool) -> None:
        held = self.held.pop(data.draw(st.integers(0, len(self.held) - 1)))
        for _ in range(1 + twice):
            held.ticket.settle({Limit.TOKENS: used}, self.now)
        self.ledger[held.day] = self.ledger.get(held.day, 0) + used
        self.over[held.day] = self.over.get(held.day, 0) + max(0, used - held.reserved)

    @rule(seconds=st.sampled_from([0.5, 7.0, 3600.0, 40_000.0, DAY]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.wall += seconds

    @rule()
    def follow_the_same(self) -> None:
        self.budget()
        self.accounts.follow([TOKENS, RATE, MANY], self.wall)

    @invariant()
    def spent_is_the_ledger(self) -> None:
        assert self.budget().spent == self.ledger.get(self.day, 0)

    @invariant()
    def reserved_is_what_is_under_way(self) -> None:
        budget = self.budget()
        under_way = [one for one in self.held if one.day == self.day]
        assert budget.reserved == sum(one.reserved for one in under_way)
        assert budget.open == len(under_way)
        places = self.accounts.of(MANY)
        assert isinstance(places, PlacesAccount)
        assert places.open == len(self.held) <= 20

    @invariant()
    def overshoot_is_bounded(self) -> None:
        for day, spent in self.ledger.items():
            assert spent <= 1000 + self.over.get(day, 0) + self.worst.get(day, 0)

    @invariant()
    def the_rate_holds(self) -> None:
        rate = self.accounts.of(RATE)
        assert isinstance(rate, RateAccount)
        lately = [one for one in self.passed if one > self.now - 60.0]
        assert len(lately) <= 120
        assert not math.isnan(rate.seen(self.now, self.wall).reset)


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@pytest.mark.parametrize(
    ("nano", "said"),
    [
        (0, "$0.00"),
        (20 * 10**9, "$20.00"),
        (75 * 10**6, "$0.075"),
        (5 * 10**8, "$0.50"),
        (123_456_789_012, "$123.46"),
        (435_000, "$0.000435"),
    ],
)
def test_sums_are_said_so_that_small_ones_are_seen(nano: int, said: str) -> None:
    assert dollars(nano) == said
