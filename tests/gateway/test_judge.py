"""gateway.attempt.moves and judge: every state with every event, which event a fact is, and the
promises R1 and R5 and the three stages as invariants of whatever may happen. Without a socket;
what the executor does on the wire is in the other files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pointsman.dialects.base import IllegalMove
from pointsman.gateway.attempt.judge import COLLECT_BYTES, ERROR_BYTES, HOLD_BYTES, Judge
from pointsman.gateway.attempt.meaning import Meaning
from pointsman.gateway.attempt.moves import (
    ENDS,
    REACHES,
    Effect,
    Effects,
    Event,
    Stage,
    State,
    step,
)
from pointsman.kinds import FallbackReason

OVER = frozenset(state for state in State if state >= State.DELIVERED)
GIVE_UP = "GIVEN_UP: CLOSE GIVE_UP"
BEFORE_CONTENT = {
    "CUT": GIVE_UP,
    "LATE": GIVE_UP,
    "STOP": GIVE_UP,
    "BROKEN": GIVE_UP,
    "RIVAL": "GIVEN_UP: CLOSE YIELD",
    "GONE": "ABANDONED: CLOSE",
}
LIVING: dict[str, dict[str, str]] = {
    "WAITING": {
        **BEFORE_CONTENT,
        "TICK": "WAITING: KEEP_ALIVE",
        "HEAD_WHOLE": "HOLDING_WHOLE:",
        "HEAD_STREAM": "HOLDING_STREAM:",
        "HEAD_FAILURE": "FAILING:",
        "HEAD_UNUSABLE": GIVE_UP,
        "STALE": "WAITING: ASK_AGAIN",
    },
    "FAILING": {
        **BEFORE_CONTENT,
        "TICK": "FAILING: KEEP_ALIVE",
        "QUIET": "FAILING: HOLD",
        "TOO_MUCH": GIVE_UP,
        "UNANSWERED": GIVE_UP,
        "UNKNOWN_PATH": "UNSPOKEN: CLOSE GIVE_UP",
    },
    "HOLDING_WHOLE": {
        **BEFORE_CONTENT,
        "TICK": "HOLDING_WHOLE: KEEP_ALIVE",
        "EVENTS": "HOLDING_STREAM:",
        "QUIET": "HOLDING_WHOLE: HOLD",
        "OUTPUT": "PASSING_WHOLE: HOLD COMMIT",
        "TOO_MUCH": GIVE_UP,
        "ANSWERED": "DELIVERED: SEND",
        "UNANSWERED": GIVE_UP,
        "UNKNOWN_PATH": "UNSPOKEN: CLOSE GIVE_UP",
        "LEFT": "GIVEN_UP: CLOSE LEAVE",
    },
    "HOLDING_STREAM": {
        **BEFORE_CONTENT,
        "TICK": "HOLDING_STREAM: KEEP_ALIVE",
        "NO_EVENTS": "HOLDING_WHOLE:",
        "QUIET": "HOLDING_STREAM: HOLD",
        "OUTPUT": "PASSING_STREAM: HOLD COMMIT",
        "TOO_MUCH": GIVE_UP,
        "SAID_FAILED": "HOLDING_STREAM: HOLD CLOSE END_HERE",
        "COMPLETE": "HOLDING_STREAM: CLOSE END_HERE",
        "LAST_WORD": "HOLDING_STREAM: DRAIN END_HERE",
        "OVERSTAYED": "HOLDING_STREAM: CLOSE END_HERE",
        "ANSWERED": "DELIVERED: SEND",
        "UNANSWERED": GIVE_UP,
        "LEFT": "GIVEN_UP: CLOSE LEAVE",
    },
    "PASSING_WHOLE": {
        "BYTES": "PASSING_WHOLE: PASS",
        "ANSWERED": "DELIVERED: PASS FINISH",
        "CUT": "INTERRUPTED: CLOSE BLAME ABORT",
        "LATE": "INTERRUPTED: CLOSE BLAME ABORT",
        "STOP": "INTERRUPTED: CLOSE ABORT",
        "BROKEN": "INTERRUPTED: CLOSE ABORT",
        "TICK": "PASSING_WHOLE:",
        "SLOW": "PASSING_WHOLE: PAUSE",
        "READY": "PASSING_WHOLE: RESUME",
        "GONE": "ABANDONED: CLOSE",
    },
    "PASSING_STREAM": {
        "BYTES": "PASSING_STREAM: PASS",
        "ANSWERED": "DELIVERED: PASS FINISH",
        "COMPLETE": "DELIVERED: CLOSE FINISH",
        "LAST_WORD": "PASSING_STREAM: DRAIN END_HERE",
        "OVERSTAYED": "PASSING_STREAM: CLOSE END_HERE",
        "UNFINISHED": "INTERRUPTED: CLOSE BLAME TELL",
        "FAILED": "INTERRUPTED: BLAME PASS FINISH",
        "CUT": "INTERRUPTED: CLOSE BLAME TELL",
        "LATE": "INTERRUPTED: CLOSE BLAME TELL",
        "STOP": "INTERRUPTED: CLOSE TELL",
        "BROKEN": "INTERRUPTED: CLOSE TELL",
        "TICK": "PASSING_STREAM: PING",
        "SLOW": "PASSING_STREAM: PAUSE",
        "READY": "PASSING_STREAM: RESUME",
        "GONE": "ABANDONED: CLOSE",
    },
}
"""State -> event -> "next state: effects". An event that a state does not name is illegal there."""
ENDED = ("DELIVERED", "INTERRUPTED", "GIVEN_UP", "UNSPOKEN", "ABANDONED")
ILLEGAL = {
    "WAITING": "QUIET OUTPUT TOO_MUCH SAID_FAILED BYTES COMPLETE ANSWERED UNANSWERED UNKNOWN_PATH LEFT UNFINISHED FAILED"
    " OVERSTAYED SLOW READY EVENTS NO_EVENTS LAST_WORD",
    "FAILING": "HEAD_WHOLE HEAD_STREAM HEAD_FAILURE HEAD_UNUSABLE OUTPUT SAID_FAILED BYTES COMPLETE ANSWERED LEFT"
    " UNFINISHED FAILED STALE OVERSTAYED SLOW READY EVENTS NO_EVENTS LAST_WORD",
    "HOLDING_WHOLE": "HEAD_WHOLE HEAD_STREAM HEAD_FAILURE HEAD_UNUSABLE SAID_FAILED BYTES COMPLETE UNFINISHED FAILED STALE"
    " OVERSTAYED SLOW READY NO_EVENTS LAST_WORD",
    "HOLDING_STREAM": "HEAD_WHOLE HEAD_STREAM HEAD_FAILURE HEAD_UNUSABLE BYTES UNKNOWN_PATH UNFINISHED FAILED STALE"
    " SLOW READY EVENTS",
    "PASSING_WHOLE": "HEAD_WHOLE HEAD_STREAM HEAD_FAILURE HEAD_UNUSABLE QUIET OUTPUT TOO_MUCH SAID_FAILED COMPLETE UNANSWERED"
    " UNKNOWN_PATH LEFT UNFINISHED FAILED STALE OVERSTAYED RIVAL EVENTS NO_EVENTS LAST_WORD",
    "PASSING_STREAM": "HEAD_WHOLE HEAD_STREAM HEAD_FAILURE HEAD_UNUSABLE QUIET OUTPUT TOO_MUCH SAID_FAILED UNANSWERED"
    " UNKNOWN_PATH LEFT STALE RIVAL EVENTS NO_EVENTS",
}


def expected(state: str, event: str) -> str | None:
    """What this file says of a case. None: it is illegal. KeyError: nobody has thought of it."""
    if state in ENDED:
        return f"{state}:"
    if event in ILLEGAL[state].split():
        assert event not in LIVING[state]
        return None
    return LIVING[state][event]


@pytest.mark.parametrize("state", State, ids=lambda state: state.name)
@pytest.mark.parametrize("event", Event, ids=lambda event: event.name)
def test_every_state_with_every_event(state: State, event: Event) -> None:
    wanted = expected(state.name, event.name)
    if wanted is None:
        with pytest.raises(IllegalMove, match=f"{event.name} cannot happen while {state.name}"):
            step(state, event)
        return
    after, effects = step(state, event)
    assert f"{after.name}: {' '.join(effect.name for effect in effects)}".rstrip() == wanted


def test_no_case_is_of_a_state_or_an_event_that_is_gone() -> None:
    assert {*LIVING, *ENDED} == {state.name for state in State}
    assert {*LIVING} == {*ILLEGAL} == {state.name for state in State if state not in OVER}
    named = {event for row in LIVING.values() for event in row}
    assert named | {event for row in ILLEGAL.values() for event in row.split()} == {e.name for e in Event}


def test_every_state_can_be_reached_and_every_effect_is_done_somewhere() -> None:
    moves = [step(state, event) for state in State for event in Event if expected(state.name, event.name)]
    assert {after for after, _ in moves} == set(State)
    assert {effect for _, effects in moves for effect in effects} == set(Effect)


def test_a_move_into_an_end_does_exactly_one_thing_that_ends_it_and_does_that_last() -> None:
    for state in set(State) - OVER:
        for event in Event:
            if expected(state.name, event.name) is None:
                continue
            after, effects = step(state, event)
            ends = [effect for effect in effects if effect in ENDS]
            assert len(ends) == (1 if after in OVER and after is not State.ABANDONED else 0), (
                state,
                event,
            )
            if ends:
                assert effects[-1] is ends[0]


# -- which event a fact is


@dataclass
class Facts:
    """What has been read of a stream."""

    output: bool = False
    refused: bool = False
    finished: bool = False
    error: object = None
    unreadable: bool = False


def judge(*, translated: bool = False, collects: bool = False, leaves: bool = False) -> Judge:
    return Judge(0.0, 60.0, 120.0, translated, collects, leaves)


def holding(stream: bool, **more: object) -> Judge:
    one = judge(**more)  # type: ignore[arg-type]
    one.head(200, None, stream=stream, framed=True)
    return one


@pytest.mark.parametrize(
    ("status", "failure", "stream", "readable", "translated", "state"),
    [
        (200, None, False, True, False, State.HOLDING_WHOLE),
        (200, None, True, True, False, State.HOLDING_STREAM),
        (404, None, True, True, False, State.HOLDING_WHOLE),  # an error is never a stream
        (304, None, False, True, False, State.HOLDING_WHOLE),
        (500, FallbackReason.UPSTREAM_ERROR, True, False, True, State.FAILING),
        (301, None, False, True, False, State.GIVEN_UP),
        (200, None, True, False, False, State.GIVEN_UP),
        (200, None, False, False, False, State.GIVEN_UP),  # compressed in a way that is not known
        (200, None, False, False, True, State.GIVEN_UP),
        (404, None, False, False, True, State.HOLDING_WHOLE),
    ],
)
def test_a_head(
    status: int,
    failure: FallbackReason | None,
    stream: bool,
    readable: bool,
    translated: bool,
    state: State,
) -> None:
    one = judge(translated=translated)
    one.head(status, failure, stream=stream, coded=b"" if readable else b"br", framed=True)
    assert one.state is state
    if failure is not None:
        assert one.reason is failure


@pytest.mark.parametrize(
    ("size", "stage", "framed", "translated", "state"),
    [
        (HOLD_BYTES, Stage.NOTHING, True, False, State.HOLDING_WHOLE),
        (HOLD_BYTES + 1, Stage.NOTHING, True, False, State.PASSING_WHOLE),
        (
            HOLD_BYTES + 1,
            Stage.KEPT_ALIVE,
            True,
            False,
            State.HOLDING_WHOLE,
        ),  # a stream was promised
        (
            HOLD_BYTES + 1,
            Stage.NOTHING,
            False,
            False,
            State.HOLDING_WHOLE,
        ),  # a cut would not be seen
        (HOLD_BYTES + 1, Stage.NOTHING, True, True, State.HOLDING_WHOLE),
        (COLLECT_BYTES + 1, Stage.NOTHING, True, True, State.GIVEN_UP),
        (COLLECT_BYTES + 1, Stage.NOTHING, False, False, State.GIVEN_UP),
    ],
)
def test_bytes_of_a_whole_answer(
    size: int, stage: Stage, framed: bool, translated: bool, state: State
) -> None:
    one = judge(translated=translated)
    one.head(200, None, stream=False, framed=framed)
    one.held(size, stage, rival=False)
    assert one.state is state


@pytest.mark.parametrize(("size", "state"), [(ERROR_BYTES, State.FAILING), (ERROR_BYTES + 1, State.GIVEN_UP)])
def test_bytes_of_a_failure(size: int, state: State) -> None:
    one = judge()
    one.head(503, FallbackReason.UPSTREAM_ERROR, stream=False, framed=True)
    one.held(size, Stage.NOTHING, rival=False)
    assert one.state is state
    assert one.reason is FallbackReason.UPSTREAM_ERROR


COLLECTS = {"translated": True, "collects": True}
LEAVES = {"leaves": True}


@pytest.mark.parametrize(
    ("facts", "size", "more", "rival", "state", "effect"),
    [
        (Facts(), 10, {}, False, State.HOLDING_STREAM, Effect.HOLD),
        (Facts(output=True), 10, {}, False, State.PASSING_STREAM, Effect.COMMIT),
        (Facts(output=True), 10, {}, True, State.GIVEN_UP, Effect.YIELD),
        (None, 10, {}, False, State.PASSING_STREAM, Effect.COMMIT),  # nobody can read it
        (Facts(), HOLD_BYTES + 1, {}, False, State.PASSING_STREAM, Effect.COMMIT),
        (Facts(error="no"), 10, {}, False, State.HOLDING_STREAM, Effect.END_HERE),
        (Facts(output=True, error="no"), 10, {}, False, State.PASSING_STREAM, Effect.COMMIT),
        (Facts(output=True, refused=True), 10, {}, False, State.PASSING_STREAM, Effect.COMMIT),
        (Facts(output=True, refused=True), 10, LEAVES, False, State.HOLDING_STREAM, Effect.HOLD),
        (
            Facts(output=True, refused=True),
            COLLECT_BYTES,
            LEAVES,
            False,
            State.PASSING_STREAM,
            Effect.COMMIT,
        ),
        (
            Facts(output=True),
            HOLD_BYTES + 1,
            COLLECTS,
            False,
            State.HOLDING_STREAM,
            Effect.HOLD,
        ),
        (
            Facts(output=True),
            COLLECT_BYTES + 1,
            COLLECTS,
            False,
            State.GIVEN_UP,
            Effect.GIVE_UP,
        ),
    ],
)
def test_bytes_of_a_stream(
    facts: Facts | None,
    size: int,
    more: dict[str, object],
    rival: bool,
    state: State,
    effect: Effect,
) -> None:
    one = holding(True, **more)
    effects = one.read(facts, size, rival=rival)
    assert one.state is state
    assert effects[-1] is effect


@pytest.mark.parametrize(
    ("found", "output", "more", "event"),
    [
        (Meaning.ANSWERED, True, {}, Event.OUTPUT),
        (Meaning.CUT, True, {}, Event.OUTPUT),  # what there is, and that it was cut
        (Meaning.ERROR, True, {}, Event.OUTPUT),
        (Meaning.CUT, False, {}, Event.UNANSWERED),
        (Meaning.ERROR, False, {}, Event.UNANSWERED),
        (Meaning.EMPTY, False, {}, Event.UNANSWERED),
        (Meaning.MALFORMED, False, {}, Event.UNANSWERED),
        (Meaning.LEFT, True, {}, Event.LEFT),
        (Meaning.ANSWERED, True, COLLECTS, Event.ANSWERED),
        (Meaning.LEFT, True, COLLECTS, Event.LEFT),
        (Meaning.CUT, True, COLLECTS, Event.UNANSWERED),
    ],
)
def test_the_end_of_a_stream_that_was_held(
    found: Meaning, output: bool, more: dict[str, bool], event: Event
) -> None:
    one = holding(True, **more)
    assert one.closes(found, output=output) is event
    assert step(one.state, event)


@pytest.mark.parametrize(
    ("facts", "untold", "state", "effects"),
    [
        (Facts(output=True, finished=True), False, State.DELIVERED, "PASS FINISH"),
        (Facts(output=True), False, State.INTERRUPTED, "CLOSE BLAME TELL"),
        (Facts(output=True, error="no"), False, State.INTERRUPTED, "BLAME PASS FINISH"),
        (
            Facts(output=True, finished=True, error="no"),
            False,
            State.INTERRUPTED,
            "BLAME PASS FINISH",
        ),
        (Facts(output=True, unreadable=True), False, State.INTERRUPTED, "BLAME PASS FINISH"),
        (Facts(output=True, error="no"), True, State.INTERRUPTED, "CLOSE BLAME TELL"),
        (None, False, State.DELIVERED, "PASS FINISH"),  # nobody can read it
    ],
)
def test_the_end_of_a_stream_that_the_client_has_the_beginning_of(
    facts: Facts | None, untold: bool, state: State, effects: str
) -> None:
    one = passing()
    assert " ".join(effect.name for effect in one.over(facts, untold=untold)) == effects
    assert one.state is state


@pytest.mark.parametrize(
    ("no_stream", "rival", "state", "effect"),
    [
        ("", False, State.DELIVERED, Effect.SEND),
        ("", True, State.GIVEN_UP, Effect.YIELD),
        ("<html>", False, State.GIVEN_UP, Effect.GIVE_UP),
        ("<html>", True, State.GIVEN_UP, Effect.GIVE_UP),
    ],
)
def test_a_whole_answer(no_stream: str, rival: bool, state: State, effect: Effect) -> None:
    one = holding(False)
    assert one.whole(no_stream=no_stream, rival=rival)[-1] is effect
    assert one.state is state


def test_a_status_that_is_known_stays_the_reason_when_its_body_is_cut() -> None:
    one = judge()
    one.head(429, FallbackReason.THROTTLED, stream=False, framed=True)
    one.cut(FallbackReason.UPSTREAM_ERROR, "it cut the connection", stale=False)
    assert one.reason is FallbackReason.THROTTLED


def passing() -> Judge:
    one = holding(True)
    one.read(Facts(output=True), 10, rival=False)
    return one


@pytest.mark.parametrize(
    ("make", "now", "deadline", "late"),
    [
        (judge, 60.0, 99.0, None),
        (judge, 60.1, 99.0, "it gave no output within 60 s"),
        (passing, 60.1, 99.0, None),
        (passing, 120.1, 999.0, "it sent nothing for 120 s in the middle of its answer"),
        (passing, 1.1, 1.0, "it took longer than 7 s"),
        (judge, 1.1, 1.0, "it took longer than 7 s"),
    ],
)
def test_how_long_it_is_waited_for(
    make: Callable[[], Judge], now: float, deadline: float, late: str | None
) -> None:
    one = make()
    before = one.state
    one.tick(now, deadline, 7.0, all_said=False, rival=False)
    assert (one.state is before) is (late is None)
    assert one.detail == (late or "")
    if late:
        assert one.reason is FallbackReason.TIMEOUT


def test_a_slow_client_is_no_silence_of_the_backend() -> None:
    one = passing()
    assert one.client(False, 1.0) == (Effect.PAUSE,)
    one.tick(500.0, 999.0, 999.0, all_said=False, rival=False)
    assert one.state is State.PASSING_STREAM
    assert one.client(True, 500.0) == (Effect.RESUME,)
    one.tick(619.0, 999.0, 999.0, all_said=False, rival=False)
    assert one.state is State.PASSING_STREAM
    one.tick(620.1, 999.0, 999.0, all_said=False, rival=False)
    assert one.state is State.INTERRUPTED


def test_a_stream_that_has_said_everything_and_stays_on_the_line_is_no_failure() -> None:
    one = passing()
    assert one.tick(500.0, 999.0, 999.0, all_said=True, rival=False) == (
        Effect.CLOSE,
        Effect.END_HERE,
    )
    assert one.over(Facts(output=True, finished=True), untold=False)[-1] is Effect.FINISH


def test_the_first_reason_is_kept_once_it_is_over() -> None:
    one = judge()
    one.cut(FallbackReason.CONNECT, "it closed", stale=False)
    one.tick(500.0, 1.0, 7.0, all_said=False, rival=False)
    assert (one.reason, one.detail) == (FallbackReason.CONNECT, "it closed")


# -- whatever happens


@dataclass
class One:
    """An attempt, and what was done about it."""

    judge: Judge
    stream: bool = False
    facts: Facts = field(default_factory=Facts)
    size: int = 0
    open: bool = True
    ends: list[Effect] = field(default_factory=list)
    failed: bool = False  # something went wrong, whenever it did


AT = st.sampled_from(["waiting", "whole", "stream", "output", "output"])


class Request(RuleBasedStateMachine):
    """One request, its client, and up to four attempts, two of them at once: an executor without
    sockets. What it asserts while it carries out the effects, and the invariants, are what
    docs/design.md#stages-of-an-answer and docs/reliability-promises.md promise."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.stage = self.before = Stage.NOTHING
        self.all: list[One] = []
        self.won: One | None = None
        self.told: list[str] = []
        self.gone = self.stopped = False
        self.steps = self.calm = 0

    def waiting(self) -> list[One]:
        return [one for one in self.all if one.judge.state is State.WAITING]

    def begun(self) -> list[One]:
        return [one for one in self.live() if one.judge.state is not State.WAITING and one.open]

    def troubled(self) -> bool:
        """Runs that end in their first step show nothing."""
        return self.steps >= self.calm and bool(self.live())

    def live(self) -> list[One]:
        return [one for one in self.all if one.judge.state not in OVER]

    @initialize(collects=st.booleans(), leaves=st.booleans(), calm=st.integers(0, 6), at=AT)
    def begin(self, collects: bool, leaves: bool, calm: int, at: str) -> None:
        self.collects, self.leaves, self.calm = collects, leaves, calm
        self.ask(at)

    def may_ask(self) -> bool:
        """The walk goes on only when somebody was given up; the hedge asks a second one while
        nobody has won."""
        handed = [one for one in self.all if one.ends and one.ends[0] in (Effect.GIVE_UP, Effect.LEAVE)]
        return (
            len(self.all) < 4 and not self.gone and not self.stopped and self.won is None
            and len(self.live()) <= 1 and (bool(handed) or len(self.all) == 1)
        )  # fmt: skip

    @precondition(may_ask)
    @rule(at=AT)
    def ask(self, at: str) -> None:
        """At which point it is met: most runs would end before any output otherwise."""
        assert self.stage is not Stage.CONTENT, "a second target after content"
        judge = Judge(self.now, 60.0, 120.0, self.collects, self.collects, self.leaves)
        self.all.append(One(judge))
        if at != "waiting":
            self.head(-1, 200, at != "whole", True)
        if at == "output":
            self.bytes(-1, 1, "output")

    def do(self, one: One, effects: Effects) -> None:
        for effect in effects:
            assert not one.ends, f"{effect.name} after {one.ends}"
            if effect in REACHES:
                self.stage = max(self.stage, REACHES[effect])
            if effect in (Effect.COMMIT, Effect.SEND):
                assert self.won is None, "of a second target after content of the first"
                self.won = one
                self.told.append("content")
            elif effect in (
                Effect.PASS,
                Effect.PING,
                Effect.FINISH,
                Effect.TELL,
                Effect.ABORT,
                Effect.BLAME,
            ):
                assert self.won is one, f"{effect.name} by one who has not won"
            elif effect is Effect.KEEP_ALIVE:
                assert self.won is None, "a keep-alive in somebody's content"
            elif effect in (Effect.CLOSE, Effect.DRAIN):
                one.open = False
            if effect in (Effect.GIVE_UP, Effect.LEAVE, Effect.YIELD):
                assert self.won is not one, "handed to the walk after content"
            if effect is Effect.END_HERE:
                self.ended(one)
                return
            if effect in ENDS:
                one.ends.append(effect)
                self.told.append(effect.name)

    def rival(self, one: One) -> bool:
        return self.won is not None and self.won is not one

    def ended(self, one: One) -> None:
        """As the executor does it: what the end means, then the moves that follow from it."""
        state, facts, judge = one.judge.state, one.facts, one.judge
        if not one.stream:
            self.do(one, judge.move(Event.ANSWERED))
            return
        found = Meaning.ANSWERED
        if facts.error is not None:
            found = Meaning.ERROR
        elif not facts.finished:
            found = Meaning.CUT
        elif facts.refused and self.leaves:
            found = Meaning.LEFT
        elif not facts.output:
            found = Meaning.EMPTY
        passed_whole = found is Meaning.EMPTY and state is State.PASSING_STREAM
        if (
            found not in (Meaning.ANSWERED, Meaning.LEFT) and not passed_whole
        ):  # too long to be held: all of it is told
            one.failed = True
        if state is State.HOLDING_STREAM:
            event = judge.closes(found, output=facts.output)
            if event is Event.OUTPUT:
                self.do(one, judge.output(rival=self.rival(one)))
            elif event is Event.ANSWERED:
                self.do(one, judge.whole(no_stream="", rival=self.rival(one)))
            else:
                self.do(one, judge.move(event))
        if judge.state is State.PASSING_STREAM:
            self.do(one, judge.over(facts, untold=False))

    @precondition(lambda self: self.waiting())
    @rule(
        which=st.integers(0, 1),
        status=st.sampled_from([200, 200, 200, 200, 200, 404, 500, 301]),
        stream=st.sampled_from([True, True, False]),
        framed=st.booleans(),
    )
    def head(self, which: int, status: int, stream: bool, framed: bool) -> None:
        one = self.waiting()[which % len(self.waiting())]
        one.judge.heard = self.now
        failure = FallbackReason.UPSTREAM_ERROR if status == 500 else None
        one.stream = stream and status == 200
        self.do(one, one.judge.head(status, failure, stream=stream, framed=framed))

    @precondition(lambda self: self.begun())
    @rule(
        which=st.integers(0, 1),
        size=st.sampled_from([1, 1, HOLD_BYTES, COLLECT_BYTES]),
        says=st.sampled_from(["output", "output", "output", "", "refused", "finished", "error"]),
    )
    def bytes(self, which: int, size: int, says: str) -> None:
        one = self.begun()[which % len(self.begun())]
        one.judge.heard, one.size = self.now, one.size + size
        if one.stream and says == "error":
            one.facts.error = "it broke"
        elif one.stream and says:
            setattr(one.facts, says, True)
        if one.judge.state in (State.PASSING_STREAM, State.PASSING_WHOLE):
            self.do(one, one.judge.move(Event.BYTES))
        elif one.stream:
            self.do(one, one.judge.read(one.facts, one.size, rival=self.rival(one)))
        else:
            self.do(one, one.judge.held(one.size, self.stage, rival=self.rival(one)))

    @precondition(lambda self: any(one.stream for one in self.begun()))
    @rule(which=st.integers(0, 1))
    def last_word(self, which: int) -> None:
        """Or a cut after everything was said."""
        streams = [one for one in self.begun() if one.stream]
        one = streams[which % len(streams)]
        one.facts.finished = True
        self.do(one, one.judge.move(Event.LAST_WORD))

    @precondition(lambda self: self.begun())
    @rule(
        which=st.integers(0, 1),
        as_what=st.sampled_from(["answer", "answer", "none", "left", "unknown path"]),
    )
    def end(self, which: int, as_what: str) -> None:
        one = self.begun()[which % len(self.begun())]
        state, judge_ = one.judge.state, one.judge
        one.open = False  # the pool has its connection
        if one.stream or state is State.PASSING_WHOLE:
            if as_what == "answer":
                one.facts.finished = True
            elif as_what == "none":
                one.facts.error = "it broke"
            self.ended(one)
        elif as_what == "unknown path":
            one.failed = True
            self.do(one, judge_.move(Event.UNKNOWN_PATH))
        elif state is State.FAILING or as_what == "none":
            one.failed = True
            self.do(one, judge_.none(FallbackReason.UPSTREAM_ERROR, "no answer"))
        elif as_what == "left":
            self.do(one, judge_.left(FallbackReason.REFUSAL, "its model refused"))
        else:
            late = self.stage is Stage.KEPT_ALIVE
            self.do(one, judge_.whole(no_stream="{}" if late else "", rival=self.rival(one)))

    @precondition(troubled)
    @rule(which=st.integers(0, 1))
    def cut(self, which: int) -> None:
        one = self.live()[which % len(self.live())]
        one.failed, one.open = True, False
        self.do(one, one.judge.cut(FallbackReason.UPSTREAM_ERROR, "it cut the connection", stale=False))

    @rule(seconds=st.sampled_from([0.25, 9.0]))
    def tick(self, seconds: float) -> None:
        self.pass_time(seconds, 1e9)

    @precondition(troubled)
    @rule(seconds=st.sampled_from([61.0, 121.0]), deadline=st.sampled_from([1e9, 0.0]))
    def late(self, seconds: float, deadline: float) -> None:
        self.pass_time(seconds, deadline)

    def pass_time(self, seconds: float, deadline: float) -> None:
        self.now += seconds
        for one in self.live():
            finished = one.stream and one.facts.finished
            effects = one.judge.tick(self.now, deadline, 300.0, all_said=finished, rival=self.rival(one))
            if Effect.GIVE_UP in effects or Effect.BLAME in effects:
                one.failed = True
            self.do(one, effects)

    @precondition(lambda self: self.won is not None and self.won in self.live())
    @rule(ready=st.booleans())
    def client(self, ready: bool) -> None:
        assert self.won is not None
        self.do(self.won, self.won.judge.client(ready, self.now))

    @precondition(troubled)
    @rule()
    def stop(self) -> None:
        self.stopped = True
        for one in self.live():
            one.failed = True
            self.do(one, one.judge.move(Event.STOP))

    @precondition(troubled)
    @rule()
    def fail_ourselves(self) -> None:
        """A bug of ours, somewhere in the reading."""
        for one in self.live():
            one.failed = True
            self.do(one, one.judge.broken("a bug"))

    @precondition(troubled)
    @rule()
    def leave(self) -> None:
        """R5."""
        self.gone = True
        for one in self.all:
            self.do(one, one.judge.move(Event.GONE))

    @invariant()
    def a_failure_never_looks_like_a_clean_end(self) -> None:
        """R1. A stream's own error, passed on, is an error inside the stream, too."""
        one = self.won
        if one is not None and one.failed and one.ends:
            inside = one.facts.error is not None and one.ends == [Effect.FINISH]
            assert one.judge.state is State.INTERRUPTED
            assert one.ends[0] in (Effect.TELL, Effect.ABORT) or inside

    @invariant()
    def stages_only_go_forward(self) -> None:
        assert self.stage >= self.before
        self.before = self.stage
        self.steps += 1

    @invariant()
    def the_client_has_content_of_one_target_only(self) -> None:
        assert self.told.count("content") <= 1
        assert (self.stage is Stage.CONTENT) is (self.won is not None)

    @invariant()
    def whoever_has_ended_did_exactly_one_thing_that_ends(self) -> None:
        for one in self.all:
            over = one.judge.state in OVER and one.judge.state is not State.ABANDONED
            assert len(one.ends) == (1 if over else 0)

    @invariant()
    def once_the_client_has_left_nothing_is_open(self) -> None:
        """R5."""
        assert not self.gone or not any(one.open for one in self.all if not one.ends)
        assert not self.gone or not self.live()

    @invariant()
    def nobody_is_given_up_and_left_open(self) -> None:
        for one in self.all:
            if one.ends and one.ends[0] in (
                Effect.GIVE_UP,
                Effect.LEAVE,
                Effect.YIELD,
                Effect.TELL,
            ):
                assert not one.open

    def teardown(self) -> None:
        """A tick after another has won silences the rest."""
        if self.won is not None:
            self.pass_time(0.25, 1e9)
            assert all(one is self.won for one in self.live())


TestWhateverHappens = Request.TestCase
TestWhateverHappens.settings = settings(max_examples=120, stateful_step_count=20, deadline=None)
