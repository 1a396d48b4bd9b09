"""resilience.board: who is passed over, until when, and what a change of the rules forgets (nothing)."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pointsman.errors import PointsmanError
from pointsman.kinds import ErrorKind, FallbackReason
from pointsman.resilience.board import MOST_TARGETS, Board, Try
from pointsman.resilience.walk import Closed, Held

R = FallbackReason
KEY, OTHER = b"key one", b"key two"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def board(clock: Clock) -> Board:
    return Board(clock, lambda: 0.0)


def held(reason: FallbackReason, **more: object) -> Held[str]:
    return Held(reason, PointsmanError(ErrorKind.UPSTREAM_ERROR, f"it said {reason.value}"), None, **more)  # type: ignore[arg-type]


def fails(
    board: Board, reason: FallbackReason, times: int = 1, *, unreachable: bool = False, **more: object
) -> None:
    for _ in range(times):
        board.failed(board.begin("openai", "m", KEY), held(reason, **more), unreachable=unreachable)


def test_five_failures_shut_out_one_model_and_not_its_neighbour(board: Board, clock: Clock) -> None:
    fails(board, R.UPSTREAM_ERROR, 5)
    assert board.closed("openai", "m", KEY) == Closed(R.UPSTREAM_ERROR, 15.0)
    assert board.closed("openai", "other", KEY) is None
    assert board.closed("anthropic", "m", KEY) is None
    clock.now += 15.0
    assert board.closed("openai", "m", KEY) is None
    probe = board.begin("openai", "m", KEY)
    assert probe.probe
    assert board.closed("openai", "m", KEY) is not None, "one probe at a time"
    board.succeeded(probe)
    assert board.closed("openai", "m", KEY) is None


@pytest.mark.parametrize("reason", [R.THROTTLED, R.AUTH])
def test_a_busy_or_dead_key_never_counts_against_the_endpoint(board: Board, reason: FallbackReason) -> None:
    fails(board, reason, 50)
    assert board.target("openai", "m").breaker.quiet()


def test_loading_a_model_does_not_open_the_breaker(board: Board) -> None:
    fails(board, R.UPSTREAM_ERROR, 50, loading=True, retry_after=1.0)
    assert board.closed("openai", "m", KEY) is None


def test_throttling_belongs_to_a_key_and_a_model(board: Board, clock: Clock) -> None:
    fails(board, R.THROTTLED, retry_after=20.0)
    assert board.closed("openai", "m", KEY) == Closed(R.THROTTLED, 20.0)
    assert board.closed("openai", "other", KEY) is None
    assert board.closed("openai", "m", OTHER) is None, "another key is not busy"
    clock.now += 20.0
    assert board.closed("openai", "m", KEY) is None


def test_a_503_that_says_when_is_left_alone_until_then(board: Board) -> None:
    fails(board, R.UPSTREAM_ERROR, retry_after=8.0)
    assert board.closed("openai", "m", KEY) == Closed(R.THROTTLED, 8.0)


def test_a_dead_key_is_benched_for_every_model_until_it_is_edited(board: Board, clock: Clock) -> None:
    fails(board, R.AUTH)
    clock.now += 1e6
    for model in ("m", "other"):
        assert board.closed("openai", model, KEY) == Closed(R.AUTH, None, key=True)
    assert board.closed("openai", "m", OTHER) is None


def test_an_answer_shows_that_a_benched_key_is_good_again(board: Board) -> None:
    fails(board, R.AUTH)
    board.succeeded(board.begin("openai", "m", KEY))
    assert board.closed("openai", "m", KEY) is None


def test_a_clients_own_login_is_its_own_affair(board: Board) -> None:
    for reason in (R.AUTH, R.THROTTLED):
        one = board.begin("openai", "m", KEY, own_login=True)
        board.failed(one, held(reason, retry_after=60.0), unreachable=False)
    assert board.closed("openai", "m", KEY) is None


def test_a_local_server_that_refuses_is_down_at_once_and_back_by_a_probe_or_an_answer(board: Board) -> None:
    fails(board, R.CONNECT, unreachable=True)
    assert board.closed("openai", "any", KEY) == Closed(R.CONNECT, None)
    assert board.target("openai", "m").breaker.quiet()
    board.succeeded(board.begin("openai", "m", KEY))
    assert board.closed("openai", "any", KEY) is None


def test_a_moved_backend_begins_anew_and_keeps_who_is_being_served(board: Board) -> None:
    fails(board, R.UPSTREAM_ERROR, 5)
    fails(board, R.AUTH)
    ticket = board.backend("openai").places.enter("a", lambda: None)
    board.forget("openai")
    assert board.closed("openai", "m", KEY) is None
    assert board.backend("openai").places.in_use == 1
    assert ticket is not None


def test_names_that_clients_make_up_do_not_fill_the_memory(board: Board) -> None:
    fails(board, R.UPSTREAM_ERROR, 5)
    for number in range(3 * MOST_TARGETS):
        board.succeeded(board.begin("openai", f"made-up-{number}", KEY))
    assert len(board.targets) <= MOST_TARGETS
    assert board.closed("openai", "m", KEY) is not None, "what matters was kept"


class BoardMachine(RuleBasedStateMachine):
    """Tries of two models with two keys; whatever happened, what is closed opens, and a success opens it at once."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.board = Board(self.clock, lambda: 0.5)
        self.running: list[tuple[Try, str, bytes]] = []

    @rule(seconds=st.floats(0, 400))
    def time_passes(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule(model=st.sampled_from(["m", "n"]), key=st.sampled_from([KEY, OTHER]))
    def a_try_begins(self, model: str, key: bytes) -> None:
        self.running.append((self.board.begin("openai", model, key), model, key))

    @precondition(lambda self: self.running)
    @rule(
        reason=st.sampled_from(list(FallbackReason)),
        said=st.none() | st.floats(0, 1000),
        unreachable=st.booleans(),
    )
    def one_fails(self, reason: FallbackReason, said: float | None, unreachable: bool) -> None:
        one, _, _ = self.running.pop(0)
        self.board.failed(
            one, held(reason, retry_after=said), unreachable=unreachable and reason is R.CONNECT
        )

    @precondition(lambda self: self.running)
    @rule()
    def one_answers(self) -> None:
        one, model, key = self.running.pop(0)
        self.board.succeeded(one)
        closed = self.board.closed("openai", model, key)
        throttled = self.board.target("openai", model).throttled_until > self.clock.now
        assert closed is None or throttled

    @precondition(lambda self: self.running)
    @rule()
    def one_is_given_up(self) -> None:
        self.board.forgotten(self.running.pop(0)[0])

    @invariant()
    def what_is_shut_by_time_opens_by_time(self) -> None:
        for model in ("m", "n"):
            for key in (KEY, OTHER):
                closed = self.board.closed("openai", model, key)
                if closed is not None and closed.wait is not None:
                    assert 0.0 <= closed.wait <= 300.001

    @invariant()
    def no_probe_is_lost(self) -> None:
        for model in ("m", "n"):
            breaker = self.board.target("openai", model).breaker
            if breaker.state == "probing":
                assert any(one.probe for one, name, _ in self.running if name == model)


TestBoardMachine = BoardMachine.TestCase
TestBoardMachine.settings = settings(max_examples=70, stateful_step_count=40, deadline=None)
