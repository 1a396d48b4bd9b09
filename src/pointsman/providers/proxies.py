"""Which proxy a connection to a backend takes: the environment's variables, and a backend's own word. Pure.

Variables as curl and Go read them: lower case before upper case, an empty one is none, NO_PROXY by the host as it is
written (docs/reliability-promises.md#proxies). Not here: speaking to a proxy (upstream/tunnel.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network, IPv6Network, ip_network
from urllib.parse import unquote_to_bytes

from ..errors import PointsmanError
from ..kinds import ErrorKind
from ..secret import SecretBytes
from . import addresses
from .urls import BaseUrl, host_of, is_loopback, split_port

NONE = "none"
"""A backend's own word for: never by a proxy."""

_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
_SOCKS = {"socks": "socks5h"}
"""GNOME writes `socks://` and means the fifth version."""
_USUAL = "write it as http://HOST:PORT"
_LOGIN_LENGTH = 255
"""Of a user name and of a password, in bytes (RFC 1929)."""


@dataclass(frozen=True, slots=True)
class OutboundProxy:
    """One proxy. login: `user:password`, b"" for none. source: the variable that named it, "" = the backend's row."""

    scheme: str
    host: str
    port: int
    login: SecretBytes = field(default=SecretBytes(b""), repr=False)
    source: str = ""

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def text(self) -> str:
        """As it is stored and shown: never with its login."""
        return f"{self.scheme}://{self.authority}"

    def __str__(self) -> str:
        return f"the proxy {self.text}" + (f" ({self.source})" if self.source else "")

    @property
    def resolves(self) -> bool:
        """Does it look names up itself?"""
        return self.scheme != "socks5"


def parse_proxy(text: str, source: str = "") -> OutboundProxy:
    """Raises ValueError with what to write instead, never with the text: a password may be in it."""
    text = text.strip()
    if any(char <= " " or char == "\x7f" for char in text):
        raise ValueError("holds spaces or control characters; remove them")
    scheme, mark, rest = text.partition("://")
    if not mark:
        scheme, rest = "http", text
    scheme = scheme.lower()
    scheme = _SOCKS.get(scheme, scheme)
    if scheme not in _PORTS:
        raise ValueError("is of no kind that is known here; use http://, https://, socks5:// or socks5h://")
    userinfo, at, authority = rest.rpartition("@")
    authority, _, path = authority.partition("/")
    if path or "?" in authority or "#" in authority:
        raise ValueError(f"has a path; {_USUAL} (a file that configures proxies, PAC, is not read)")
    if "/" in userinfo:
        raise ValueError("has '/' in its user name or password; write %2F")
    try:
        host_text, port = split_port(authority, _PORTS[scheme])
        host = host_of(host_text)
    except ValueError:
        raise ValueError(f"has a host or port that cannot be read; {_USUAL}") from None
    return OutboundProxy(scheme, host, port, _login(userinfo) if at else SecretBytes(b""), source)


def _login(userinfo: str) -> SecretBytes:
    user, _, password = userinfo.partition(":")
    # a variable's bytes that are no UTF-8 come as surrogates, and go as they came
    parts = [unquote_to_bytes(part.encode("utf-8", "surrogateescape")) for part in (user, password)]
    if any(len(part) > _LOGIN_LENGTH for part in parts):
        raise ValueError(f"has a user name or password of more than {_LOGIN_LENGTH} bytes")
    if any(byte < 32 or byte == 127 for part in parts for byte in part):
        raise ValueError("has control characters in its user name or password")
    if b":" in parts[0]:
        raise ValueError("has ':' in its user name, which no proxy understands (RFC 7617)")
    return SecretBytes(b":".join(parts))


def parse_setting(text: str) -> str:
    """A backend's own word: NONE or a proxy's URL, in the form in which it is stored. Raises ValueError."""
    if text.strip().lower() == NONE:
        return NONE
    try:
        proxy = parse_proxy(text)
    except ValueError as error:
        raise ValueError(f"the proxy's URL {error}") from None
    if proxy.login:
        raise ValueError(
            "the proxy's URL holds a user name or password, which is not stored; leave them out, and set"
            " HTTPS_PROXY or ALL_PROXY to the whole URL where the gateway starts: they are taken from there"
        )
    return proxy.text


_Bypass = Callable[[str, int], bool]
"""(host, port) -> is it reached without a proxy?"""


def parse_no_proxy(text: str) -> tuple[_Bypass, ...]:
    """The entries of NO_PROXY. Raises ValueError naming the one that cannot be read."""
    return tuple(_entry(one.lower()) for one in re.split(r"[,;\s]+", text) if one)


def _entry(text: str) -> _Bypass:
    if text == "*":
        return lambda host, port: True
    if text == "<local>":  # Windows: names without a dot
        return lambda host, port: "." not in host and ":" not in host
    network = _network(text)
    if network is not None:
        return lambda host, port: _inside(host, network)
    try:
        name, wanted = _with_port(text)
        if "*" in name:
            pattern = re.compile(".*".join(map(re.escape, name.split("*"))))
            return lambda host, port: wanted in (None, port) and pattern.fullmatch(host) is not None
        suffix = name.lstrip(".").removesuffix(".")
        exact = host_of(f"[{suffix}]" if ":" in suffix else suffix.encode("idna").decode())
    except ValueError:
        raise ValueError(f"holds {text[:60]!r}, which is no host, domain, address or network") from None
    if is_address(exact):
        return lambda host, port: wanted in (None, port) and host == exact
    return lambda host, port: wanted in (None, port) and (host == exact or host.endswith("." + exact))


def _network(text: str) -> IPv4Network | IPv6Network | None:
    if "/" not in text:
        return None
    address, _, bits = text.partition("/")
    if ":" not in address:
        address += ".0" * (3 - address.count("."))  # macOS writes 169.254/16
    try:
        return ip_network(f"{address}/{bits}", strict=False)
    except ValueError:
        raise ValueError(f"holds {text[:60]!r}, which is no network such as 10.0.0.0/8") from None


def _inside(host: str, network: IPv4Network | IPv6Network) -> bool:
    try:
        return addresses.parse_ip(host) in network
    except ValueError:
        return False


def _with_port(text: str) -> tuple[str, int | None]:
    """Name (without brackets), and the port that it is said for."""
    if text.count(":") > 1 and not text.startswith("["):
        return text, None  # an IPv6 address
    name, port = split_port(text, 0) if ":" in text else (text, 0)
    return name.strip("[]"), port or None


def is_address(host: str) -> bool:
    """A literal one?"""
    try:
        addresses.parse_ip(host)
    except ValueError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Proxies:
    """What the environment says. for_scheme: of the backend's URL."""

    for_scheme: Mapping[str, OutboundProxy] = field(default_factory=dict)
    bypass: tuple[_Bypass, ...] = ()

    def of(self, url: BaseUrl, setting: str | None) -> OutboundProxy | None:
        """The proxy for a backend there, None = straight. setting: its own word; it goes before NO_PROXY. This
        computer is never reached by one."""
        if is_loopback(url.host) or url.host == "localhost" or url.host.endswith(".localhost"):
            return None
        if setting is not None:
            return None if setting == NONE else self._with_login(parse_proxy(setting))
        proxy = self.for_scheme.get(url.scheme)
        if proxy is None or any(passes(url.host, url.port) for passes in self.bypass):
            return None
        return proxy

    def _with_login(self, proxy: OutboundProxy) -> OutboundProxy:
        """A row keeps no password: a variable that names the same proxy has it."""
        for known in self.for_scheme.values():
            if known.login and known.text == proxy.text:
                return replace(proxy, login=known.login)
        return proxy

    @staticmethod
    def from_environment(environ: Mapping[str, str]) -> Proxies:
        """Raises PointsmanError: one sentence that begins with the variable's name, without its value."""
        common = _proxy_of(environ, "ALL_PROXY")
        # httpoxy: in a CGI program HTTP_PROXY is a client's `Proxy` header
        plain = None if "REQUEST_METHOD" in environ else _proxy_of(environ, "HTTP_PROXY")
        found = {
            "http": plain or common,
            "https": _proxy_of(environ, "HTTPS_PROXY") or common,
        }
        chosen = {scheme: proxy for scheme, proxy in found.items() if proxy is not None}
        name, text = _variable(environ, "NO_PROXY")
        try:
            return Proxies(chosen, parse_no_proxy(text) if chosen else ())
        except ValueError as error:
            raise _mistyped(name, error) from None


def _variable(environ: Mapping[str, str], name: str) -> tuple[str, str]:
    """The spelling that is set, and its value; "" where none is."""
    found = ((one, environ.get(one, "").strip()) for one in (name.lower(), name))
    return next(((one, text) for one, text in found if text), (name, ""))


def _proxy_of(environ: Mapping[str, str], name: str) -> OutboundProxy | None:
    said, text = _variable(environ, name)
    if not text:
        return None
    try:
        return parse_proxy(text, said)
    except ValueError as error:
        raise _mistyped(said, error) from None


def _mistyped(variable: str, error: ValueError) -> PointsmanError:
    return PointsmanError(ErrorKind.INVALID, f"{variable} {error}", param=variable)
