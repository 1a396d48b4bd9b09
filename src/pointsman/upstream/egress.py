"""The one function that opens connections to anywhere. The guard is inside it, so that no route can walk around it.

A stored key goes only to the origin it was stored for: the origin comes from the row, never from a request.
Addresses are checked after resolving and again on the connected socket
(docs/reliability-promises.md#egress). No redirects, no proxy variables.
"""

from __future__ import annotations

import asyncio
import ipaddress
import math
import os
import socket
import ssl
import time
from collections.abc import Callable

from ..errors import PointsmanError
from ..kinds import BackendType, ErrorKind
from ..providers.urls import address_problem, is_loopback
from .backend import Backend
from .connection import UpstreamConnection

_STALE_SECONDS = 3600.0
"""While the name server does not answer, addresses it gave within this time are used."""


class EgressRefused(PointsmanError):
    """An address this gateway never connects to for this backend; trying again would not help."""

    def __init__(self, text: str) -> None:
        super().__init__(ErrorKind.FORBIDDEN, text, status=502)


class ConnectFailed(PointsmanError):
    """DNS, TCP or TLS did not work. step: dns | tcp | tls."""

    def __init__(self, step: str, text: str) -> None:
        super().__init__(ErrorKind.UPSTREAM_UNREACHABLE, text)
        self.step = step


class _Step:
    """How far an attempt to connect has come."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def words(self) -> str:
        return {"dns": "answer from the name server", "tcp": "connection", "tls": "TLS handshake"}[self.name]


class Egress:
    """own: (ip, port) pairs this gateway listens on, so that it never calls itself."""

    def __init__(self, connect_seconds: float, own: frozenset[tuple[str, int]] = frozenset()) -> None:
        self._seconds = connect_seconds
        self._own = own
        self._tls: ssl.SSLContext | None = None
        self._resolved: dict[tuple[str, int], tuple[float, list[str]]] = {}

    async def open(
        self, backend: Backend, closed: Callable[[UpstreamConnection], None], *, local_only: bool = False
    ) -> UpstreamConnection:
        """A connected, TLS-checked connection within the connect limit. Raises ConnectFailed or EgressRefused."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self._seconds
        if backend.unix_path is not None:
            return await self._open_unix(backend.unix_path, closed)
        step = _Step("tcp")
        addresses = await self.resolve(backend)
        failure: PointsmanError | None = None
        for number, ip in enumerate(addresses):
            # An address that swallows everything must leave time for the next one.
            share = (end - loop.time()) / (len(addresses) - number)
            try:
                self.check(backend, ip, local_only)
                async with asyncio.timeout(share):
                    return await self._connect(backend, ip, closed, local_only, step)
            except (ConnectFailed, EgressRefused, TimeoutError) as error:
                found = self._too_late(step) if isinstance(error, TimeoutError) else error
                failure = failure if isinstance(failure, ConnectFailed) else found
        assert failure is not None
        raise failure

    def _too_late(self, step: _Step) -> ConnectFailed:
        return ConnectFailed(step.name, f"no {step.words} within {self._seconds:g} s")

    async def _open_unix(self, path: str, closed: Callable[[UpstreamConnection], None]) -> UpstreamConnection:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._seconds):
                _, conn = await loop.create_unix_connection(lambda: UpstreamConnection(closed), path)
        except TimeoutError:
            raise self._too_late(_Step("tcp")) from None
        except OSError as error:
            raise ConnectFailed("tcp", _said(error)) from None
        conn.peer_local = True
        return conn

    async def resolve(self, backend: Backend) -> list[str]:
        """The addresses of a backend's host, in the resolver's order, within the connect limit. Raises ConnectFailed."""
        assert backend.url is not None
        try:
            return [str(ipaddress.ip_address(backend.url.host))]
        except ValueError:
            pass
        key = (backend.url.host, backend.url.port)
        try:
            found = await self._ask_resolver(*key)
        except ConnectFailed:
            when, known = self._resolved.get(key, (-math.inf, []))
            if time.monotonic() - when > _STALE_SECONDS:
                raise
            return known  # each is judged again before and after it is connected to
        self._resolved[key] = (time.monotonic(), found)
        return found

    async def _ask_resolver(self, host: str, port: int) -> list[str]:
        try:
            async with asyncio.timeout(self._seconds):
                found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except TimeoutError:
            raise self._too_late(_Step("dns")) from None
        except UnicodeError:
            raise ConnectFailed("dns", f"the name {host} is not a host name") from None
        except OSError as error:
            raise ConnectFailed("dns", f"the name {host} does not resolve: {_said(error)}") from None
        return list(dict.fromkeys(str(info[4][0]) for info in found))

    def check(self, backend: Backend, ip: str, local_only: bool) -> None:
        """Raises EgressRefused when this backend must not be reached at that address."""
        assert backend.url is not None
        spec = backend.spec
        problem = address_problem(BackendType(spec.type), backend.url.scheme, ip, spec.allow_http)
        if problem is not None:
            raise EgressRefused(problem)
        if local_only and not is_loopback(ip):
            raise EgressRefused("the rule is local-only and the backend's address is not loopback")
        if (ip, backend.url.port) in self._own:
            raise EgressRefused("the backend's address is this gateway itself")

    async def _connect(
        self,
        backend: Backend,
        ip: str,
        closed: Callable[[UpstreamConnection], None],
        local_only: bool,
        step: _Step,
    ) -> UpstreamConnection:
        """TCP, then the guard on the connected peer, then TLS: nothing is said to a peer that is refused."""
        assert backend.url is not None
        loop = asyncio.get_running_loop()
        step.name = "tcp"
        sock = _socket_for(ip)
        try:
            await loop.sock_connect(sock, (ip, backend.url.port))
            peer = str(sock.getpeername()[0])
            self.check(backend, peer, local_only)
            tls = backend.url.scheme == "https"
            step.name = "tls" if tls else "tcp"
            _, conn = await loop.create_connection(
                lambda: UpstreamConnection(closed),
                sock=sock,
                ssl=self._tls_context() if tls else None,
                server_hostname=backend.url.host if tls else None,
            )
        except BaseException as error:
            sock.close()
            if isinstance(error, OSError) and not isinstance(error, TimeoutError):
                raise ConnectFailed(step.name, _said(error)) from None
            raise
        conn.peer_local = is_loopback(peer)
        return conn

    def _tls_context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()  # honours SSL_CERT_FILE and SSL_CERT_DIR
            self._tls.set_alpn_protocols(["http/1.1"])
        return self._tls


def _socket_for(ip: str) -> socket.socket:
    try:
        sock = socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET, socket.SOCK_STREAM)
    except OSError as error:  # no IPv6 on this machine, or no file descriptor left
        raise ConnectFailed("tcp", _said(error)) from None
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def _said(error: OSError) -> str:
    """An OS or TLS error's own words, without numbers and addresses."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate was refused: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or 'handshake failure'}"
    if isinstance(error, socket.gaierror) or not error.errno:
        return (error.strerror or str(error) or type(error).__name__).lower()
    return os.strerror(error.errno).lower()
