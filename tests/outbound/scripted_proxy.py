"""A proxy that does what a test says: opens ways to servers of this machine, whatever is asked for, or answers otherwise.
In threads of its own, so that a test and a gateway's processes may use it alike."""

from __future__ import annotations

import select
import socket
import ssl
import struct
import threading
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Self

OPENED = b"HTTP/1.1 200 Connection established\r\n\r\n"


class ScriptedProxy:
    """ways: `host:port` as it is asked for -> port on this machine; anything else is a 502. answer: said to every CONNECT
    instead, and then the connection is closed, or held where hold says so. login: `user:password` that it wants. heads: what
    it was sent, up to the empty line, or the SOCKS requests as `host:port`."""

    def __init__(
        self,
        ways: Mapping[str, int] | None = None,
        *,
        answer: bytes | None = None,
        hold: bool = False,
        tls: ssl.SSLContext | None = None,
        socks: bool = False,
        login: bytes = b"",
        reply: int = 0,
    ) -> None:
        self.ways = dict(ways or {})
        self.answer = answer
        self.hold = hold
        self.heads: list[bytes] = []
        self.logins: list[bytes] = []
        self._tls = tls
        self._socks = socks
        self._login = login
        self._reply = reply
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._end = threading.Event()
        self._threads: list[threading.Thread] = []

    @property
    def targets(self) -> list[str]:
        """What ways were asked for."""
        return [head.split(b" ", 2)[1].decode() if b" " in head else head.decode() for head in self.heads]

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join(5)
        self._listener.close()

    def _start(self, work: object, *args: object) -> None:
        thread = threading.Thread(target=work, args=args, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._end.is_set():
            if select.select([self._listener], [], [], 0.05)[0]:
                self._start(self._serve, self._listener.accept()[0])

    def _serve(self, client: socket.socket) -> None:
        client.settimeout(5)
        with suppress(OSError):
            try:
                if self._tls is not None:
                    client = self._tls.wrap_socket(client, server_side=True)
                port = self._ask_socks(client) if self._socks else self._ask_http(client)
                if port is not None:
                    self._pump(client, port)
                elif self.hold:
                    self._end.wait(10)
            finally:
                client.close()

    def _ask_http(self, client: socket.socket) -> int | None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            piece = client.recv(1)
            if not piece:
                return None
            head += piece
        self.heads.append(head)
        lines = [line.partition(b": ") for line in head.split(b"\r\n")[1:]]
        self.logins += [value for name, _, value in lines if name.lower() == b"proxy-authorization"]
        if self.answer is not None:
            client.sendall(self.answer)
            return None
        if self._login and not self.logins:
            client.sendall(
                b"HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n"
            )
            return None
        port = self.ways.get(self.targets[-1])
        client.sendall(OPENED if port is not None else b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
        return port

    def _ask_socks(self, client: socket.socket) -> int | None:
        client.recv(2 + 255)
        client.sendall(b"\x05\x02" if self._login else b"\x05\x00")
        if self._login:
            said = client.recv(600)
            if not said:
                return None
            user = said[2 : 2 + said[1]]
            self.logins.append(user + b":" + said[3 + said[1] :])
            good = self.logins[-1] == self._login
            client.sendall(b"\x01\x00" if good else b"\x01\x01")
            if not good:
                return None
        asked = client.recv(600)
        kind, rest = asked[3], asked[4:]
        if kind == 3:
            host, rest = rest[1 : 1 + rest[0]].decode(), rest[1 + rest[0] :]
        else:
            size, family = (4, socket.AF_INET) if kind == 1 else (16, socket.AF_INET6)
            host, rest = socket.inet_ntop(family, rest[:size]), rest[size:]
        self.heads.append(f"{host}:{struct.unpack('>H', rest)[0]}".encode())
        port = self.ways.get(self.targets[-1])
        reply = self._reply or (0 if port is not None else 4)
        client.sendall(bytes((5, reply, 0, 1)) + bytes(6))
        return None if reply else port

    def _pump(self, client: socket.socket, port: int) -> None:
        with socket.create_connection(("127.0.0.1", port), 5) as server:
            other = {client: server, server: client}
            while not self._end.is_set():
                pending = isinstance(client, ssl.SSLSocket) and client.pending()
                ready = [client] if pending else select.select([client, server], [], [], 0.05)[0]
                for one in ready:
                    data = one.recv(65536)
                    if not data:
                        return
                    other[one].sendall(data)
