"""Who may speak to this gateway: its client keys, one function for both auth headers, and the rule for
Host and Origin (wire/authority.py) asked of a request head.

Not here: the admin token (control plane) and keys for backends.
"""

from __future__ import annotations

import base64
import hmac
import re
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from ...errors import PointsmanError
from ...kinds import ErrorKind
from ...link.messages import ClientKeySpec, Snapshot
from ...secret import SecretBytes
from ...wire.answer import Headers
from ...wire.authority import HostRule
from ...wire.http1 import RequestHead


class HostGuard:
    """The rule of wire/authority.py for a request head; remembers the Hosts that it has let in."""

    def __init__(self, bind_host: str, allow_hosts: tuple[str, ...], allow_origins: tuple[str, ...]) -> None:
        self._rule = HostRule(bind_host, allow_hosts, allow_origins)
        self._seen: set[bytes] = set()

    def check(self, head: RequestHead) -> None:
        """Raises PointsmanError 403 naming the flag that allows it."""
        host = head.host
        if host not in self._seen:
            self._rule.refuse_host(host.decode("ascii"))
            if len(self._seen) < 1000:
                self._seen.add(host)
        origin, site = head.get(b"origin"), head.get(b"sec-fetch-site")
        if origin is not None or site is not None:
            self._rule.refuse_origin(head.method.decode(), host.decode("ascii"), _text(origin), _text(site))

    def cors_lines(self, head: RequestHead) -> bytes:
        """Header lines that let an allowed foreign page read the answer; nothing for anybody else."""
        origin = head.get(b"origin")
        if origin is None or not self._rule.is_foreign_page_let_in(origin.decode("latin-1")):
            return b""
        return (
            b"access-control-allow-origin: "
            + origin
            + b"\r\nvary: origin\r\naccess-control-expose-headers: *\r\n"
        )


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. key_id: the client key used, None when none is needed. own_login: the client's own provider login as
    header lines, b"" when it sent none."""

    key_id: int | None
    own_login: bytes = field(default=b"", repr=False)

    @property
    def login(self) -> SecretBytes:
        """The client's own login as it is sent on, only where a rule says so."""
        return SecretBytes(self.own_login)


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
                own = None if self.holds_key(authorization) else authorization
                return Caller(key.id, _login(own, None if self.holds_key(api_key) else api_key))
        said = "is not valid" if bearer or api_key else "is missing"
        raise PointsmanError(
            ErrorKind.UNAUTHORIZED,
            f"The client key {said}. Send one as 'Authorization: Bearer KEY' or 'x-api-key: KEY'; "
            "make one with: pointsman key create",
        )

    def holds_key(self, value: bytes | None) -> bool:
        """Does one of this gateway's own client keys stand in it, as it is, percent-encoded or in Basic credentials?"""
        if value is None:
            return False
        texts = [value, unquote_to_bytes(value)] if b"%" in value else [value]
        if value[:6].lower() == b"basic ":
            with suppress(ValueError):
                texts.append(base64.b64decode(value[6:].strip() + b"=="))
        return any(
            self._find(word[:end]) is not None
            for text in texts
            for word in _KEYLIKE.findall(text)
            for end in {len(word), _KEY_LENGTH}
        )

    def without_keys(self, query: bytes) -> bytes:
        """A query less the parameters that hold a client key."""
        if not self._by_digest or not (KEY_PREFIX in query or b"%" in query):
            return query
        return b"&".join(part for part in query.split(b"&") if not self.holds_key(part))

    def free_of_keys(self, headers: Headers) -> Headers:
        """The headers less those that hold a client key."""
        return [(name, value) for name, value in headers if not self.holds_key(value)]

    def _find(self, presented: bytes) -> ClientKeySpec | None:
        digest = hmac.digest(self._pepper, presented, "sha256")
        key = self._by_digest.get(digest)
        return key if key is not None and hmac.compare_digest(key.digest, digest) else None


_KEYLIKE = re.compile(rb"pm-[A-Za-z0-9_-]+")
KEY_PREFIX = b"pm-"
_KEY_LENGTH = 52
"""Of a client key (admin/store/client_keys.new_secret), so that what stands right behind one hides none."""


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("latin-1")


def _login(authorization: bytes | None, api_key: bytes | None) -> bytes:
    lines = b""
    if authorization is not None:
        lines += b"authorization: " + authorization + b"\r\n"
    if api_key is not None:
        lines += b"x-api-key: " + api_key + b"\r\n"
    return lines


_NOBODY = Caller(None)
