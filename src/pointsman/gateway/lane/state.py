"""What is known of a plain request under way. Not here: what becomes of it (lane.py, handover.py)."""

from __future__ import annotations

from asyncio import Task
from collections.abc import Callable
from math import inf
from time import monotonic, time
from typing import Protocol as TypingProtocol

from ...dialects.base import SameAgain, Seen
from ...dialects.headers import without_rate_limits
from ...dialects.recall import NOTHING, Keep
from ...kinds import Protocol
from ...resilience.board import TargetState
from ...translation.crossing import Asked, Crossing
from ...upstream.connection import UpstreamConnection
from ...wire.http1 import RequestHead
from ..attempt.judge import Judge
from ..attempt.relay import Relay
from ..client.server import ClientConnection
from ..compiled import CompiledRules
from ..data_plane import DataPlane
from ..prompts import Changed
from ..request.job import ClientRequest, Job, Note
from ..spending.at_once import Taken
from .facts import Asker, Track


class Boundary(TypingProtocol):
    """Where requests come in and their records go out (request/handle.py)."""

    plane: DataPlane

    def limit_time(self, job: Job) -> None:
        """Sets when it must be over, and when its client first hears that it waits."""

    def go_on(self, job: Job, rules: CompiledRules) -> None:
        """The full way, from here on."""


class Underway:
    """asked: the client's body, of `size` bytes, until its answer begins. sent: the backend's. start, wall: when it
    came, monotonic and unix seconds.

    judge: moves only once the answer is plain for sure. relay: of a stream that has begun; same: of those of its events that
    pass as they come. held: bytes of one that the client has not, of held_size that came. head_bytes: of such an answer.
    across: of a request that is translated, its neutral form, the protocol that the backend gets, the codec, and what was
    lost on the way there.
    taken: of limits, None where there are none. changed: see gateway/prompts.py. again: see Track. revise: what is done to a
    whole answer, None for nothing. recalled, keep, note: see ClientRequest and Codec; answer_id: as it was read, where there
    is a note.
    first_output: when the client got its answer's beginning, 0.0 before. ours: seconds of it that were the gateway's own.
    went: bytes that the backend was given. over: settled, or handed over. opening: its connection, while that is being made;
    conn is None meanwhile. kept: the connection has served before."""

    __slots__ = (
        "_deadline", "_next_ping", "_raw", "_rest", "_stalled", "across", "again", "answer_id", "asked", "asker", "changed",
        "client", "conn", "first_output", "handler", "head", "head_bytes", "held", "held_size", "hide_usage", "id", "judge",
        "keep", "kept", "lines", "model", "note", "opening", "ours", "over", "plane", "recalled", "relay", "revise", "same",
        "sent", "size", "start", "stream", "taken", "target_state", "track", "wall", "went",
    )  # fmt: skip

    def take(
        self,
        handler: Boundary,
        asker: Asker,
        track: Track,
        state: TargetState,
        client: ClientConnection,
        head: RequestHead,
        asked: bytes,
        sent: bytes,
        model: str,
        stream: bool,
        hide_usage: bool,
        conn: UpstreamConnection | None,
    ) -> None:
        """Its facts; called once, by who made it. No __init__, whose arguments would be packed and unpacked."""
        self.plane = plane = handler.plane
        self.start = now = monotonic()
        self.wall = time()
        self.id = plane.next_id()
        self.handler = handler
        self.asker = asker
        self.track = track
        self.target_state = state
        self.client = client
        self.head = head
        self.asked = asked
        self.size = len(asked)
        self.sent = sent
        self.model = model
        self.stream = stream
        self.hide_usage = hide_usage
        self.conn = conn
        self.kept = conn is not None
        self.again = track.again
        self.judge = Judge(now, track.quiet, track.between, stream or track.crosses, not stream, False)
        self._deadline = now + (track.total if stream else track.total_whole)
        self._next_ping = now + track.hold if stream else inf
        self._nothing_yet()

    def _nothing_yet(self) -> None:
        self.taken: Taken | None = None
        self.opening: Task[UpstreamConnection] | None = None
        self.changed: Changed | None = None
        self.revise: Callable[[bytes], bytes] | None = None
        self.keep: Keep | None = None
        self.note: Note | None = None
        self.answer_id: str | None = None
        self.relay: Relay | None = None
        self.same: SameAgain | None = None
        self.across: tuple[Asked, Protocol, Crossing, bytes] | None = None
        self.held: list[bytes] | None = None
        self.recalled = NOTHING
        self.held_size = self.went = 0
        self.head_bytes = self.lines = b""
        self.first_output = self.ours = 0.0
        self.over = False
        self._raw = self._rest = self._stalled = b""

    def revise_by(self, revise: Callable[[bytes], bytes]) -> None:
        """What is done to a whole answer (Dialect.revision)."""
        self.revise = revise
        self.judge.translated = True

    def request(self) -> ClientRequest:
        """As the full way has it."""
        asker = self.asker
        return ClientRequest(
            self.id, self.head, self.asked, asker.route, self.start, self.wall, asker.caller, self.model, self.stream,
        )  # fmt: skip

    def set_off(self) -> None:
        """Begins; what a local server is sent of an agent's session is looked at then, while that one works."""
        self.begin()
        asker, track = self.asker, self.track
        if asker.session is not None and track.local and not self.over:
            whose = asker.key_id, asker.session, track.label
            self.changed = self.plane.prompts.next(whose, self.sent)

    def begin(self) -> None:
        """Lane's."""
        raise NotImplementedError

    def _reading(self) -> Seen:
        """Of its answer, from its beginning on."""
        seen: Seen = self.asker.seen()
        if self.keep is not None:
            seen.remembered_by(self.keep)
        return seen

    def _own_lines(self) -> bytes:
        """Our header lines of its answer."""
        one = self.id.encode()
        return b"".join((b"x-request-id: ", one, b"\r\nrequest-id: ", one, b"\r\n", self.track.about))

    def _theirs(self, lines: bytes) -> bytes:
        """The answer's own header lines; where its client has rates, what is left of those in place of the backend's."""
        taken = self.taken
        return lines if taken is None or not taken.lines else taken.lines + without_rate_limits(lines)

    def _odd(self, body: bytes, lines: bytes) -> bool:
        """Is that no JSON object, or does it show the backend's key? lines: of the answer's head."""
        probe = self.track.probe
        return not body.startswith(b"{") or (
            probe is not None and (body.find(probe) >= 0 or lines.find(probe) >= 0)
        )

    def no_longer_opening(self) -> Task[UpstreamConnection] | None:
        """The connection that is being made, if one is: from now on it is the caller's."""
        opening, self.opening = self.opening, None
        if opening is not None:
            opening.remove_done_callback(self._opened)
        return opening

    def _opened(self, opening: Task[UpstreamConnection]) -> None:
        raise NotImplementedError


def made_of(opening: Task[UpstreamConnection]) -> UpstreamConnection | None:
    """The connection of a task that is over, None where there is none."""
    return None if opening.cancelled() or opening.exception() is not None else opening.result()
