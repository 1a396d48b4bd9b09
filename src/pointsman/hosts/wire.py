"""HTTP/1.1 for a host: one thread a connection, kept alive; whole answers and events; a client that leaves is noticed.

On a port it listens on loopback alone, and answers no web page: a `Host` that is not this computer and any `Origin` are
refused, since pages could ask a model otherwise. Not here: what the paths do.
"""

from __future__ import annotations

import json
import os
import select
import socket
import stat
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from socketserver import BaseServer, ThreadingMixIn
from typing import Any

from .. import __version__
from .refusal import ClientLeft, Refused

_BODY_BYTES = 64 * 2**20
_IDLE_SECONDS = 75.0
_HERE = ("localhost", "127.0.0.1", "[::1]")

Handle = Callable[["HostExchange"], None]
Paths = Mapping[tuple[str, str], Handle]
"""(method, path) to what answers it. A handler raises Refused for what it does not do."""


class HostExchange:
    """One request and its answer."""

    def __init__(self, handler: _Handler, body: Any) -> None:
        self._handler = handler
        self._body = body
        self.began = False

    def object(self) -> dict[str, Any]:
        """The body. Raises Refused when it is no JSON object."""
        if not isinstance(self._body, dict):
            raise Refused("the body must be a JSON object")
        return self._body

    def answer(self, status: int, value: Any) -> None:
        data = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
        self._head(status, ("Content-Type", "application/json"), ("Content-Length", str(len(data))))
        self._write(data)

    def begin_events(self) -> None:
        self._head(
            200,
            ("Content-Type", "text/event-stream"),
            ("Cache-Control", "no-cache"),
            ("Transfer-Encoding", "chunked"),
        )

    def event(self, value: Any) -> None:
        self._chunk(b"data: " + json.dumps(value, ensure_ascii=False).encode("utf-8", "replace") + b"\n\n")

    def comment(self, text: str) -> None:
        self._chunk(f": {text}\n\n".encode())

    def end_events(self) -> None:
        self._chunk(b"data: [DONE]\n\n")
        self._write(b"0\r\n\r\n")

    def refuse(self, refusal: Refused) -> None:
        """The error as the answer, or as a stream's last event, after which the connection is closed."""
        if not self.began:
            self.answer(refusal.status, refusal.body())
            return
        self._handler.close_connection = True
        self.event(refusal.body())

    def client_left(self) -> bool:
        """Whether the client has closed its side, without waiting for anything."""
        poll = select.poll()
        poll.register(self._handler.connection, select.POLLIN | select.POLLHUP | select.POLLERR)
        if not poll.poll(0):
            return False
        try:
            data: bytes = self._handler.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return data == b""

    def _head(self, status: int, *headers: tuple[str, str]) -> None:
        self.began = True
        self._handler.send_response(status)
        for name, value in headers:
            self._handler.send_header(name, value)
        try:
            self._handler.end_headers()
        except OSError:
            raise ClientLeft from None

    def _chunk(self, data: bytes) -> None:
        self._write(b"%x\r\n%b\r\n" % (len(data), data))

    def _write(self, data: bytes) -> None:
        try:
            self._handler.wfile.write(data)
        except OSError:
            raise ClientLeft from None


class HostServer(ThreadingMixIn, HTTPServer):
    """Answers what comes to a listening socket. name: of the `Server` header."""

    daemon_threads = True

    def __init__(self, listener: socket.socket, name: str, paths: Paths) -> None:
        BaseServer.__init__(self, listener.getsockname(), _Handler)
        self.socket = listener
        self.paths = paths
        self.software = f"{name}/{__version__}"

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = self.socket.accept()
        if connection.family != socket.AF_UNIX:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection, address or ("", 0)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that leaves is no event."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = _IDLE_SECONDS
    server: HostServer

    def version_string(self) -> str:
        return self.server.software

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are no events either."""

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def _serve(self) -> None:
        exchange = HostExchange(self, None)
        try:
            self._check_origin()
            path = self.path.partition("?")[0]
            handle = self.server.paths.get((self.command, path))
            body = self._body()
            if handle is None:
                raise Refused(f"there is no {self.command} {path} here", status=404, code="unknown_url")
            exchange = HostExchange(self, body)
            handle(exchange)
        except Refused as refusal:
            self._tell(exchange, refusal)
        except (ClientLeft, OSError):
            self.close_connection = True

    def _tell(self, exchange: HostExchange, refusal: Refused) -> None:
        try:
            exchange.refuse(refusal)
        except (ClientLeft, OSError):
            self.close_connection = True

    def _check_origin(self) -> None:
        if self.server.socket.family == socket.AF_UNIX:
            return
        host = self.headers.get("Host", "localhost").rpartition(":")[0] or self.headers.get(
            "Host", "localhost"
        )
        if self.headers.get("Origin") is not None or host.lower() not in _HERE:
            self.close_connection = True
            raise Refused("web pages and other names for this computer are not answered", status=403)

    def _body(self) -> Any:
        if self.command == "GET":
            return None
        if self.headers.get("Transfer-Encoding"):
            self.close_connection = True
            raise Refused("a body is wanted with Content-Length", status=411)
        text = self.headers.get("Content-Length", "0")
        if not (text.isascii() and text.isdigit()) or int(text) > _BODY_BYTES:
            self.close_connection = True
            raise Refused("the body may have 64 MiB at most", status=413)
        data = self.rfile.read(int(text))
        if len(data) != int(text):
            raise ClientLeft
        try:
            return json.loads(data or b"null")
        except (ValueError, RecursionError):
            raise Refused("the body is no JSON") from None


def listen_on_port(port: int) -> socket.socket:
    """On loopback; 0: a free one. Raises OSError."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener


def listen_on_socket(path: str) -> socket.socket:
    """On a Unix socket that its user alone may use. One that was left behind is replaced, one that lives is not. Raises
    OSError."""
    clear_socket(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listener.bind(path)
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    finally:
        os.umask(before)
    return listener


def clear_socket(path: str) -> None:
    """Removes a socket that nobody listens on. Raises OSError where something else is there."""
    place = Path(path)
    try:
        if not stat.S_ISSOCK(place.lstat().st_mode):
            raise FileExistsError(f"{path} is there and no socket")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            place.unlink(missing_ok=True)
            return
        except FileNotFoundError:
            return
    raise FileExistsError(f"somebody listens on {path}")
