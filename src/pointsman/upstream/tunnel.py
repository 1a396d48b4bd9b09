"""A way through a proxy: CONNECT (RFC 9110 section 9.3.6) or SOCKS 5 (RFC 1928, RFC 1929), asked on a connection to the
proxy that is open already. Whatever a proxy answers is the proxy's fault, never the backend's word.

Not here: which proxy (providers/proxies.py), connecting to it, and TLS inside (egress.py).
"""

from __future__ import annotations

import asyncio
import re
from base64 import b64encode
from collections.abc import Callable
from ipaddress import ip_address

from ..providers.proxies import OutboundProxy, is_address
from .connection import MAX_HEADER_BYTES, MAX_INTERIM
from .failures import ConnectFailed

_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9])(?: [^\r\n]*)?\r?\n", re.ASCII)
_END = re.compile(rb"\r?\n\r?\n")
_SCHEMES = re.compile(rb"(?im)^proxy-authenticate:[ \t]*([!#$%&'*+.^_`|~0-9a-z-]{1,40})")
_PAGE = re.compile(rb"(?im)^content-type:[ \t]*text/html")
_REPLIES = {
    1: "failed",
    2: "is not allowed by its rules",
    3: "failed: the network is unreachable",
    4: "failed: the host is unreachable",
    5: "failed: the connection was refused",
    6: "failed: it took too long",
    7: "failed: it does not know CONNECT",
    8: "failed: it does not know this kind of address",
}
"""Of SOCKS 5 (RFC 1928 section 6): what became of the connection."""


class ProxyFailed(ConnectFailed):
    """The proxy did not open a way. Names it, without its login, and says what to do."""

    def __init__(self, proxy: OutboundProxy, text: str) -> None:
        super().__init__("proxy", f"{proxy} {text}")


class Talk(asyncio.BufferedProtocol):
    """What a proxy says until the way is open. Then another protocol takes its place."""

    def __init__(self) -> None:
        self._piece = memoryview(bytearray(4096))
        self._got = bytearray()
        self._ended = False
        self._news: asyncio.Future[None] | None = None

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._piece

    def buffer_updated(self, nbytes: int) -> None:
        self._got += self._piece[:nbytes]
        self._tell()

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended = True
        self._tell()

    def _tell(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    async def take(self, length: Callable[[bytearray], int]) -> bytes:
        """As many bytes as `length` says of what has come, once it says more than 0. Raises EOFError when they do not
        come, OverflowError when they do not end."""
        while not (size := length(self._got)):
            if len(self._got) > MAX_HEADER_BYTES:
                raise OverflowError
            if self._ended:
                raise EOFError
            self._news = asyncio.get_running_loop().create_future()
            await self._news
        taken = bytes(self._got[:size])
        del self._got[:size]
        return taken

    @property
    def more(self) -> bool:
        """Has anything come that nobody took?"""
        return bool(self._got)


async def open_way(
    proxy: OutboundProxy, transport: asyncio.Transport, talk: Talk, host: str, port: int
) -> None:
    """Ask for a connection to host and port. Raises ProxyFailed."""
    try:
        if proxy.scheme.startswith("socks"):
            await _socks(proxy, transport, talk, host, port)
        else:
            await _connect(proxy, transport, talk, host, port)
    except EOFError:
        raise ProxyFailed(proxy, "closed the connection without opening a way") from None
    except OverflowError:
        raise ProxyFailed(proxy, "answered without end; is it a proxy?") from None
    if talk.more:
        raise ProxyFailed(proxy, "said something of its own where the backend should speak; is it a proxy?")


async def _connect(
    proxy: OutboundProxy, transport: asyncio.Transport, talk: Talk, host: str, port: int
) -> None:
    authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    login = b"proxy-authorization: Basic " + b64encode(proxy.login) + b"\r\n" if proxy.login else b""
    asked = f"CONNECT {authority} HTTP/1.1\r\nhost: {authority}\r\nuser-agent: pointsman\r\n".encode("ascii")
    transport.write(b"".join((asked, login, b"\r\n")))
    for _ in range(MAX_INTERIM):
        head = await talk.take(_head_length)
        found = _STATUS.match(head)
        if found is None:
            raise ProxyFailed(proxy, "did not answer in HTTP; is it a proxy of another kind?")
        status = int(found[1])
        if status >= 200:
            break
    else:
        raise OverflowError
    if status >= 300:
        raise ProxyFailed(proxy, _refusal(proxy, status, head, authority))
    if _PAGE.search(head):
        raise ProxyFailed(
            proxy, "answered with a page, not with a way; is it a proxy, or a login page before it?"
        )


def _head_length(got: bytearray) -> int:
    """0 while it is not whole. What is not HTTP is whole at once: nobody waits for its end."""
    if got[:7] != b"HTTP/1."[: len(got)]:
        return len(got)
    end = _END.search(got)
    return end.end() if end is not None else 0


def _refusal(proxy: OutboundProxy, status: int, head: bytes, authority: str) -> str:
    """What to do about it. None of these words is the backend's."""
    past = "or go past it: NO_PROXY, or --proxy none for this backend"
    if status in (401, 407):  # tinyproxy says 401 of a wrong one
        schemes = {found.decode().lower() for found in _SCHEMES.findall(head)}
        if schemes and "basic" not in schemes:
            named = ", ".join(sorted(schemes))
            helper = "put a helper such as cntlm before it"
            return f"wants a login by {named} ({status}), and only Basic is spoken here; {helper}"
        if proxy.login:
            return f"refused the login ({status}); correct user name and password in {proxy.source or 'its variable'}"
        where = proxy.source or "HTTPS_PROXY or ALL_PROXY"
        return f"wants a login ({status}); write it into {where}: {proxy.scheme}://USER:PASSWORD@{proxy.authority}"
    if status in (502, 503, 504):
        return f"could not reach {authority} ({status}); see whether it may and can, {past}"
    if status in (403, 405):
        return f"does not let anybody connect to {authority} ({status}); many allow port 443 alone: allow it there, {past}"
    return f"answered CONNECT {authority} with {status}; allow it there, {past}"


# -- SOCKS 5


async def _socks(
    proxy: OutboundProxy, transport: asyncio.Transport, talk: Talk, host: str, port: int
) -> None:
    transport.write(b"\x05\x02\x00\x02" if proxy.login else b"\x05\x01\x00")
    version, method = await talk.take(_at_least(2))
    if version != 5:
        raise ProxyFailed(proxy, "does not speak SOCKS 5; is it an http:// proxy?")
    if method == 2 and proxy.login:
        user, _, password = proxy.login.partition(b":")
        transport.write(b"".join((b"\x01", bytes((len(user),)), user, bytes((len(password),)), password)))
        if (await talk.take(_at_least(2)))[1]:
            raise ProxyFailed(
                proxy,
                f"refused the login; correct user name and password in {proxy.source or 'its variable'}",
            )
    elif method:
        raise ProxyFailed(
            proxy, "wants a login; write it into its URL in ALL_PROXY: socks5h://USER:PASSWORD@..."
        )
    if is_address(host):
        packed = ip_address(host).packed
        target = bytes((1 if len(packed) == 4 else 4,)) + packed
    else:
        target = bytes((3, len(host))) + host.encode("ascii")
    transport.write(b"\x05\x01\x00" + target + port.to_bytes(2, "big"))
    _, reply, _, kind = await talk.take(_at_least(4))
    if reply:
        said = _REPLIES.get(reply, f"failed ({reply})")
        raise ProxyFailed(proxy, f"opened no way: connecting to {host}:{port} {said}")
    size = {1: 4, 4: 16}.get(kind) or (await talk.take(_at_least(1)))[0]
    await talk.take(_at_least(size + 2))


def _at_least(size: int) -> Callable[[bytearray], int]:
    return lambda got: size if len(got) >= size else 0
