"""Which Host and Origin values are this gateway's own: one rule, asked by the data plane and by the
control plane. Pure. Not here: client keys and the admin token.

Another name may be a page that rebinds its DNS to this machine, another origin a page that calls across;
both are kept out (docs/reliability-promises.md#loopback-is-no-boundary). Rebinding needs a name, so
that a gateway that is bound beyond loopback also answers to every IP address.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable

from ..errors import PointsmanError
from ..kinds import ErrorKind
from .origins import Origins, is_web, parse_origin

AUTHORITY = (
    r"(?:\[(?P<address>[0-9A-Fa-f:.]{2,45})\]"
    r"|(?P<name>[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,252}[A-Za-z0-9_.])?))"
    r"(?::[0-9]{1,5})?"
)
"""`Host = uri-host [ ":" port ]` (RFC 9110 section 7.2), as strictly as we take it."""

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_authority = re.compile(AUTHORITY, re.ASCII).fullmatch


def host_name(host: str) -> str | None:
    """The name of a Host header: lower-case, without port and brackets; None when it is no Host.

    A trailing dot is the root label: the same host (RFC 1034 section 3.1)."""
    match = _authority(host)
    if match is None:
        return None
    return (match["address"] or match["name"].removesuffix(".")).lower() or None


def is_loopback_host(host: str) -> bool:
    """Does a bare host, without port and brackets, mean this machine alone?"""
    return host.lower() in _LOOPBACK or host.startswith("127.")


def parse_host(text: str) -> str:
    """The normal form of a Host that a person lets in. Raises ValueError that says what to write instead."""
    text = text.strip()
    bare = f"[{text}]" if text.count(":") > 1 and not text.startswith("[") else text
    name = host_name(bare)
    if name is None or ("]" in bare and not _is_address(name)):
        inner = text.partition("://")[2] or text
        inner = re.split(r"[/?#,\s]", inner.rpartition("@")[2].removeprefix("*."), maxsplit=1)[0]
        good = host_name(inner)
        such = f"write {good}" if good else "write a name such as box.lan, or an IP address"
        raise ValueError(f"can never match: a Host is a name, without scheme, path and wildcard; {such}")
    return name


class HostRule:
    """bind_host: what the gateway listens on, a name or a bare address. allow_hosts, allow_origins: what
    `serve` was told to let in beside its own. Of the origins only exact ones of web servers reach the control
    plane; all others are for the data plane (docs/reliability-promises.md#web-pages)."""

    def __init__(
        self, bind_host: str, allow_hosts: Iterable[str] = (), allow_origins: Iterable[str] = ()
    ) -> None:
        self._hosts = _LOOPBACK | {bind_host.lower(), *map(parse_host, allow_hosts)}
        self._stored: frozenset[str] = frozenset()
        self._own = Origins(origin for origin in map(parse_origin, allow_origins) if is_web(origin))
        self.beyond = not is_loopback_host(bind_host)  # other machines reach it

    def follow(self, hosts: Iterable[str]) -> None:
        """Let these in, too, from now on, in the form of parse_host; no longer those that were told before."""
        self._stored = frozenset(hosts)

    def refuse_host(self, host: str) -> None:
        """host: a Host header. Raises PointsmanError: 400 when it is none, 403 when it is not ours."""
        name = host_name(host)
        if name is not None and (
            name in self._hosts
            or name in self._stored
            or name.endswith(".localhost")
            or (self.beyond and _is_address(name))
        ):
            return
        raise PointsmanError(
            ErrorKind.FORBIDDEN,
            "This gateway does not answer to that Host name; to allow it: pointsman host add NAME,"
            " or pointsman serve --allow-host NAME",
            status=400 if name is None else 403,
        )

    def refuse_origin(self, method: str, host: str, origin: str | None, site: str | None) -> None:
        """Of the control plane. Raises PointsmanError 403."""
        if not self.lets_in(method, host, origin, site, self._own):
            raise PointsmanError(
                ErrorKind.FORBIDDEN,
                "Requests from web pages of this origin are refused;"
                " to allow it: pointsman serve --allow-origin ORIGIN",
            )

    def lets_in(
        self, method: str, host: str, origin: str | None, site: str | None, allowed: Origins | None = None
    ) -> bool:
        """origin: the Origin header; site: Sec-Fetch-Site, by which a browser that hides the origin still
        says where a write comes from. allowed: those let in, None for those that reach the control plane."""
        own_site = site is None or site.lower() in ("none", "same-origin")
        if origin is None:
            return own_site or method in _SAFE_METHODS
        if (self._own if allowed is None else allowed).has(origin):
            return True
        # the browser's own word for where it comes from holds, whatever the page calls itself
        ours = origin.lower() in (f"http://{host.lower()}", f"https://{host.lower()}")
        return ours and (own_site or method in _SAFE_METHODS)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
