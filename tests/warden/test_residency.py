"""The plan by itself: a state machine that hypothesis plays, and a day of fifty clients over three engines."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from pointsman.warden.residency import Residency
from pointsman.warden.resident import HAND, OUT, EngineNeeds, EnginePhase, Terms

GIB = 2**30
TERMS = Terms(settle=0.1, min_stay=2.0, max_wait=5.0, patience=60.0, drain=3.0, longest_load=100.0)


def plan(budget: int | None, *needs: EngineNeeds, terms: Terms = TERMS) -> Residency:
    made = Residency(terms, budget)
    for one in needs:
        made.declare(one, 0.0)
    return made


def bring(made: Residency, name: str, now: float) -> None:
    """Up to ready, for a client that then has one request under way."""
    made.want("c", name, 1, now)
    assert ("start", name) in [action[:2] for action in made.tick(now)]
    made.ready(name, now)
    made.want("c", name, 0, now)


def kinds(made: Residency, now: float) -> list[tuple[str, str]]:
    return [(action.kind, action.engine) for action in made.tick(now)]


def test_one_load_for_all_who_wait() -> None:
    made = plan(None, EngineNeeds("a"))
    for number in range(50):
        made.want(f"c{number}", "a", 3, 0.0)
    assert kinds(made, 0.0) == [("start", "a")]
    made.loading("a", 1.0)
    made.want("late", "a", 1, 1.0)
    assert kinds(made, 1.0) == []


def test_it_stops_keep_seconds_after_the_end_of_the_last_request() -> None:
    made = plan(None, EngineNeeds("a", keep=10.0))
    bring(made, "a", 0.0)
    made.use("c", "a", 1, 1.0)
    assert kinds(made, 100.0) == []  # a long request is no idleness
    made.use("c", "a", 0, 100.0)
    assert kinds(made, 109.9) == []
    assert kinds(made, 110.0) == []
    assert made.engines["a"].state is EnginePhase.YIELDING
    assert kinds(made, 110.2) == [("stop", "a")]
    made.stopped("a", 110.3)
    assert made.engines["a"].state is EnginePhase.COLD


def test_it_stops_as_soon_as_all_have_heard_and_nothing_is_under_way() -> None:
    made = plan(None, EngineNeeds("a"), terms=Terms(settle=2.0))
    bring(made, "a", 0.0)
    made.end("a", 1.0)
    assert kinds(made, 1.0) == kinds(made, 1.1) == []
    made.all_heard("a")
    made.use("c", "a", 1, 1.1)
    assert kinds(made, 1.1) == []
    made.use("c", "a", 0, 1.2)
    assert kinds(made, 1.2) == [("stop", "a")]


def test_a_request_that_comes_while_it_is_about_to_stop_keeps_it() -> None:
    made = plan(None, EngineNeeds("a", keep=10.0))
    bring(made, "a", 0.0)
    made.tick(10.0)
    made.use("c", "a", 1, 10.05)
    assert kinds(made, 10.2) == []
    assert made.engines["a"].state is EnginePhase.READY


@pytest.mark.parametrize("needs", [EngineNeeds("a", keep=None), EngineNeeds("a", keep=1.0, pinned=True)])
def test_for_ever_and_pinned_do_not_stop_when_idle(needs: EngineNeeds) -> None:
    made = plan(None, needs)
    bring(made, "a", 0.0)
    assert kinds(made, 1e6) == []


def test_the_least_recently_used_leaves_first() -> None:
    made = plan(2 * GIB, *(EngineNeeds(name, GIB) for name in "abc"))
    bring(made, "a", 0.0)
    bring(made, "b", 0.0)
    made.use("c", "a", 1, 1.0)
    made.use("c", "a", 0, 2.0)
    made.want("c", "c", 1, 10.0)
    made.tick(10.0)
    assert kinds(made, 10.2) == [("stop", "b")]
    made.stopped("b", 10.3)
    assert kinds(made, 10.3) == [("start", "c")]


def test_what_is_larger_than_the_budget_is_refused_at_once_and_said_why() -> None:
    made = plan(GIB, EngineNeeds("a", 2 * GIB))
    made.want("c", "a", 1, 0.0)
    (action,) = made.tick(0.0)
    assert action.kind == "refuse"
    assert action.why == "needs 2.0 GiB, and the budget of all engines is 1.0 GiB; raise the budget"


def test_what_is_pinned_is_named_when_it_leaves_no_room() -> None:
    made = plan(2 * GIB, EngineNeeds("a", GIB, pinned=True), EngineNeeds("b", 2 * GIB))
    bring(made, "a", 0.0)
    made.want("c", "b", 1, 1.0)
    (action,) = made.tick(1.0)
    assert action.kind == "refuse"
    assert "what is pinned (a)" in action.why


def test_a_long_request_is_not_cut_for_another_model_which_is_refused_in_the_end() -> None:
    made = plan(GIB, EngineNeeds("a", GIB), EngineNeeds("b", GIB))
    bring(made, "a", 0.0)
    made.use("c", "a", 1, 0.0)
    made.want("d", "b", 1, 10.0)
    assert kinds(made, 10.0) == []
    made.tick(15.1)
    assert made.engines["a"].state is EnginePhase.YIELDING  # no more are let in
    assert kinds(made, 60.0) == []
    assert kinds(made, 70.1) == [("refuse", "b")]
    assert made.engines["a"].state is EnginePhase.READY


def test_five_deaths_and_it_stays_down_until_asked_by_hand() -> None:
    made = plan(None, EngineNeeds("a"))
    made.want("c", "a", 1, 0.0)
    now, starts = 0.0, 0
    for _ in range(1000):
        for action in made.tick(now):
            if action.kind == "start":
                starts += 1
                made.died("a", "ended with code 7", now)
            else:
                assert action.kind == "refuse"
                assert action.why.endswith("the last time: ended with code 7")
        now += 0.1
    assert starts == 5
    assert made.engines["a"].state is EnginePhase.DOWN
    made.begin("a", now)
    assert kinds(made, now) == [("start", "a")]


def test_what_should_be_there_comes_back_after_its_death_and_others_do_not() -> None:
    made = plan(None, EngineNeeds("a", preload=True), EngineNeeds("b"))
    assert kinds(made, 0.0) == [("start", "a")]
    made.ready("a", 1.0)
    bring(made, "b", 1.0)
    made.died("a", "x", 2.0)
    made.died("b", "x", 2.0)
    assert kinds(made, 2.1) == []  # not at once
    assert kinds(made, 3.0) == [("start", "a")]


def test_an_adopted_engine_is_not_idle_before_its_users_could_say_so() -> None:
    made = plan(GIB, EngineNeeds("a", GIB, keep=0.0), EngineNeeds("b", GIB))
    made.adopt("a", 0.0)
    made.ready("a", 0.0)
    made.want("c", "b", 1, 0.0)
    assert kinds(made, 2.9) == []
    assert made.engines["a"].state is EnginePhase.READY
    made.use("c", "a", 1, 2.95)
    assert kinds(made, 4.0) == []


def test_a_stop_by_hand_waits_for_requests_and_then_no_longer() -> None:
    made = plan(None, EngineNeeds("a"))
    bring(made, "a", 0.0)
    made.use("c", "a", 1, 0.0)
    made.end("a", 1.0)
    assert kinds(made, 1.0) == []
    assert kinds(made, 3.9) == []
    assert kinds(made, 4.1) == [("stop", "a")]
    made.stopped("a", 4.2)
    assert kinds(made, 4.3) == []
    made.want("c", "a", 1, 5.0)
    assert kinds(made, 5.0) == [("start", "a")]


def test_a_start_takes_back_a_stop_that_waits_for_requests() -> None:
    made = plan(None, EngineNeeds("a"))
    bring(made, "a", 0.0)
    made.use("c", "a", 1, 0.0)
    made.end("a", 1.0)
    made.tick(1.0)
    made.begin("a", 2.0)
    assert made.engines["a"].state is EnginePhase.READY
    assert kinds(made, 60.0) == []


def test_what_sleeps_counts_for_what_it_has_and_is_woken_only_where_there_is_room() -> None:
    made = plan(2 * GIB, EngineNeeds("a", 2 * GIB, sleeps=5.0), EngineNeeds("b", GIB))
    bring(made, "a", 0.0)
    made.tick(6.0)
    assert made.engines["a"].state is EnginePhase.ASLEEP
    made.measure("a", GIB // 32)
    bring(made, "b", 7.0)
    made.use("c", "b", 1, 7.0)
    made.want("c", "a", 1, 8.0)
    made.tick(8.0)
    assert made.engines["a"].state is EnginePhase.ASLEEP
    made.use("c", "b", 0, 9.0)
    made.tick(9.1)
    assert kinds(made, 9.3) == [("stop", "b")]
    made.stopped("b", 9.4)
    assert kinds(made, 9.4) == []
    assert made.engines["a"].state is EnginePhase.READY


def test_the_measure_corrects_the_guess_once_it_has_served() -> None:
    made = plan(3 * GIB, EngineNeeds("a", 2 * GIB), EngineNeeds("b", 2 * GIB))
    bring(made, "a", 0.0)
    made.measure("a", GIB // 2)
    made.use("c", "a", 1, 0.5)
    made.use("c", "a", 0, 0.6)
    made.measure("a", GIB // 2)
    assert made.engines["a"].size == 2 * GIB  # the measure does not see all of it
    made.measure("a", GIB)
    made.use("c", "a", 1, 1.0)
    made.use("c", "a", 0, 2.0)
    made.measure("a", GIB)
    assert made.engines["a"].size == GIB
    made.want("c", "b", 1, 2.0)
    assert kinds(made, 2.0) == [("start", "b")]


def test_engines_that_grow_over_the_budget_make_the_idle_one_leave() -> None:
    made = plan(2 * GIB, EngineNeeds("a", GIB), EngineNeeds("b", GIB))
    bring(made, "a", 0.0)
    bring(made, "b", 0.5)
    made.measure("b", GIB + GIB // 2)
    made.tick(1.0)
    assert kinds(made, 1.2) == [("stop", "a")]


def test_a_load_that_shows_life_for_ever_counts_as_a_death() -> None:
    made = plan(None, EngineNeeds("a"))
    made.want("c", "a", 1, 0.0)
    made.tick(0.0)
    assert kinds(made, 100.1) == [("stop", "a")]
    made.stopped("a", 101.0)
    assert len(made.engines["a"].deaths) == 1


def test_who_is_removed_and_declared_again_while_somebody_waits_is_started_once() -> None:
    made = plan(None, EngineNeeds("a"))
    made.want("c", "a", 1, 0.0)
    made.remove("a", 0.0)
    made.declare(EngineNeeds("a"), 0.0)
    assert kinds(made, 0.0) == [("start", "a")]
    made.ready("a", 1.0)
    assert kinds(made, 2.0) == []


def test_who_is_removed_is_forgotten_when_it_has_stopped() -> None:
    made = plan(None, EngineNeeds("a"), EngineNeeds("b"))
    bring(made, "a", 0.0)
    made.remove("a", 1.0)
    made.remove("b", 1.0)
    made.tick(1.0)
    assert kinds(made, 1.2) == [("stop", "a")]
    made.stopped("a", 1.3)
    assert made.engines == {}


# -- a day


class Simulation:
    """Clients that ask one engine after the other, requests of a second, loads of three."""

    def __init__(self, clients: int, seed: int) -> None:
        self.chance = random.Random(seed)
        self.plan = plan(
            2 * GIB, *(EngineNeeds(name, GIB) for name in "abc"), terms=Terms(min_stay=5.0, max_wait=10.0)
        )
        self.now = 0.0
        self.loads: Counter[str] = Counter()
        self.due: list[tuple[float, str, str]] = []  # when, what, engine
        self.asked = {client: (self.chance.choice("abc"), 0.0) for client in range(clients)}  # waits since
        self.running: dict[int, tuple[str, float]] = {}
        self.waits: list[float] = []
        self.refused = 0

    def step(self) -> None:
        self.now += 0.05
        for item in [item for item in self.due if item[0] <= self.now]:
            self.due.remove(item)
            getattr(self.plan, item[1])(item[2], self.now)
        for client, (_, end) in list(self.running.items()):
            if end <= self.now:
                del self.running[client]
                self.asked[client] = (self.chance.choice("abc"), self.now)
        for client, (name, since) in list(self.asked.items()):
            if self.plan.engines[name].state is EnginePhase.READY:
                del self.asked[client]
                self.running[client] = (name, self.now + self.chance.uniform(0.5, 1.5))
                self.waits.append(self.now - since)
        for name in "abc":
            self.plan.want("gateway", name, sum(n == name for n, _ in self.asked.values()), self.now)
            self.plan.use("gateway", name, sum(n == name for n, _ in self.running.values()), self.now)
        for action in self.plan.tick(self.now):
            if action.kind == "start":
                self.loads[action.engine] += 1
                self.due.append((self.now + 3.0, "ready", action.engine))
            elif action.kind == "stop":
                assert not any(name == action.engine for name, _ in self.running.values())
                self.due.append((self.now + 0.5, "stopped", action.engine))
            else:
                self.refused += 1


@pytest.mark.parametrize("seed", range(3))
def test_fifty_clients_over_three_engines_with_room_for_two(seed: int) -> None:
    played = Simulation(50, seed)
    while played.now < 600:
        played.step()
    longest = max(played.waits + [played.now - since for _, since in played.asked.values()])
    print(f"requests {len(played.waits)}, loads {sum(played.loads.values())}, longest wait {longest:.1f} s")
    assert played.refused == 0
    assert len(played.waits) > 1000
    # Two places, each for a minimum stay, a stop and a load at least; and what a load serves must be worth it.
    assert sum(played.loads.values()) <= 2 * 600 / (5.0 + 0.5 + 3.0)
    assert len(played.waits) / sum(played.loads.values()) > 50
    assert all(played.loads[name] > 5 for name in "abc")
    assert longest < 2 * (10.0 + 1.5 + 0.5 + 3.0 + 1.0)


# -- whatever happens

NAMES = "abcd"
CLIENTS = ("x", "y")


class PlanMachine(RuleBasedStateMachine):
    """Anything in any order; processes come and go as they like. Sizes add up to more than there is room for."""

    @initialize(budget=st.sampled_from([3, 4, 6]), pinned=st.booleans(), keep=st.sampled_from([None, 3.0]))
    def begin(self, budget: int, pinned: bool, keep: float | None) -> None:
        self.now = 0.0
        self.running: set[str] = set()
        self.terms = Terms(
            settle=0.1, min_stay=1.0, max_wait=3.0, patience=20.0, drain=2.0, longest_load=30.0
        )
        self.made = Residency(self.terms, budget * GIB)
        for number, name in enumerate(NAMES):
            needs = EngineNeeds(
                name,
                (1 + number % 3) * GIB,
                keep,
                pinned and name == "a",
                name == "b",
                4.0 if name == "c" else None,
            )
            self.made.declare(needs, 0.0)
        self.by_hand: set[str] = set()

    @rule(client=st.sampled_from(CLIENTS), name=st.sampled_from(NAMES), count=st.integers(0, 2))
    def want(self, client: str, name: str, count: int) -> None:
        self.made.want(client, name, count, self.now)

    @rule(client=st.sampled_from(CLIENTS), name=st.sampled_from(NAMES), count=st.integers(0, 2))
    def use(self, client: str, name: str, count: int) -> None:
        if not count or self.made.engines[name].state is EnginePhase.READY:
            self.made.use(client, name, count, self.now)

    @rule(client=st.sampled_from(CLIENTS))
    def drop(self, client: str) -> None:
        self.made.drop(client, self.now)

    @rule(name=st.sampled_from(NAMES), how=st.sampled_from(["ready", "loading", "died"]))
    def happens(self, name: str, how: str) -> None:
        if name in self.running:
            if how == "died":
                self.running.discard(name)
                self.made.died(name, "x", self.now)
            else:
                getattr(self.made, how)(name, self.now)

    @rule(name=st.sampled_from(NAMES))
    def heard(self, name: str) -> None:
        self.made.all_heard(name)

    @rule(name=st.sampled_from(NAMES))
    def ends(self, name: str) -> None:
        if self.made.engines[name].state is EnginePhase.STOPPING:
            self.running.discard(name)
            self.made.stopped(name, self.now)

    @rule(name=st.sampled_from(NAMES), how=st.sampled_from(["begin", "end"]))
    def hand(self, name: str, how: str) -> None:
        getattr(self.made, how)(name, self.now)
        self.by_hand.discard(name) if how == "begin" else self.by_hand.add(name)

    @rule(seconds=st.sampled_from([0.05, 0.2, 1.0, 5.0]))
    def later(self, seconds: float) -> None:
        self.now += seconds
        self.tick()

    def tick(self) -> None:
        for action in self.made.tick(self.now):
            engine = self.made.engines[action.engine]
            if action.kind == "start":
                assert action.engine not in self.running, "started twice"
                self.running.add(action.engine)
                held = sum(one.held for one in self.made.engines.values())
                assert held <= (self.made.budget or 0), "more than the budget"
            elif action.kind == "stop":
                assert action.engine in self.running
                overdue = action.why.startswith("not ready after")
                assert action.engine in self.by_hand or overdue or not engine.busy, "stopped what was running"
                assert action.engine in self.by_hand or overdue or not engine.needs.pinned
                self.by_hand.discard(action.engine)
            else:
                assert action.why
                assert not engine.waiting

    @invariant()
    def nobody_waits_for_ever(self) -> None:
        for engine in self.made.engines.values():
            if engine.waiting and engine.state not in (
                EnginePhase.READY,
                EnginePhase.STARTING,
                EnginePhase.LOADING,
            ):
                assert self.now - engine.oldest_wait <= self.terms.patience + 5.0 + self.terms.longest_load

    @invariant()
    def it_runs_while_the_plan_says_so(self) -> None:
        for name, engine in self.made.engines.items():
            assert (name in self.running) == (engine.state not in OUT)

    @invariant()
    def a_wait_has_a_beginning(self) -> None:
        for engine in self.made.engines.values():
            assert set(engine.waiting) == set(engine.since)
            assert all(count > 0 for count in (*engine.waiting.values(), *engine.busy.values()))

    def teardown(self) -> None:
        """From anywhere: when requests end and engines load, everybody is served or refused within a bound."""
        if not hasattr(self, "made"):
            return
        for name in NAMES:
            for client in CLIENTS:
                self.made.use(client, name, 0, self.now)
        end = self.now + self.terms.patience + len(NAMES) * (self.terms.max_wait + self.terms.min_stay + 1.0)
        while self.now < end:
            self.now += 0.1
            self.tick()
            for name, engine in self.made.engines.items():
                if engine.state is EnginePhase.STARTING:
                    self.made.ready(name, self.now)
                elif engine.state is EnginePhase.STOPPING:
                    self.ends(name)
                elif engine.state is EnginePhase.READY and engine.waiting:
                    for client in (*CLIENTS, HAND):
                        self.made.want(client, name, 0, self.now)
        assert not [name for name, engine in self.made.engines.items() if engine.waiting]


PlanMachine.TestCase.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
TestPlanMachine = PlanMachine.TestCase
