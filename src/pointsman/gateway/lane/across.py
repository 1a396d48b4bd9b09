"""A request's own lane where it is translated: the same steps, with a codec between the two protocols.

What differs from a lane whose bytes pass as they are (lane.py) stands here, and nothing else. Not here: the translation
(translation/crossing.py), and what both ways ask of it (attempt/across.py).
"""

from __future__ import annotations

from typing import Any

from ...dialects.headers import meant_rows
from ...dialects.recall import References
from ...errors import PointsmanError
from ...ledger.cost import Charged, used_of
from ...resilience.board import TargetState
from ...upstream.candidates import needs_of, translated_to
from ...upstream.connection import UpstreamConnection
from ...wire.chunks import MORE, ODD, chunk_at
from ...wire.http1 import RequestHead
from ..attempt.across import asked_of, crossing_of
from ..attempt.answer import client_lines, stream_lines
from ..attempt.execution import PING_SECONDS
from ..attempt.meaning import ANSWERED, meaning
from ..attempt.moves import State
from ..client.server import ClientConnection
from ..request.charging import cost_line
from ..request.job import warning_lines
from ..spending.at_once import take_at_once
from .facts import Asker, Track
from .lane import Lane
from .state import Boundary

PASSING = State.PASSING_STREAM


def begin_across(
    handler: Boundary,
    asker: Asker,
    track: Track,
    state: TargetState,
    client: ClientConnection,
    head: RequestHead,
    body: bytes,
    model: str,
    stream: bool,
) -> Lane | None:
    """The lane with the request on its way; None where it cannot be translated, or its answer comes in the other form than
    the client's: the full way must take it."""
    lane = AcrossLane.__new__(AcrossLane)
    lane.take(handler, asker, track, state, client, head, body, b"", model, stream, False, None)
    if not track.places.claim():
        return None
    try:
        translated = lane.translate()
    except PointsmanError:
        translated = False
    except BaseException:
        track.places.release()
        raise
    if not translated:
        track.places.release()
        return None
    if asker.limited or track.limited:
        lane.taken = take_at_once(lane.plane, asker.rules, asker.caller, asker.route, track.target, body)
        if lane.taken is None:
            track.places.release()
            return None
    conn = track.shelf.take(False)
    lane.conn, lane.kept = conn, conn is not None
    lane.set_off()
    return lane


class AcrossLane(Lane):
    """Sink of its upstream's bytes; see Underway for what it holds."""

    __slots__ = ()

    def translate(self) -> bool:
        """Find what the backend gets. False where the full way must. Raises PointsmanError for what cannot be."""
        plane, asker, track, head = self.plane, self.asker, self.track, self.head
        where, backend, caller = asker.route, track.backend, asker.caller
        assert where.half is not None
        asked = asked_of(plane, asker.rules, where.half, self.asked, head, self.id, caller)
        if asker.remembered is not None:
            self.remember(References(keeps=asker.remembered.keeps(asked.request.raw)), straight=False)
        if plane.reasoning.lacks(str(caller.key_id), asked.request):
            return False
        model = track.target.model
        spoken = translated_to(backend, model, where.protocol, needs_of(asked.request))
        if spoken is None:
            return False
        codec = crossing_of(plane, backend, model, asked, where.dialect, spoken, caller, self.keep)
        self.across = (asked, spoken, codec, codec.warnings)
        self.sent = codec.body
        return codec.streamed is self.stream

    def _leave(self, conn: UpstreamConnection) -> None:
        assert self.across is not None
        path, size = self.across[2].path, len(self.sent)
        head = self.asker.across_head(self.head, self.track.backend, path, size)
        self.went = conn.send_plain(head, self.sent, self)

    def _whole(self, raw: bytes, size: int, lines: bytes, keep: bool) -> None:
        conn, judge = self.conn, self.judge
        assert conn is not None
        assert self.across is not None
        codec = self.across[2]
        body = raw[size:]
        reply, seen = codec.read(body)
        if reply is None or self._odd(body, lines) or meaning(seen, (), True) is not ANSWERED:
            self._read_in_full()
            return
        answer = codec.answer(reply, seen, meant_rows(raw[:size]))
        assert answer is not None
        used = used_of(seen.usage)
        charged = self._charged(used)
        own = self._own_lines()
        if codec.warnings:
            own += warning_lines(codec.warnings)
        if self.track.bill is not None:
            own += cost_line(charged)
        told = self._shown(own + self._theirs(client_lines(answer.headers)))
        self._answered(judge, conn, keep)
        self.client.send(200, told, self._shown(answer.body))
        self._settle(used, charged)

    def _relay(self, lines: bytes) -> None:
        assert self.across is not None
        codec, warnings = self.across[2:]
        theirs = stream_lines(codec.head_lines(meant_rows(self.head_bytes)))
        self.lines = warning_lines(warnings) + self._theirs(theirs)
        self.relay = codec.relay()

    def _chunks(self, data: bytes) -> None:
        """What one read brought is translated in one go, and judged once, as by the full way: whether an event that nobody
        can read comes before the first output must not depend on chunks."""
        if self._rest:
            data = self._rest + data
        pieces: list[bytes] = []
        at, end, size = 0, MORE, len(data)
        while at < size:
            begin, end = chunk_at(data, at)
            if end <= MORE or begin == end - 2:
                break
            pieces.append(data[begin : end - 2])
            at = end
        self._rest = data[at:]
        if pieces:
            self._piece(b"".join(pieces))
            if self.over:
                return
        if end == ODD:
            self._read_in_full()
        elif end > MORE and at < size:  # the body's end
            self._end_of_body()

    def _shown(self, data: bytes) -> bytes:
        """Without the backend's key, which its answer may have held in another writing."""
        probe = self.track.probe
        return data if probe is None or data.find(probe) < 0 else self.track.backend.mask.shown(data)

    def tick(self, now: float) -> None:
        """See Lane. A stream that is silent is kept alive by the full way."""
        if self.judge.state is PASSING and now >= max(self._next_ping, self.judge.heard + PING_SECONDS):
            self.general().tick(now)
            return
        Lane.tick(self, now)

    def _settle(self, used: tuple[Any, ...], charged: Charged, aborted: bool = False) -> None:
        Lane._settle(self, used, charged, aborted)
        inside = self.across[2].inside if self.across is not None else None
        if inside is not None and not aborted:
            self.track.backend.learn_inside(self.track.target.model, inside)
