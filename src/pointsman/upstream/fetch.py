"""A small question to a backend: the whole answer, bounded in size and time. Not the way of a request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

import msgspec

from ..engines.engine import Reply
from ..errors import PointsmanError
from ..kinds import BackendType, FallbackReason
from ..providers.catalog import CATALOG
from ..wire.answer import Answer, Headers
from ..wire.coding import CodingError, decoded
from .backend import Backend
from .connection import UpstreamConnection
from .egress import ConnectFailed
from .pool import Pool, StaleConnection
from .sink import Sink

T = TypeVar("T")

_MAX_BODY = 8 * 1024 * 1024


class Waited(Sink, Generic[T]):
    """Sink of an answer that somebody waits for. complete: then the connection is the pool's again,
    and perhaps another's already."""

    def __init__(self, conn: UpstreamConnection, kept: bool) -> None:
        self.conn = conn
        self.complete = False
        self.done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._kept = kept

    async def ask(
        self, data: bytes, body: bytes, *, no_body: bool = False, sent: Callable[[int], None] | None = None
    ) -> T:
        """Send the request and wait. sent: is told how many bytes that was. Raises what failed() makes of a failure."""
        try:
            if not self.conn.is_free():  # it was closed in the moment in which it was made
                self.failed(FallbackReason.CONNECT, "it closed the connection at once", False)
                return await self.done
            size = self.conn.send(data, body, self, no_body=no_body)
            if sent is not None:
                sent(size)
            return await self.done
        finally:
            if not self.complete:
                self.conn.close()

    def gone(self, error: PointsmanError, received: bool) -> None:
        """There will be no answer. A kept connection that gave no byte was dead: once more."""
        if not self.done.done():
            stale = self._kept and not received
            self.done.set_exception(StaleConnection() if stale else error)

    def broke(self, error: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(error)


class _Collect(Waited[Answer]):
    """Sink of one small answer."""

    def head(self, status: int, headers: Headers, length: int | None) -> None:
        self._answer = Answer(status, headers, b"")

    def body(self, data: bytes) -> None:
        self._answer.body += data
        if len(self._answer.body) > _MAX_BODY:
            self.conn.close()
            self.failed(FallbackReason.MALFORMED, "its answer is too large", True)

    def end(self) -> None:
        self.complete = True
        answer = self._answer
        coded = b",".join(value for name, value in answer.headers if name == b"content-encoding")
        if coded:  # against our wish
            try:
                answer.body = decoded(coded, answer.body, _MAX_BODY)
            except (CodingError, OverflowError) as error:
                self.failed(FallbackReason.MALFORMED, f"it compressed its answer: {error}", True)
        if not self.done.done():
            self.done.set_result(answer)

    def failed(self, reason: FallbackReason, detail: str, received: bool) -> None:
        self.gone(ConnectFailed("http", detail), received)


async def fetch(
    pool: Pool,
    backend: Backend,
    path: bytes,
    seconds: float,
    *,
    body: bytes | None = None,
    local_only: bool = False,
    agent: bytes = b"",
    lines: bytes = b"",
    sent: Callable[[int], None] | None = None,
) -> Answer:
    """GET `path` (from `/v1` on), or POST a JSON body to it. agent: who asks, for the server's log. lines: further header
    lines. sent: is told how many bytes the backend was given, each time. Raises ConnectFailed (a time-out included) or
    EgressRefused."""
    block = b"accept: application/json\r\n"
    if agent:
        block += b"user-agent: %b\r\n" % agent
    block += lines
    if body is None:
        data = backend.head(b"GET", path, block, frozenset(), None)
    else:
        block += b"content-type: application/json\r\n"
        data = backend.head(b"POST", path, block, frozenset(), len(body))

    async def once(conn: UpstreamConnection, kept: bool) -> Answer:
        return await _Collect(conn, kept).ask(data, body or b"", sent=sent)

    try:
        async with asyncio.timeout(seconds):
            return await pool.ask(backend, local_only, once)
    except TimeoutError:
        raise ConnectFailed("http", f"it did not answer within {seconds:g} s") from None


def reply_of(answer: Answer) -> Reply:
    """An answer as the rows read it."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in answer.headers}
    try:
        body = msgspec.json.decode(answer.body) if answer.body else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        body = None
    return Reply(answer.status, headers, body)


class _Entry(msgspec.Struct):
    id: str


class _List(msgspec.Struct):
    data: list[_Entry] | None = None


_list = msgspec.json.Decoder(_List).decode


async def model_names(
    pool: Pool, backend: Backend, seconds: float, agent: bytes = b""
) -> tuple[Answer, list[str] | None]:
    """Ask for `/v1/models`: the answer and the names in it, None when it is no model list. Raises like fetch."""
    path = CATALOG[BackendType(backend.spec.type)].list_path
    answer = await fetch(pool, backend, path, seconds, agent=agent)
    if answer.status != 200:
        return answer, None
    try:
        listed = _list(answer.body).data
    except (msgspec.DecodeError, UnicodeDecodeError):
        return answer, None
    names = [entry.id for entry in listed or [] if entry.id]
    return answer, [name for name in names if backend.mask.text(name) == name]  # a key is no name
