"""Who may speak to this gateway: Host and Origin allow-lists, and client keys. One function for both auth headers.

Not here: the admin token (control plane) and keys for backends.
"""

from __future__ import annotations

import hmac
import ipaddress
from dataclasses import dataclass

from ...errors import PointsmanError
from ...kinds import ErrorKind
from ...link.messages import ClientKeySpec, Snapshot
from ...wire.http1 import RequestHead

_LOOPBACK_NAMES = {"localhost", "127.0.0.1", "::1"}


def split_host(host: str) -> str:
    """The name of a Host header, lower-case, without port and brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()


class HostGuard:
    """Which Host and Origin values are ours (DNS rebinding and web pages are kept out: RELIABILITY.md 1c, item 7).

    A gateway bound beyond loopback also answers to IP addresses: rebinding needs a name.
    """

    def __init__(self, bind_host: str, allow_hosts: tuple[str, ...], allow_origins: tuple[str, ...]) -> None:
        self._hosts = _LOOPBACK_NAMES | {split_host(h) for h in allow_hosts} | {bind_host.lower()}
        self._origins = {o.rstrip("/").lower() for o in allow_origins}
        self._any_address = bind_host.lower() not in _LOOPBACK_NAMES
        self._seen: set[bytes] = set()

    def check(self, head: RequestHead) -> None:
        """Raises PointsmanError 403 naming the flag that allows it."""
        host = head.host
        if host not in self._seen:
            self._check_host(host.decode("ascii"))
            if len(self._seen) < 1000:
                self._seen.add(host)
        origin = head.get(b"origin")
        if origin is not None and not self.allows_origin(origin, host):
            raise PointsmanError(
                ErrorKind.FORBIDDEN,
                "Requests from web pages of this origin are refused; to allow it: pointsman serve --allow-origin ORIGIN",
            )

    def _check_host(self, host: str) -> None:
        name = split_host(host)
        if name in self._hosts or name.endswith(".localhost"):
            return
        if self._any_address:
            try:
                ipaddress.ip_address(name)
            except ValueError:
                pass
            else:
                return
        raise PointsmanError(
            ErrorKind.FORBIDDEN,
            "This gateway does not answer to that Host name; to allow it: pointsman serve --allow-host NAME",
        )

    def allows_origin(self, origin: bytes, host: bytes) -> bool:
        """Is a page of that origin our own, or allowed by name?"""
        text = origin.decode("latin-1").lower()
        return text in self._origins or text in (
            f"http://{host.decode().lower()}",
            f"https://{host.decode().lower()}",
        )

    def cors_lines(self, head: RequestHead) -> bytes:
        """Header lines that let an allowed foreign page read the answer; nothing for anybody else."""
        origin = head.get(b"origin")
        if origin is None or origin.decode("latin-1").lower() not in self._origins:
            return b""
        return (
            b"access-control-allow-origin: "
            + origin
            + b"\r\nvary: origin\r\naccess-control-expose-headers: *\r\n"
        )


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. key_id: the client key used, None when none is needed. login: the client's own provider login as
    header lines, sent on only where a rule says so."""

    key_id: int | None
    login: bytes


class KeyRing:
    """The live client keys of one snapshot."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._pepper = snapshot.pepper
        self._required = snapshot.keys_required
        self._by_digest = {key.digest: key for key in snapshot.client_keys}

    def identify(self, head: RequestHead) -> Caller:
        """The caller, from `Authorization: Bearer` and `x-api-key`, whichever the protocol. Raises PointsmanError 401.

        Both may come with one value (Claude Code's apiKeyHelper), or one may be a client key and the other the
        client's own provider login.
        """
        authorization = head.get(b"authorization")
        api_key = head.get(b"x-api-key")
        if authorization is None and api_key is None and not self._required:
            return _NOBODY
        bearer = (
            authorization[7:].strip() if authorization and authorization[:7].lower() == b"bearer " else None
        )
        if not self._required:
            return Caller(None, _login(authorization, api_key))
        for presented in (api_key, bearer):
            key = self._find(presented) if presented else None
            if key is not None:
                return Caller(
                    key.id,
                    _login(
                        None if bearer is not None and (presented == bearer) else authorization,
                        None if presented == api_key else api_key,
                    ),
                )
        said = "is not valid" if bearer or api_key else "is missing"
        raise PointsmanError(
            ErrorKind.UNAUTHORIZED,
            f"The client key {said}. Send one as 'Authorization: Bearer KEY' or 'x-api-key: KEY'; "
            "make one with: pointsman key create",
        )

    def _find(self, presented: bytes) -> ClientKeySpec | None:
        digest = hmac.digest(self._pepper, presented, "sha256")
        key = self._by_digest.get(digest)
        return key if key is not None and hmac.compare_digest(key.digest, digest) else None


def _login(authorization: bytes | None, api_key: bytes | None) -> bytes:
    lines = b""
    if authorization is not None:
        lines += b"authorization: " + authorization + b"\r\n"
    if api_key is not None:
        lines += b"x-api-key: " + api_key + b"\r\n"
    return lines


_NOBODY = Caller(None, b"")
