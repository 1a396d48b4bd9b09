"""What the judge says, carried out: the client's side of one attempt, and its upstream
connection. No decisions.

One method an effect, by the table at the end. Not here: what happens and what it is (exchange.py,
judge.py).
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from time import monotonic

from ...dialects.base import Seen
from ...errors import PointsmanError
from ...kinds import FallbackReason
from ...providers.wordings import Phrases
from ...resilience.walk import Held
from ...statuses import is_final
from ...upstream.connection import UpstreamConnection
from ...upstream.decoded import Decoded
from ...upstream.pool import StaleConnection
from ...wire.answer import Answer, Headers
from ..request.charging import FREE, charged, cost_line
from ..request.job import Job, Tried
from .answer import client_lines, failure, final_line, is_event_stream, labelled_as, stream_lines
from .failures import left_to_next, lost
from .health import AttemptHealth
from .judge import Judge
from .moves import Effect, Effects, Stage, State
from .passthrough import AnswerWatch, Codec
from .relay import Relay, usage_of

log = logging.getLogger("pointsman.gateway")

PING_SECONDS = 10.0
"""Of silence in the middle of a translated stream (docs/protocols/streams.md#keep-alives: Claude
Code aborts a silent one after 300 s)."""


_TAIL_BYTES = 4096
"""Of a large answer with pictures: what stands behind them."""


_ID = re.compile(rb'\s*\{\s*"id"\s*:\s*"([\w.:-]{1,512})"', re.ASCII).match


def future() -> asyncio.Future[Held[Answer] | None]:
    """For what an attempt comes to."""
    return asyncio.get_running_loop().create_future()


@dataclass(slots=True, eq=False)
class Execution:
    """judge: says what. health: is told how the backend did once its answer is the client's. data:
    the request's head. unknown_path: nobody has said that the backend speaks this protocol, and an
    answer of these words says that it does not; sure: it says so of nothing else. onward: further
    reasons to go to the next target; none when there is no next one. watch: reads it for loops, where its rule says so.

    _done: what the attempt came to, None = the client has been answered. _held: bytes of the
    answer that the client has not; _flows: none are held. _tail: the last ones, where they tell
    usage. _opening: its first bytes while they do not tell what it is, None once
    they have. connecting: its connection, while that is being made. _meant: a warning where it is
    not what its label says. _answer: the whole one, for SEND and LEAVE; _failure: what is handed to
    the walk, and _error: what the client is told, where they are not the judge's own reason in our words."""

    judge: Judge
    _job: Job
    _tried: Tried
    _health: AttemptHealth
    _hold_seconds: float
    _codec: Codec
    _data: bytes
    _unknown_path: tuple[Phrases, ...]
    _onward: Collection[str]
    head_status: int = 0
    sure: bool = False
    headers: Headers = field(default_factory=list)
    _conn: UpstreamConnection | Decoded | None = None
    connecting: asyncio.Task[UpstreamConnection] | None = None
    _kept: bool = False
    _relay: Relay | None = None
    _length: int | None = None
    _held: list[bytes] = field(default_factory=list)
    _held_size: int = 0
    _opening: bytes | None = b""
    _sure: bool = False
    _flows: bool = False
    _tail: bytes = b""
    _meant: bytes = b""
    _hanging: bytes = b""
    _answer: Answer | None = None
    _failure: Held[Answer] | None = None
    _error: PointsmanError | None = None
    _done: asyncio.Future[Held[Answer] | None] = field(default_factory=future)
    watch: AnswerWatch | None = None

    @property
    def health(self) -> AttemptHealth:
        """What it tells the board."""
        return self._health

    @property
    def job(self) -> Job:
        """Whose attempt it is."""
        return self._job

    @property
    def outcome(self) -> asyncio.Future[Held[Answer] | None]:
        """What it comes to."""
        return self._done

    @property
    def failure(self) -> Held[Answer] | None:
        """What is handed to the walk, where that is not the judge's own reason: a stop has one at once."""
        return self._failure

    @property
    def answer_id(self) -> str | None:
        """By which its backend can be asked for the answer again."""
        seen = self._relay.seen if self._relay is not None else None
        if seen is not None or not self._held:
            return seen.answer_id if seen is not None else None
        begun = _ID(b"".join(self._held[:2]))  # of a whole answer too large to be held
        return begun[1].decode() if begun is not None else None

    @property
    def malformed(self) -> int:
        """Events of its stream that could not be read."""
        seen = self._relay.seen if self._relay is not None else None
        return seen.malformed if seen is not None else 0

    @property
    def _reads(self) -> bool:
        """Is it an answer of a protocol that is known here?"""
        codec = self._codec
        return codec.translated or self._job.request.route.exact or codec.media is not None

    def _circles(self, data: bytes, *, whole: bool = False) -> bool:
        """Does it go round in circles? Then it is over, and where its client has none of it the next target answers."""
        watch = self.watch
        if watch is None or not (watch.whole(data) if whole else watch.take(data)):
            return False
        error, detail = watch.error, "it says one phrase again and again"
        if self._job.on_loop is not None:
            self._job.on_loop()
        if self.judge.state is State.PASSING_STREAM:
            self._error = error
            self._do(self.judge.ended_in_circles(detail))
        else:
            self._failure = Held(FallbackReason.STUCK, error)
            self._do(self.judge.none(FallbackReason.STUCK, detail))
        return True

    def sum_up(self) -> None:
        """What is known of the attempt, now that it is over."""
        tried, relay = self._tried, self._relay
        tried.status = self.head_status
        if tried.usage is None and relay is not None:  # its client left in the middle
            tried.usage = usage_of(relay.seen)
        if relay is not None:
            tried.said, seen = relay.said, relay.seen
            tried.complete = seen is not None and seen.finished
        if self._codec.note is not None and tried.answer_id is None:
            tried.answer_id = self.answer_id

    def _note(self, seen: Seen | None) -> None:
        if self._codec.note is not None and seen is not None:
            self._tried.answer_id = seen.answer_id

    def _look_for_a_cut(self) -> None:
        """Has a server that cuts in silence read as much as fits, and so perhaps not all?"""
        tried = self._tried
        if tried.window is None or tried.usage is None or (tried.usage.input or 0) < tried.window:
            return
        self._meant = b",".join(filter(None, (self._meant, b"truncated:input")))
        log.warning(
            "request %s: %s read %s tokens, which is all that it takes: its input was cut",
            self._job.request.id, tried.target.label, tried.usage.input,
        )  # fmt: skip

    def _warn(self) -> None:
        self._tried.warnings = b",".join(filter(None, (self._codec.warnings, self._meant)))

    def _mislabelled(self, kind: bytes) -> None:
        self._meant = b"mislabelled:content-type"
        self._warn()
        self.headers = labelled_as(kind, self.headers)

    def goes_on(self, conn: UpstreamConnection | None, kept: bool) -> None:
        """A request that is on its way already, on that connection."""
        self._conn, self._kept = conn, kept

    def goes_on_streaming(self, headers: Headers, relay: Relay, held: list[bytes], size: int) -> None:
        """With the beginning of its stream: held, of `size` bytes that came, or with the client already."""
        self.head_status, self.headers = 200, headers
        self._relay, self._held, self._held_size = relay, held, size
        self._opening = None
        if self.judge.state is State.PASSING_STREAM:
            self._job.delivery.client.on_writable = self._client_writable

    def do(self, effects: Effects, data: bytes) -> None:
        """What the judge has just said."""
        self._do(effects, data)

    def told(self, error: PointsmanError | None, effects: Effects, data: bytes) -> None:
        """The same at its stream's end. error: what went wrong, where it is not the judge's own words."""
        self._error = error
        self._do(effects, data)

    def _client_writable(self, ready: bool) -> None:
        try:
            self._do(self.judge.client(ready, monotonic()))
        except Exception as error:  # noqa: BLE001 - told on: broke() logs it
            self.broke(error)

    def _do(self, effects: Effects, data: bytes = b"") -> None:
        for effect in effects:
            _CARRIED_OUT[effect](self, data)

    def _hold(self, data: bytes) -> None:
        self._held.append(data)

    def _claim(self) -> None:
        """From now on this target is the one."""
        job = self._job
        job.won = self._tried
        note = self._codec.note
        if note is not None and (name := self._tried.answer_id or self.answer_id) is not None:
            self._tried.answer_id = name
            note(name)
        self._job.delivery.first_output = now = monotonic()
        self._tried.ours += now - self.judge.heard
        self._health.answered(self.head_status)
        if job.on_won is not None:
            job.on_won(self._tried)

    def _commit(self, data: bytes) -> None:
        self._claim()
        self._job.delivery.client.on_writable = self._client_writable
        held = b"".join(self._held)
        self._held.clear()
        if self._relay is not None:
            lines, length = stream_lines(self._codec.head_lines(self.headers)), None
        else:
            lines, length = client_lines(self.headers), self._length
            held = self._piece(held)
        if self._tried.bill is None and self.head_status < 300:
            lines += cost_line(FREE)
        self._job.delivery.begin(self.head_status, self._job.target_lines(), lines, length, held)

    def _pass(self, data: bytes) -> None:
        self._job.delivery.client.write(data if self._relay is not None else self._piece(data))

    def _piece(self, data: bytes) -> bytes:
        """Of a whole answer that passes as it comes: without the backend's key, however the bytes were cut."""
        if self._codec.media is not None and not self._flows:
            self._tail = (self._tail + data)[-_TAIL_BYTES:]
        mask, data = self._codec.mask, self._hanging + data
        ready = len(data) - mask.hanging(data)
        self._hanging = data[ready:]
        return mask.shown(data[:ready])

    def _keep_alive(self, data: bytes) -> None:
        self._job.delivery.keep_alive(monotonic(), self._hold_seconds, self._job.request.route.dialect.ping)

    def _ping(self, data: bytes) -> None:
        now, delivery, relay = monotonic(), self._job.delivery, self._relay
        if self._codec.translated and relay is not None:
            if now >= max(delivery.next_ping, self.judge.heard + PING_SECONDS):
                delivery.next_ping = now + PING_SECONDS
                delivery.client.write(relay.ping())

    def _pause(self, data: bytes) -> None:
        if self._conn is not None:
            self._conn.pause()

    def _resume(self, data: bytes) -> None:
        if self._conn is not None:
            self._conn.resume()

    def _let_go(self, data: bytes) -> None:
        """Closes the upstream's connection, unless its answer was complete."""
        conn, self._conn = self._conn, None
        if conn is not None:
            conn.close()

    def _drain(self, data: bytes) -> None:
        conn, self._conn = self._conn, None
        if conn is not None:
            conn.drain()

    def _end_here(self, data: bytes) -> None:
        raise NotImplementedError

    def _blame(self, data: bytes) -> None:
        self._job.delivery.outcome = "interrupted"
        self._health.interrupted(self.judge.reason)

    def _ask_again(self, data: bytes) -> None:
        if not self._done.done():
            self._done.set_exception(StaleConnection())

    def _send(self, data: bytes) -> None:
        answer = self._answer
        assert answer is not None
        self._claim()
        about = self._job.target_lines()
        lines = (
            stream_lines(answer.headers) if is_event_stream(answer.headers) else client_lines(answer.headers)
        )
        if answer.status < 300:
            lines += cost_line(charged(self._job, self._tried, "ok").cost)
        if answer.status >= 400 and not self._health.own_login:  # its client may log in anew, and repeat
            lines += final_line(answer, surely=is_final(self.head_status))
        self._job.delivery.send(answer.status, about, lines, answer.body)
        self._settle(None)

    def _finish(self, data: bytes) -> None:
        if self._hanging:
            self._job.delivery.client.write(self._hanging)
        self._job.delivery.client.finish()
        self._settle(None)

    def _tell(self, data: bytes) -> None:
        relay, judge = self._relay, self.judge
        assert relay is not None
        self._job.delivery.outcome = "interrupted"
        error = self._error or failure(judge.reason, judge.detail)
        self._job.delivery.break_off(relay.fail(error, self._job.request.id))
        self._settle(None)

    def _abort(self, data: bytes) -> None:
        self._job.delivery.outcome = "interrupted"
        self._job.delivery.break_off(None)
        self._settle(None)

    def _give_up(self, data: bytes) -> None:
        judge = self.judge
        self._settle(self._failure or Held(judge.reason, failure(judge.reason, judge.detail)))

    def _leave(self, data: bytes) -> None:
        assert self._answer is not None
        self._settle(left_to_next(self.judge.reason, self.judge.detail, self._answer))

    def _yield(self, data: bytes) -> None:
        self._settle(lost())

    def broke(self, error: Exception) -> None:
        """See Sink: whatever raised, and wherever, the request is settled. Another target may do better; who has a part of
        an answer already learns that it is cut."""
        job = self._job
        log.error("request %s: the gateway failed at an answer", job.request.id, exc_info=error)
        detail = f"the gateway could not read its answer, and its log has request {job.request.id}"
        try:
            self._do(self.judge.broken(detail))
        except Exception:
            log.exception("request %s: and failed to tell it", job.request.id)
        if self._done.done():
            return
        self._let_go(b"")
        if job.delivery.stage is Stage.CONTENT:
            self._abort(b"")
        else:
            job.won = None if job.won is self._tried else job.won
            self._settle(Held(FallbackReason.MALFORMED, failure(FallbackReason.MALFORMED, detail)))

    def _settle(self, held: Held[Answer] | None) -> None:
        if not self._done.done():  # a task that has been cancelled has cancelled it
            self._done.set_result(held)


_BY_NAME: dict[Effect, Callable[[Execution, bytes], None]] = {
    Effect.HOLD: Execution._hold,
    Effect.COMMIT: Execution._commit,
    Effect.PASS: Execution._pass,
    Effect.KEEP_ALIVE: Execution._keep_alive,
    Effect.PING: Execution._ping,
    Effect.PAUSE: Execution._pause,
    Effect.RESUME: Execution._resume,
    Effect.CLOSE: Execution._let_go,
    Effect.DRAIN: Execution._drain,
    Effect.END_HERE: lambda one, data: one._end_here(data),
    Effect.BLAME: Execution._blame,
    Effect.ASK_AGAIN: Execution._ask_again,
    Effect.SEND: Execution._send,
    Effect.FINISH: Execution._finish,
    Effect.TELL: Execution._tell,
    Effect.ABORT: Execution._abort,
    Effect.GIVE_UP: Execution._give_up,
    Effect.LEAVE: Execution._leave,
    Effect.YIELD: Execution._yield,
}
_CARRIED_OUT = tuple(_BY_NAME[effect] for effect in Effect)
