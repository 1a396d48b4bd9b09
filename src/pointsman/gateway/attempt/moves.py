"""The commit point as data: what can happen to one attempt's answer, and what is done about it
then. Pure.

Three stages of a request, the states of one attempt, and the table of its legal moves, which
docs/reference/attempts.md is drawn from. Not here: which event a fact is (judge.py), and carrying
the effects out (exchange.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum

from ...dialects.base import IllegalMove
from ...kinds import at_hand


@at_hand
class Stage(IntEnum):
    """How far a request's client has been answered, over all attempts
    (docs/design.md#stages-of-an-answer). It only goes forward. The value of a request is its
    Delivery's alone."""

    NOTHING = 0  # S0: any other target is possible, with its own status
    KEPT_ALIVE = 1  # S1: headers and keep-alives; another target is possible, unseen
    CONTENT = 2  # S2: content; from here on a failure is told in-band, never as a clean-looking end


@at_hand
class State(IntEnum):
    """Where one attempt stands. From DELIVERED on it is over: whatever still comes has no
    effect."""

    WAITING = 0  # nothing of an answer has come
    FAILING = 1  # its status is a failure; its words are awaited
    HOLDING_WHOLE = 2  # a whole answer is coming; the client has nothing of it
    HOLDING_STREAM = 3  # a stream without real output so far; the client has nothing of it
    PASSING_WHOLE = 4  # the client has the beginning of a whole answer
    PASSING_STREAM = 5  # the client has the beginning of a stream
    DELIVERED = 6  # the client has all of it
    INTERRUPTED = 7  # the client had a part of it, and was told that it failed
    GIVEN_UP = 8  # the client has nothing of it; another target may serve
    UNSPOKEN = 9  # the same, and what it does not know is the protocol: translated, it may serve
    ABANDONED = 10  # nobody waits for it any more


@at_hand
class Event(IntEnum):
    """What can happen to an attempt."""

    HEAD_WHOLE = 0  # a head, of an answer that comes whole
    HEAD_STREAM = 1  # a head, of an event stream
    HEAD_FAILURE = 2  # a head whose status says that the target failed
    HEAD_UNUSABLE = 3  # a head of an answer that cannot be used: a redirect, a compressed one
    QUIET = 4  # bytes, and no real output so far
    OUTPUT = 5  # bytes with the first real output, or more than is worth holding
    TOO_MUCH = 6  # more bytes than may be held
    SAID_FAILED = 7  # the stream says that it failed, before any output
    BYTES = 8  # bytes of an answer that the client gets already
    COMPLETE = 9  # the client's answer is whole although the upstream goes on
    ANSWERED = 10  # it is over, and it is an answer
    UNANSWERED = 11  # it is over, and it is none
    UNKNOWN_PATH = 12  # it is over, and says that it does not know the client's protocol
    LEFT = 13  # it is over, and is what the rule leaves to the next target
    UNFINISHED = 14  # it is over without the end that its protocol asks for
    FAILED = 15  # it is over with an error of its own inside
    CUT = 16  # the connection failed
    STALE = 17  # a connection that had served before was dead: no byte came back on it
    TICK = 18  # time goes by
    LATE = 19  # it took too long
    OVERSTAYED = 20  # it took too long, but has said everything
    SLOW = 21  # the client reads slower than the upstream sends
    READY = 22  # the client reads again
    RIVAL = 23  # another target was faster
    STOP = 24  # the gateway drains and has no more time
    GONE = 25  # the client has left, or nobody wants this attempt any more
    EVENTS = 26  # what comes is a stream, whatever its label says
    LAST_WORD = 27  # its protocol's last word has come, or the connection broke when all was said
    BROKEN = 28  # a fault of ours: the code that reads it raised
    NO_EVENTS = 29  # what comes is no stream, whatever its label says


@at_hand
class Effect(IntEnum):
    """What to do. Those of `ENDS` end the attempt: exactly one of them is done, last."""

    HOLD = 0  # keep the bytes
    COMMIT = 1  # claim the client; its head, and what was held
    PASS = 2  # the bytes to the client
    KEEP_ALIVE = 3  # headers if it has none, and a sign of life, when one is due
    PING = 4  # a sign of life inside a stream that has begun, when one is due
    PAUSE = 5  # read no more from the upstream
    RESUME = 6  # read on
    CLOSE = 7  # let go of the upstream, now
    END_HERE = 8  # take the stream as over: nothing more of it is awaited
    BLAME = 9  # it failed after its output had begun: told to the board
    ASK_AGAIN = 10  # the same bytes once more, on a fresh connection
    SEND = 11  # claim the client; the whole answer
    FINISH = 12  # the clean end
    TELL = 13  # an in-band error, and an end that is not clean
    ABORT = 14  # break the client's connection: a whole answer cannot say that it was cut
    GIVE_UP = 15  # hand the failure to the walk
    LEAVE = 16  # hand the answer to the walk: the client's own affair, told unless somebody does better
    YIELD = 17  # nothing is wrong with it: another was faster
    DRAIN = 18  # let go of the upstream as soon as its answer is over, a moment from now at the latest


ENDS = frozenset(
    {
        Effect.SEND,
        Effect.FINISH,
        Effect.TELL,
        Effect.ABORT,
        Effect.GIVE_UP,
        Effect.LEAVE,
        Effect.YIELD,
    }
)
REACHES: Mapping[Effect, Stage] = {
    Effect.KEEP_ALIVE: Stage.KEPT_ALIVE,
    Effect.COMMIT: Stage.CONTENT,
    Effect.SEND: Stage.CONTENT,
}
"""Effects that take the request to a stage, unless it is there."""

Effects = tuple[Effect, ...]
Move = tuple[State, Effects]

_GIVE_UP: Effects = (Effect.CLOSE, Effect.GIVE_UP)


def _holding(state: State, more: Mapping[Event, Move]) -> Mapping[Event, Move]:
    """A state before content: what holds in all of them, and what is its own."""
    return {
        Event.TICK: (state, (Effect.KEEP_ALIVE,)),
        Event.CUT: (State.GIVEN_UP, _GIVE_UP),
        Event.LATE: (State.GIVEN_UP, _GIVE_UP),
        Event.RIVAL: (State.GIVEN_UP, (Effect.CLOSE, Effect.YIELD)),
        Event.STOP: (State.GIVEN_UP, _GIVE_UP),
        Event.BROKEN: (State.GIVEN_UP, _GIVE_UP),
        Event.GONE: (State.ABANDONED, (Effect.CLOSE,)),
        **more,
    }


def _passing(state: State, cut: Effect, more: Mapping[Event, Move]) -> Mapping[Event, Move]:
    """A state after content. cut: how the client learns that the answer was cut."""
    failed: Move = (State.INTERRUPTED, (Effect.CLOSE, Effect.BLAME, cut))
    return {
        Event.BYTES: (state, (Effect.PASS,)),
        Event.ANSWERED: (State.DELIVERED, (Effect.PASS, Effect.FINISH)),
        Event.CUT: failed,
        Event.LATE: failed,
        Event.STOP: (State.INTERRUPTED, (Effect.CLOSE, cut)),
        Event.BROKEN: (State.INTERRUPTED, (Effect.CLOSE, cut)),
        Event.SLOW: (state, (Effect.PAUSE,)),
        Event.READY: (state, (Effect.RESUME,)),
        Event.GONE: (State.ABANDONED, (Effect.CLOSE,)),
        **more,
    }


def _over(state: State) -> Mapping[Event, Move]:
    """It has ended: whatever still comes has no effect."""
    return dict.fromkeys(Event, (state, ()))


MOVES: Mapping[State, Mapping[Event, Move]] = {
    State.WAITING: _holding(
        State.WAITING,
        {
            Event.HEAD_WHOLE: (State.HOLDING_WHOLE, ()),
            Event.HEAD_STREAM: (State.HOLDING_STREAM, ()),
            Event.HEAD_FAILURE: (State.FAILING, ()),
            Event.HEAD_UNUSABLE: (State.GIVEN_UP, _GIVE_UP),
            Event.STALE: (State.WAITING, (Effect.ASK_AGAIN,)),
        },
    ),
    State.FAILING: _holding(
        State.FAILING,
        {
            Event.QUIET: (State.FAILING, (Effect.HOLD,)),
            Event.TOO_MUCH: (State.GIVEN_UP, _GIVE_UP),
            Event.UNANSWERED: (State.GIVEN_UP, _GIVE_UP),
            Event.UNKNOWN_PATH: (State.UNSPOKEN, _GIVE_UP),
        },
    ),
    State.HOLDING_WHOLE: _holding(
        State.HOLDING_WHOLE,
        {
            Event.EVENTS: (State.HOLDING_STREAM, ()),
            Event.QUIET: (State.HOLDING_WHOLE, (Effect.HOLD,)),
            Event.OUTPUT: (State.PASSING_WHOLE, (Effect.HOLD, Effect.COMMIT)),
            Event.TOO_MUCH: (State.GIVEN_UP, _GIVE_UP),
            Event.ANSWERED: (State.DELIVERED, (Effect.SEND,)),
            Event.UNANSWERED: (State.GIVEN_UP, _GIVE_UP),
            Event.UNKNOWN_PATH: (State.UNSPOKEN, _GIVE_UP),
            Event.LEFT: (State.GIVEN_UP, (Effect.CLOSE, Effect.LEAVE)),
        },
    ),
    State.HOLDING_STREAM: _holding(
        State.HOLDING_STREAM,
        {
            Event.NO_EVENTS: (State.HOLDING_WHOLE, ()),
            Event.QUIET: (State.HOLDING_STREAM, (Effect.HOLD,)),
            Event.OUTPUT: (State.PASSING_STREAM, (Effect.HOLD, Effect.COMMIT)),
            Event.TOO_MUCH: (State.GIVEN_UP, _GIVE_UP),
            Event.SAID_FAILED: (State.HOLDING_STREAM, (Effect.HOLD, Effect.CLOSE, Effect.END_HERE)),
            Event.COMPLETE: (State.HOLDING_STREAM, (Effect.CLOSE, Effect.END_HERE)),
            Event.LAST_WORD: (State.HOLDING_STREAM, (Effect.DRAIN, Effect.END_HERE)),
            Event.OVERSTAYED: (State.HOLDING_STREAM, (Effect.CLOSE, Effect.END_HERE)),
            Event.ANSWERED: (State.DELIVERED, (Effect.SEND,)),
            Event.UNANSWERED: (State.GIVEN_UP, _GIVE_UP),
            Event.LEFT: (State.GIVEN_UP, (Effect.CLOSE, Effect.LEAVE)),
        },
    ),
    State.PASSING_WHOLE: _passing(State.PASSING_WHOLE, Effect.ABORT, {Event.TICK: (State.PASSING_WHOLE, ())}),
    State.PASSING_STREAM: _passing(
        State.PASSING_STREAM,
        Effect.TELL,
        {
            Event.TICK: (State.PASSING_STREAM, (Effect.PING,)),
            Event.COMPLETE: (State.DELIVERED, (Effect.CLOSE, Effect.FINISH)),
            Event.LAST_WORD: (State.PASSING_STREAM, (Effect.DRAIN, Effect.END_HERE)),
            Event.OVERSTAYED: (State.PASSING_STREAM, (Effect.CLOSE, Effect.END_HERE)),
            Event.UNFINISHED: (State.INTERRUPTED, (Effect.CLOSE, Effect.BLAME, Effect.TELL)),
            # Its own error is in the bytes: telling another would be a second one.
            Event.FAILED: (State.INTERRUPTED, (Effect.BLAME, Effect.PASS, Effect.FINISH)),
        },
    ),
    **{
        state: _over(state)
        for state in (
            State.DELIVERED,
            State.INTERRUPTED,
            State.GIVEN_UP,
            State.UNSPOKEN,
            State.ABANDONED,
        )
    },
}
"""State -> what may happen there -> the next state and what to do, in order."""

ROWS = tuple(tuple(MOVES[state].get(event) for event in Event) for state in State)
"""The same by number, as it runs. None: an illegal move."""


def step(state: State, event: Event) -> Move:
    """The next state and what to do. Raises IllegalMove for what cannot happen there."""
    found = ROWS[state][event]
    if found is None:
        raise IllegalMove(f"{event.name} cannot happen while {state.name}")
    return found
