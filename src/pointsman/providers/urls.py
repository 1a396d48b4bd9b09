"""Base URLs of backends: one strict parser, and where plain http or anything at all may go. Pure; no DNS.

Strict because two parsers that read one URL differently are how keys leak
(docs/reliability-promises.md#urls): what this one does not understand is refused, and what it
returns is what is stored, shown and connected to.
"""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import quote, unquote

from ..kinds import BackendType
from . import addresses

_DEFAULT_PORTS = {"http": 80, "https": 443}
_MAX_LENGTH = 2048
_SHAPE = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/]*)(?P<path>/.*)?")
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_PATH = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*")
_QUERY = re.compile(r"(?:[A-Za-z0-9._~!$'()*+,;:@/=&-]|%[0-9A-Fa-f]{2})*")
_SECRET_NAME = re.compile(r"key|token|secret|password|signature|credential|^sig$|^code$")
_REQUEST = re.compile(r"/(?:chat/completions|completions|responses|messages|embeddings|models)$")
"""The path of a request, where somebody copied its whole URL."""
_UNIX = re.compile(r"(?:http://)?unix:|http\+unix:", re.IGNORECASE)
_UNIX_SHAPE = re.compile(
    r"(?:http://)?unix:(?://)?(?P<socket>/(?!/)(?:[^:]|:(?!/|$))*)(?::(?P<path>/.*)?)?", re.IGNORECASE
)
_UNQUOTED = "/+@=,~"
_ENGINE = "unix:///pointsman-engine/"
"""Where the warden starts it (pointsman.warden): nobody listens there, whoever asks learns the address of the moment."""
SOCKET_LENGTH = 103 if sys.platform == "darwin" else 107
"""Of a Unix socket's path, in bytes, as the kernel takes it (sun_path without its end)."""
_NUMBER = re.compile(r"0[xX][0-9a-fA-F]*|[0-9]+")
_METADATA_NAMES = frozenset(
    {
        "metadata",
        "metadata.google.internal",
        "metadata.goog",
        "metadata.azure.internal",
        "metadata.azure.com",
        "metadata.tencentyun.com",
        "metadata.packet.net",
        "metadata.platformequinix.com",
        "metadata.oraclecloud.com",
        "instance-data",
        "instance-data.ec2.internal",
    }
)


@dataclass(frozen=True, slots=True)
class BaseUrl:
    """Where a backend lives. host: lower-case, an address in its one usual spelling, no brackets. path: what stands
    before `/chat/completions` and its kin, "" for the usual `/v1`; never with a trailing slash. query: goes with every
    request, as Azure's `api-version=2024-10-21`, "" for none. socket: path of the Unix socket it listens on, "" for none:
    then scheme, host and port are what its requests say, and no network is used."""

    scheme: str
    host: str
    port: int
    path: str
    query: str = ""
    socket: str = ""

    @property
    def origin(self) -> str:
        """`https://host`, with the port where it is not the scheme's own, or `unix:///run/x.sock`: what a stored key is
        bound to."""
        if self.socket:
            return f"unix://{quote(self.socket, safe=_UNQUOTED)}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}"

    @property
    def text(self) -> str:
        """The normal spelling; parsing it again gives the same."""
        colon = ":" if self.socket and (self.path or self.query) else ""
        return self.origin + colon + self.path + (f"?{self.query}" if self.query else "")

    def prefix(self, v1_behind_path: bool) -> str:
        """The path before `/chat/completions` or `/messages`. v1_behind_path: see providers/catalog.Provider
        (docs/protocols/backends.md#base-urls)."""
        if not self.path:
            return "/v1"
        longer = v1_behind_path and not self.path.endswith("/v1")
        return self.path + "/v1" if longer else self.path

    @property
    def address(self) -> addresses.Address | None:
        """The literal address, or None for a name."""
        try:
            return addresses.parse_ip(self.host)
        except ValueError:
            return None


def parse_base_url(text: str) -> BaseUrl:
    """Raises ValueError with what to write instead. A trailing slash, a bare `/v1`, which is usual, and the path of a
    request are accepted and left out."""
    if not text:
        raise ValueError("the base URL is empty; write one such as http://127.0.0.1:8080")
    if len(text) > _MAX_LENGTH:
        raise ValueError(f"the base URL is longer than {_MAX_LENGTH} characters")
    if any(char <= " " or char == "\x7f" or char.isspace() for char in text):
        raise ValueError("the base URL holds spaces or control characters; remove them")
    if "#" in text:
        raise ValueError("the base URL must not have a fragment (#); leave that part out")
    text, mark, query = text.partition("?")
    if mark:
        _check_query(query)
    if "\\" in text:
        raise ValueError("the base URL holds a backslash; write /")
    if text.lower().startswith(("https://unix:", "https+unix:")):
        raise ValueError("TLS is not spoken on a Unix socket; write unix:///run/llama.sock")
    if _UNIX.match(text):
        socket, path = _socket(text)
        return BaseUrl("http", "localhost", 80, _path(path), query, socket)
    shape = _SHAPE.fullmatch(text)
    scheme = shape["scheme"].lower() if shape else ""
    if shape is None or scheme not in _DEFAULT_PORTS:
        raise ValueError("the base URL must start with http:// or https:// (or unix:/// for a Unix socket)")
    authority = shape["authority"]
    if "@" in authority:
        raise ValueError("the base URL must not hold a user name or password; give the key as the API key")
    host_text, port = split_port(authority, _DEFAULT_PORTS[scheme])
    return BaseUrl(scheme, host_of(host_text), port, _path(shape["path"] or ""), query)


def _socket(text: str) -> tuple[str, str]:
    """The socket's path, and the path of requests. Docker's and requests' `http+unix://%2Frun%2Fx.sock/path` and nginx's
    `http://unix:/run/x.sock:/path` are taken for ours, `unix:///run/x.sock:/path`."""
    found = _UNIX_SHAPE.fullmatch(text)
    if found is not None:
        quoted, path = found["socket"], found["path"] or ""
    else:
        authority, slash, rest = text.partition("://")[2].partition("/")
        quoted, path = authority if text.lower().startswith("http+unix:") else "", slash + rest
    socket = unquote(quoted, errors="surrogateescape")
    if not socket.startswith("/") or socket.endswith("/"):
        raise ValueError(
            "the base URL of a Unix socket is written with its whole path: unix:///run/llama.sock"
        )
    if any(char < " " or char == "\x7f" for char in socket) or ".." in socket.split("/"):
        raise ValueError("the base URL's socket holds control characters or '..'; write the path it means")
    if len(os.fsencode(socket)) > SOCKET_LENGTH:
        raise ValueError(
            f"the base URL's socket has a path of more than {SOCKET_LENGTH} bytes; use a shorter one"
        )
    return socket, path


def check_base_url(type: BackendType, url: BaseUrl, allow_http: bool) -> None:
    """The rules that can be told without a look-up (docs/design.md#base-urls). Raises ValueError
    with what to do.

    A name is judged again when it is connected to (address_problem): here it only has to be able to be right.
    """
    if url.host in _METADATA_NAMES:
        raise ValueError(f"{url.host} is a cloud metadata name; nothing is ever sent there")
    ip = url.address
    if ip is not None:
        problem = address_problem(type, url.scheme, str(ip), allow_http)
        if problem is not None:
            raise ValueError(problem)
        return
    if url.scheme == "https" or allow_http or _is_localhost(url.host) or type is BackendType.LOCAL:
        return
    raise ValueError(_http_advice(url.host))


def node_url(text: str) -> str:
    """Where a gateway is that other nodes ask, in its normal form. Raises ValueError with what to do."""
    url = parse_base_url(text)
    if url.socket or url.path or url.query:
        raise ValueError(
            f"a node's address is http://HOST:PORT or https://HOST:PORT, and {text!r} is more than that"
        )
    check_base_url(BackendType.LOCAL, url, False)
    return url.text


def address_problem(type: BackendType, scheme: str, ip: str, allow_http: bool) -> str | None:
    """Why this type of backend may not be spoken to at that resolved or connected address, or None.

    The same rules at write time and at connect time, so a name that resolves elsewhere later gains nothing.
    """
    try:
        address = addresses.parse_ip(ip)
    except ValueError:
        return f"{ip!r} is not an IP address"
    why = addresses.denied(address)
    if why is not None:
        return f"{address} is {why}; nothing is ever sent there"
    if scheme == "https" or allow_http or addresses.is_loopback_address(address):
        return None
    if type is BackendType.LOCAL and addresses.is_private_address(address):
        return None
    return _http_advice(str(address))


def is_loopback(ip: str) -> bool:
    """Is the peer this computer? What is not an address is not."""
    try:
        return addresses.is_loopback_address(addresses.parse_ip(ip))
    except ValueError:
        return False


def is_private(ip: str) -> bool:
    """Is the peer in one's own network? What is not an address is not."""
    try:
        return addresses.is_private_address(addresses.parse_ip(ip))
    except ValueError:
        return False


def _http_advice(host: str) -> str:
    return (
        f"plain http to {host} would send keys and prompts readable over the network;"
        " use https, or allow it with allow_http (--allow-http)"
    )


def _is_localhost(host: str) -> bool:
    return host == "localhost" or host.endswith(".localhost")  # RFC 6761


def split_port(authority: str, default: int) -> tuple[str, int]:
    """Host text (brackets kept) and port. Raises ValueError."""
    if authority.startswith("["):
        host, bracket, rest = authority.partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError("the base URL's IPv6 address is not closed; write it as [::1] or [::1]:8080")
        host, port_text = host + bracket, rest[1:]
        given = bool(rest)
    else:
        host, colon, port_text = authority.partition(":")
        given = bool(colon)
        if ":" in port_text:
            raise ValueError("the base URL's host holds more than one ':'; write an IPv6 address as [::1]")
    if not given:
        return host, default
    if not (port_text.isascii() and port_text.isdigit() and len(port_text) <= 5):
        raise ValueError(f"the base URL's port {port_text!r} is not a number from 1 to 65535")
    port = int(port_text)
    if not 1 <= port <= 65535:
        raise ValueError(f"the base URL's port {port} is not from 1 to 65535")
    return host, port


def host_of(text: str) -> str:
    """The host in its one spelling, brackets taken off. Raises ValueError."""
    if text.startswith("["):
        return _ipv6(text[1:-1])
    if not text.isascii():
        raise ValueError("the base URL's host holds letters outside ASCII; write it in its xn-- form")
    host = text.lower().removesuffix(".")
    if not host:
        raise ValueError("the base URL has no host; write one such as http://127.0.0.1:8080")
    last = host.rpartition(".")[2]
    if last.isdigit() or _NUMBER.fullmatch(last):
        return _ipv4(host)
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in host.split(".")):
        raise ValueError(f"the base URL's host {text!r} is not a host name")
    return host


def _ipv6(text: str) -> str:
    if "%" in text:
        raise ValueError("the base URL's IPv6 address holds a zone (%); link-local addresses are refused")
    try:
        ip = IPv6Address(text)
    except ValueError:
        raise ValueError(f"the base URL's address [{text}] is not an IPv6 address") from None
    return str(addresses.unmapped(ip))


def _ipv4(host: str) -> str:
    """Every spelling that resolvers accept (127.1, 0x7f.1, 017700000001, 2130706433), read as the WHATWG URL
    standard does, so that no spelling hides an address from the rules."""
    parts = host.split(".")
    if len(parts) > 4 or not all(_NUMBER.fullmatch(part) for part in parts):
        raise ValueError(f"the base URL's host {host!r} is not an IPv4 address")
    try:
        numbers = [_number(part) for part in parts]
    except ValueError:
        raise ValueError(f"the base URL's host {host!r} is not an IPv4 address") from None
    *heads, tail = numbers
    if any(number > 255 for number in heads) or tail >= 256 ** (5 - len(numbers)):
        raise ValueError(f"the base URL's host {host!r} is not an IPv4 address")
    value = tail + sum(number << (8 * (3 - i)) for i, number in enumerate(heads))
    return str(IPv4Address(value))


def _number(part: str) -> int:
    if part[:2] in ("0x", "0X"):
        return int(part[2:] or "0", 16)
    return int(part, 8) if len(part) > 1 and part.startswith("0") else int(part)


def _path(text: str) -> str:
    if not _PATH.fullmatch(text):
        raise ValueError("the base URL's path holds characters that must be percent-encoded")
    if any(part.lower().replace("%2e", ".") in (".", "..") for part in text.split("/")):
        raise ValueError("the base URL's path holds '.' or '..'; write the path it means")
    if "//" in text.rstrip("/"):
        raise ValueError("the base URL's path holds '//'; write one '/'")
    path = _REQUEST.sub("", text.rstrip("/"))
    while path.endswith("/v1/v1"):
        path = path.removesuffix("/v1")
    return "" if path == "/v1" else path


def _check_query(query: str) -> None:
    if not query or not _QUERY.fullmatch(query):
        raise ValueError(
            "the base URL's query is not of the form name=value&name=value; leave it out or correct it"
        )
    for name in (one.partition("=")[0].lower() for one in query.split("&")):
        if _SECRET_NAME.search(name):
            raise ValueError(f"the base URL's query holds {name!r}; give the key as the API key")


def engine_url(name: str) -> str:
    """The base URL of a local backend that is started on demand."""
    return _ENGINE + name


def engine_of(base_url: str) -> str | None:
    """The engine that the warden starts for this base URL; None where a server is somewhere already."""
    return base_url.removeprefix(_ENGINE) if base_url.startswith(_ENGINE) else None
