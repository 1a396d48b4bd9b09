"""The one function that opens connections to anywhere. The guard is inside it, so that no route can walk around it.

A stored key goes only to the origin it was stored for: the origin comes from the row, never from a request.
Addresses are checked after resolving and again on the connected socket (RELIABILITY.md 1c, item 1). No redirects, no
proxy variables.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Callable

from ..errors import PointsmanError
from ..kinds import BackendType, ErrorKind
from ..providers.urls import address_problem, is_loopback
from .backend import Backend
from .connection import UpstreamConnection


class EgressRefused(PointsmanError):
    """An address this gateway never connects to for this backend; trying again would not help."""

    def __init__(self, text: str) -> None:
        super().__init__(ErrorKind.FORBIDDEN, text, status=502)


class ConnectFailed(PointsmanError):
    """DNS, TCP or TLS did not work. step: dns | tcp | tls."""

    def __init__(self, step: str, text: str) -> None:
        super().__init__(ErrorKind.UPSTREAM_UNREACHABLE, text)
        self.step = step


class Egress:
    """own: (ip, port) pairs this gateway listens on, so that it never calls itself."""

    def __init__(self, connect_seconds: float, own: frozenset[tuple[str, int]] = frozenset()) -> None:
        self._seconds = connect_seconds
        self._own = own
        self._tls: ssl.SSLContext | None = None

    async def open(
        self, backend: Backend, closed: Callable[[UpstreamConnection], None], *, local_only: bool = False
    ) -> UpstreamConnection:
        """A connected, TLS-checked connection within the connect limit. Raises ConnectFailed or EgressRefused."""
        try:
            async with asyncio.timeout(self._seconds):
                return await self._open(backend, closed, local_only)
        except TimeoutError:
            raise ConnectFailed("tcp", f"no connection within {self._seconds:g} s") from None

    async def _open(
        self, backend: Backend, closed: Callable[[UpstreamConnection], None], local_only: bool
    ) -> UpstreamConnection:
        loop = asyncio.get_running_loop()
        if backend.unix_path is not None:
            try:
                _, conn = await loop.create_unix_connection(
                    lambda: UpstreamConnection(closed), backend.unix_path
                )
            except OSError as error:
                raise ConnectFailed("tcp", _said(error)) from None
            conn.peer_local = True
            return conn
        failure: PointsmanError | None = None
        for ip in await self.resolve(backend):
            try:
                self.check(backend, ip, local_only)
                return await self._connect(backend, ip, closed, local_only)
            except (ConnectFailed, EgressRefused) as error:
                failure = failure if isinstance(failure, ConnectFailed) else error
        assert failure is not None
        raise failure

    async def resolve(self, backend: Backend) -> list[str]:
        """The addresses of a backend's host, in the resolver's order. Raises ConnectFailed."""
        assert backend.url is not None
        try:
            return [str(ipaddress.ip_address(backend.url.host))]
        except ValueError:
            pass
        try:
            found = await asyncio.get_running_loop().getaddrinfo(
                backend.url.host, backend.url.port, type=socket.SOCK_STREAM
            )
        except (OSError, UnicodeError) as error:
            raise ConnectFailed(
                "dns", f"the name {backend.url.host} does not resolve: {_said(error)}"
            ) from None
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
        self, backend: Backend, ip: str, closed: Callable[[UpstreamConnection], None], local_only: bool
    ) -> UpstreamConnection:
        assert backend.url is not None
        tls = self._tls_context() if backend.url.scheme == "https" else None
        try:
            _, conn = await asyncio.get_running_loop().create_connection(
                lambda: UpstreamConnection(closed),
                ip,
                backend.url.port,
                ssl=tls,
                server_hostname=backend.url.host if tls else None,
            )
        except ssl.SSLCertVerificationError as error:
            raise ConnectFailed("tls", f"its certificate was refused: {error.verify_message}") from None
        except ssl.SSLError as error:
            raise ConnectFailed("tls", f"TLS failed: {error.reason or 'handshake failure'}") from None
        except OSError as error:
            raise ConnectFailed("tls" if tls and not error.errno else "tcp", _said(error)) from None
        peer = conn.peer()
        try:
            self.check(backend, str(peer[0]) if peer else "0.0.0.0", local_only)
        except EgressRefused:
            conn.close()
            raise
        conn.peer_local = is_loopback(str(peer[0]))
        return conn

    def _tls_context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()  # honours SSL_CERT_FILE and SSL_CERT_DIR
            self._tls.set_alpn_protocols(["http/1.1"])
        return self._tls


def _said(error: Exception) -> str:
    """An OS error's own words, without numbers and addresses."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return text.partition(" (")[0].lower() if "Connect call failed" in text else text.lower()
