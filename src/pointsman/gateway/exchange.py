"""One attempt's answer on its way to the client: held until real output, then passed on byte for byte.

Three stages (DESIGN.md section 5): S0 nothing sent, any other target is still possible; S1 headers and keep-alives
sent, still possible; S2 content sent: a failure is told in-band, never as a clean-looking end.
"""

from __future__ import annotations

import asyncio
import time

from ..config import Limits
from ..dialects.base import Watch
from ..errors import PointsmanError
from ..kinds import FallbackReason
from ..resilience.verdict import of_status
from ..resilience.walk import Held
from ..upstream.connection import UpstreamConnection
from ..wire.sse import EventSplitter, cut_at_event_end
from .answer import Answer, Headers, client_lines, excerpt, failure, is_event_stream, keep_alive, send_answer
from .job import Job

_HOLD_BYTES = 256 * 1024
"""A whole answer up to this size is held until it is complete; a stream's preamble likewise."""
_ERROR_BYTES = 1024 * 1024
_TAIL_BYTES = 64 * 1024
"""Of an event still incomplete, so that an in-band error never lands in the middle of one."""

STARTING, ERROR, WHOLE, STREAM = range(4)


class Exchange:
    """Sink of one upstream answer. done: None when the client has been answered, else why it has not."""

    __slots__ = (
        "_conn", "_held", "_held_size", "_hide_usage", "_in_event", "_job", "_key", "_last", "_length",
        "_limits", "_local", "_mode", "_next_ping", "_on_trial", "_own_login", "_paused", "_reason",
        "_splitter", "_started", "_tail", "_watch", "done", "head_status", "headers", "stale", "unspoken",
    )  # fmt: skip

    def __init__(
        self,
        job: Job,
        limits: Limits,
        watch: Watch | None,
        *,
        local: bool,
        hide_usage: bool,
        on_trial: bool,
        key: bytes,
    ) -> None:
        self._job = job
        self._limits = limits
        self._watch = watch
        self._local = local
        self._hide_usage = hide_usage
        self._own_login = bool(job.plan and job.plan.forward_auth and job.caller.login)
        self._reason: FallbackReason | None = None
        self._key = key
        self._on_trial = on_trial  # nobody has said that the backend speaks this protocol
        self.unspoken = False
        self._conn: UpstreamConnection | None = None
        self.done: asyncio.Future[Held[Answer] | None] = asyncio.get_running_loop().create_future()
        self.head_status = 0
        self.headers: Headers = []
        self.stale = False
        self._length: int | None = None
        self._mode = STARTING
        self._held: list[bytes] = []
        self._held_size = 0
        self._tail = b""
        self._in_event = False  # part of an event too large to hold back has been passed on
        self._splitter = EventSplitter()
        self._started = self._last = time.monotonic()
        self._next_ping = job.start + limits.hold_seconds
        self._paused = False

    def attach(self, conn: UpstreamConnection) -> None:
        """The connection that will feed this exchange."""
        self._conn = conn
        self._job.client.on_writable = self._client_writable

    def renew(self) -> None:
        """Ready for a second connection, after one that had died unused."""
        self.done = asyncio.get_running_loop().create_future()
        self.stale = False

    # -- Sink

    def head(self, status: int, headers: Headers, length: int | None) -> None:
        self.head_status = status
        self.headers = headers
        self._length = length
        self._last = time.monotonic()
        if any(n == b"content-encoding" and v.lower() != b"identity" for n, v in headers):
            self._watch = None  # compressed against our wish: passed on as it is, its usage unknown
            self._hide_usage = False
        self._reason = of_status(status)
        if self._reason is FallbackReason.AUTH and self._own_login:
            self._reason = None  # the client's own login was refused: that is the client's to know
        if self._reason is not None:
            self._mode = ERROR
        elif 300 <= status < 400 and status != 304:
            self._give_up(
                FallbackReason.UPSTREAM_ERROR,
                f"it answered with a redirect ({status}), which is never followed; correct its base URL",
            )
        elif is_event_stream(headers) and status < 300:
            self._mode = STREAM
        else:
            self._mode = WHOLE

    def body(self, data: bytes) -> None:
        self._last = time.monotonic()
        if self._mode == STREAM:
            if self._job.stage == 2:
                self._pass(data)
            else:
                self._hold_stream(data)
        elif self._mode == WHOLE and self._job.stage == 2:
            self._job.client.write(data)
        else:
            self._hold(data)

    def end(self) -> None:
        self._conn = None  # from here on it is the pool's, and may serve another request at any moment
        if self._mode == STREAM:
            self._end_stream()
        elif self._mode == ERROR:
            self._fail_with_answer(self._reason or FallbackReason.UPSTREAM_ERROR)
        elif self._job.stage == 2:
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

    def writable(self, ready: bool) -> None:
        """The request's body is in memory already; nothing to hold back."""

    # -- holding

    def _hold(self, data: bytes) -> None:
        self._held.append(data)
        self._held_size += len(data)
        if self._mode == ERROR:
            if self._held_size > _ERROR_BYTES:
                self._give_up(self._reason or FallbackReason.UPSTREAM_ERROR, "its error is too large")
        elif self._held_size > _HOLD_BYTES and self._job.stage == 0:
            self._commit()

    def _hold_stream(self, data: bytes) -> None:
        self._held.append(data)
        self._held_size += len(data)
        watch = self._watch
        if watch is None:
            self._commit()
            return
        for event in self._splitter.feed(data):
            watch.event(event)
        if watch.output or self._held_size > _HOLD_BYTES:
            self._commit()

    def _commit(self) -> None:
        """The first real output is here: from now on this target is the one."""
        job = self._job
        held = b"".join(self._held)
        self._held.clear()
        job.first_output = time.monotonic()
        if self._mode == STREAM:
            if self._hide_usage:
                held = self._without_usage(held)
            else:
                cut = cut_at_event_end(held)
                held, self._tail = held[:cut], held[cut:]
        if job.stage == 1:
            target = job.target_lines().decode().replace("\r\n", " ")
            job.client.write(b": " + target.encode() + b"\n\n" + held)
        else:
            job.status = self.head_status
            lines = job.id_lines() + job.target_lines() + client_lines(self.headers)
            length = self._length if self._mode == WHOLE else None
            job.client.start(self.head_status, lines, length, held)
        job.stage = 2

    # -- passing on

    def _pass(self, data: bytes) -> None:
        client = self._job.client
        if self._hide_usage:
            client.write(self._without_usage(data))
            return
        if not self._tail and data.endswith(b"\n\n"):
            self._in_event = False
            client.write(data)
        else:
            whole = self._tail + data
            cut = cut_at_event_end(whole)
            self._in_event = len(whole) - cut > _TAIL_BYTES
            if self._in_event:
                cut = len(whole)
            self._tail = whole[cut:]
            client.write(whole[:cut])
        watch = self._watch
        if watch is not None:  # after the client's write: its answer does not wait for our counting
            for event in self._splitter.feed(data):
                watch.event(event)

    def _without_usage(self, data: bytes) -> bytes:
        """The events of `data` less the usage-only chunk that is there because we asked for it."""
        extra = self._job.route.dialect.extra_usage
        watch = self._watch
        assert watch is not None
        assert extra is not None
        if self._job.stage != 2:  # these events were watched while they were held
            splitter = EventSplitter()
            events = splitter.feed(data)
        else:
            events = self._splitter.feed(data)
            for event in events:
                watch.event(event)
        return b"".join(event + b"\n\n" for event in events if not extra(event))

    # -- ending

    def _end_whole(self) -> None:
        job = self._job
        body = b"".join(self._held)
        watch = self._watch
        if self.head_status < 300 and watch is not None:
            if not body.strip():
                self._give_up(FallbackReason.EMPTY, "it answered with an empty body")
                return
            if not watch.whole(body):
                self._give_up(FallbackReason.MALFORMED, "its answer is not JSON")
                return
            if watch.error is not None:  # 200 with an error inside: treated as the failure it is
                self._fail_with_answer(FallbackReason.UPSTREAM_ERROR)
                return
            job.usage = watch.usage
        if self._on_trial and self.head_status in (404, 405, 501) and b"model" not in body.lower():
            self.unspoken = True
            self._give_up(FallbackReason.UPSTREAM_ERROR, "it does not know the path")
            return
        if job.stage == 1:
            # The client asked for a stream and was promised one; the backend answered with a whole body.
            self._give_up(
                FallbackReason.MALFORMED, f"it answered {self.head_status} without a stream: {excerpt(body)}"
            )
            return
        job.first_output = time.monotonic()
        send_answer(job, Answer(self.head_status, self.headers, self._without_key(body)))
        self._settle(None)

    def _end_stream(self) -> None:
        watch = self._watch
        job = self._job
        rest = b""
        if watch is not None:
            rest = self._splitter.finish()
            if rest:  # a last event without its blank line
                watch.event(rest)
            job.usage = watch.usage
            if watch.output and job.stage != 2:
                self._commit()
        if job.stage == 2:
            self._end_committed(watch, rest)
        elif watch is not None and watch.error is not None:
            self._fail_with_answer(FallbackReason.UPSTREAM_ERROR)
        elif watch is not None and watch.finished:
            self._fail_with_answer(FallbackReason.EMPTY)
        elif watch is not None and watch.malformed:
            self._give_up(FallbackReason.MALFORMED, "its stream is not what the protocol allows")
        else:
            self._give_up(FallbackReason.EMPTY, "its stream ended before any output")

    def _end_committed(self, watch: Watch | None, rest: bytes) -> None:
        """The stream is over; `rest` is its last event where that lacks its blank line. A half event is not passed on:
        the error after it would be read as its other half."""
        job = self._job
        if watch is not None and not watch.finished and watch.error is None:
            self._interrupt(failure(FallbackReason.UPSTREAM_ERROR, "its stream ended before it was finished"))
            return
        if watch is not None and watch.error is not None:
            job.outcome = "interrupted"
        if self._hide_usage:
            extra = job.route.dialect.extra_usage
            if rest and not (extra is not None and extra(rest)):
                job.client.write(rest + b"\n\n")
        else:
            job.client.write(self._tail)
        self._tail = b""
        self._finish()

    def _fail_with_answer(self, reason: FallbackReason) -> None:
        answer = Answer(self.head_status, self.headers, self._without_key(b"".join(self._held)))
        error = failure(reason, f"it answered {self.head_status}: {excerpt(answer.body)}")
        self._settle(Held(reason, error, answer))

    def _without_key(self, body: bytes) -> bytes:
        """An error body that quotes the key we sent ("Incorrect API key provided: sk-...") must not give it away:
        the one thing in an answer that is changed."""
        if self.head_status >= 400 and self._key and self._key in body:
            return body.replace(self._key, b"***")
        return body

    def _give_up(self, reason: FallbackReason, detail: str) -> None:
        error = failure(reason, detail)
        if self._job.stage == 2:
            self._interrupt(error)
        else:
            self._settle(Held(reason, error))

    def _interrupt(self, error: PointsmanError) -> None:
        """After content: an in-band error for a stream, a broken connection for a whole body. Never a clean end."""
        job = self._job
        job.outcome = "interrupted"
        self.close()
        if self._watch is not None and job.usage is None:
            job.usage = self._watch.usage
        if self._mode == STREAM:
            job.client.closing = True
            if self._in_event:
                job.client.write(b"\n\n")
            job.client.write(
                job.route.dialect.stream_error(
                    error, job.id, self._watch.answer_id if self._watch is not None else None
                )
            )
            job.client.finish()
        else:
            job.client.abort()
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
        self._paused = not ready
        if self._conn is not None:
            if ready:
                self._last = time.monotonic()
                self._conn.resume()
            else:
                self._conn.pause()

    def stop(self, error: PointsmanError) -> None:
        """End now, e.g. when a drain has run out of time."""
        self.close()
        if self._job.stage == 2:
            self._interrupt(error)
        else:
            self._settle(Held(FallbackReason.TIMEOUT, error))

    def tick(self, now: float) -> None:
        """Called a few times a second: time-outs and keep-alives."""
        limits = self._limits
        if self.done.done():
            return
        if now - self._started > limits.total_seconds:
            self._time_out(f"it took longer than {limits.total_seconds:g} s")
        elif self._job.stage == 2:
            if not self._paused and now - self._last > limits.between_chunks_seconds:
                self._time_out(
                    f"it sent nothing for {limits.between_chunks_seconds:g} s in the middle of its answer"
                )
        else:
            wait = limits.first_output_local_seconds if self._local else limits.first_output_cloud_seconds
            if now - self._last > wait:
                self._time_out(f"it gave no output within {wait:g} s")
            elif self._job.stream and now >= self._next_ping:
                self._next_ping = now + limits.hold_seconds
                keep_alive(self._job)

    def _time_out(self, detail: str) -> None:
        self._give_up(FallbackReason.TIMEOUT, detail)
