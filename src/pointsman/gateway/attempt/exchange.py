"""One attempt's answer on its way to the client: what happens, put before the judge.

It decides nothing: that is the table's (moves.py) and the judge's (judge.py). Not here: how it is carried out
(execution.py), what becomes of the bytes (relay.py, passthrough.py), what a failure is for the walk (failures.py).
"""

from __future__ import annotations

import asyncio
import logging
import re
from time import monotonic

from ...dialects.base import Seen
from ...dialects.media import usage_at_end
from ...errors import PointsmanError
from ...kinds import ErrorKind, FallbackOn, FallbackReason
from ...providers.wordings import REFUSED_KEY, UNKNOWN_PATH, says
from ...resilience.verdict import of_status
from ...resilience.walk import Held
from ...upstream.connection import UpstreamConnection
from ...upstream.decoded import Decoded
from ...wire.answer import Answer, Headers
from ...wire.coding import Nothing, decoder
from ...wire.sse import BOM, begins_events
from .answer import (
    content_of,
    excerpt,
    is_event_stream,
    is_framed,
    label_of,
    without_coding,
)
from .execution import Execution, future
from .failures import of_failed_status, too_late, unanswered, without_answer, without_model
from .judge import HELD, HOLD_BYTES
from .meaning import NO_ANSWER, Meaning, meaning
from .moves import Event, Stage, State
from .relay import usage_of

log = logging.getLogger("pointsman.gateway")

FAILING, HOLDING_STREAM, DELIVERED = State.FAILING, State.HOLDING_STREAM, State.DELIVERED
HOLDING_WHOLE = State.HOLDING_WHOLE
_NAMED = re.compile(rb"\s*[\w-]{1,32}:").match
"""A line with a field that nobody knows may stand in a stream, too."""
_JSON = b"{"
KEPT_ALIVE, ANSWERED, LEFT = Stage.KEPT_ALIVE, Meaning.ANSWERED, Meaning.LEFT
PASSING_WHOLE, PASSING_STREAM = State.PASSING_WHOLE, State.PASSING_STREAM


class Exchange(Execution):
    """Sink of one upstream answer. judge: where it stands. head_status, headers: of the answer, 0
    and none before."""

    __slots__ = ()

    def ask(self, conn: UpstreamConnection, kept: bool) -> asyncio.Future[Held[Answer] | None]:
        """Send the request there: None when the client has been answered, else why it has not.
        kept: the connection has served before. Raises StaleConnection when that one was dead."""
        if self.judge.state >= DELIVERED:  # it took too long to connect
            conn.close()
            return self._done
        if self._done.done():  # the second time
            self._done = future()
            self._job.sent_again += 1
        self._conn = conn
        self._kept = kept
        self.judge.heard = now = monotonic()
        if not kept and not conn.is_free():  # it was closed in the moment in which it was made
            self.failed(FallbackReason.CONNECT, "it closed the connection at once", False)
            return self._done
        self._tried.sent += conn.send(self._data, self._codec.body, self)
        self._tried.ours += monotonic() - now
        return self._done

    # -- Sink: what the upstream does

    def head(self, status: int, headers: Headers, length: int | None) -> None:
        judge = self.judge
        judge.heard = monotonic()
        self.head_status = status
        self.headers = headers
        self._length = length
        stream, coded = content_of(headers)
        reason = of_status(status)
        if reason is not None and reason is FallbackReason.AUTH and self._health.own_login:
            reason = None  # the client's own login was refused: that is the client's to know
        framed = length is not None or is_framed(headers, length)
        unread = coded if coded and not self._decode(coded) else b""
        media = self._codec.media
        if media is not None:
            self._flows = status < 300 and media.opaque(label_of(headers))
        effects = judge.head(status, reason, reads=self._reads, stream=stream, coded=unread, framed=framed)
        if effects:
            self._do(effects)
        if judge.state is HOLDING_STREAM:
            self._relay = self._codec.relay()

    def body(self, data: bytes) -> None:
        judge = self.judge
        judge.heard = monotonic()
        state = judge.state
        if state is PASSING_STREAM:  # the table's, by hand: it is all that an event costs
            relay = self._relay
            assert relay is not None
            if self.watch is not None and self._circles(data):
                return
            self._job.delivery.client.write(relay.take(data))
            if relay.complete:
                self.end_early()
            return
        if self._opening is not None:
            right = data.startswith(_JSON) if state is HOLDING_WHOLE else begins_events(data)
            if right and not self._opening:
                self._opening = None  # the commonest: it begins as its label says
            else:
                data = self._opened(data)
            if not data:
                return
            state = judge.state
        if state is HOLDING_STREAM:
            self._hold_stream(data)
        elif state is PASSING_WHOLE:
            self._do(judge.move(Event.BYTES), data)
        else:
            self._held_size += len(data)
            sure = self._held_size <= HOLD_BYTES or state is FAILING or self._begins_well(data)
            rival = self._job.won is not None
            stage = self._job.delivery.stage
            effects = judge.held(self._held_size, stage, rival=rival, sure=sure, flows=self._flows)
            if effects is HELD:
                self._held.append(data)
            else:
                self._do(effects, data)

    def end(self) -> None:
        self._conn = None  # from here on it is the pool's, and may serve another request at any moment
        if self._opening:
            self.body(b"")  # so few bytes, and no more
        state = self.judge.state
        if state is HOLDING_STREAM or state is PASSING_STREAM:
            self._end_stream()
        elif state is FAILING:
            self._quote()
            if not self._unspoken(b"".join(self._held)):
                self._do(self.judge.move(Event.UNANSWERED))
        elif state is PASSING_WHOLE:
            if self._tail:
                self._tried.usage = usage_at_end(self._tail)
            self._do(self.judge.move(Event.ANSWERED))
        elif state < DELIVERED:
            self._end_whole()

    def failed(self, reason: FallbackReason, detail: str, received: bool) -> None:
        self._conn = None
        state = self.judge.state
        if state is FAILING:  # its status is known; a body cut short does not change the verdict
            self._quote()
        elif self._all_said and (state is HOLDING_STREAM or state is PASSING_STREAM):
            self._do(self.judge.move(Event.LAST_WORD))  # a cut after the end cuts nothing
            return
        self._do(self.judge.cut(reason, detail, stale=self._kept and not received))

    # -- what has come, put before the judge

    def _decode(self, coded: bytes) -> bool:
        """Whatever is compressed against our wish is judged like any other answer, and goes on plain; on a path that nobody
        knows it is the client's affair (docs/protocols/streams.md#compressed-against-our-wish). False where it cannot
        be."""
        failed = self.head_status >= 300
        if not failed and not self._reads:
            return True
        undone = decoder(coded) or (Nothing() if failed else None)
        if undone is None:
            return False
        assert isinstance(self._conn, UpstreamConnection)
        self._conn = Decoded(self._conn, self, undone)
        self.headers, self._length = without_coding(self.headers), None
        return True

    def _opened(self, data: bytes) -> bytes:
        """Its first bytes say what it is, where its label does not
        (docs/protocols/streams.md#streams-under-another-label); b"" while they are too few."""
        begun, over = (self._opening or b"") + data, not data
        self._opening = None
        if self.head_status >= 300 or not self._reads or self._codec.media is not None:
            return begun
        short = len(begun) < len(BOM) and BOM.startswith(begun)
        marked = begun.startswith(BOM)
        first = begun[len(BOM) :] if marked else begun
        events = begins_events(first)
        if (short or events is None) and not over:
            self._opening = begun
            return b""
        if marked and self._length is not None:
            self._length -= len(BOM)
        if events and self.judge.state is State.HOLDING_WHOLE:
            label = self._codec.mask.text(label_of(self.headers))
            log.warning("request %s: a stream of events is labelled %.80r", self._job.request.id, label)
            self._mislabelled(b"text/event-stream")
            self._do(self.judge.move(Event.EVENTS))
            self._relay = self._codec.relay()
        elif not events and first and self.judge.state is HOLDING_STREAM and not _NAMED(first):
            self._do(self.judge.move(Event.NO_EVENTS))
            self._relay = None
            if first.startswith(_JSON):
                self._mislabelled(b"application/json")
        return first

    def _begins_well(self, data: bytes) -> bool:
        """Is a whole answer, of which more has come than is worth holding, one of the protocol? Where nobody knows it is
        held on, and judged at its end."""
        if self.head_status >= 300 or self._sure or self._flows or not self._reads:
            return True
        begun = b"".join(self._held) if self._held_size - len(data) <= HOLD_BYTES else b""
        if begun and not begun.lstrip().startswith(_JSON):
            self._do(self.judge.none(FallbackReason.MALFORMED, NO_ANSWER))
        self._sure = (begun + data).find(self._codec.member) >= 0
        return self._sure

    def _hold_stream(self, data: bytes) -> None:
        relay = self._relay
        assert relay is not None
        if self.watch is not None and self._circles(data):
            return
        taken = relay.take(data)
        self._held_size += len(data)
        self._do(self.judge.read(relay.seen, self._held_size, rival=self._job.won is not None), taken)
        if relay.complete and (self.judge.state is PASSING_STREAM or self.judge.state is HOLDING_STREAM):
            self.end_early()

    def end_early(self) -> None:
        """The upstream may go on, the client's stream does not: it is whole, or its end cannot be."""
        relay = self._relay
        assert relay is not None
        if relay.untold is not None:
            self._end_stream()
        else:
            self._do(self.judge.move(Event.COMPLETE if relay.matched else Event.LAST_WORD))

    def _end_here(self, data: bytes) -> None:
        self._end_stream()

    def _end_stream(self) -> None:
        relay, judge = self._relay, self.judge
        assert relay is not None
        rest = relay.end()
        seen = relay.seen
        self._tried.usage = usage_of(seen)
        self._look_for_a_cut()
        self._note(seen)
        self._error = relay.untold
        found = ANSWERED if relay.matched else meaning(seen, self._onward)
        if judge.state is HOLDING_STREAM:
            event = judge.closes(found, output=seen is None or seen.output)
            if event is Event.UNANSWERED and seen is not None:
                self._unanswered(found, seen, None)
            elif event is Event.OUTPUT:
                self._do(judge.output(rival=self._job.won is not None))
            else:
                held = b"".join(self._held) + rest
                self._whole(found, self._codec.collected(relay, self.headers, held))
        if judge.state is PASSING_STREAM:
            self._do(judge.over(seen, untold=relay.untold is not None), rest)

    def _end_whole(self) -> None:
        body = b"".join(self._held)
        if self.head_status < 300:
            self._end_well(body)
        elif not self._unspoken(body):
            raw = Answer(self.head_status, self.headers, body)
            if self._refuses_key(raw):
                self._failure = of_failed_status(FallbackReason.AUTH, self._codec, raw)
                self._do(self.judge.none(FallbackReason.AUTH, "it refuses the stored key"))
                return
            if self._job.request.route.answer_id:
                lacking = without_answer(self._codec, raw) if self._job.kept else None
            else:
                lacking = without_model(self._codec, raw, local=self._health.local) if self._reads else None
            if lacking is not None:
                self._failure = lacking
                self._do(self.judge.none(lacking.reason, "it lacks it"))
                return
            answer = self._codec.rendered(raw)
            if FallbackOn.CONTEXT in self._onward and self._codec.error(raw).kind is ErrorKind.CONTEXT_LENGTH:
                self._answer = answer
                self._do(self.judge.left(FallbackReason.CONTEXT, "the input does not fit its window"))
            else:
                self._whole(ANSWERED, answer)

    def _refuses_key(self, answer: Answer) -> bool:
        """Does it say of our own key in words what its status does not?"""
        if self._health.own_login or answer.status != 400:
            return False
        return says(REFUSED_KEY, answer.status, self._codec.error(answer).public.encode())

    def _end_well(self, body: bytes) -> None:
        """A whole answer with status 2xx, which may still hold a failure."""
        if not body.strip() and (self._codec.translated or self._job.request.route.exact):
            self._do(self.judge.none(FallbackReason.EMPTY, "it answered with an empty body"))
            return
        if self.watch is not None and self._circles(body, whole=True):
            return
        answer, seen = self._codec.whole(self.headers, body)
        self._tried.usage = usage_of(seen)
        self._tried.complete = True
        self._look_for_a_cut()
        self._note(seen)
        found = meaning(seen, self._onward, whole=True)
        if answer is not None and (found is ANSWERED or found is LEFT):
            answer.status = self.head_status
            self._whole(found, answer)
        elif seen is not None:
            self._unanswered(found, seen, body)

    def _whole(self, found: Meaning, answer: Answer) -> None:
        """All of an answer for the client is there."""
        judge, stage = self.judge, self._job.delivery.stage
        self._answer = answer
        if self._codec.warnings or self._meant:
            self._warn()
        if found is LEFT:
            self._do(judge.left(FallbackReason.REFUSAL, "its model refused"))
            return
        said = ""
        if stage is KEPT_ALIVE and not is_event_stream(answer.headers):
            said = excerpt(self._codec.mask.body(answer.body))
            if answer.status >= 400:
                dialect = self._job.request.route.dialect
                self._failure = too_late(dialect.parse_error(answer.status, answer.body))
        self._do(judge.whole(no_stream=said, rival=self._job.won is not None))

    def _unanswered(self, found: Meaning, seen: Seen, body: bytes | None) -> None:
        """There is no answer in it. body: of a whole one."""
        self._failure = unanswered(found, seen, self._codec, self.headers, body, local=self._health.local)
        too_long = seen.error is not None and seen.error.kind is ErrorKind.CONTEXT_LENGTH
        if too_long and FallbackOn.CONTEXT in self._onward:
            self._answer = self._failure.answer
            self._do(self.judge.left(FallbackReason.CONTEXT, "the input does not fit its window"))
            return
        failed = found is Meaning.ERROR or found is Meaning.MALFORMED
        if not failed or body is None or not self._unspoken(body):
            self._do(self.judge.move(Event.UNANSWERED))

    def _unspoken(self, body: bytes) -> bool:
        """Was the protocol only tried, and does this error say that its path is not known?"""
        if not self._unknown_path or not says(self._unknown_path, self.head_status, body):
            return False
        self.sure = says(UNKNOWN_PATH, self.head_status, body)
        told = Answer(self.head_status, self.headers, body)
        if self._failure is None:  # told where nothing else serves
            self._failure = without_model(self._codec, told, local=self._health.local)
        if self._failure is None:
            error, answer = self._codec.error(told), self._codec.rendered(told)
            self._failure = Held(FallbackReason.UPSTREAM_ERROR, error, answer, clients=True, final=True)
        self._do(self.judge.unspoken("it does not know the path"))
        return True

    def _quote(self) -> None:
        """Its status is a failure: what is handed to the walk has its own words."""
        answer = Answer(self.head_status, self.headers, b"".join(self._held))
        self._failure = of_failed_status(self.judge.reason, self._codec, answer, self._onward)

    # -- time, and the client's side

    def tick(self, now: float) -> None:
        """Called a few times a second: time-outs and keep-alives."""
        if self.judge.state < DELIVERED:
            try:
                self._tick(now)
            except Exception as error:  # noqa: BLE001 - told on: broke() logs it
                self.broke(error)

    @property
    def _all_said(self) -> bool:
        """Has its stream come to its end, good or bad, whatever its connection does?"""
        seen = self._relay.seen if self._relay is not None else None
        return seen is not None and (seen.finished or seen.error is not None)

    def _tick(self, now: float) -> None:
        job, judge = self._job, self.judge
        seconds = job.deadline - job.request.start
        rival = job.won is not None and job.won is not self._tried
        self._do(judge.tick(now, job.deadline, seconds, all_said=self._all_said, rival=rival))

    def stop(self, error: PointsmanError) -> None:
        """End now: a drain has run out of time. Nobody else is asked either."""
        self._job.deadline = 0.0
        self._error = error
        self._failure = Held(FallbackReason.TIMEOUT, error, lost=True)
        self._do(self.judge.move(Event.STOP))
        if self.connecting is not None:
            self.connecting.cancel()

    def close(self) -> None:
        """Nobody waits for it any more: a client that has left, or an attempt that is over."""
        if self.judge.state < DELIVERED:
            self._do(self.judge.move(Event.GONE))
