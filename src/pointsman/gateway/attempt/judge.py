"""The judge of one attempt: told what happens, it says what to do. Pure: no socket, no timer, no
clock.

Its states and legal moves are a table (moves.py); here stands which event a fact is. Times are
monotonic seconds that it is given. Not here: carrying the effects out (exchange.py), and what the
walk makes of a failure (failures.py, resilience/walk.py).
"""

from __future__ import annotations

from typing import Protocol as TypingProtocol

from ...kinds import FallbackReason
from .meaning import Meaning
from .moves import MOVES, ROWS, Effects, Event, Stage, State, step

HOLD_BYTES = 256 * 1024
"""A whole answer up to this size is held until it is complete; a stream's preamble likewise."""
ERROR_BYTES = 1024 * 1024
COLLECT_BYTES = 64 * 1024 * 1024
"""A whole answer that must be translated, collected or judged to its end is held up to this
size."""

_NO_ANSWERS = (206, 304)
"""A part of something, and "you have it already": nobody asked for these."""

WAITING, FAILING, DELIVERED = State.WAITING, State.FAILING, State.DELIVERED
PASSING_WHOLE, PASSING_STREAM = State.PASSING_WHOLE, State.PASSING_STREAM
QUIET, OUTPUT, ANSWERED, RIVAL = Event.QUIET, Event.OUTPUT, Event.ANSWERED, Event.RIVAL
HEAD_WHOLE, HEAD_STREAM = Event.HEAD_WHOLE, Event.HEAD_STREAM
UPSTREAM_ERROR = FallbackReason.UPSTREAM_ERROR

STAY_SECONDS = 3.0
"""How long a stream that has told its end, but not the last word that its protocol has, is waited for: usage follows."""

HELD: Effects = MOVES[State.HOLDING_WHOLE][QUIET][1]
"""What is said of bytes that are to be kept: by identity, since most answers are only that."""


class Facts(TypingProtocol):
    """What has been read of a stream so far (dialects/base.Seen)."""

    output: bool
    refused: bool
    finished: bool

    @property
    def error(self) -> object:
        """What the upstream said that went wrong, None when nothing did."""

    @property
    def unreadable(self) -> bool:
        """Were there more bad events than a stream may have?"""


class Judge:
    """Of one attempt. state: where it stands; only move() changes it. heard: when the upstream's
    last byte came. quiet: seconds of silence before the first output, between: after it
    (docs/reliability-promises.md#times-and-sizes: both are limits of their own). translated:
    nothing of a whole answer can be sent before all of it is there; collects: nor of a stream.
    leaves: the rule leaves a refusal to the next target, and there is one. reason, detail: why it
    was given up, in our words.

    The methods name the event that a fact is, and return what to do. seen: what has been read of
    the stream, None when nobody can read it. rival: another attempt has won already. size: bytes
    held.
    """

    __slots__ = (
        "_framed", "_paused", "between", "collects", "detail", "heard", "leaves", "quiet", "reason", "state", "translated",
    )  # fmt: skip

    def __init__(
        self, heard: float, quiet: float, between: float, translated: bool, collects: bool, leaves: bool
    ) -> None:
        self.heard = heard
        self.quiet = quiet
        self.between = between
        self.translated = translated
        self.collects = collects
        self.leaves = leaves
        self.state = WAITING
        self.reason = UPSTREAM_ERROR
        self.detail = ""
        self._paused = False
        self._framed = True

    def move(self, event: Event) -> Effects:
        """Take the step. Raises IllegalMove."""
        found = ROWS[self.state][event] or step(self.state, event)  # which raises
        self.state = found[0]
        return found[1]

    def _because(self, event: Event, reason: FallbackReason, detail: str) -> Effects:
        if self.state < DELIVERED:
            self.reason, self.detail = reason, detail
        return self.move(event)

    # -- the upstream's answer

    def head(
        self,
        status: int,
        failure: FallbackReason | None,
        *,
        stream: bool,
        coded: bytes = b"",
        framed: bool,
        reads: bool = False,
    ) -> Effects:
        """failure: why this status is no answer. stream: it says that it is one. coded: the
        coding that it is compressed with, where that cannot be undone here. framed: a cut would be seen; where only the
        connection's end says that it is whole, all of it is judged. reads: the request is of a known kind."""
        if failure is not None:
            self.reason = failure
            return self.move(Event.HEAD_FAILURE)
        if 300 <= status < 400 and status != 304:
            return self._because(
                Event.HEAD_UNUSABLE,
                FallbackReason.UPSTREAM_ERROR,
                f"it answered with a redirect ({status}), which is never followed; correct its base URL",
            )
        if reads and status in _NO_ANSWERS:
            return self._because(
                Event.HEAD_UNUSABLE,
                FallbackReason.MALFORMED,
                f"it answered with status {status}, which is no answer",
            )
        if status >= 300:
            stream = False
        elif coded:
            return self._because(
                Event.HEAD_UNUSABLE,
                FallbackReason.MALFORMED,
                f"it compressed its answer, which was not asked for, in a way that is not known here"
                f" ({coded[:40].decode('latin-1')})",
            )
        self._framed = framed
        return self.move(HEAD_STREAM if stream else HEAD_WHOLE)

    def held(
        self, size: int, stage: Stage, *, rival: bool, sure: bool = True, flows: bool = False
    ) -> Effects:
        """Bytes of a failure, or of a whole answer that the client has nothing of. sure: what has come of it is an
        answer's beginning. flows: nothing in it could be judged, so that it is not held."""
        if size <= HOLD_BYTES and self.state is not WAITING and not flows:
            return HELD
        if self.state is FAILING:
            if size <= ERROR_BYTES:
                return self.move(QUIET)
            return self._because(Event.TOO_MUCH, self.reason, "its error is too large")
        if sure and not self.translated and stage is Stage.NOTHING and self._framed:
            return self.output(rival=rival)
        if size <= COLLECT_BYTES:
            return self.move(QUIET)
        what = "translate" if self.translated else "be held"
        return self._because(Event.TOO_MUCH, FallbackReason.MALFORMED, f"its answer is too large to {what}")

    def read(self, seen: Facts | None, size: int, *, rival: bool) -> Effects:
        """Bytes of a stream that the client has nothing of."""
        output = seen is None or seen.output
        if seen is not None and not output and (seen.error is not None or seen.unreadable):
            return self.move(Event.SAID_FAILED)  # what it does after that is not waited for
        if self.collects:
            if size <= COLLECT_BYTES:
                return self.move(QUIET)
            return self._because(
                Event.TOO_MUCH, FallbackReason.MALFORMED, "its answer is too large to translate"
            )
        if self.leaves and seen is not None and seen.refused and size < COLLECT_BYTES:
            return self.move(QUIET)  # another target may do better, else it is told whole
        if output or size > HOLD_BYTES:
            return self.output(rival=rival)
        return self.move(QUIET)

    def closes(self, found: Meaning, *, output: bool) -> Event:
        """What the end of a stream is that the client has nothing of. output: some has come, or
        nobody can read it."""
        if found is Meaning.LEFT:
            return Event.LEFT
        if self.collects:
            return ANSWERED if found is Meaning.ANSWERED else Event.UNANSWERED
        return OUTPUT if output else Event.UNANSWERED

    def output(self, *, rival: bool) -> Effects:
        """The client gets what there is."""
        return self.move(RIVAL if rival else OUTPUT)

    def over(self, seen: Facts | None, *, untold: bool) -> Effects:
        """A stream has ended that the client has the beginning of. untold: what it said that went
        wrong cannot stand in the client's bytes as it came."""
        failed = seen is not None and (seen.error is not None or seen.unreadable)
        if seen is None or (seen.finished and not failed):
            return self.move(ANSWERED)
        event = Event.FAILED if failed and not untold else Event.UNFINISHED
        detail = "its stream ended before it was finished"
        return self._because(event, FallbackReason.UPSTREAM_ERROR, detail)

    def ended_in_circles(self, detail: str) -> Effects:
        """We end a stream that the client has the beginning of."""
        return self._because(Event.UNFINISHED, FallbackReason.STUCK, detail)

    def whole(self, *, no_stream: str, rival: bool) -> Effects:
        """A whole answer for the client is there. no_stream: how it begins, where the client has
        been promised a stream and this is none."""
        if no_stream:
            return self.none(FallbackReason.MALFORMED, f"it gave no stream: {no_stream}")
        return self.move(RIVAL if rival else ANSWERED)

    def unspoken(self, detail: str) -> Effects:
        """It does not know the client's protocol."""
        return self._because(Event.UNKNOWN_PATH, FallbackReason.UPSTREAM_ERROR, detail)

    def none(self, reason: FallbackReason, detail: str) -> Effects:
        """What came is no answer."""
        return self._because(Event.UNANSWERED, reason, detail)

    def left(self, reason: FallbackReason, detail: str) -> Effects:
        """What came is the client's own affair, which the rule leaves to the next target."""
        return self._because(Event.LEFT, reason, detail)

    def cut(self, reason: FallbackReason, detail: str, *, stale: bool) -> Effects:
        """The connection failed. A status that is known stays the reason: a body cut short does
        not change it."""
        if stale:
            return self.move(Event.STALE)
        if self.state is FAILING:
            reason = self.reason
        return self._because(Event.CUT, reason, detail)

    def broken(self, detail: str) -> Effects:
        """Our own code raised at it."""
        return self._because(Event.BROKEN, FallbackReason.MALFORMED, detail)

    # -- time and pressure

    def tick(self, now: float, deadline: float, seconds: float, *, all_said: bool, rival: bool) -> Effects:
        """Called a few times a second. deadline: of the request, which is `seconds` long.
        all_said: its stream has come to its end, and only its connection has not."""
        if rival:
            return self.move(RIVAL)
        late = self._late(now, deadline, seconds)
        if all_said and (self.state is PASSING_STREAM or self.state is State.HOLDING_STREAM):
            if late is not None or (now - self.heard > STAY_SECONDS and not self._paused):
                return self.move(Event.OVERSTAYED)
        if late is None:
            return self.move(Event.TICK)
        return self._because(Event.LATE, FallbackReason.TIMEOUT, late)

    def _late(self, now: float, deadline: float, seconds: float) -> str | None:
        """Any byte shows that a backend is alive, a comment too; a client that is slow is no
        silence of it."""
        if now > deadline:
            return f"it took longer than {seconds:g} s"
        silent = now - self.heard
        if self.state < PASSING_WHOLE:
            return f"it gave no output within {self.quiet:g} s" if silent > self.quiet else None
        if silent > self.between and not self._paused:
            return f"it sent nothing for {self.between:g} s in the middle of its answer"
        return None

    def client(self, ready: bool, now: float) -> Effects:
        """The client reads slower than the upstream sends, or reads again."""
        self._paused = not ready
        if ready:
            self.heard = now
        return self.move(Event.READY if ready else Event.SLOW)
