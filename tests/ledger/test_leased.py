"""Limits that several gateways share (ledger/leased.py, ledger/slices.py): a machine of nodes that die, come back, and lose
questions and answers, whose invariants hold whatever comes. The same decisions on a PostgreSQL: tests/admin/store/test_leases.py.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from msgspec.structs import replace as with_fields

from pointsman.kinds import Limit, Per
from pointsman.ledger import slices
from pointsman.ledger.accounts import Accounts, LimitSpec, Reservation, Want
from pointsman.ledger.leased import LeasedAccount, LeasedBudget, leased_account
from pointsman.ledger.slices import KEPT_SECONDS, LEASE_SECONDS, LeaseAsk, LeaseGiven, Others

NOON = 1_795_780_800.0
"""2026-11-27 12:00 UTC."""
DAY = 86_400.0
CAP = 1000
TOKENS = LimitSpec("key/1", Limit.TOKENS, CAP, Per.DAY)
RATE = LimitSpec("key/1", Limit.REQUESTS, 60)
PLACES = LimitSpec("key/1", Limit.PARALLEL, 5)
NODES = ("a", "b", "c")
FATES = st.sampled_from(["answered", "answered", "answered", "unheard", "lost"])
"""Of a question: the database has not got it, or its answer never came."""


@dataclass
class Part:
    used: int
    share: int
    until: float


@dataclass
class Book:
    """What admin/store/leases.py keeps in PostgreSQL."""

    parts: dict[tuple[Limit, float | None, str], Part] = field(default_factory=dict)
    base: dict[float | None, int] = field(default_factory=dict)
    full_at: float = -math.inf
    wasted: int = 0  # at most: what counts as used by processes that died, and nobody knows

    def take(self, ask: LeaseAsk, node: str, now: float, logged: int = 0) -> LeaseGiven:
        kind = ask.limit.kind
        others = [
            part
            for (of, since, who), part in self.parts.items()
            if (of, since) == (kind, ask.since) and who != node
        ]
        known = Others(sum(one.share for one in others if one.until > now), full_at=self.full_at)
        if ask.limit.is_budget:
            own, used = self.parts.get((kind, ask.since, node)), sum(one.used for one in others)
            if ask.fresh:
                known = None if own is None else (own.used, own.share)
                quiet = all(one.until < now for one in others)
                mine, self.base[ask.since] = slices.begun(
                    ask, logged, self.base.get(ask.since), known, used, quiet=quiet
                )
                if own is not None and not quiet:
                    self.wasted += max(0, own.share - own.used)
                ask = with_fields(ask, used=mine)
            base = self.base.get(ask.since, 0)
            lost = now - KEPT_SECONDS
            shares = sum(one.share if one.until > lost else one.used for one in others)
            idle = sum(max(0, one.share - one.used) for one in others if one.until > now)
            known = Others(base + shares, base + used, idle)
        given, full_at = slices.of(ask, known, len(NODES), now)
        if kind is Limit.REQUESTS:
            self.full_at = full_at
        else:
            self.parts[kind, ask.since, node] = Part(
                ask.used, given.share + given.beyond, now + LEASE_SECONDS
            )
        return given


def made() -> Accounts:
    accounts = Accounts(leased_account)
    accounts.follow([TOKENS, RATE, PLACES], NOON)
    return accounts


@dataclass
class Held:
    node: str
    ticket: Reservation
    reserved: int
    day: int
    at: float


def leased(accounts: Accounts, limit: LimitSpec) -> LeasedAccount:
    found = accounts.of(limit)
    assert isinstance(found, LeasedAccount)
    return found


class Machine(RuleBasedStateMachine):
    """Three nodes, one budget a day, a rate, places. A node's log holds all that it has settled, also after its death; what
    was under way then is lost, or is in the log when it comes back."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.book = Book()
        self.nodes = {name: made() for name in NODES}
        self.held: list[Held] = []
        self.log: dict[tuple[str, int], int] = {}  # node, day -> tokens
        self.over: dict[int, int] = {}  # day -> what was used beyond what was reserved
        self.worst: dict[int, list[int]] = {}  # day -> beyond what was left, of those that were let in alone
        self.passed: list[float] = []
        self.taken: list[tuple[float, int]] = []  # of the rate's leases

    @property
    def wall(self) -> float:
        return NOON + self.now

    @property
    def day(self) -> int:
        return int(self.wall // DAY)

    def renew(self, node: str, limit: LimitSpec, amount: int = 0, *, fate: str = "answered") -> None:
        """amount: that a request waits for. fate: of the question."""
        account = leased(self.nodes[node], limit)
        account.look(self.now, self.wall)
        if amount:
            account.lease.waiting.append(amount)
        ask, span = account.ask(self.now), account.span
        if ask.fresh and isinstance(account, LeasedBudget):
            account.count_from_now()
        logged = sum(tokens for (_, day), tokens in self.log.items() if day == self.day)
        given = self.book.take(ask, node, self.wall, logged) if fate != "lost" else None
        if given is not None and fate == "answered":
            account.learn_lease(given, ask, span, self.now)
        else:
            account.drift(self.now, adrift=False)

    @rule(
        node=st.sampled_from(NODES),
        amount=st.one_of(st.sampled_from([50, 150, 300]), st.integers(1, 1500)),
        fate=FATES,
    )
    def request(self, node: str, amount: int, fate: str) -> None:
        accounts = self.nodes[node]
        wanted = [(TOKENS, amount), (RATE, 1), (PLACES, 1)]
        for limit, much in wanted:
            if leased(accounts, limit).lacks(much, self.now, self.wall):
                self.renew(node, limit, much, fate=fate)
        budget = leased(accounts, TOKENS)
        assert isinstance(budget, LeasedBudget)
        if not budget.known:
            return
        room = budget.lease.share - budget.spent - budget.reserved
        wants = [Want(leased(accounts, limit), much) for limit, much in wanted]
        found = accounts.admit(wants, self.now, self.wall)
        if isinstance(found, Reservation):
            if amount > room:
                assert not [one for one in self.held if one.node == node and one.day == self.day]
                self.worst.setdefault(self.day, []).append(amount - room)
            self.held.append(Held(node, found, amount, self.day, self.now))
            self.passed.append(self.now)

    @precondition(lambda self: self.held)
    @rule(data=st.data(), share=st.sampled_from([0.0, 0.3, 1.0, 1.0, 1.5]))
    def settle(self, data: st.DataObject, share: float) -> None:
        self.settled(data.draw(st.integers(0, len(self.held) - 1)), share)

    def settled(self, place: int, share: float) -> None:
        held = self.held.pop(place)
        used = int(held.reserved * share)
        held.ticket.settle({Limit.TOKENS: used}, self.now)
        self._count(held, used)

    def _count(self, held: Held, used: int) -> None:
        self.log[held.node, held.day] = self.log.get((held.node, held.day), 0) + used
        self.over[held.day] = self.over.get(held.day, 0) + max(0, used - held.reserved)

    @rule(node=st.sampled_from(NODES), fate=FATES)
    def tick(self, node: str, fate: str) -> None:
        for limit in (TOKENS, RATE, PLACES):
            account = leased(self.nodes[node], limit)
            account.look(self.now, self.wall)
            if account.is_due(self.now):
                self.renew(node, limit, fate=fate)

    @precondition(lambda self: self.now > 0)
    @rule(node=st.sampled_from(NODES), lost=st.booleans())
    def dies_and_comes_back(self, node: str, lost: bool) -> None:
        """Requests under way die with it, told by its log or not."""
        for held in [one for one in self.held if one.node == node]:
            self.held.remove(held)
            if not lost:
                self._count(held, held.reserved)
        self.nodes[node] = made()
        self.nodes[node].follow([TOKENS, RATE, PLACES], self.wall)

    @rule(seconds=st.sampled_from([0.5, 1.0, 6.0, 6.0, 11.0, 40_000.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def overshoot_is_bounded(self) -> None:
        """What requests used beyond their reservation, and one at a time that was let in alone."""
        days = {day for _, day in self.log}
        for day in days:
            spent = sum(tokens for (_, of), tokens in self.log.items() if of == day)
            assert spent <= CAP + self.over.get(day, 0) + max(self.worst.get(day, [0]))

    @invariant()
    def no_more_at_once_than_places(self) -> None:
        for node, accounts in self.nodes.items():
            assert sum(one.node == node for one in self.held) == leased(accounts, PLACES).open  # type: ignore[attr-defined]
        lately = [one for one in self.held if one.at > self.now - LEASE_SECONDS]
        assert len(lately) <= PLACES.most

    @invariant()
    def the_rate_holds(self) -> None:
        lately = [one for one in self.passed if one > self.now - 60.0]
        assert len(lately) <= 2 * RATE.most + len(NODES) * RATE.most // (2 * len(NODES))

    def rest(self) -> None:
        """All renew what they have to, and some time later nobody has asked for longer than a lease."""
        for seconds in (6.0, 6.0, LEASE_SECONDS + 1.0):
            self.now += seconds
            for node in NODES:
                self.tick(node, "answered")

    def by_chance(self, chance: random.Random) -> None:
        """One step: a day of busy nodes has many more requests than deaths."""
        node = chance.choice(NODES)
        fate = chance.choices(["answered", "unheard", "lost"], [8, 1, 1])[0]
        step = chance.random()
        if step < 0.5:
            self.request(node, chance.choice([20, 60, 150, 400]), fate)
        elif step < 0.75 and self.held:
            self.settled(chance.randrange(len(self.held)), chance.choice([0.0, 0.2, 0.5, 1.0, 1.2]))
        elif step < 0.9:
            self.tick(node, fate)
        elif step < 0.99:
            self.wait(chance.choice([0.1, 1.0, 3.0, 6.0]))
        else:
            self.dies_and_comes_back(node, lost=chance.random() < 0.5)
        self.overshoot_is_bounded()
        self.no_more_at_once_than_places()
        self.the_rate_holds()


@pytest.mark.parametrize("seed", range(40))
def test_busy_nodes_that_die_never_pass_the_bound(seed: int) -> None:
    chance, machine = random.Random(seed), Machine()
    for _ in range(200):
        machine.by_chance(chance)
    assert machine.log


@pytest.mark.parametrize("seed", range(10))
def test_what_nodes_hold_and_do_not_use_can_be_used_by_others_in_the_end(seed: int) -> None:
    chance, machine = random.Random(seed), Machine()
    for _ in range(12):
        machine.by_chance(chance)
    for node in NODES[1:]:  # each has something, dies, and comes back when the others have told all
        machine.request(node, 100, "answered")
        machine.dies_and_comes_back(node, lost=True)
        machine.rest()
    for _ in range(150):
        machine.request(chance.choice(NODES), 30, "answered")
        machine.rest()
        while machine.held:
            machine.settled(0, 1.0)
    machine.overshoot_is_bounded()
    assert (
        sum(tokens for (_, day), tokens in machine.log.items() if day == machine.day)
        >= CAP - machine.book.wasted
    )


def test_a_node_that_died_keeps_what_it_held_for_a_day_and_no_longer() -> None:
    book = Book()
    ask = LeaseAsk(LimitSpec("key/1", Limit.TOKENS, CAP), least=400, want=400)
    assert book.take(ask, "a", NOON).share == 400
    assert book.take(ask, "b", NOON + 60).share == 400
    assert (
        book.take(with_fields(ask, hold=400), "b", NOON + 120).share == 600
    )  # all that is left, and no more
    later = book.take(with_fields(ask, hold=600), "b", NOON + DAY + 60)
    assert later.share == CAP


def test_places_are_not_kept_by_a_question_that_may_come_too_late() -> None:
    places = leased(made(), PLACES)
    places.lease.waiting.append(1)
    places.learn_lease(LeaseGiven(4, 4), places.ask(0.0), places.span, 0.0)
    for _ in range(4):
        places.take(1, 0.1)
    for _ in range(3):
        places.settle(1, 0, places.span, 0.2)
    assert places.ask(5.0).hold == 4  # it had as many open a moment ago
    places.lease.share = places.lease.peak = 4
    assert places.ask(LEASE_SECONDS - 1.0).hold == 1


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
