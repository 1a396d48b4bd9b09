"""A small HTTP/1.1 server on asyncio streams that can also misbehave: stop, cut, reset, talk nonsense.

It serves the practice model and the scripted upstream. It is not the gateway's server and shares no code with
it, so that a test of the gateway never proves the gateway's own framing with itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
import ssl
import stat
import struct
import time
from collections.abc import AsyncIterator, Callable, Iterable
from http import HTTPStatus

from .exchange import Part, Pause, Received, Reply, Signal, encoded, pairs_of

_LOG = logging.getLogger(__name__)
MAX_HEAD = 1 << 20
MAX_BODY = 1 << 28
_BODILESS = (204, 304)


Handler = Callable[[Received], Reply]


class BadRequest(Exception):
    """The client's framing cannot be understood; the text says why."""


class _Gone(Exception):
    """The client left while it was being answered."""


class _Ended(Exception):
    """The reply itself ended the connection."""


class _Reader(asyncio.StreamReader):
    """A stream reader that also notes the moment the client left, which may be while an answer is written."""

    def __init__(self) -> None:
        super().__init__(limit=MAX_HEAD)
        self.gone = asyncio.Event()
        self.current: Received | None = None

    def _leave(self) -> None:
        self.gone.set()
        if self.current is not None and self.current.client_closed_at is None:
            self.current.client_closed_at = time.monotonic()

    def feed_eof(self) -> None:
        self._leave()
        super().feed_eof()

    def set_exception(self, exc: Exception) -> None:
        self._leave()
        super().set_exception(exc)


class HttpServer:
    """Serves `handler` on a Unix socket (its path, or one that listens already) or a TCP port, inside the running loop
    (asyncio or uvloop).

    A port of 0 becomes a free one at the first start and stays the same for later starts.
    """

    def __init__(
        self,
        handler: Handler,
        *,
        path: str | None = None,
        listener: socket.socket | None = None,
        host: str | None = None,
        port: int = 0,
        ssl_context: ssl.SSLContext | None = None,
        on_request: Callable[[Received], None] | None = None,
    ) -> None:
        self.handler = handler
        self.path = path
        self._listener = listener
        self.host = host or "127.0.0.1"
        self.port = port
        self.connections = 0
        """How many connections were ever accepted."""
        self._ssl = ssl_context
        self._on_request = on_request
        self._server: asyncio.Server | None = None
        self._open: dict[asyncio.Task[None], tuple[_Reader, asyncio.StreamWriter]] = {}

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        listener = self._listener if self.path is None else _bound(self.path)
        if listener is not None:
            self._server = await loop.create_unix_server(self._protocol, sock=listener, ssl=self._ssl)
        else:
            self._server = await loop.create_server(self._protocol, self.host, self.port, ssl=self._ssl)
            self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close the listener and every connection at once; start() may be called again."""
        server, self._server = self._server, None
        if server is None:
            return
        # Who was taken in this very moment must be among the open ones before the server is closed: asyncio of 3.11 makes
        # no protocol of a closed server's, and nobody ever closes that socket.
        for listener in server.sockets:
            asyncio.get_running_loop().remove_reader(listener.fileno())
        await _turns()
        server.close()
        tasks = list(self._open)
        for task, (reader, writer) in list(self._open.items()):
            reader.current = None  # we leave, not the client
            _reset(writer)
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await _turns()  # and their sockets are closed
        await server.wait_closed()
        if self.path is not None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path)

    def _protocol(self) -> asyncio.StreamReaderProtocol:
        reader = _Reader()

        def connected(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.connections += 1
            task = asyncio.get_running_loop().create_task(self._serve(reader, writer, self.connections))
            self._open[task] = (reader, writer)
            task.add_done_callback(lambda done: self._open.pop(done, None))

        return asyncio.StreamReaderProtocol(reader, connected)

    async def _serve(self, reader: _Reader, writer: asyncio.StreamWriter, number: int) -> None:
        try:
            while (received := await _read_request(reader, writer)) is not None:
                received.connection = number
                reader.current = received
                if self._on_request is not None:
                    self._on_request(received)
                keep = await _Writing(reader, writer, received).play(self._handled(received))
                received.finished_at = time.monotonic()
                reader.current = None
                if not keep:
                    break
        except BadRequest as problem:
            writer.write(_plain_400(str(problem)))
        except (_Gone, _Ended, ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            reader.current = None  # from here on it is we who leave
            writer.close()

    def _handled(self, received: Received) -> Reply:
        try:
            return self.handler(received)
        except Exception as error:  # noqa: BLE001 - a request boundary: the client gets an answer, whatever broke
            _LOG.exception("the practice server could not answer %s %s", received.method, received.path)
            text = f"the practice server failed: {type(error).__name__}"
            return Reply(500, body={"error": {"message": text, "type": "server_error", "code": None}})


def _plain_400(text: str) -> bytes:
    body = json.dumps(
        {"error": {"message": text, "type": "invalid_request_error", "param": None, "code": None}}
    ).encode()
    head = f"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
    return f"{head}connection: close\r\n\r\n".encode() + body


def _bound(path: str) -> socket.socket:
    """A Unix socket in place of a socket that was left there; 0600 under any umask, from the first moment on."""
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISSOCK(os.lstat(path).st_mode):
            os.unlink(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with contextlib.suppress(OSError):  # Linux gives the file this mode less the umask; macOS refuses
            os.fchmod(listener.fileno(), 0o600)
        listener.bind(path)
        os.chmod(path, 0o600)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener


async def _turns() -> None:
    """As many turns of the loop as asyncio takes from a socket to its protocol, and from an abort to a closed socket."""
    for _ in range(5):
        await asyncio.sleep(0)


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with a TCP reset. On a Unix socket, which has none, a plain close."""
    sock = writer.get_extra_info("socket")
    if sock is not None and sock.family != socket.AF_UNIX:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _read_request(reader: _Reader, writer: asyncio.StreamWriter) -> Received | None:
    """The next request with its whole body; None when the client closed between requests."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as ended:
        if ended.partial.strip():
            raise BadRequest("the request ended inside its head") from None
        return None
    except asyncio.LimitOverrunError:
        raise BadRequest("the request's head is too large") from None
    first, *lines = head.lstrip(b"\r\n").decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    method, _, rest = first.partition(" ")
    target, _, version = rest.partition(" ")
    if not version.startswith("HTTP/1.") or " " in version:
        raise BadRequest("the request line is not `METHOD target HTTP/1.1`")
    pairs = []
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise BadRequest(f"not a header line: {line!r}")
        pairs.append((name, value.strip()))
    received = Received(method, target, version, pairs)
    if received.headers.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    received.body = await _read_body(reader, received.headers)
    received.at = time.monotonic()
    return received


async def _read_body(reader: _Reader, headers: dict[str, str]) -> bytes:
    coding = headers.get("transfer-encoding", "")
    if coding:
        if coding.lower() != "chunked" or "content-length" in headers:
            raise BadRequest("transfer-encoding must be `chunked`, without a content-length")
        return b"".join([chunk async for chunk in _chunks(reader)])
    length = headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit()) or int(length) > MAX_BODY:
        raise BadRequest("content-length is not a number or is too large")
    return await reader.readexactly(int(length))


async def _chunks(reader: _Reader) -> AsyncIterator[bytes]:
    total = 0
    while True:
        line = (await reader.readuntil(b"\r\n")).partition(b";")[0].strip()
        try:
            size = int(line, 16)
        except ValueError:
            raise BadRequest("a chunk's size is not hexadecimal") from None
        total += size
        if size < 0 or total > MAX_BODY:
            raise BadRequest("the chunked body is too large")
        if size == 0:
            while await reader.readuntil(b"\r\n") != b"\r\n":
                pass  # trailers
            return
        chunk = await reader.readexactly(size + 2)
        if chunk[-2:] != b"\r\n":
            raise BadRequest("a chunk does not end with CRLF")
        yield chunk[:-2]


class _Writing:
    """Plays one reply on one connection; the order of its steps is the order of the bytes."""

    def __init__(self, reader: _Reader, writer: asyncio.StreamWriter, received: Received) -> None:
        self.reader = reader
        self.writer = writer
        self.received = received

    async def play(self, reply: Reply) -> bool:
        """True when the connection may take another request."""
        for step in reply.before:
            await self._step(step, chunked=False)
        framing = reply.framing or ("length" if reply.parts is None else "chunked")
        if framing == "chunked" and (reply.http10 or self.received.version == "HTTP/1.0"):
            framing = "close"
        body = encoded(reply)
        parts: Iterable[Part] = [body] if reply.parts is None else reply.parts
        if framing == "length" and reply.parts is not None:
            parts = list(parts)
            body = b"".join(part for part in parts if isinstance(part, bytes))
        keep = framing in ("length", "chunked") and self._keep(reply)
        if framing != "raw":
            self.writer.write(self._head(reply, framing, len(body), keep))
        if self.received.method != "HEAD" and reply.status not in _BODILESS:
            await self._body(parts, framing)
        await self.writer.drain()
        return keep

    def _keep(self, reply: Reply) -> bool:
        named = {name.lower(): value for name, value in pairs_of(reply.headers)}
        wants = f"{self.received.headers.get('connection', '')},{named.get('connection', '')}".lower()
        return "close" not in wants and not reply.http10 and self.received.version != "HTTP/1.0"

    def _head(self, reply: Reply, framing: str, length: int, keep: bool) -> bytes:
        try:
            reason = HTTPStatus(reply.status).phrase
        except ValueError:
            reason = "Overloaded" if reply.status == 529 else "Unknown"
        lines = [f"HTTP/1.{0 if reply.http10 else 1} {reply.status} {reason}"]
        pairs = pairs_of(reply.headers)
        names = {name.lower() for name, _ in pairs}
        if isinstance(reply.body, dict | list) and reply.parts is None and "content-type" not in names:
            pairs.append(("content-type", "application/json"))
        if not names & {"content-length", "transfer-encoding"} and reply.status not in _BODILESS:
            if framing == "length":
                pairs.append(("content-length", str(length)))
            elif framing == "chunked":
                pairs.append(("transfer-encoding", "chunked"))
        if not keep and not reply.http10 and "connection" not in names:
            pairs.append(("connection", "close"))
        lines += [f"{name}: {value}" for name, value in pairs]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    async def _body(self, parts: Iterable[Part], framing: str) -> None:
        for part in parts:
            await self._step(part, chunked=framing == "chunked")
        if framing == "chunked":
            self.writer.write(b"0\r\n\r\n")

    async def _step(self, part: Part, *, chunked: bool) -> None:
        if isinstance(part, bytes):
            if part:
                self.writer.write(b"%x\r\n%b\r\n" % (len(part), part) if chunked else part)
                await self.writer.drain()
        elif isinstance(part, Pause):
            await self._wait(part.seconds)
        elif part is Signal.STALL:
            await self._wait(None)
        else:
            if part is Signal.RESET:
                _reset(self.writer)
            raise _Ended
        if self.reader.gone.is_set():
            raise _Gone

    async def _wait(self, seconds: float | None) -> None:
        """Sleep, but wake at once when the client leaves."""
        if seconds is not None and seconds <= 0:
            await asyncio.sleep(0)
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.reader.gone.wait()
