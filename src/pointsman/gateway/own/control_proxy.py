"""`/api`, `/ui` and the rest: passed to the control plane's Unix socket as they came, a target kind of its own.

Authorization, cookie, origin and host are kept: the control plane judges them. Not here: LLM traffic.
"""

from __future__ import annotations

import asyncio

from ...errors import PointsmanError
from ...kinds import ErrorKind, FallbackReason
from ...upstream.backend import forwarded
from ...upstream.connection import UpstreamConnection
from ...wire.http1 import NEVER_CLIENT, TO_CONTROL
from ..data_plane import DataPlane
from ..request.job import Job

_SECONDS = 120.0
_BODILESS = (204, 304)


async def pass_to_control(plane: DataPlane, job: Job, path: str | None = None) -> None:
    """Send the request on, to another path where one is given, and stream the answer back.

    Raises PointsmanError 503 while the control plane is away."""
    head = job.head
    block, _ = forwarded(head.headers, TO_CONTROL, ())
    target = (path or head.path).encode() + (b"?" + head.query if head.query else b"")
    data = b"%b %b HTTP/1.1\r\n%bx-request-id: %b\r\ncontent-length: %d\r\n\r\n" % (
        head.method,
        target,
        block,
        job.id.encode(),
        len(job.body),
    )
    try:
        async with asyncio.timeout(_SECONDS):
            conn = plane.pool.take(plane.control, False)
            while True:
                fresh = conn is None
                used = conn if conn is not None else await plane.pool.open(plane.control, False)
                relay = _Relay(job, used)
                used.send(data, job.body, relay, no_body=head.method == b"HEAD")
                try:
                    await relay.done
                    return
                except _Stale:
                    if fresh:
                        raise _away() from None
                    conn = None
                finally:
                    if not relay.complete:
                        used.close()
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


class _Stale(Exception):
    """Nothing came back on that connection."""


class _Relay:
    """Sink that passes an answer on as it comes."""

    def __init__(self, job: Job, conn: UpstreamConnection) -> None:
        self._job = job
        self._conn = conn
        self._whole: int | None = None
        self._lines = b""
        self.complete = False  # then the connection is the pool's again, and perhaps another's already
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def head(self, status: int, headers: list[tuple[bytes, bytes]], length: int | None) -> None:
        job = self._job
        job.status = status
        kept = [n + b": " + v + b"\r\n" for n, v in headers if n not in NEVER_CLIENT or n == b"set-cookie"]
        self._lines = job.id_lines() + b"".join(kept)
        if status in _BODILESS or job.head.method == b"HEAD":
            self._whole = status
            return
        job.stage = 2
        job.client.start(status, self._lines, length)
        job.client.on_writable = lambda ready: self._conn.resume() if ready else self._conn.pause()

    def body(self, data: bytes) -> None:
        if self._whole is None:
            self._job.client.write(data)

    def end(self) -> None:
        self.complete = True
        if self._whole is not None:
            self._job.stage = 2
            self._job.client.send(self._whole, self._lines, b"")
        else:
            self._job.client.finish()
        self.done.set_result(None)

    def failed(self, reason: FallbackReason, detail: str, received: bool) -> None:
        if self.done.done():
            return
        if self._job.stage == 2:
            self._job.client.abort()
            self.done.set_result(None)
        else:
            self.done.set_exception(_Stale())
