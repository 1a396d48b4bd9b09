"""`/api`, `/ui` and the rest: passed to the control plane's Unix socket as they came, a target kind of its own.

Authorization, cookie, origin and host are kept: the control plane judges them. Not here: LLM traffic.
"""

from __future__ import annotations

import asyncio

from ...errors import PointsmanError
from ...kinds import ErrorKind, FallbackReason
from ...upstream.backend import forwarded
from ...upstream.connection import UpstreamConnection
from ...upstream.fetch import Waited
from ...wire.http1 import NEVER_CLIENT, TO_CONTROL
from ..attempt.moves import Stage
from ..data_plane import DataPlane
from ..request.job import Job

_SECONDS = 120.0
_BODILESS = (204, 304)


async def pass_to_control(plane: DataPlane, job: Job, path: str | None = None) -> None:
    """Send the request on, to another path where one is given, and stream the answer back.

    Raises PointsmanError 503 while the control plane is away."""
    request = job.request
    head = request.head
    block, _ = forwarded(head.headers, TO_CONTROL, ())
    target = (path or head.path).encode() + (b"?" + head.query if head.query else b"")
    data = b"%b %b HTTP/1.1\r\n%bx-request-id: %b\r\ncontent-length: %d\r\n\r\n" % (
        head.method,
        target,
        block,
        request.id.encode(),
        len(request.body),
    )

    async def once(conn: UpstreamConnection, kept: bool) -> None:
        await _Relay(job, conn, kept).ask(data, request.body, no_body=head.method == b"HEAD")

    try:
        async with asyncio.timeout(_SECONDS):
            await plane.pool.ask(plane.control, False, once)
    except TimeoutError:
        raise PointsmanError(
            ErrorKind.UPSTREAM_TIMEOUT, "The control plane did not answer in time."
        ) from None
    except PointsmanError as error:
        raise (_away() if error.kind is ErrorKind.UPSTREAM_UNREACHABLE else error) from None


def _away() -> PointsmanError:
    return PointsmanError(
        ErrorKind.UNAVAILABLE,
        "The control plane is restarting; model traffic goes on. Try again.",
        retry_after=1,
    )


class _Relay(Waited[None]):
    """Sink that passes an answer on as it comes."""

    def __init__(self, job: Job, conn: UpstreamConnection, kept: bool) -> None:
        super().__init__(conn, kept)
        self._request = job.request
        self._delivery = job.delivery
        self._whole: int | None = None
        self._lines = b""

    def head(self, status: int, headers: list[tuple[bytes, bytes]], length: int | None) -> None:
        kept = [n + b": " + v + b"\r\n" for n, v in headers if n not in NEVER_CLIENT or n == b"set-cookie"]
        self._lines = b"".join(kept)
        if status in _BODILESS or self._request.head.method == b"HEAD":
            self._whole = status
            return
        self._delivery.begin(status, b"", self._lines, length, b"")
        self._delivery.client.on_writable = lambda ready: self.conn.resume() if ready else self.conn.pause()

    def body(self, data: bytes) -> None:
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
        elif not self.done.done():
            self._delivery.break_off(None)
            self.done.set_result(None)
