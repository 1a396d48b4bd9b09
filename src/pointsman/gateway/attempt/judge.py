"""The judge of one attempt: told what happens, it says what to do. Pure: no socket, no timer, no
clock.

Its states and legal moves are a table (moves.py); here stands which event a fact is. Times are
monotonic seconds that it is given. Not here: carrying the effects out (exchange.py), and what the
walk makes of a failure (failures.py, resilience/walk.py).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol as TypingProtocol

from ...kinds import FallbackReason
from .moves import OVER, Effects, Event, Stage, State, step

HOLD_BYTES = 256 * 1024
"""A whole answer up to this size is held until it is complete; a stream's preamble likewise."""
ERROR_BYTES = 1024 * 1024
COLLECT_BYTES = 64 * 1024 * 1024
"""A whole answer that must be translated, collected or judged to its end is held up to this
size."""


class Facts(TypingProtocol):
    """What has been read of a stream so far (dialects/base)."""

    output: bool
    refused: bool
    finished: bool

    @property
    def error(self) -> object:
        """What the upstream said that went wrong, None when nothing did."""


class Judge:
    """Of one attempt. state: where it stands; only move() changes it. heard: when the upstream's
    last byte came. reason, detail: why it was given up, in our words.

    The methods name the event that a fact is, and return what to do. seen: what has been read of
    the stream, None when nobody can read it. rival: another attempt has won already. size: bytes
    held.
    """

    __slots__ = (
        "_between", "_framed", "_onward", "_paused", "_quiet", "_streams", "_translated", "detail",
        "heard", "reason", "state",
    )  # fmt: skip

    def __init__(
        self,
        now: float,
        quiet: float,
        between: float,
        *,
        streams: bool,
        translated: bool,
        onward: Collection[str] = (),
    ) -> None:
        """quiet: seconds of silence before the first output, between: after it
        (docs/reliability-promises.md#times-and-sizes: both are limits of their own). streams: the
        client asked for a stream. translated: nothing of a whole answer can be sent before all of
        it is there. onward: what the rule leaves to the next target, if there is one."""
        self.state = State.WAITING
        self.heard = now
        self.reason = FallbackReason.UPSTREAM_ERROR
        self.detail = ""
        self._quiet = quiet
        self._between = between
        self._streams = streams
        self._translated = translated
        self._onward = onward
        self._paused = False
        self._framed = True

    def move(self, event: Event) -> Effects:
        """Take the step. Raises IllegalMove."""
        self.state, effects = step(self.state, event)
        return effects

    def _because(self, event: Event, reason: FallbackReason, detail: str) -> Effects:
        if self.state not in OVER:
            self.reason, self.detail = reason, detail
        return self.move(event)

    # -- the upstream's answer

    def head(
        self,
        status: int,
        failure: FallbackReason | None,
        *,
        stream: bool,
        readable: bool,
        framed: bool,
    ) -> Effects:
        """failure: why this status is no answer. stream: it says that it is one. readable: it is
        not compressed. framed: a cut would be seen; where only the connection's end says that it
        is whole, all of it is judged."""
        if failure is not None:
            self.reason = failure
            return self.move(Event.HEAD_FAILURE)
        if 300 <= status < 400 and status != 304:
            return self._because(
                Event.HEAD_UNUSABLE,
                FallbackReason.UPSTREAM_ERROR,
                f"it answered with a redirect ({status}), which is never followed; correct its base URL",
            )
        if status >= 300:
            stream = False
        elif not readable and (stream or self._translated):
            return self._because(
                Event.HEAD_UNUSABLE,
                FallbackReason.MALFORMED,
                "it compressed its answer, which was not asked for",
            )
        self._framed = framed
        return self.move(Event.HEAD_STREAM if stream else Event.HEAD_WHOLE)

    def held(self, size: int, stage: Stage, *, rival: bool) -> Effects:
        """Bytes of a failure, or of a whole answer that the client has nothing of."""
        if size <= HOLD_BYTES:
            return self.move(Event.QUIET)
        if self.state is State.FAILING:
            if size <= ERROR_BYTES:
                return self.move(Event.QUIET)
            return self._because(Event.TOO_MUCH, self.reason, "its error is too large")
        if not self._translated and stage is Stage.NOTHING and self._framed:
            return self.move(Event.RIVAL if rival else Event.OUTPUT)
        if size <= COLLECT_BYTES:
            return self.move(Event.QUIET)
        what = "translate" if self._translated else "be held"
        return self._because(Event.TOO_MUCH, FallbackReason.MALFORMED, f"its answer is too large to {what}")

    def refuses(self, seen: Facts | None) -> bool:
        """Has the model refused, where the rule leaves that to the next target?"""
        return seen is not None and seen.refused and "refusal" in self._onward

    def read(self, seen: Facts | None, size: int, *, rival: bool) -> Effects:
        """Bytes of a stream that the client has nothing of."""
        if seen is not None and seen.error is not None and not seen.output:
            return self.move(Event.SAID_FAILED)  # what it does after that is not waited for
        if self._translated and not self._streams:
            if size <= COLLECT_BYTES:
                return self.move(Event.QUIET)
            return self._because(
                Event.TOO_MUCH, FallbackReason.MALFORMED, "its answer is too large to translate"
            )
        if self.refuses(seen) and size < COLLECT_BYTES:
            return self.move(Event.QUIET)  # another target may do better, else it is told whole
        if seen is None or seen.output or size > HOLD_BYTES:
            return self.move(Event.RIVAL if rival else Event.OUTPUT)
        return self.move(Event.QUIET)

    def over(self, seen: Facts | None, *, rival: bool) -> Effects:
        """A stream has ended, and its client wants one."""
        first: Effects = ()
        if self.state is State.HOLDING_STREAM:
            if seen is not None and seen.finished and self.refuses(seen):
                return self.left("its model refused")
            if seen is not None and not (seen.output and (self._streams or not self._translated)):
                return self.move(Event.UNANSWERED)
            first = self.move(Event.RIVAL if rival else Event.OUTPUT)
        if self.state is not State.PASSING_STREAM or seen is None:
            return first + self.move(Event.ANSWERED)
        if seen.error is not None:
            return first + self._because(Event.FAILED, FallbackReason.UPSTREAM_ERROR, "")
        if seen.finished:
            return first + self.move(Event.ANSWERED)
        return first + self._because(
            Event.UNFINISHED,
            FallbackReason.UPSTREAM_ERROR,
            "its stream ended before it was finished",
        )

    def whole(self, stage: Stage, *, stream: bool, rival: bool) -> Effects:
        """A whole answer for the client is there. stream: it consists of events."""
        if stage is Stage.KEPT_ALIVE and not stream:
            # The client asked for a stream and was promised one; the backend answered with a
            # whole body.
            return self.move(Event.UNANSWERED)
        return self.move(Event.RIVAL if rival else Event.ANSWERED)

    def none(self, reason: FallbackReason, detail: str) -> Effects:
        """What came is no answer."""
        return self._because(Event.UNANSWERED, reason, detail)

    def left(self, detail: str) -> Effects:
        """What came is the client's own affair, which the rule leaves to the next target."""
        return self._because(Event.LEFT, FallbackReason.UPSTREAM_ERROR, detail)

    def cut(self, reason: FallbackReason, detail: str, *, stale: bool) -> Effects:
        """The connection failed. A status that is known stays the reason: a body cut short does
        not change it."""
        if stale:
            return self.move(Event.STALE)
        if self.state is State.FAILING:
            reason = self.reason
        return self._because(Event.CUT, reason, detail)

    # -- time and pressure

    def tick(self, now: float, deadline: float, seconds: float, *, finished: bool, rival: bool) -> Effects:
        """Called a few times a second. deadline: of the request, which is `seconds` long.
        finished: its stream has said everything."""
        if rival:
            return self.move(Event.RIVAL)
        late = self._late(now, deadline, seconds)
        if late is None:
            return self.move(Event.TICK)
        if finished and self.state is State.PASSING_STREAM:
            return self.move(Event.OVERSTAYED)
        return self._because(Event.LATE, FallbackReason.TIMEOUT, late)

    def _late(self, now: float, deadline: float, seconds: float) -> str | None:
        """Any byte shows that a backend is alive, a comment too; a client that is slow is no
        silence of it."""
        if now > deadline:
            return f"it took longer than {seconds:g} s"
        silent = now - self.heard
        if self.state not in _PASSING:
            return f"it gave no output within {self._quiet:g} s" if silent > self._quiet else None
        if silent > self._between and not self._paused:
            return f"it sent nothing for {self._between:g} s in the middle of its answer"
        return None

    def client(self, ready: bool, now: float) -> Effects:
        """The client reads slower than the upstream sends, or reads again."""
        self._paused = not ready
        if ready:
            self.heard = now
        return self.move(Event.READY if ready else Event.SLOW)


_PASSING = (State.PASSING_WHOLE, State.PASSING_STREAM)
