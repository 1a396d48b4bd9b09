"""The control plane while its database cannot be opened: the data plane serves by the last good rules, the admin API
says 503 and when to come again, and the database is tried until it opens, for ever.

Needs neither SQLAlchemy nor FastAPI. Not here: the file (last_good.py) and the control plane proper (control_plane.py).
"""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from ...errors import PointsmanError
from ...link.local_server import LocalServer
from ...link.messages import Snapshot, Up, UsageBatch
from ...link.server import LinkServer, NotTaken
from ...wire.error_page import WayOut, error_page, for_browser
from ..problem import problem_body
from .placing import placed

log = logging.getLogger("pointsman.control")

RETRY_SECONDS = 1.0
"""Between two tries, with a quarter of jitter: back by itself within 5 s of the recovery
(docs/reliability-promises.md#r10)."""
_HEAD_SECONDS = 10.0

_WAY_OUT = WayOut(
    "Requests to models go on, by the last good rules. Where a backup is to be put back, run this in the data folder:",
    """mv pointsman.db pointsman.db.damaged
rm -f pointsman.db-wal pointsman.db-shm
tar xf BACKUP.tar pointsman.db""",
    "A copy from before an update is a plain database: cp backups/NAME.db pointsman.db. Nothing needs a restart: this page"
    " comes back by itself within five seconds.",
)

T = TypeVar("T")


class Standby(Generic[T]):
    """open_again: opens the real thing, run in a thread; raises PointsmanError while it cannot. node: this gateway's name
    among others; where those are is in the database."""

    def __init__(
        self,
        snapshot: Snapshot,
        cause: PointsmanError,
        open_again: Callable[[], T],
        stopping: asyncio.Event,
        node: str = "",
    ) -> None:
        self._cause = cause
        self._open_again = open_again
        self._stopping = stopping
        problem = (
            f"{cause.public} The gateway serves by the last good rules meanwhile; they cannot be changed."
        )
        self._snapshot = msgspec.structs.replace(
            placed(snapshot, node, {}, None),
            version=1,
            epoch=secrets.token_hex(8),
            problems=(*snapshot.problems, problem),
        )

    async def run(self, runtime_dir: Path, listening: Callable[[], None] = lambda: None) -> T | None:
        """What was opened in the end, or None when told to stop. Sockets are closed when this returns. listening: called
        when they take connections."""
        link = LinkServer(str(runtime_dir / "link.sock"), _take)
        await link.start()
        link.publish(self._snapshot)
        path = runtime_dir / "control.sock"
        server = LocalServer(str(path), self._answer)
        await server.start()
        listening()
        try:
            return await self._try_for_ever()
        finally:
            await server.stop()
            await link.stop()
            path.unlink(missing_ok=True)

    async def _try_for_ever(self) -> T | None:
        while not self._stopping.is_set():
            wait = RETRY_SECONDS * (0.75 + 0.5 * random.random())  # noqa: S311 -- spreads tries, guards nothing
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), wait)
                return None
            try:
                found = await asyncio.to_thread(self._open_again)
            except PointsmanError as error:
                if error.public != self._cause.public:
                    log.warning("still on standby: %s", error.public)
                self._cause = error
                continue
            log.warning("the database is back")
            return found
        return None

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Every request: not now. One a connection."""
        try:
            async with asyncio.timeout(_HEAD_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
            writer.write(_not_now(self._cause, head))
            await writer.drain()
            writer.write_eof()
            async with asyncio.timeout(_HEAD_SECONDS):
                while await reader.read(65536):  # a body still coming must not turn the answer into a reset
                    pass
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass


def _not_now(cause: PointsmanError, head: bytes) -> bytes:
    """The whole answer to a request's head, with the headers that control/guard.py adds, without its FastAPI."""
    asked = head.split(b" ", 2)
    path = asked[1].partition(b"?")[0].decode("latin-1") if len(asked) == 3 else ""
    after = cause.retry_after or 5
    lines, body = b"content-type: application/problem+json\r\n", problem_body(cause)
    if for_browser(path, b"text/html" if b"text/html" in head else None):
        lines, body = error_page(cause.public, after, _WAY_OUT)
    common = f"retry-after: {after}\r\ncontent-length: {len(body)}\r\ncache-control: no-store\r\nconnection: close\r\n\r\n"
    if b"x-content-type-options" not in lines:
        lines += b"x-content-type-options: nosniff\r\n"
    start = b"HTTP/1.1 503 Service Unavailable\r\n" + lines + common.encode()
    return start if asked[0] == b"HEAD" else start + body


def _take(worker: int, message: Up) -> None:
    """Usage is not taken: nobody could store it. The data plane keeps it, spools it and sends it again."""
    if isinstance(message, UsageBatch):
        raise NotTaken
