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


class HostRule:
    """bind_host: what the gateway listens on, a name or a bare address. allow_hosts, allow_origins: what
    `serve` was told to let in beside its own."""

    def __init__(
        self, bind_host: str, allow_hosts: Iterable[str] = (), allow_origins: Iterable[str] = ()
    ) -> None:
        listed = (host_name(host) or host.lower() for host in allow_hosts)
        self._hosts = _LOOPBACK | {bind_host.lower(), *listed}
        self._origins = frozenset(origin.rstrip("/").lower() for origin in allow_origins)
        self._any_address = not is_loopback_host(bind_host)

    def refuse_host(self, host: str) -> None:
        """host: a Host header. Raises PointsmanError: 400 when it is none, 403 when it is not ours."""
        name = host_name(host)
        if name is not None and (
            name in self._hosts or name.endswith(".localhost") or (self._any_address and _is_address(name))
        ):
            return
        raise PointsmanError(
            ErrorKind.FORBIDDEN,
            "This gateway does not answer to that Host name; to allow it: pointsman serve --allow-host NAME",
            status=400 if name is None else 403,
        )

    def refuse_origin(self, method: str, host: str, origin: str | None, site: str | None) -> None:
        """origin: the Origin header; site: Sec-Fetch-Site, by which a browser that hides the origin still
        says where a write comes from. Raises PointsmanError 403."""
        own_site = site is None or site.lower() in ("none", "same-origin")
        if origin is None:
            good = own_site or method in _SAFE_METHODS
        elif origin.lower() in self._origins:
            good = True
        else:  # the browser's own word for where it comes from holds, whatever the page calls itself
            ours = origin.lower() in (f"http://{host.lower()}", f"https://{host.lower()}")
            good = ours and (own_site or method in _SAFE_METHODS)
        if not good:
            raise PointsmanError(
                ErrorKind.FORBIDDEN,
                "Requests from web pages of this origin are refused;"
                " to allow it: pointsman serve --allow-origin ORIGIN",
            )

    def is_foreign_page_let_in(self, origin: str) -> bool:
        """Was this origin allowed by name, so that its pages may also read the answers?"""
        return origin.lower() in self._origins


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
