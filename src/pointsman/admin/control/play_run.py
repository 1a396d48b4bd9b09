"""One question of the playground, sent through the gateway's own front door, so that rules, limits and usage are what any
client gets; told as it happens, and stopped by closing the connection, as a client would.

Not here: what is asked (playing.py), and how a page shows it (web/pages/playground.py).
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import Any

from ... import __version__
from ...conversation.events import Delta, Failed, PartKind, PartStart
from ...conversation.profile import Profile
from ...dialects.base import Reader
from ...dialects.registry import DIALECTS
from ...errors import PointsmanError
from ...kinds import BackendType, ErrorKind, FallbackReason, key_of_label
from ...ledger.records import NANO, UsageRecord
from ...routing.specs import BackendSpec
from ...upstream.backend import Backend
from ...upstream.connection import UpstreamConnection
from ...upstream.egress import Egress
from ...upstream.fetch import Waited
from ...upstream.pool import Pool
from ...wire.answer import Headers
from ...wire.sse import EventSplitter
from ..store.usage_query import UsageFilter
from .arrivals import PLAYGROUND
from .control_plane import ControlPlane
from .playing import Composed

RECORD_SECONDS = 5.0
"""How long is waited for what usage says of it."""
MOST_ERROR = 256 * 1024
"""Bytes of an answer that is no stream."""
_CONNECT_SECONDS = 5.0
_AHEAD = 64
"""Pieces that may wait for a slow browser before the gateway is made to wait."""
_LOOK_SECONDS = 0.05
_SHOWN_HEADERS = ("content-type", "retry-after", "x-request-id")

Happening = tuple[str, Any]
"""What happened, and its values as JSON has them. `sent`, `head` (status, headers), `wire` (bytes as they came, as text),
`parts` ([[index, kind, name, text]]: more of each), `error` (text), and last `record`: what usage says of it, and of one
that was stopped, when the backend's connection was closed."""


class PlayRun:
    """Of one question. session: its name in usage, no other's. Made in the loop in which it runs."""

    def __init__(self, control: ControlPlane, asked: Composed, session: str) -> None:
        self._control = control
        self._asked = asked
        self._session = session
        self._queue: asyncio.Queue[Happening] = asyncio.Queue()
        self._began = time.time()
        self._stopped: float | None = None
        self._request = ""  # its id, once its head has come

    def stop(self) -> None:
        """As if its client had left."""
        if self._stopped is None:
            self._stopped = time.time()
            self._queue.put_nowait(("stop", None))

    async def happenings(self) -> AsyncIterator[Happening]:
        """All of them, in order. Whoever closes this early closes the connection too."""
        lines = self._lines()
        yield "sent", self._shown(lines)
        asking = asyncio.create_task(self._ask(lines))
        try:
            async for one in self._answer():
                yield one
        finally:
            asking.cancel()
            with suppress(asyncio.CancelledError):
                await asking
        record = await self._record()
        stopped = None if self._stopped is None else self._closed_after(record, self._stopped)
        yield "record", {"usage": None if record is None else _told(record), "stopped": stopped}

    async def _answer(self) -> AsyncIterator[Happening]:
        reading: _Streamed | None = None
        held = b""
        status = 0
        while True:
            what, value = await self._queue.get()
            if what == "stop":
                return
            if what == "head":
                status, events = value["status"], value.pop("events")
                reading = _Streamed(self._asked) if status < 400 and events else None
                self._request = dict(value["headers"]).get("x-request-id", "")
                yield what, value
            elif what == "body":
                yield "wire", value.decode("utf-8", "replace")
                if reading is None:
                    held = (held + value)[:MOST_ERROR]
                else:
                    for one in reading.feed(value):
                        yield one
            elif what == "failed":
                yield "error", value
                return
            else:
                if reading is None:
                    yield "error", DIALECTS[self._asked.protocol].parse_error(status, held).public
                return

    async def _ask(self, lines: bytes) -> None:
        backend = Backend(_own(self._control))
        pool = Pool(Egress(_CONNECT_SECONDS))
        body = self._asked.body
        data = backend.head(b"POST", self._asked.path.encode(), lines, frozenset(), len(body))

        async def once(conn: UpstreamConnection, kept: bool) -> None:
            await _Told(self._queue, conn, kept).ask(data, body)

        try:
            await pool.ask(backend, False, once)
        except PointsmanError as error:
            self._queue.put_nowait(("failed", f"The gateway cannot be asked: {error.public}"))
        finally:
            pool.close()

    def _lines(self) -> bytes:
        pairs = [
            (b"content-type", b"application/json"),
            (b"accept", b"text/event-stream"),
            (b"user-agent", f"{PLAYGROUND}/{__version__}".encode()),
            (b"session-id", self._session.encode()),
        ]
        if self._control.snapshot.keys_required:
            pairs.append((b"authorization", b"Bearer " + self._control.own_key.secret.reveal().encode()))
        return b"".join(b"%b: %b\r\n" % pair for pair in pairs)

    def _shown(self, lines: bytes) -> dict[str, Any]:
        """Less the key."""
        head = [
            line for line in lines.decode().split("\r\n") if line and not line.startswith("authorization:")
        ]
        return {
            "path": self._asked.path,
            "headers": head,
            "body": self._asked.body.decode("utf-8", "replace"),
            "losses": self._asked.losses,
        }

    def _closed_after(self, record: UsageRecord | None, stopped: float) -> dict[str, Any]:
        """ms: from Stop to the end of the request, by which its backend's connection is closed; None where nobody has said
        so yet. finished: it was over before. kept: the connection stays open for a while, for a resend to join."""
        if record is None or record.total_ms is None:
            return {"ms": None, "finished": False, "kept": False}
        after = (record.at + record.total_ms / 1000 - stopped) * 1000
        backend = key_of_label(record.target or "")
        kept = any(one.join_resends for one in self._control.snapshot.backends if one.key == backend)
        return {"ms": math.ceil(max(after, 0)), "finished": record.outcome not in _LEFT, "kept": kept}

    async def _record(self) -> UsageRecord | None:
        """What usage says of it, once it does."""
        filters = UsageFilter(session=self._session)
        for _ in range(int(RECORD_SECONDS / _LOOK_SECONDS)):
            with suppress(PointsmanError):  # the file is busy
                rows, _ = await asyncio.to_thread(self._control.usage.page, filters, None, 8)
                for row in rows:
                    if row.id == self._request or (
                        not self._request and row.at >= self._began and row.id == (row.request or row.id)
                    ):
                        return row
            await asyncio.sleep(_LOOK_SECONDS)
        return None


class _Told(Waited[None]):
    """Sink that puts an answer into a queue, and lets the gateway wait while nobody takes it out."""

    def __init__(self, queue: asyncio.Queue[Happening], conn: UpstreamConnection, kept: bool) -> None:
        super().__init__(conn, kept)
        self._queue = queue
        self._paused = False

    def head(self, status: int, headers: Headers, length: int | None) -> None:
        pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]
        events = any(
            name == "content-type" and value.startswith("text/event-stream") for name, value in pairs
        )
        shown = [pair for pair in pairs if pair[0] in _SHOWN_HEADERS or pair[0].startswith("x-pointsman-")]
        self._queue.put_nowait(("head", {"status": status, "headers": shown, "events": events}))

    def body(self, data: bytes) -> None:
        self._queue.put_nowait(("body", data))
        if self._queue.qsize() > _AHEAD and not self._paused:
            self._paused = True
            self.conn.pause()
            asyncio.get_running_loop().call_later(_LOOK_SECONDS, self._look)

    def _look(self) -> None:
        if self.done.done():
            return
        if self._queue.qsize() > _AHEAD // 2:
            asyncio.get_running_loop().call_later(_LOOK_SECONDS, self._look)
            return
        self._paused = False
        self.conn.resume()

    def end(self) -> None:
        self.complete = True
        self._queue.put_nowait(("end", None))
        if not self.done.done():
            self.done.set_result(None)

    def failed(self, reason: FallbackReason, detail: str, received: bool) -> None:
        self.gone(PointsmanError(ErrorKind.UPSTREAM_UNREACHABLE, f"{detail}."), received)


class _Streamed:
    """An answer's events, read as a translation would."""

    def __init__(self, asked: Composed) -> None:
        translation = DIALECTS[asked.protocol].translation
        assert translation is not None
        self._reader: Reader = translation.reader(Profile(protocol=asked.protocol))
        self._splitter = EventSplitter()
        self._kinds: dict[int, PartStart] = {}

    def feed(self, data: bytes) -> list[Happening]:
        """What these bytes say, deltas of one part in a row as one."""
        parts: list[list[Any]] = []
        failed: list[Happening] = []
        for event in self._splitter.feed(data):
            for one in self._read(event):
                if isinstance(one, PartStart):
                    self._kinds[one.index] = one
                    parts.append([one.index, one.kind.value, one.name, ""])
                elif isinstance(one, Delta):
                    part = self._kinds.get(one.index) or PartStart(one.index, PartKind.TEXT)
                    if not parts or parts[-1][0] != one.index:
                        parts.append([one.index, part.kind.value, part.name, ""])
                    parts[-1][3] += one.text
                elif isinstance(one, Failed):
                    failed.append(("error", one.error.public))
        return ([("parts", parts)] if parts else []) + failed

    def _read(self, event: bytes) -> Sequence[Any]:
        try:
            return self._reader.read(event)
        except (ValueError, PointsmanError):  # its bytes are shown all the same
            return ()


def _own(control: ControlPlane) -> BackendSpec:
    """This gateway, as a client on this computer reaches it. Raises PointsmanError where there is none."""
    url = control.options.url
    if not url:
        raise PointsmanError(
            ErrorKind.UNAVAILABLE, "No gateway runs that could be asked; start one: pointsman serve."
        )
    return BackendSpec(
        "local/own", BackendType.LOCAL.value, "own", url, dialects=(), allow_http=True, proxy="none"
    )


def _told(record: UsageRecord) -> dict[str, Any]:
    fields: dict[str, Any] = {name: getattr(record, name) for name in _RECORD}
    return fields | {
        "cost": None if record.cost is None else record.cost / NANO,
        "request": record.request or record.id,
    }


_LEFT = ("aborted", "cancelled")
_RECORD = (
    "at", "target", "attempts", "fallback", "status", "outcome", "input_tokens", "output_tokens", "reasoning_tokens",
    "cached_tokens", "first_output_ms", "total_ms", "flag", "path", "model",
)  # fmt: skip
