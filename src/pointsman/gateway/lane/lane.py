"""One plain request under way: sink of its answer, what its client's leaving ends, and what the ticker asks.

It reads the answer by the dialect's one reading, asks the judge at each step, and carries out what a plain answer needs.
Whatever else comes, or is to be done, is handed over (handover.py), from wherever it stands. Not here: framing
(wire/scan.py, wire/chunks.py), what the bytes say (attempt/relay.py, dialects/*/seen.py).
"""

from __future__ import annotations

import asyncio
from time import monotonic

from ...dialects.base import IllegalMove
from ...errors import PointsmanError
from ...kinds import FallbackReason
from ...ledger.cost import NOTHING, used_of
from ...upstream.connection import UpstreamConnection
from ...wire.chunks import CHUNK_END, MORE, ODD, chunk_at, one_chunk
from ...wire.scan import CHUNKED, CLOSES, EVENTS, answer_head
from ...wire.sse import begins_events
from ..attempt.exchange import Exchange
from ..attempt.failures import tell_malformed
from ..attempt.judge import HOLD_BYTES, Judge
from ..attempt.meaning import ANSWERED, meaning
from ..attempt.moves import MOVES, Effect, Effects, Event, State
from ..attempt.relay import passing, usage_of
from ..request.charging import FREE, cost_line, given_up, until_cut
from .accounted import Accounted
from .handover import hand_over
from .state import made_of

_LAST = b"0\r\n\r\n"
_WELL = (Effect.PASS, Effect.FINISH)
PASSING, DELIVERED = State.PASSING_STREAM, State.DELIVERED
HEAD_WHOLE, HEAD_STREAM, WHOLE = Event.HEAD_WHOLE, Event.HEAD_STREAM, Event.ANSWERED
_SEND = (Effect.SEND,)
_STREAMS = CHUNKED | EVENTS


class Lane(Accounted):
    """Sink of its upstream's bytes; see Underway for what it holds."""

    __slots__ = ()

    def begin(self) -> None:
        """The request leaves, when there is a connection for it."""
        plane, track = self.plane, self.track
        plane.jobs += 1
        plane.budget.requested(self.start)
        track.health.in_flight += 1
        plane.ticking.add(self)
        if self.conn is not None:
            self._leave(self.conn)
            self.ours = monotonic() - self.start
            return
        self.opening = asyncio.get_running_loop().create_task(plane.pool.open(track.backend, False))
        self.opening.add_done_callback(self._opened)

    def _leave(self, conn: UpstreamConnection) -> None:
        head = self.asker.upstream_head(self.head, self.track.backend, len(self.sent))
        self.went = conn.send_plain(head, self.sent, self)

    def _opened(self, opening: asyncio.Task[UpstreamConnection]) -> None:
        conn = made_of(opening)
        if conn is None or not conn.is_free():
            self.general()  # it meets what was met here
            return
        self.opening = None
        self.conn = conn
        self.judge.heard = now = monotonic()
        self._leave(conn)
        self.ours = monotonic() - now

    # -- what the upstream sends

    def arrived(self, data: bytes) -> None:
        """See RawSink."""
        self.judge.heard = monotonic()
        same = self.same
        if same is not None and not self._rest:
            begin = one_chunk(data)
            if begin and same.inside(data, begin, len(data)):
                self.client.pass_chunks(data)
                return
            if begin and data.endswith(CHUNK_END):
                self._piece(data[begin:-2])
                return
        if self.relay is not None:
            self._chunks(data)
            return
        raw = self._raw = self._raw + data if self._raw else data
        found = answer_head(raw)
        if found is None or found[0] != 200:
            self._read_in_full()
            return
        size, length, flags, lines = found[1:]
        came = len(raw) - size
        if self.stream:
            if flags & _STREAMS != _STREAMS:
                self._read_in_full()
            elif came:
                self._begin_stream(raw, size, lines)
        elif flags & EVENTS or not 0 < length <= HOLD_BYTES or came > length:
            self._read_in_full()
        elif came == length:
            self._whole(raw, size, lines, not flags & CLOSES)

    def _read_in_full(self) -> None:
        """Not plain from here on: the full way reads it, from its first byte or from the chunk that stands there."""
        conn = self.conn
        assert conn is not None
        exchange = self.general()
        conn.read_on(self._rest or self._raw, exchange, inside=self.relay is not None)

    def _whole(self, raw: bytes, size: int, lines: bytes, keep: bool) -> None:
        """All of it is there. What it is says the dialect's reading, or its likeness to one that was read, and the judge
        what follows from it."""
        conn, judge = self.conn, self.judge
        assert conn is not None
        body, again = raw[size:], self.again
        usage = again.usage(body) if again is not None else None
        seen = None
        if self.revise is not None:
            body = self.revise(body)
        if self._odd(body, lines):  # before it is read: who remembers it is told once
            self._read_in_full()
            return
        if usage is None:
            seen = self._reading()
            seen.whole(body)
            usage = seen.usage
        if meaning(seen, (), True) is not ANSWERED:
            self._read_in_full()
            return
        if seen is not None and again is not None and usage is not None:
            again.learn(body, usage)
        if self.note is not None:
            self._noted(seen)
        self._answered(judge, conn, keep)
        used = used_of(usage)
        own = self._own_lines() + (lines if self.taken is None else self._theirs(lines))
        charged = FREE
        if self.track.bill is not None:
            charged = self._charged(used)
            own += cost_line(charged)
        self.client.send(200, own, body)
        self._settle(used, charged)

    def _answered(self, judge: Judge, conn: UpstreamConnection, keep: bool) -> None:
        """By a whole answer, which the client gets now."""
        judge.move(HEAD_WHOLE)
        if judge.move(WHOLE) != _SEND:
            raise IllegalMove("a whole answer is sent")
        self._claim(judge.heard)
        self.conn = None
        conn.answered(keep)

    # -- a stream

    def _begin_stream(self, raw: bytes, size: int, lines: bytes) -> None:
        """Its first chunk says that it is one."""
        track = self.track
        begin, end = chunk_at(raw, size)
        if end == MORE:
            return
        shows = track.probe is not None and lines.find(track.probe) >= 0
        if end == ODD or shows or not begins_events(raw[begin:end]):
            self._read_in_full()
            return
        self._raw = b""
        self.head_bytes = raw[:size]
        self.judge.move(HEAD_STREAM)
        self._relay(lines)
        self._chunks(raw[size:])

    def _relay(self, lines: bytes) -> None:
        """Of its stream. lines: of the answer's head."""
        backend, seen = self.track.backend, self._reading()
        if backend.spec.silent_end:
            seen.ends_silently()
        self.lines = self._theirs(lines)
        self.relay = relay = passing(self.asker.route.dialect, seen, backend.mask, self.hide_usage)
        self.same = relay.same

    def _chunks(self, data: bytes) -> None:
        """Those of plain middle events pass as they are, in one write."""
        same, client = self.same, self.client
        assert same is not None
        if self._rest:
            data = self._rest + data
        at = since = 0
        end, size = MORE, len(data)
        while at < size:
            begin, end = chunk_at(data, at)
            if end <= MORE:
                break
            if same.inside(data, begin, end):
                at = end
                continue
            payload = data[begin : end - 2]
            if since < at:
                client.pass_chunks(data[since:at])
            since = at
            if not payload:  # the body's end
                self._rest = data[at:]
                self._end_of_body()
                return
            at = since = end
            self._rest = data[at:]
            self._piece(payload)
            if self.over:
                return
        if since < at:
            client.pass_chunks(data if not since and at == size else data[since:at])
        self._rest = data[at:] if at < size else b""
        if end == ODD:
            self._read_in_full()

    def _piece(self, payload: bytes) -> None:
        judge, relay = self.judge, self.relay
        assert relay is not None
        taken = relay.take(payload)
        if judge.state is PASSING:
            self.client.write(taken)
        else:
            self.held_size += len(payload)
            self._do(judge.read(relay.seen, self.held_size, rival=False), taken)
        if self.over or not relay.complete or judge.state >= DELIVERED:
            return
        if judge.state is PASSING and relay.untold is None and not relay.matched:
            self._do(judge.move(Event.LAST_WORD))
            return
        conn, rest = self.conn, self._rest
        assert conn is not None
        exchange = self.general()
        conn.read_on(b"", exchange, inside=True)
        exchange.end_early()
        if rest:
            conn.data_received(rest)

    def _end_of_body(self) -> None:
        conn = self.conn
        assert conn is not None
        if self.judge.state is not PASSING or self._rest != _LAST:
            self._read_in_full()
            return
        self.conn = None
        conn.answered(True)
        self._end_stream()

    def _end_stream(self) -> None:
        """See Exchange._end_stream, where the client has the beginning."""
        relay = self.relay
        assert relay is not None
        rest = relay.end()
        effects = self.judge.over(relay.seen, untold=relay.untold is not None)
        if effects != _WELL:
            self.general().told(relay.untold, effects, rest)
            return
        self.client.write(rest)
        self.client.finish()
        seen = relay.seen
        if seen is not None:
            tell_malformed(self.id, seen.malformed, self.track.label)
        used = used_of(usage_of(seen))
        self._settle(used, self._charged(used))

    def _do(self, effects: Effects, data: bytes = b"") -> None:
        """What a plain answer asks for; all else is handed over with what is still to be done."""
        for place, effect in enumerate(effects):
            if effect is Effect.HOLD:
                if self.held is None:
                    self.held = []
                self.held.append(data)
            elif effect is Effect.COMMIT:
                self._commit()
            elif effect is Effect.DRAIN:
                self._drain()
            elif effect is Effect.END_HERE:
                self._end_stream()
            elif effect is Effect.PAUSE or effect is Effect.RESUME:
                if self.conn is not None:
                    self.conn.pause() if effect is Effect.PAUSE else self.conn.resume()
            else:
                self.general().do(effects[place:], data)
                return

    def _commit(self) -> None:
        if self.note is not None and self.relay is not None:
            self._noted(self.relay.seen)
        self._claim(monotonic())
        self.client.on_writable = self._client_writable
        held = b"".join(self.held or ())
        self.held = None
        self.head_bytes = self.asked = self.sent = b""
        self.client.start(200, self._own_lines() + self.lines, None, held)
        self.lines = b""

    def _drain(self) -> None:
        """The last word has come; what ends the body is usually there, too."""
        conn, self.conn = self.conn, None
        assert conn is not None
        if self._rest == _LAST:
            conn.answered(True)
        else:
            conn.drain()
            if self._rest:
                conn.data_received(self._rest)

    # -- the client's side, and time

    def cancel(self) -> None:
        """The client has left."""
        if self.over:
            return
        self.judge.move(Event.GONE)
        conn, self.conn = self.conn, None
        if (opening := self.no_longer_opening()) is not None and not opening.cancel():
            conn = made_of(opening)
        if conn is not None:
            conn.close()
        used, charged = NOTHING, given_up(self.track.bill)
        if self.relay is not None:
            cut = until_cut(self.track.bill, self.wall, self.relay, self.first_output > 0, self.size)
            used, charged = cut.used, cut.cost
        self._settle(used, charged, aborted=True)

    def _client_writable(self, ready: bool) -> None:
        self._do(self.judge.client(ready, monotonic()))

    def tick(self, now: float) -> None:
        """Called a few times a second. Nothing is due of a plain answer; what is, is handed over."""
        judge, relay = self.judge, self.relay
        state = judge.state
        if now >= self._next_ping and state < PASSING:
            self.general().tick(now)
            return
        seen = relay.seen if relay is not None else None
        said = seen is not None and (seen.finished or seen.error is not None)
        effects = judge.tick(now, self._deadline, self._deadline - self.start, all_said=said, rival=False)
        if effects is not MOVES[state][Event.TICK][1]:
            self.general().do(effects, b"")
        elif self._rest and self._rest is self._stalled:  # a chunk that does not go on may hold a whole event
            self._read_in_full()
        else:
            self._stalled = self._rest
            if state is PASSING:
                self.asker.forget(self.head)

    def stop(self, error: PointsmanError) -> None:
        """See Ticking."""
        self.general().stop(error)

    # -- Sink, of what is not plain

    def failed(self, reason: FallbackReason, detail: str, received: bool) -> None:
        """See RawSink."""
        conn, self.conn = self.conn, None
        assert conn is not None
        exchange = self.general()
        conn.last_bytes(self._rest or self._raw, exchange, inside=self.relay is not None)
        exchange.failed(reason, detail, received)

    def broke(self, error: Exception) -> None:
        """See RawSink."""
        if not self.over:
            self.general().broke(error)

    def general(self) -> Exchange:
        """From here on the full way."""
        self.over = True
        self.plane.ticking.discard(self)
        return hand_over(self)
