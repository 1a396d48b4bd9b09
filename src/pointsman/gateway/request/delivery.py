"""What one client is told of its request: head, keep-alives, content, failures. The only writer
of it.

Not here: when any of it may be sent (attempt/judge.py), and the connection (client/server.py).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ...dialects.framing import EVENTS, Framing
from ...dialects.headers import without_rate_limits
from ...wire.key_mask import KeyMask
from ..attempt.moves import Stage
from ..client.recorder import Client

NOTHING, KEPT_ALIVE, CONTENT = Stage.NOTHING, Stage.KEPT_ALIVE, Stage.CONTENT
_STREAM_HEAD = b"content-type: %b\r\ncache-control: no-cache\r\nx-accel-buffering: no\r\n"


@dataclass(slots=True, eq=False)
class Delivery:
    """stage: how far the client has been answered; written here only. status: what it was sent, 0
    = nothing yet. outcome: ok | error | interrupted. first_output: when the first output was,
    monotonic seconds. next_ping: when the next keep-alive is due. lines: header lines of every
    answer to this client, besides its ids. masks: of the backends that were asked; what has come from
    one in pieces has gone through its mask before. framing: of a stream to it. rated: its lines tell
    what is left of the client's own rates, so that a backend's would mislead it."""

    client: Client
    request_id: str
    framing: Framing = EVENTS
    stage: Stage = NOTHING
    status: int = 0
    outcome: str = "ok"
    first_output: float | None = None
    next_ping: float = math.inf
    lines: bytes = b""
    masks: tuple[KeyMask, ...] = ()
    rated: bool = False

    @property
    def fresh(self) -> bool:
        """Can the client still get a status of its own?"""
        return self.stage is NOTHING and not self.client.started

    def id_lines(self) -> bytes:
        """Our ids under both vendors' names, and what every answer carries."""
        one = self.request_id.encode()
        return b"x-request-id: %b\r\nrequest-id: %b\r\n%b" % (one, one, self.lines)

    def keep_alive(self, now: float, seconds: float, ping: bytes) -> bool:
        """Before content, when one is due, and then every so many seconds: a head if there was
        none, and a sign of life, so that nobody in between gives up. Was one due?"""
        if now < self.next_ping or self.stage is CONTENT:
            return False
        self.next_ping = now + seconds
        if self.stage is KEPT_ALIVE:
            self.client.write(ping)
        else:
            self.status = 200
            self.stage = KEPT_ALIVE
            self.client.start(200, self.id_lines() + _STREAM_HEAD % self.framing.label, None, ping)
        return True

    def begin(self, status: int, about: bytes, lines: bytes, length: int | None, first: bytes) -> None:
        """Content begins. about: where it comes from, as header lines; lines: the answer's own.
        Where a head has been sent already, a comment says where it comes from."""
        if self.stage is KEPT_ALIVE:
            self.client.write(self._shown(self._told(about)) + first)
        else:
            self.status = status
            self.client.start(status, self._head(status, about, lines), length, first)
        self.stage = CONTENT

    def send(self, status: int, about: bytes, lines: bytes, body: bytes) -> None:
        """A whole answer; a stream's events where a head has been sent already."""
        if self.stage is KEPT_ALIVE:
            self.client.write(self._shown(self._told(about) + body))
            self.client.finish()
        else:
            self.status = status
            self.client.send(status, self._head(status, about, lines), self._shown(body))
        self.stage = CONTENT

    def has_begun(self, when: float) -> None:
        """A lane has sent the beginning of a stream, with status 200. when: monotonic seconds."""
        self.stage, self.status, self.first_output = CONTENT, 200, when

    def break_off(self, last: bytes | None) -> None:
        """The end of what has begun, never a clean one: an error in-band for a stream, a broken
        connection for a whole body (None)."""
        if last is None:
            self.client.abort()
            return
        self.client.closing = True
        self.client.write(self._shown(last))
        self.client.finish()

    def _head(self, status: int, about: bytes, theirs: bytes) -> bytes:
        """Of an error in every form, as its body: there it costs nobody anything."""
        lines = self.id_lines() + about + (without_rate_limits(theirs) if self.rated else theirs)
        if status >= 400:
            for mask in self.masks:
                lines = mask.body(lines)
        return self._shown(lines)

    def _told(self, about: bytes) -> bytes:
        """Inside a stream whose head has been sent."""
        return self.framing.remark(about.replace(b"\r\n", b" "))

    def _shown(self, data: bytes) -> bytes:
        """Without the keys of the backends that were asked."""
        for mask in self.masks:
            if data.find(mask.probe) >= 0:
                data = mask.shown(data)
        return data
