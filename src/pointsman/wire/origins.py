"""Web origins that are let in: how one is written, and which `Origin` headers it means. Pure. Not here: who asks
(authority.py), and where the list is kept (admin/store/origins.py).

    https://chat.example          this one; the scheme's own port is left out, as browsers leave it out
    http://localhost:*            any port of this host
    https://*.team.example        any name below this one, not the name itself
    app://obsidian.md             other schemes' origins: Electron, Tauri, Capacitor, editors, extensions
    chrome-extension://*          any of a scheme that is not the web's
    null                          pages that have no origin of their own; by this word only
    *                             every origin but null; holds only where clients need keys

What no browser ever sends is refused with what it sends instead (docs/reliability-promises.md#web-pages).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import AddressValueError, IPv4Address, IPv6Address

ANY = "*"
NULL = "null"
_MOST = 300
_FOR_EXAMPLE = "write an origin such as http://localhost:3000"
_WEB_PORTS = {"http": "80", "https": "443"}
_NULL_SCHEMES = frozenset(
    {"about", "blob", "content", "data", "filesystem", "ftp", "javascript", "view-source"}
)
"""Whose pages have an opaque origin, which is sent as `null` (HTML standard, section 7.1.1)."""
_OWN_SUFFIXES = frozenset({"localhost", "local", "lan", "internal", "home", "test", "example"})
"""Last labels below which a wildcard names one's own machines; below any other single label it is half of the web."""

_READ_ANEW = "\u00df\u1e9e\u03c2\u200c\u200d"
"""Letters that Python's IDNA (2003) writes otherwise than browsers do (UTS 46, nontransitional)."""

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,39}", re.ASCII).fullmatch
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII).fullmatch
_OTHER_HOST = re.compile(r"[a-z0-9._-]{1,253}", re.ASCII).fullmatch
_CHROME_ID = re.compile(r"[a-p]{32}", re.ASCII).fullmatch
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII).fullmatch
_sent = re.compile(
    r"([a-z][a-z0-9+.-]*)://(\[[0-9a-f:.]+\]|[^\[\]/:?#@\s]+)(?::([0-9]{1,5}))?", re.ASCII
).fullmatch


class Origins:
    """allowed: in the form of parse_origin."""

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        self._exact: set[str] = set()
        self._schemes: set[str] = set()
        self._any_port: set[str] = set()
        self._below: list[tuple[str, str, str]] = []
        self._any = False
        for text in allowed:
            self._add(text)

    def _add(self, text: str) -> None:
        scheme, mark, rest = text.partition("://")
        host, port = _split(rest) if mark else ("", "")
        if text == ANY:
            self._any = True
        elif host == ANY:
            self._schemes.add(scheme)
        elif host.startswith("*."):
            self._below.append((scheme, host[1:], port))
        elif port == ANY:
            self._any_port.add(f"{scheme}://{host}")
        else:
            self._exact.add(text)

    def has(self, origin: str) -> bool:
        """Is this `Origin` header one of them? Letter case does not matter."""
        origin = origin.lower()
        if origin in self._exact:
            return True
        found = _sent(origin)
        if found is None:
            return False
        scheme, host, port = found[1], found[2], found[3] or ""
        return (
            self._any
            or scheme in self._schemes
            or f"{scheme}://{host}" in self._any_port
            or any(
                scheme == one and host.endswith(below) and at in (ANY, port) and _OTHER_HOST(host) is not None
                for one, below, at in self._below
            )
        )


def parse_origin(text: str) -> str:
    """The normal form of what a person writes. Raises ValueError that says what to write instead."""
    text = text.strip()
    if text == ANY or text.lower() == NULL:
        return text.lower()
    if not text:
        raise ValueError(f"is empty; {_FOR_EXAMPLE}")
    if len(text) > _MOST:
        raise ValueError(f"is longer than {_MOST} characters; write scheme://host:port")
    if "," in text:
        raise ValueError("holds a comma; give each origin by itself")
    if any(char.isspace() or not char.isprintable() for char in text):
        raise ValueError("holds a space or an invisible character; remove it")
    first = text.partition(":")[0].lower()
    if first in _NULL_SCHEMES and first != text.lower():
        raise ValueError(
            f"can never match: pages of {first}: have the origin null; allow that by the word null"
        )
    scheme, mark, rest = text.partition("://")
    if not mark:
        raise ValueError(_schemeless(text))
    if not _SCHEME(scheme):
        raise ValueError(f"begins with {scheme!r}, which is no scheme; {_such_as(rest)}")
    return _with_scheme(scheme.lower(), rest)


def is_web(origin: str) -> bool:
    """One exact origin of a web server: no wildcard, no app's or extension's, not `null`."""
    return origin.startswith(("http://", "https://")) and "*" not in origin


def caution(origin: str) -> str | None:
    """What to know of one that works and lets in more, or less, than it seems to. origin: in normal form."""
    if origin == NULL:
        return "null is the origin of files and of any page's sandboxed frame: every web page can send it; use client keys"
    if origin == "file://":
        return "file:// is what Electron and WebViews send; browsers send null for a page from a file"
    return None


def _with_scheme(scheme: str, rest: str) -> str:
    if scheme in _NULL_SCHEMES:
        raise ValueError(
            f"can never match: pages of {scheme}: have the origin null; allow that by the word null"
        )
    if scheme in ("ws", "wss"):
        raise ValueError(
            f"can never match: an origin is its page's; write http{scheme[2:]}://{rest.rstrip('/')}"
        )
    rest = rest.removesuffix("/")
    if scheme == "file":
        if rest:
            raise ValueError(
                "can never match: no origin has a path; browsers send null for files, Electron file://"
            )
        return "file://"
    cut = re.split(r"[/?#\\]", rest, maxsplit=1)[0]
    if cut != rest:
        raise ValueError(f"can never match: an origin has no path; write {scheme}://{cut}")
    if "@" in rest:
        raise ValueError(
            f"can never match: an origin has no user name; write {scheme}://{rest.rpartition('@')[2]}"
        )
    host, port = _split(rest)
    if not host:
        raise ValueError(f"has no host; {_FOR_EXAMPLE}")
    if scheme in _WEB_PORTS:
        host, port = _web_host(scheme, host), _port(port)
        return f"{scheme}://{host}" + (f":{port}" if port not in ("", _WEB_PORTS[scheme]) else "")
    if port and scheme.endswith("extension"):
        raise ValueError(f"can never match: an extension has no port; write {scheme}://{host}")
    return f"{scheme}://{_other_host(scheme, host.lower())}" + (f":{_port(port)}" if port else "")


def _split(rest: str) -> tuple[str, str]:
    """(host, port), "" where there is none."""
    if rest.startswith("["):
        host, bracket, port = rest.partition("]")
        return host + bracket, port.removeprefix(":")
    host, _, port = rest.partition(":")
    return host, port


def _port(text: str) -> str:
    if text in ("", ANY):
        return text
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 0 < int(text) < 65536):
        raise ValueError(f"has the port {text!r}, which is no number from 1 to 65535; :* is any port")
    return str(int(text))


def _web_host(scheme: str, host: str) -> str:
    if host == ANY:
        raise ValueError(
            f"would be every page of {scheme}; write {scheme}://localhost:*, or * alone, which needs client keys"
        )
    if host.startswith("["):
        return _ipv6(host)
    below = host.startswith("*.")
    name = host.removeprefix("*.")
    if "*" in name:
        raise ValueError(
            f"has its wildcard in the wrong place: only {scheme}://*.NAME and {scheme}://NAME:* have one"
        )
    name = _ascii(name)
    labels = name.removesuffix(".").split(".")
    if len(name) > 253 or not all(map(_is_label, labels)):
        raise ValueError(f"has the host {host!r}, which is no host name; {_FOR_EXAMPLE}")
    if labels[-1].isdigit() or labels[-1].startswith("0x"):
        if below:
            raise ValueError("has a wildcard before an address; only names have names below them")
        return _ipv4(name)
    if below and len(labels) == 1 and labels[0] not in _OWN_SUFFIXES:
        raise ValueError(f"would be half of the web; name the site, such as {scheme}://*.team.{name}")
    return ("*." if below else "") + name


def _is_label(label: str) -> bool:
    """Could it be one of a name that a browser opens? `xn--` with nothing readable behind it is not."""
    if not _LABEL(label):
        return False
    try:
        meant = label[4:].encode().decode("punycode") if label.startswith("xn--") else "\u00fc"
    except UnicodeError:
        return False
    return meant.isprintable() and not meant.isascii()


def _ascii(name: str) -> str:
    """As browsers write it: lower-case, other letters than ASCII's in their xn-- form."""
    if name.isascii():
        return name.lower()
    try:
        if any(char in _READ_ANEW for char in name):
            raise UnicodeError
        return name.encode("idna").decode("ascii").lower()
    except UnicodeError:
        raise ValueError(f"has the host {name!r}; write it in its xn-- form, as browsers send it") from None


def _ipv4(name: str) -> str:
    try:
        return str(IPv4Address(name))
    except AddressValueError:
        raise ValueError(
            f"has the host {name!r}: write an address as browsers do, four numbers with points between"
        ) from None


def _ipv6(host: str) -> str:
    try:
        if not host.endswith("]") or "%" in host:  # browsers open no address with a zone
            raise AddressValueError
        return f"[{IPv6Address(host[1:-1]).compressed}]"
    except AddressValueError:
        raise ValueError(f"has the host {host}, which is no IPv6 address; write it as [::1]") from None


def _other_host(scheme: str, host: str) -> str:
    if host == ANY:
        return host
    if "*" in host:
        raise ValueError(f"has its wildcard in the wrong place; write {scheme}://* for any of them")
    if scheme in ("chrome-extension", "extension") and not _CHROME_ID(host):
        raise ValueError(f"can never match: an extension's ID is 32 letters from a to p; {scheme}://* is any")
    if scheme == "moz-extension" and not _UUID(host):
        raise ValueError(
            "can never match: Firefox gives an extension a UUID in each installation; write moz-extension://*"
        )
    if not _OTHER_HOST(host):
        raise ValueError(f"has the host {host!r}, which is none")
    return host


def _schemeless(text: str) -> str:
    scheme, colon, rest = text.partition(":")
    if colon and _SCHEME(scheme) and rest.startswith("/"):
        return f"can never match: it has one slash behind the colon; write {scheme}://{rest.strip('/')}"
    return f"can never match: it has no scheme; {_such_as(text)}"


def _such_as(text: str) -> str:
    host = re.split(r"[/?#\\@]", text, maxsplit=1)[0]
    try:
        parse_origin(f"https://{host}" if host else "")
    except ValueError:
        return _FOR_EXAMPLE
    own = _split(host)[0].lower() in ("localhost", "127.0.0.1", "[::1]")
    if own and not _split(host)[1]:
        return f"write http://{host}:* for any port, or http://{host}:PORT"
    return f"write http://{host}" if own else f"write https://{host} (or http://{host})"
