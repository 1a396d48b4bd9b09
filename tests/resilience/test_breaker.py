"""resilience.breaker, budget, backoff, admission: the numbers of docs/reliability-promises.md#r3
and R4, on a clock of our own."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pointsman.resilience import backoff
from pointsman.resilience.admission import Places, Ticket
from pointsman.resilience.breaker import MOST_SECONDS, OPEN_SECONDS, Breaker, BreakerState
from pointsman.resilience.budget import Budget


def fail(breaker: Breaker, now: float, times: int = 1, chance: float = 0.0) -> None:
    for _ in range(times):
        breaker.failed(now, breaker.begin(now), chance)


def test_it_opens_after_five_failures_in_a_row_and_not_before() -> None:
    breaker = Breaker()
    fail(breaker, 0.0, 4)
    assert breaker.allows(0.0)
    breaker.succeeded(0.0, False)
    fail(breaker, 0.0, 4)
    assert breaker.allows(0.0)
    fail(breaker, 0.0)
    assert not breaker.allows(0.0)


def test_it_opens_when_half_of_twenty_in_thirty_seconds_failed() -> None:
    breaker = Breaker()
    for at in range(9):
        breaker.succeeded(at, False)
        fail(breaker, at)
    breaker.succeeded(9.0, False)
    assert breaker.allows(9.0)  # 9 of 19
    fail(breaker, 9.0)
    assert not breaker.allows(9.0)  # 10 of 20


@pytest.mark.parametrize(("age", "opens"), [(29.0, True), (30.0, False)])
def test_failures_of_thirty_seconds_ago_do_not_count(age: float, opens: bool) -> None:
    breaker = Breaker()
    for _ in range(10):
        fail(breaker, 0.0)
        breaker.succeeded(0.0, False)  # never five in a row; 10 of 20 only together with what follows
    breaker.state = BreakerState.CLOSED
    fail(breaker, age)
    assert breaker.allows(age) is not opens


def test_one_probe_goes_through_when_its_time_is_over_and_decides() -> None:
    breaker = Breaker()
    fail(breaker, 0.0, 5)
    assert not breaker.allows(OPEN_SECONDS - 0.01)
    assert breaker.allows(OPEN_SECONDS)
    assert breaker.begin(OPEN_SECONDS)
    assert not breaker.allows(OPEN_SECONDS), "a second probe"
    breaker.failed(OPEN_SECONDS, True, 0.0)
    assert breaker.until == OPEN_SECONDS + 2 * OPEN_SECONDS
    assert breaker.begin(breaker.until)
    breaker.succeeded(breaker.until, True)
    assert breaker.state is BreakerState.CLOSED
    assert breaker.quiet()
    fail(breaker, 200.0, 5)
    assert breaker.until == 200.0 + OPEN_SECONDS, "it begins anew after a success"


def test_it_stays_open_for_five_minutes_at_most() -> None:
    breaker, now = Breaker(), 0.0
    fail(breaker, now, 5)
    lengths = []
    for _ in range(8):
        lengths.append(breaker.until - now)
        now = breaker.until
        fail(breaker, now)
    assert lengths == [15, 30, 60, 120, 240, 300, 300, 300]


@given(st.floats(0, 1, exclude_max=True))
def test_jitter_only_adds_and_never_beyond_the_most(chance: float) -> None:
    breaker = Breaker()
    fail(breaker, 0.0, 5, chance)
    assert OPEN_SECONDS <= breaker.until <= min(OPEN_SECONDS * 1.1, MOST_SECONDS)


def test_a_probe_whose_client_left_leaves_the_next_one_its_place() -> None:
    breaker = Breaker()
    fail(breaker, 0.0, 5)
    assert breaker.begin(20.0)
    breaker.forgotten(20.0, True)
    assert breaker.allows(20.0)
    assert breaker.begin(20.0)


def test_nineteen_tries_are_too_few_and_less_than_half_is_too_little() -> None:
    few = Breaker()
    for _ in range(9):
        fail(few, 0.0)
        few.succeeded(0.0, False)
    fail(few, 0.0)
    assert few.allows(0.0), "10 of 19"
    little = Breaker()
    for _ in range(6):
        fail(little, 0.0)
        for _ in range(3):
            little.succeeded(0.0, False)
    fail(little, 0.0)
    assert little.allows(0.0), "7 of 25"
    counted = Breaker()
    for successes, failures in ((12, 4), (1, 4)):
        for _ in range(successes):
            counted.succeeded(0.0, False)
        fail(counted, 0.0, failures)
    assert counted.allows(0.0), "8 of 21, each counted once"
    fine = Breaker()
    for _ in range(30):
        fine.succeeded(0.0, False)
    fail(fine, 0.0)
    assert fine.allows(0.0)


def test_others_decide_nothing_while_a_probe_is_on_its_way() -> None:
    breaker = Breaker()
    fail(breaker, 0.0, 5)
    assert breaker.begin(20.0)
    until = breaker.until
    breaker.failed(20.0, False, 0.0)
    assert (breaker.state, breaker.until) == (BreakerState.PROBING, until)
    breaker.forgotten(20.0, False)
    assert breaker.state is BreakerState.PROBING
    breaker.failed(20.0, True, 0.0)
    assert breaker.until == 20.0 + 2 * OPEN_SECONDS


def test_it_is_quiet_only_when_nothing_would_be_missed() -> None:
    breaker = Breaker()
    assert breaker.quiet()
    fail(breaker, 0.0)
    assert not breaker.quiet()
    fail(breaker, 0.0, 4)
    assert not breaker.quiet()
    breaker.succeeded(0.0, False)
    assert breaker.quiet()


class BreakerMachine(RuleBasedStateMachine):
    """Tries begin and end in any order, on a clock that never goes back."""

    def __init__(self) -> None:
        super().__init__()
        self.breaker = Breaker()
        self.now = 1000.0
        self.running: list[bool] = []  # probe?
        self.row = 0

    @rule(seconds=st.floats(0, 400))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: self.breaker.allows(self.now))
    @rule()
    def a_try_begins(self) -> None:
        before = self.breaker.state
        probe = self.breaker.begin(self.now)
        assert probe == (before is BreakerState.OPEN)
        self.running.append(probe)

    @precondition(lambda self: not self.breaker.allows(self.now))
    @rule()
    def the_last_candidate_is_asked_all_the_same(self) -> None:
        assert self.breaker.begin(self.now) is False
        self.running.append(False)

    @precondition(lambda self: self.running)
    @rule(which=st.integers(0, 1000), chance=st.floats(0, 1, exclude_max=True))
    def one_fails(self, which: int, chance: float) -> None:
        probe = self.running.pop(which % len(self.running))
        self.breaker.failed(self.now, probe, chance)
        self.row += 1
        assert self.breaker.failures == self.row
        if probe or self.row >= 5:
            assert self.breaker.state is not BreakerState.CLOSED

    @precondition(lambda self: self.running)
    @rule(which=st.integers(0, 1000))
    def one_succeeds(self, which: int) -> None:
        probe = self.running.pop(which % len(self.running))
        self.breaker.succeeded(self.now, probe)
        self.row = 0
        assert self.breaker.state is BreakerState.CLOSED
        self.running = [False] * len(self.running)  # an earlier probe that ends later decides nothing more

    @precondition(lambda self: self.running)
    @rule(which=st.integers(0, 1000))
    def one_is_forgotten(self, which: int) -> None:
        probe = self.running.pop(which % len(self.running))
        before = self.breaker.failures
        self.breaker.forgotten(self.now, probe)
        assert self.breaker.failures == before

    @invariant()
    def at_most_one_probe_is_on_its_way(self) -> None:
        assert self.running.count(True) <= 1
        if self.breaker.state is BreakerState.PROBING:
            assert self.running.count(True) == 1, "nobody would ever let the next one through"

    @invariant()
    def it_opens_again_by_itself(self) -> None:
        if self.breaker.state is BreakerState.OPEN:
            assert self.breaker.until <= self.now + MOST_SECONDS
            assert self.breaker.allows(max(self.now, self.breaker.until))


TestBreakerMachine = BreakerMachine.TestCase
TestBreakerMachine.settings = settings(max_examples=70, stateful_step_count=40, deadline=None)


# -- the budget of repeats


def test_ten_repeats_are_free_and_then_a_fifth_of_the_requests() -> None:
    budget = Budget()
    assert sum(budget.spend(0.0) for _ in range(100)) == 10
    budget = Budget()
    for _ in range(1000):
        budget.requested(5.0)
    assert sum(budget.spend(5.0) for _ in range(1000)) == 200


def test_requests_of_more_than_ten_seconds_ago_allow_nothing() -> None:
    budget = Budget()
    for _ in range(1000):
        budget.requested(5.0)
    assert sum(budget.spend(15.0) for _ in range(1000)) == 10
    for _ in range(1000):
        budget.requested(30.0)
    assert sum(budget.spend(30.0) for _ in range(1000)) == 200


def test_the_budget_fills_again_in_ten_seconds() -> None:
    budget = Budget()
    assert sum(budget.spend(0.0) for _ in range(20)) == 10
    assert not budget.spend(9.0)
    assert sum(budget.spend(10.0) for _ in range(20)) == 10


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.floats(0, 2)), max_size=300))
def test_never_more_than_a_fifth_or_ten_in_any_ten_seconds(steps: list[tuple[bool, float]]) -> None:
    budget, now = Budget(), 50.0
    requests: list[float] = []
    repeats: list[float] = []
    for is_repeat, passed in steps:
        now += passed
        if not is_repeat:
            budget.requested(now)
            requests.append(now)
        elif budget.spend(now):
            repeats.append(now)
            lately = [at for at in repeats if int(at) > int(now) - 10]
            asked = [at for at in requests if int(at) > int(now) - 10]
            assert len(lately) <= max(10, 0.2 * len(asked))


# -- waits


def test_throttling_and_faults_wait_differently() -> None:
    assert 0.05 <= backoff.after_fault(0.0) <= backoff.after_fault(0.99) <= 0.25
    assert backoff.after_throttling(None, 0.0) == 1.0
    assert backoff.after_throttling(2.5, 0.5) == 2.5
    assert backoff.after_throttling(3.01, 0.5) is None


@pytest.mark.parametrize(
    ("said", "row", "spent", "seconds"),
    [(7.0, 0, False, 7.0), (9999.0, 0, False, 300.0), (None, 0, False, 60.0), (None, 2, False, 240.0),
     (None, 5, False, 300.0), (1.0, 0, True, 300.0)],
)  # fmt: skip
def test_how_long_a_throttled_target_is_left_alone(
    said: float | None, row: int, spent: bool, seconds: float
) -> None:
    assert backoff.cooldown(said, row, spent) == seconds


# -- places


def nothing() -> None:
    pass


def test_places_are_given_in_order_and_in_turns() -> None:
    places = Places(limit=1, queue=10)
    woken: list[str] = []
    first = places.enter("a", nothing)
    assert first is not None
    assert first.held
    waiting = [
        places.enter(who, lambda who=who, n=n: woken.append(f"{who}{n}")) for n in (1, 2, 3) for who in "a"
    ]
    waiting += [places.enter("b", lambda: woken.append("b1"))]
    assert [places.position(t) for t in waiting if t] == [0, 2, 3, 1]
    places.leave(first)
    for _ in range(3):
        held = next(t for t in waiting if t and t.held)
        places.leave(held)
    assert woken == ["a1", "b1", "a2", "a3"], "a caller's first stands before another's second"


def test_a_full_queue_takes_nobody() -> None:
    places = Places(limit=1, queue=1)
    assert places.enter("a", nothing)
    assert places.enter("a", nothing)
    assert places.enter("b", nothing) is None


class PlacesMachine(RuleBasedStateMachine):
    """Callers come, leave while they wait, leave after they were served, and the limit changes."""

    def __init__(self) -> None:
        super().__init__()
        self.places = Places(limit=2, queue=5)
        self.tickets: list[Ticket] = []
        self.woken: list[Ticket] = []

    @rule(who=st.sampled_from("abc"))
    def one_comes(self, who: str) -> None:
        box: list[Ticket] = []
        full = self.places.queued >= self.places.queue
        ticket = self.places.enter(who, lambda: self.woken.append(box[0]))
        if ticket is None:
            assert full
            return
        box.append(ticket)
        self.tickets.append(ticket)

    @precondition(lambda self: self.tickets)
    @rule(which=st.integers(0, 1000))
    def one_leaves(self, which: int) -> None:
        ticket = self.tickets.pop(which % len(self.tickets))
        self.places.leave(ticket)
        self.places.leave(ticket)
        assert ticket not in self.tickets

    @rule(limit=st.integers(1, 4))
    def the_limit_changes(self, limit: int) -> None:
        self.places.limit = limit
        self.places.admit()

    @invariant()
    def the_counts_are_true(self) -> None:
        held = [t for t in self.tickets if t.held]
        waiting = [t for t in self.tickets if not t.held]
        assert self.places.in_use == len(held)
        assert self.places.queued == len(waiting)
        assert not (waiting and len(held) < self.places.limit), "a place is free while somebody waits"
        assert sorted(self.places.position(t) for t in waiting) is not None
        assert all(0 <= self.places.position(t) < len(waiting) for t in waiting)


TestPlacesMachine = PlacesMachine.TestCase
TestPlacesMachine.settings = settings(max_examples=70, stateful_step_count=40, deadline=None)
