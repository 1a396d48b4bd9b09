"""One attempt's answer on its way to the client: held until real output, then passed on, byte for byte or translated.

Three stages (DESIGN.md section 5): S0 nothing sent, any other target is still possible; S1 headers and keep-alives
sent, still possible; S2 content sent: a failure is told in-band, never as a clean-looking end. Not here: what becomes
of the bytes (relay.py, way.py, translate.py).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection

from ...config import Limits
from ...conversation.usage import TokenUsage
from ...dialects.base import Seen
from ...dialects.vendor_errors import overflows
from ...errors import PointsmanError
from ...kinds import FallbackOn, FallbackReason
from ...providers.unknown_paths import says_unknown_path
from ...resilience.verdict import of_status
from ...resilience.walk import Held
from ...upstream.connection import UpstreamConnection
from ..request.job import Job, Tried
from .answer import Answer, Headers, excerpt, failure, is_event_stream, is_framed, keep_alive_when_due
from .delivery import Front, Health
from .failures import left_to_next, lost, refused_with, told_too_late, unanswered
from .meaning import Meaning, meaning, reason_of
from .relay import Relay, usage_of
from .straight import Way
from .timeouts import Patience

_HOLD_BYTES = 256 * 1024
"""A whole answer up to this size is held until it is complete; a stream's preamble likewise."""
_ERROR_BYTES = 1024 * 1024
_COLLECT_BYTES = 64 * 1024 * 1024
"""A whole answer that must be translated or collected is held up to this size."""
_PING_SECONDS = 10.0
"""Of silence in the middle of a translated stream (PROTOCOLS.md 11.4: Claude Code aborts a silent one after 300 s)."""

STARTING, ERROR, WHOLE, STREAM = range(4)


class Exchange:
    """Sink of one upstream answer. done: None when the client has been answered, else why it has not."""

    __slots__ = (
        "_conn", "_front", "_health", "_held", "_held_size", "_job", "_key", "_length", "_limits", "_mode",
        "_on_trial", "_onward", "_patience", "_readable", "_reason", "_relay", "_tried", "_way",
        "done", "head_status", "headers", "stale", "unspoken",
    )  # fmt: skip

    def __init__(
        self,
        job: Job,
        tried: Tried,
        health: Health,
        limits: Limits,
        way: Way,
        *,
        quiet_seconds: float,
        key: bytes,
        on_trial: bool = False,
        onward: Collection[str] = (),
    ) -> None:
        """health: who is told how it went. quiet_seconds: how long the backend may be silent before its first output.
        key: what must not be told in an error. on_trial: nobody has said that the backend speaks this protocol.
        onward: further reasons to go to the next target; none when there is no next one."""
        self._job = job
        self._tried = tried
        self._health = health
        self._limits = limits
        self._way = way
        self._reason: FallbackReason | None = None
        self._key = key
        self._on_trial = on_trial
        self._onward = onward
        self._front = Front(job, tried, health)
        self.unspoken = False
        self._conn: UpstreamConnection | None = None
        self.done: asyncio.Future[Held[Answer] | None] = asyncio.get_running_loop().create_future()
        self.head_status = 0
        self.headers: Headers = []
        self.stale = False
        self._length: int | None = None
        self._mode = STARTING
        self._readable = True
        self._relay: Relay | None = None
        self._held: list[bytes] = []
        self._held_size = 0
        self._patience = Patience(job, limits, quiet_seconds, time.monotonic())

    def attach(self, conn: UpstreamConnection) -> None:
        """The connection that will feed this exchange."""
        self._conn = conn
        self._patience.heard = time.monotonic()

    def renew(self) -> None:
        """Ready for a second connection, after one that had died unused."""
        self.done = asyncio.get_running_loop().create_future()
        self.stale = False

    @property
    def usage(self) -> TokenUsage | None:
        """What a stream has reported so far."""
        return usage_of(self._relay.seen) if self._relay else None

    @property
    def malformed(self) -> int:
        """Events of its stream that could not be read."""
        relay = self._relay
        return relay.seen.malformed if relay is not None and relay.seen is not None else 0

    # -- Sink

    def head(self, status: int, headers: Headers, length: int | None) -> None:
        self.head_status = status
        self.headers = headers
        self._length = length
        self._patience.heard = time.monotonic()
        # Compressed against our wish: passed on as it is, its usage unknown.
        self._readable = not any(n == b"content-encoding" and v.lower() != b"identity" for n, v in headers)
        self._reason = of_status(status)
        if self._reason is FallbackReason.AUTH and self._health.own_login:
            self._reason = None  # the client's own login was refused: that is the client's to know
        if self._reason is not None:
            self._mode = ERROR
        elif 300 <= status < 400 and status != 304:
            self._give_up(
                FallbackReason.UPSTREAM_ERROR,
                f"it answered with a redirect ({status}), which is never followed; correct its base URL",
            )
        elif not self._readable and status < 300 and (self._way.translated or is_event_stream(headers)):
            self._give_up(FallbackReason.MALFORMED, "it compressed its answer, which was not asked for")
        elif is_event_stream(headers) and status < 300:
            self._mode = STREAM
            self._relay = self._way.relay(self._readable)
        else:
            self._mode = WHOLE

    def body(self, data: bytes) -> None:
        self._patience.heard = time.monotonic()
        if self._mode == STREAM:
            self._stream(data)
        elif self._mode == WHOLE and self._front.won:
            self._job.client.write(data)
        elif not self.done.done():
            self._hold(data)

    def end(self) -> None:
        self._conn = None  # from here on it is the pool's, and may serve another request at any moment
        if self.done.done():
            return
        if self._mode == STREAM:
            self._end_stream()
        elif self._mode == ERROR:
            self._fail_with_answer(self._reason or FallbackReason.UPSTREAM_ERROR)
        elif self._front.won:
            self._finish()
        else:
            self._end_whole()

    def failed(self, reason: FallbackReason, detail: str, received: bool) -> None:
        self._conn = None
        self.stale = not received
        if self._mode == ERROR:  # its status is known; a body cut short does not change the verdict
            self._fail_with_answer(self._reason or reason)
        else:
            self._give_up(reason, detail)

    def _hold(self, data: bytes) -> None:
        self._held.append(data)
        self._held_size += len(data)
        if self._mode == ERROR:
            if self._held_size > _ERROR_BYTES:
                self._give_up(self._reason or FallbackReason.UPSTREAM_ERROR, "its error is too large")
        elif self._way.translated:
            if self._held_size > _COLLECT_BYTES:
                self._give_up(FallbackReason.MALFORMED, "its answer is too large to translate")
        elif self._held_size > _HOLD_BYTES and self._job.stage == 0 and is_framed(self.headers, self._length):
            self._commit()
        elif self._held_size > _COLLECT_BYTES:
            self._give_up(FallbackReason.MALFORMED, "its answer is too large to be held")

    def _stream(self, data: bytes) -> None:
        relay = self._relay
        assert relay is not None
        if self._front.won:
            self._job.client.write(relay.take(data))
            relay.look()  # after the client's write: its answer does not wait for our counting
        else:
            self._held.append(relay.take(data))
            relay.look()
            self._held_size += len(data)
            seen = relay.seen
            if seen is not None and (seen.error is not None or seen.unreadable) and not seen.output:
                self.close()  # it has failed; what it does after that is not waited for
                self._end_stream()
            elif self._way.collects:
                if self._held_size > _COLLECT_BYTES:
                    self._give_up(FallbackReason.MALFORMED, "its answer is too large to translate")
            elif self._refused(seen) and self._held_size < _COLLECT_BYTES:
                pass  # the rest of it is awaited: another target may do better, else it is told whole
            elif seen is None or seen.output or self._held_size > _HOLD_BYTES:
                self._commit()
        if relay.complete and self._front.won and not self.done.done():
            self._tried.usage = usage_of(relay.seen)
            self.close()
            self._finish()

    def _claim(self) -> bool:
        """From now on this target is the one, unless another was faster."""
        if self._front.claim(self.head_status, self._client_writable):
            return True
        self._settle(lost())
        return False

    def _refused(self, seen: Seen | None) -> bool:
        return seen is not None and seen.refused and FallbackOn.REFUSAL in self._onward

    def _commit(self) -> bool:
        """The first real output is here. False when another target was faster."""
        if not self._claim():
            return False
        held = b"".join(self._held)
        self._held.clear()
        if self._mode == STREAM:
            self._front.begin(self.head_status, self._way.head_lines(self.headers), None, held)
        else:
            self._front.begin(self.head_status, self.headers, self._length, held)
        return True

    def _end_whole(self) -> None:
        body = b"".join(self._held)
        if self.head_status < 300:
            self._end_well(body)
        elif self._on_trial and says_unknown_path(self.head_status, body):
            self.unspoken = True
            self._give_up(FallbackReason.UPSTREAM_ERROR, "it does not know the path")
        else:
            answer = self._way.told(Answer(self.head_status, self.headers, body).without(self._key))
            if "context" in self._onward and overflows(self.head_status, body):
                self._settle(left_to_next("the input does not fit its window", answer))
            else:
                self._send_whole(answer)

    def _end_well(self, body: bytes) -> None:
        """A whole answer with status 2xx, which may still hold a failure."""
        if not body.strip() and (self._way.translated or self._job.route.exact):
            self._give_up(FallbackReason.EMPTY, "it answered with an empty body")
            return
        answer, seen = self._way.whole(self.headers, body, self._readable)
        self._tried.usage = usage_of(seen)
        found = meaning(seen, self._onward, whole=True)
        if found is Meaning.ERROR:
            self.unspoken = self._on_trial and says_unknown_path(self.head_status, body)
        if answer is None or found not in (Meaning.ANSWERED, Meaning.LEFT):
            self._unanswered(found, seen, body)
            return
        answer.status = self.head_status
        self._tell(found, answer)

    def _tell(self, found: Meaning, answer: Answer) -> None:
        if found is Meaning.LEFT:
            self._settle(left_to_next("its model refused", answer))
        else:
            self._send_whole(answer)

    def _unanswered(self, found: Meaning, seen: Seen | None, body: bytes | None) -> None:
        """There is no answer in it. body: of a whole one."""
        if seen is not None and not self.done.done():
            self._settle(unanswered(found, seen, self._way, self.headers, body, self._key))

    def _send_whole(self, answer: Answer) -> None:
        if self._job.stage == 1 and not is_event_stream(answer.headers):
            # The client asked for a stream and was promised one; the backend answered with a whole body.
            if answer.status >= 400:
                self._settle(told_too_late(answer.status, answer.body))
            else:
                self._give_up(FallbackReason.MALFORMED, f"it gave no stream: {excerpt(answer.body)}")
        elif self._claim():
            self._front.whole(answer)
            self._settle(None)

    def _end_stream(self) -> None:
        relay = self._relay
        assert relay is not None
        rest = relay.end()
        seen = relay.seen
        self._tried.usage = usage_of(seen)
        found = Meaning.ANSWERED if relay.complete else meaning(seen, self._onward)
        if self._front.won:
            self._end_committed(relay, rest)
        elif found is Meaning.LEFT or (found is Meaning.ANSWERED and self._way.collects):
            self._tell(found, self._way.collected(relay, self.headers, b"".join(self._held) + rest))
        elif seen is None or (seen.output and not self._way.collects):
            if self._commit():
                self._end_committed(relay, rest)
        else:
            self._unanswered(found, seen, None)

    def _end_committed(self, relay: Relay, rest: bytes) -> None:
        """The stream is over and its output is the client's already."""
        seen = relay.seen
        if relay.untold is not None:
            self._health.interrupted(FallbackReason.UPSTREAM_ERROR)
            self._interrupt(relay.untold)
            return
        if seen is not None and (seen.error is not None or seen.unreadable):
            self._front.failed_inside()
        elif seen is not None and not seen.finished:
            self._give_up(*reason_of(Meaning.CUT, seen))
            return
        self._job.client.write(rest)
        self._finish()

    def _fail_with_answer(self, reason: FallbackReason) -> None:
        answer = Answer(self.head_status, self.headers, b"".join(self._held))
        self._settle(refused_with(reason, self._way, answer, self._key))

    def _give_up(self, reason: FallbackReason, detail: str) -> None:
        error = failure(reason, detail)
        if self._front.won:
            self._health.interrupted(reason)
            self._interrupt(error)
        else:
            self._settle(Held(reason, error))

    def _interrupt(self, error: PointsmanError) -> None:
        self.close()
        relay = self._relay
        if self._mode == STREAM and relay is not None:
            self._tried.usage = self._tried.usage or usage_of(relay.seen)
            self._front.interrupt(relay.fail(error, self._job.id))
        else:
            self._front.interrupt(None)
        self._settle(None)

    def _finish(self) -> None:
        self._job.client.finish()
        self._settle(None)

    def _settle(self, held: Held[Answer] | None) -> None:
        if held is not None:
            self.close()
        if not self.done.done():
            self.done.set_result(held)

    def close(self) -> None:
        """Let go of the upstream: closes its connection unless its answer is complete."""
        conn, self._conn = self._conn, None
        if conn is not None:
            conn.close()

    # -- time and pressure

    def _client_writable(self, ready: bool) -> None:
        self._patience.paused = not ready
        if self._conn is not None:
            if ready:
                self._patience.heard = time.monotonic()
                self._conn.resume()
            else:
                self._conn.pause()

    def stop(self, error: PointsmanError) -> None:
        """End now, e.g. when a drain has run out of time."""
        self.close()
        if self._front.won:
            self._interrupt(error)
        else:
            self._job.deadline = 0.0  # nobody else is asked either
            self._settle(Held(FallbackReason.TIMEOUT, error, lost=True))

    def tick(self, now: float) -> None:
        """Called a few times a second: time-outs and keep-alives."""
        if self.done.done():
            return
        job, relay, won = self._job, self._relay, self._front.won
        late = self._patience.late(now, won)
        if late is not None:
            if won and relay is not None and relay.seen is not None and relay.seen.finished:
                self.close()  # it has said everything and only stays on the line
                self._end_stream()
            else:
                self._give_up(FallbackReason.TIMEOUT, late)
        elif not won:
            keep_alive_when_due(job, now, self._limits.hold_seconds)
        elif relay is not None and self._way.translated:
            if now >= max(job.next_ping, self._patience.heard + _PING_SECONDS):
                job.next_ping = now + _PING_SECONDS
                job.client.write(relay.ping())
