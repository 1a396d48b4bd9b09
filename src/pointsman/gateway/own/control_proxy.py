"""`/api`, `/ui` and the rest: passed to the control plane's Unix socket as they came, a target kind of its own.

Authorization, cookie, origin and host are kept: the control plane judges them. An answer must begin, and then move, in
time; how long it takes is its own affair. A stream of events may be silent for ever, takes no place of a request, and is no
reason to wait when this process ends. Not here: LLM traffic.
"""

from __future__ import annotations

import ipaddress
import time

from ...errors import PointsmanError
from ...kinds import ErrorKind, FallbackReason
from ...upstream.backend import forwarded
from ...upstream.connection import UpstreamConnection
from ...upstream.fetch import Waited
from ...wire.http1 import FORWARDED, FORWARDED_PREFIX, NEAR, NEVER_CLIENT, TO_CONTROL, RequestHead
from ..attempt.moves import Stage
from ..client.server import ClientConnection
from ..data_plane import DataPlane
from ..request.job import Job

_BODILESS = (204, 304)
_EVENTS = b"text/event-stream"


async def pass_to_control(plane: DataPlane, job: Job, path: str | None = None) -> None:
    """Send the request on, to another path where one is given, and stream the answer back.

    Raises PointsmanError 503 while the control plane is away, 504 where it does not begin to answer."""
    request = job.request
    head = request.head
    block, _ = forwarded(head.headers, TO_CONTROL, ())
    client = job.delivery.client
    if isinstance(client, ClientConnection) and is_near(client.peer, head):
        block += NEAR + b": 1\r\n"
    target = (path or head.path).encode() + (b"?" + head.query if head.query else b"")
    data = b"%b %b HTTP/1.1\r\n%bx-request-id: %b\r\ncontent-length: %d\r\n\r\n" % (
        head.method,
        target,
        block,
        request.id.encode(),
        len(request.body),
    )

    async def once(conn: UpstreamConnection, kept: bool) -> None:
        relay = _Relay(plane, job, conn, kept)
        plane.ticking.add(relay)
        try:
            await relay.ask(data, request.body, no_body=head.method == b"HEAD")
        finally:
            plane.ticking.discard(relay)
            plane.jobs += relay.flows

    try:
        await plane.pool.ask(plane.control, False, once)
    except PointsmanError as error:
        raise (_away() if error.kind is ErrorKind.UPSTREAM_UNREACHABLE else error) from None


def is_near(peer: object, head: RequestHead) -> bool:
    """Does a program of this machine ask, and for nobody else? A proxy that does not say so is not told from one: its
    browsers are known by the Host that they name (admin/control/nearness.py)."""
    if any(name in FORWARDED or name.startswith(FORWARDED_PREFIX) for name, _ in head.headers):
        return False
    if not isinstance(peer, tuple):
        return isinstance(peer, str | bytes)  # a Unix socket's, which has no name
    try:
        address = ipaddress.ip_address(str(peer[0]).partition("%")[0])
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def end_event_streams(plane: DataPlane) -> None:
    """Pages that are open connect again, to whoever listens then."""
    for one in list(plane.ticking):
        if isinstance(one, _Relay) and one.flows:
            one.stop(_away())


def _away() -> PointsmanError:
    return PointsmanError(
        ErrorKind.UNAVAILABLE,
        "The control plane is restarting; model traffic goes on. Try again.",
        retry_after=1,
    )


class _Relay(Waited[None]):
    """Sink that passes an answer on as it comes. flows: it is a stream of events, and no longer among the requests."""

    def __init__(self, plane: DataPlane, job: Job, conn: UpstreamConnection, kept: bool) -> None:
        super().__init__(conn, kept)
        self._plane = plane
        self._request = job.request
        self._delivery = job.delivery
        self._whole: int | None = None
        self._lines = b""
        self._moved = time.monotonic()
        self._held = False  # the client is slower than its answer
        self.flows = False

    def head(self, status: int, headers: list[tuple[bytes, bytes]], length: int | None) -> None:
        self._moved = time.monotonic()
        kept = [n + b": " + v + b"\r\n" for n, v in headers if n not in NEVER_CLIENT or n == b"set-cookie"]
        self._lines = b"".join(kept)
        if status in _BODILESS or self._request.head.method == b"HEAD":
            self._whole = status
            return
        self.flows = any(n == b"content-type" and v.lower().startswith(_EVENTS) for n, v in headers)
        self._plane.jobs -= self.flows
        self._delivery.begin(status, b"", self._lines, length, b"")
        self._delivery.client.on_writable = self._writable

    def _writable(self, ready: bool) -> None:
        self._held, self._moved = not ready, time.monotonic()
        self.conn.resume() if ready else self.conn.pause()

    def body(self, data: bytes) -> None:
        self._moved = time.monotonic()
        if self._whole is None:
            self._delivery.client.write(data)

    def end(self) -> None:
        self.complete = True
        if self._whole is not None:
            self._delivery.send(self._whole, b"", self._lines, b"")
        else:
            self._delivery.client.finish()
        self.done.set_result(None)

    def failed(self, reason: FallbackReason, detail: str, received: bool) -> None:
        if self._delivery.stage is not Stage.CONTENT:
            self.gone(_away(), received)
        else:
            self._break_off()

    def tick(self, now: float) -> None:
        """See Ticking."""
        if self.flows:
            if self._plane.draining:
                self._break_off()
        elif not self._held and now - self._moved > self._plane.limits.control_seconds:
            text = "The control plane did not answer in time."
            self.stop(PointsmanError(ErrorKind.UPSTREAM_TIMEOUT, text))

    def stop(self, error: PointsmanError) -> None:
        """See Ticking."""
        if self._delivery.stage is not Stage.CONTENT:
            self.gone(error, True)
        else:
            self._break_off()

    def _break_off(self) -> None:
        """No clean end. Of events the body ends, so that the page hears of it at once, and asks again."""
        if not self.done.done():
            self._delivery.break_off(b"" if self.flows else None)
            self.done.set_result(None)
