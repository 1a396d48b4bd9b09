"""A plain HTTP client for tests: byte-exact, with the connection in sight. It forgives the server nothing."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

TIMEOUT = 30.0


@dataclass
class Answer:
    """Status, headers in order, and the whole body with the framing taken off."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    closed: bool = False
    informational: list[int] = field(default_factory=list)

    def header(self, name: str) -> str | None:
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        assert len(values) < 2, f"{name} was sent {len(values)} times: {values}"
        return values[0] if values else None

    def json(self) -> Any:
        return json.loads(self.body)


class Connection:
    """A keep-alive connection that opens itself anew when the server closed it between requests."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._http = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=TIMEOUT)

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> Answer:
        for last in (False, True):
            try:
                self._http.request(method, path, body, headers or {})
                reply = self._http.getresponse()
                break
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
                self._http.close()
                if last:
                    raise
        with reply:
            return Answer(reply.status, reply.getheaders(), reply.read())

    def close(self) -> None:
        self._http.close()


def fetch(
    url: str,
    method: str,
    path: str,
    body: bytes | dict[str, Any] | None = None,
    headers: dict[str, str] | None = None,
) -> Answer:
    """One request on a connection of its own. A cut answer raises http.client.IncompleteRead."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=TIMEOUT)
    sent = dict(headers or {})
    data = json.dumps(body).encode() if isinstance(body, dict) else body
    if data is not None and "content-type" not in {name.lower() for name in sent}:
        sent["content-type"] = "application/json"
    try:
        connection.request(method, path, data, sent)
        with connection.getresponse() as reply:
            return Answer(reply.status, reply.getheaders(), reply.read())
    finally:
        connection.close()


class Raw:
    """A socket and a strict reader of HTTP/1.1 answers on it."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.buffer = b""
        self.eof = False

    def send(self, data: bytes | str) -> None:
        self.sock.sendall(data.encode() if isinstance(data, str) else data)

    def fill(self, seconds: float = TIMEOUT) -> bool:
        """Reads once more; False at the end of the stream (a reset counts as one)."""
        self.sock.settimeout(seconds)
        try:
            data = self.sock.recv(65536)
        except ConnectionResetError:
            data = b""
        self.buffer += data
        self.eof = not data
        return bool(data)

    def until(self, mark: bytes, seconds: float = TIMEOUT) -> bytes:
        """Everything up to and with `mark`; raises when the stream ends before."""
        end = time.monotonic() + seconds
        while mark not in self.buffer:
            if not self.fill(max(0.01, end - time.monotonic())):
                raise EOFError(f"ended before {mark!r}: {self.buffer[:300]!r}")
        head, _, self.buffer = self.buffer.partition(mark)
        return head + mark

    def exactly(self, size: int) -> bytes:
        while len(self.buffer) < size:
            if not self.fill():
                raise EOFError(f"ended after {len(self.buffer)} of {size} bytes")
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data

    def head(self) -> tuple[int, list[tuple[str, str]]]:
        lines = self.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        assert lines[0].startswith("HTTP/1.1 "), lines[0]
        headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines[1:-2])]
        return int(lines[0].split(" ")[1]), headers

    def answer(self, *, head_request: bool = False) -> Answer:
        """The next whole answer."""
        informational = []
        status, headers = self.head()
        while status < 200:
            informational.append(status)
            status, headers = self.head()
        fields = {name.lower(): value for name, value in headers}
        body = b""
        if not head_request and status not in (204, 304):
            if fields.get("transfer-encoding", "").lower() == "chunked":
                body = b"".join(self.chunks())
            elif "content-length" in fields:
                body = self.exactly(int(fields["content-length"]))
            else:
                while self.fill():
                    pass
                body, self.buffer = self.buffer, b""
        return Answer(status, headers, body, fields.get("connection", "").lower() == "close", informational)

    def chunks(self) -> Iterator[bytes]:
        """The pieces of a chunked body as they come; raises EOFError when it is cut."""
        while True:
            size = int(self.until(b"\r\n").split(b";")[0], 16)
            if size == 0:
                assert self.until(b"\r\n") == b"\r\n", "no trailers are expected"
                return
            data = self.exactly(size)
            assert self.exactly(2) == b"\r\n"
            yield data

    def closed(self, seconds: float = 5.0) -> bool:
        """True when the server ends the connection within that time; what came before is in `buffer`."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if not self.fill(max(0.01, end - time.monotonic())):
                    return True
            except TimeoutError:
                return False
        return False


@contextmanager
def raw(url: str, **options: int) -> Iterator[Raw]:
    """A raw connection to the gateway. rcvbuf=N makes a reader that is slow by nature."""
    parts = urlsplit(url)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.settimeout(TIMEOUT)
        if "rcvbuf" in options:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, options["rcvbuf"])
        sock.connect((parts.hostname, parts.port))
        yield Raw(sock)


def post_bytes(path: str, body: bytes, host: str = "127.0.0.1", **headers: str) -> bytes:
    """A whole POST request, to be sent by hand; header names are written with `_` for `-`."""
    lines = [f"POST {path} HTTP/1.1", f"host: {host}", "content-type: application/json"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    lines += [f"content-length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


def free_port() -> int:
    """A port nobody listens on right now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
