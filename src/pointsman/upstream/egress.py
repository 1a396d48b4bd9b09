"""The one function that opens connections to anywhere. The guard is inside it, so that no route can walk around it.

A stored key goes only to the origin it was stored for: the origin comes from the row, never from a request.
Addresses are checked after resolving and again on the connected socket
(docs/reliability-promises.md#egress). No redirects. Where a proxy is named for a backend, the connection is one through
it, with TLS to the backend inside: docs/reliability-promises.md#proxies says what is still checked then.
"""

from __future__ import annotations

import asyncio
import ipaddress
import math
import os
import socket
import ssl
import time
from collections.abc import Awaitable, Callable
from typing import cast

from ..errors import PointsmanError
from ..kinds import BackendType
from ..providers.proxies import OutboundProxy, Proxies
from ..providers.urls import address_problem, is_loopback, is_private
from . import trust
from .backend import Backend
from .connection import UpstreamConnection
from .failures import ConnectFailed, EgressRefused
from .tunnel import ProxyFailed, Talk, open_way

__all__ = ["ConnectFailed", "Egress", "EgressRefused"]

_STALE_SECONDS = 3600.0
"""While the name server does not answer, addresses it gave within this time are used."""

_WORDS = {
    "dns": "answer from the name server",
    "tcp": "connection",
    "tls": "TLS handshake",
    "proxy": "answer",
}
Closed = Callable[[UpstreamConnection], None]


class _Step:
    """How far an attempt to connect has come. proxy: whom it is about; None = the backend."""

    __slots__ = ("name", "proxy")

    def __init__(self, name: str, proxy: OutboundProxy | None = None) -> None:
        self.name = name
        self.proxy = proxy

    def too_late(self, seconds: float) -> ConnectFailed:
        text = f"{_WORDS[self.name]} within {seconds:g} s"
        if self.proxy is not None:
            return ProxyFailed(self.proxy, f"gave no {text}")
        return ConnectFailed(self.name, f"no {text}")


class Egress:
    """own: (ip, port) pairs this gateway listens on, so that it never calls itself. proxies: the environment's.
    own_socket: where it listens, too. local_host: the name of the machine that this container runs on, "" = none:
    what a local backend has there is as near as loopback."""

    def __init__(
        self,
        connect_seconds: float,
        own: frozenset[tuple[str, int]] = frozenset(),
        proxies: Proxies | None = None,
        own_socket: str | None = None,
        local_host: str = "",
    ) -> None:
        self._seconds = connect_seconds
        self._own = own
        self._local_host = local_host
        self._proxies = proxies or Proxies()
        self._own_socket = own_socket
        self._trust = trust.Trust()
        self._resolved: dict[tuple[str, int], tuple[float, list[str]]] = {}

    async def open(self, backend: Backend, closed: Closed, *, local_only: bool = False) -> UpstreamConnection:
        """A connected, TLS-checked connection within the connect limit. Raises ConnectFailed or EgressRefused."""
        if backend.unix_path is not None:
            return await self._open_unix(backend, backend.unix_path, closed)
        end = asyncio.get_running_loop().time() + self._seconds
        proxy = None if local_only else self.proxy_of(backend)
        if proxy is not None:
            return await self._open_through(proxy, backend, closed, end)
        step = _Step("tcp")

        async def connect(ip: str) -> UpstreamConnection:
            self.check(backend, ip, local_only)
            return await self._connect(backend, ip, closed, local_only, step)

        return await self._first(await self.resolve(backend), connect, step, end)

    def proxy_of(self, backend: Backend) -> OutboundProxy | None:
        """The proxy that its connections go through, None = straight. Behind a wall (`local_only`) there is never one."""
        if backend.url is None or self._is_below(backend):
            return None
        return self._proxies.of(backend.url, backend.spec.proxy)

    async def _first(
        self,
        addresses: list[str],
        connect: Callable[[str], Awaitable[UpstreamConnection]],
        step: _Step,
        end: float,
    ) -> UpstreamConnection:
        """The first address that works, until `end` on the loop's clock."""
        loop = asyncio.get_running_loop()
        failure: PointsmanError | None = None
        for number, ip in enumerate(addresses):
            # An address that swallows everything must leave time for the next one.
            share = (end - loop.time()) / (len(addresses) - number)
            try:
                async with asyncio.timeout(share):
                    return await connect(ip)
            except (ConnectFailed, EgressRefused, TimeoutError) as error:
                found = step.too_late(self._seconds) if isinstance(error, TimeoutError) else error
                failure = failure if isinstance(failure, ConnectFailed) else found
        assert failure is not None
        raise failure

    async def _open_unix(self, backend: Backend, path: str, closed: Closed) -> UpstreamConnection:
        loop = asyncio.get_running_loop()
        self._check_socket(path)
        try:
            async with asyncio.timeout(self._seconds):
                conn = UpstreamConnection(closed)
                await loop.create_unix_connection(conn.protocol, path)
        except TimeoutError:
            raise _Step("tcp").too_late(self._seconds) from None
        except OSError as error:
            ours = not backend.url_of("/")
            raise ConnectFailed("tcp", _said(error) if ours else _of_socket(error, path)) from None
        conn.peer_local = True
        return conn

    def _check_socket(self, path: str) -> None:
        if self._own_socket is not None and _same_socket(path, self._own_socket):
            raise EgressRefused("the backend's socket is this gateway itself")

    async def resolve(self, backend: Backend) -> list[str]:
        """The addresses of a backend's host, in the resolver's order, within the connect limit. Raises ConnectFailed."""
        assert backend.url is not None
        return await self._addresses(backend.url.host, backend.url.port)

    async def _addresses(self, host: str, port: int) -> list[str]:
        try:
            return [str(ipaddress.ip_address(host))]
        except ValueError:
            pass
        key = (host, port)
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
            raise _Step("dns").too_late(self._seconds) from None
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
        if local_only and spec.node is not None:
            raise EgressRefused(f"the rule is local-only and the backend belongs to the node {spec.node}")
        if local_only and not self._is_here(backend, ip):
            raise EgressRefused("the rule is local-only and the backend's address is not loopback")
        if (ip, backend.url.port) in self._own:
            raise EgressRefused("the backend's address is this gateway itself")

    def _is_here(self, backend: Backend, ip: str) -> bool:
        """Does what is sent to that address stay on this machine, or on the one that `local_host` names?"""
        near = is_loopback(ip) or (self._is_below(backend) and is_private(ip))
        return near and backend.spec.node is None  # what another gateway does with it is its own affair

    def _is_below(self, backend: Backend) -> bool:
        """Is it a local server of the machine that this container runs on?"""
        named = bool(self._local_host) and backend.url is not None and backend.url.host == self._local_host
        return named and backend.spec.type == BackendType.LOCAL.value

    async def _connect(
        self, backend: Backend, ip: str, closed: Closed, local_only: bool, step: _Step
    ) -> UpstreamConnection:
        """TCP, then the guard on the connected peer, then TLS: nothing is said to a peer that is refused."""
        assert backend.url is not None
        loop = asyncio.get_running_loop()
        step.name = "tcp"
        sock = await _connected(ip, backend.url.port)
        try:
            peer = str(sock.getpeername()[0])
            self.check(backend, peer, local_only)
            tls = self._trust.context(backend.spec.ca_file) if backend.url.scheme == "https" else None
            step.name = "tcp" if tls is None else "tls"
            conn = UpstreamConnection(closed)
            name = None if tls is None else backend.url.host
            await loop.create_connection(conn.protocol, sock=sock, ssl=tls, server_hostname=name)
        except BaseException as error:
            sock.close()
            found = _failed(error, step.name, backend)
            if found is not None:
                raise found from None
            raise
        conn.peer_local = self._is_here(backend, peer)
        return conn

    # -- through a proxy

    async def _open_through(
        self, proxy: OutboundProxy, backend: Backend, closed: Closed, end: float
    ) -> UpstreamConnection:
        """The backend is named to the proxy as its row names it, an address as it is. peer_local stays False, wherever the
        proxy is: what comes out at its end is another machine's."""
        assert backend.url is not None
        host = await self._named(proxy, backend)
        step = _Step("tcp", proxy)

        async def connect(ip: str) -> UpstreamConnection:
            if (ip, proxy.port) in self._own:
                raise EgressRefused(f"{proxy} is this gateway itself")
            step.name, step.proxy = "tcp", proxy
            return await self._tunnel(proxy, ip, host, backend, closed, step)

        try:
            addresses = await self._addresses(proxy.host, proxy.port)
        except ConnectFailed as error:
            raise ProxyFailed(proxy, f"is not found: {error.public}") from None
        return await self._first(addresses, connect, step, end)

    async def _named(self, proxy: OutboundProxy, backend: Backend) -> str:
        """What the proxy is to connect to. What an address tells is checked here; a name that only the proxy looks up is
        not, so that over plain http the row must allow it."""
        url = backend.url
        assert url is not None
        if url.address is not None or not proxy.resolves:
            addresses = await self.resolve(backend)
            for ip in addresses[:-1]:
                try:
                    self.check(backend, ip, False)
                except EgressRefused:
                    continue
                return ip
            self.check(backend, addresses[-1], False)
            return addresses[-1]
        if url.scheme == "http" and not backend.spec.allow_http:
            raise EgressRefused(
                f"plain http to {url.host} through {proxy}, which alone knows its address, would be readable over the"
                f" network; if it is on your own, go straight to it (NO_PROXY={url.host}, or --proxy none), else use"
                " https, or allow it with --allow-http"
            )
        return url.host

    async def _tunnel(
        self, proxy: OutboundProxy, ip: str, host: str, backend: Backend, closed: Closed, step: _Step
    ) -> UpstreamConnection:
        """TCP to the proxy, TLS where it wants that, its own protocol, then TLS to the backend."""
        assert backend.url is not None
        loop = asyncio.get_running_loop()
        try:
            sock = await _connected(ip, proxy.port)
        except ConnectFailed as error:
            raise ProxyFailed(proxy, f"cannot be reached: {error.public}") from None
        transport: asyncio.BaseTransport | None = None
        try:
            transport = await self._greet(proxy, sock, host, backend.url.port, step)
            conn = UpstreamConnection(closed)
            if backend.url.scheme == "https":
                step.name, step.proxy = "tls", None
                tls = self._trust.context(backend.spec.ca_file)
                writing, inner = cast(asyncio.WriteTransport, transport), conn.protocol()
                inside = await loop.start_tls(writing, inner, tls, server_hostname=backend.url.host)
                if inside is None or inside.is_closing():
                    raise ConnectFailed("tls", "it closed the connection after the TLS handshake")
                conn.connection_made(inside)
            else:
                transport.set_protocol(conn.protocol())
                conn.connection_made(transport)
        except BaseException as error:
            sock.close() if transport is None else cast(asyncio.Transport, transport).abort()
            found = _failed(error, step.name, backend, proxy)
            if found is not None:
                raise found from None
            raise
        return conn

    async def _greet(
        self, proxy: OutboundProxy, sock: socket.socket, host: str, port: int, step: _Step
    ) -> asyncio.BaseTransport:
        loop = asyncio.get_running_loop()
        tls = self._trust.context(None) if proxy.scheme == "https" else None
        step.name = "tcp" if tls is None else "tls"
        try:
            transport, talk = await loop.create_connection(
                Talk, sock=sock, ssl=tls, server_hostname=None if tls is None else proxy.host
            )
        except ssl.SSLCertVerificationError as error:
            raise ProxyFailed(
                proxy, f"showed a certificate that was refused: {error.verify_message}"
            ) from None
        except ssl.SSLError as error:
            raise ProxyFailed(
                proxy, f"does not speak TLS ({error.reason}); is it an http:// proxy?"
            ) from None
        except OSError as error:
            raise ProxyFailed(proxy, f"cannot be reached: {_said(error)}") from None
        step.name = "proxy"
        try:
            await open_way(proxy, transport, talk, host, port)
        except BaseException:
            transport.abort()
            raise
        return transport


async def _connected(ip: str, port: int) -> socket.socket:
    """Raises ConnectFailed."""
    sock = _socket_for(ip)
    try:
        await asyncio.get_running_loop().sock_connect(sock, (ip, port))
    except BaseException as error:
        sock.close()
        if isinstance(error, OSError) and not isinstance(error, TimeoutError):
            raise ConnectFailed("tcp", _said(error)) from None
        raise
    return sock


def _socket_for(ip: str) -> socket.socket:
    try:
        sock = socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET, socket.SOCK_STREAM)
    except OSError as error:  # no IPv6 on this machine, or no file descriptor left
        raise ConnectFailed("tcp", _said(error)) from None
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def _failed(
    error: BaseException, step: str, backend: Backend, proxy: OutboundProxy | None = None
) -> ConnectFailed | None:
    """What an error on the way to a backend is told as; None for what is told elsewhere."""
    assert backend.url is not None
    if not isinstance(error, OSError) or isinstance(error, TimeoutError):
        return None
    if isinstance(error, ssl.SSLCertVerificationError):
        through = "" if proxy is None else str(proxy)
        return ConnectFailed(step, trust.refusal(error, backend.url.host, backend.edit_command, through))
    text = _said(error)
    return ConnectFailed(step, text if proxy is None else f"{text} (through {proxy})")


def _same_socket(one: str, other: str) -> bool:  # by links, and folders that are mounted twice, too
    try:
        return os.path.realpath(one) == os.path.realpath(other) or os.path.samefile(one, other)
    except OSError:
        return False


def _of_socket(error: OSError, path: str) -> str:
    """What is wrong with a Unix socket, and what to look at."""
    if isinstance(error, FileNotFoundError):
        return f"there is no socket {path}; is the server running?"
    if isinstance(error, NotADirectoryError):
        return f"{path} goes on behind a socket; a path of requests is written unix:///run/x.sock:/path"
    if isinstance(error, ConnectionRefusedError):
        return f"nobody listens on the socket {path}; is the server running?"
    if isinstance(error, PermissionError):
        return f"this user may not connect to the socket {path} (permission denied); see its mode and its folder's"
    return f"the socket {path}: {_said(error)}"


def _said(error: OSError) -> str:
    """An OS or TLS error's own words, without numbers and addresses."""
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or 'handshake failure'}"
    if isinstance(error, ConnectionError) and not error.errno:  # of the event loop's own making
        return "the connection was reset"
    if isinstance(error, socket.gaierror) or not error.errno:
        return (error.strerror or str(error) or type(error).__name__).lower()
    return os.strerror(error.errno).lower()
