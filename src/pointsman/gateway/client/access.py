"""Who may speak to this gateway: its client keys, one function for both auth headers, and the rule for
Host and Origin (wire/authority.py) asked of a request head.

Not here: the admin token (control plane) and keys for backends.
"""

from __future__ import annotations

import base64
import hmac
import logging
import math
import re
import shlex
import time
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from ...errors import PointsmanError
from ...kinds import ErrorKind
from ...link.bounds import Bounds
from ...link.messages import ClientKeySpec, Snapshot
from ...secret import SecretBytes
from ...wire.answer import Headers
from ...wire.authority import HostRule
from ...wire.http1 import RequestHead
from ...wire.origins import ANY, Origins, parse_origin

log = logging.getLogger("pointsman.access")


class HostGuard:
    """The rule of wire/authority.py for a request head; remembers the Hosts that it has let in, and the origins that it
    has refused. allow_origins: what `serve` was told; those that are stored come with each snapshot."""

    def __init__(self, bind_host: str, allow_hosts: tuple[str, ...], allow_origins: tuple[str, ...]) -> None:
        self._rule = HostRule(bind_host, allow_hosts, allow_origins)
        self._seen: set[bytes] = set()
        self._told: set[str] = set()
        self._started = tuple(map(parse_origin, allow_origins))
        self._named = self._origins = Origins()  # named: less what only `*` lets in
        self.follow((), (), keys_required=False)

    def follow(self, stored: tuple[str, ...], hosts: tuple[str, ...], *, keys_required: bool) -> None:
        """Serve pages of these origins, and clients that use these hosts, from now on. `*` holds only where clients need
        keys: else any page could ask."""
        self._rule.follow(hosts)
        self._seen.clear()
        every = (*self._started, *stored)
        self._named = Origins(origin for origin in every if origin != ANY)
        self._origins = Origins(every) if keys_required else self._named

    @property
    def beyond(self) -> bool:
        """Do other machines reach this gateway?"""
        return self._rule.beyond

    def check(self, head: RequestHead, *, models: bool = True) -> None:
        """models: of the paths that pages let in may use; all others are as the control plane's. Raises PointsmanError 403
        with the command that allows it."""
        host = head.host
        if host not in self._seen:
            self._rule.refuse_host(host.decode("ascii"))
            if len(self._seen) < 1000:
                self._seen.add(host)
        origin, site = head.get(b"origin"), head.get(b"sec-fetch-site")
        if origin is None and site is None:
            return
        asked = (head.method.decode(), host.decode("ascii"), _text(origin), _text(site))
        if not models:
            self._rule.refuse_origin(*asked)
        elif not self._rule.lets_in(*asked, self._origins):
            raise self._refused(origin)

    def _refused(self, origin: bytes | None) -> PointsmanError:
        """Logged once for each origin, what no browser sends once altogether, and for so many: a page's name is whatever
        its owner likes."""
        who, allow = _page(origin)
        text = f"Requests from web pages of {who} are refused; to allow them: {allow}"
        if who not in self._told and len(self._told) < _MOST_TOLD:
            self._told.add(who)
            more = "" if len(self._told) < _MOST_TOLD else " (no further origins are logged)"
            log.warning("%s%s", text, more)
        return PointsmanError(ErrorKind.FORBIDDEN, text)

    def cors_lines(self, head: RequestHead) -> bytes:
        """Header lines that let an allowed foreign page read any answer, errors too; nothing for anybody else. A
        browser's own credentials (cookies) mean nothing here; some pages send theirs all the same, and then `*` does
        not stand for names of headers (Fetch standard, CORS protocol and credentials)."""
        origin = head.get(b"origin")
        if origin is None or not self._origins.has(text := origin.decode("latin-1")):
            return b""
        more = _WITH_CREDENTIALS if self._named.has(text) else b""
        return b"access-control-allow-origin: " + origin + _READABLE + more

    def preflight_lines(self, head: RequestHead) -> bytes:
        """cors_lines where the browser of an allowed page asks first. Whatever method and headers it names may
        come: what a path does not offer is told by an answer that the page can read."""
        asked = head.get(b"access-control-request-headers")
        method = head.get(b"access-control-request-method")
        named = method if method is not None and _token(method) else b"POST"
        lines = self.cors_lines(head).replace(b"vary: origin\r\n", b"")
        lines += b"access-control-allow-methods: " + named + b"\r\n"
        lines += b"access-control-allow-headers: " + (asked or b"*") + b"\r\n" + _PREFLIGHT
        for name in (b"private", b"local"):
            if head.get(b"access-control-request-%b-network" % name) == b"true":
                lines += b"access-control-allow-%b-network: true\r\n" % name
        return lines


_MOST_TOLD = 100
_token = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,40}").fullmatch
_OUR_NAMES = (
    b"x-request-id, request-id, x-upstream-request-id, x-pointsman-target, x-pointsman-attempts,"
    b" x-pointsman-fallback, x-pointsman-stuck, x-pointsman-warnings, x-pointsman-customs, x-pointsman-cache,"
    b" x-pointsman-cost-usd, x-pointsman-error, x-should-retry, retry-after, retry-after-ms, content-type"
)
_READABLE = b"\r\nvary: origin\r\naccess-control-expose-headers: *, " + _OUR_NAMES + b"\r\n"
_WITH_CREDENTIALS = b"access-control-allow-credentials: true\r\n"
_PREFLIGHT = (
    b"access-control-max-age: 600\r\n"
    b"vary: origin, access-control-request-method, access-control-request-headers,"
    b" access-control-request-private-network\r\n"
)
"""Private Network Access asks the server; Chrome's Local Network Access, its successor, asks the person, and no server.
The first had the second's name for a while, so that both are answered."""


def _page(origin: bytes | None) -> tuple[str, str]:
    """(who asks, the command that lets them in)."""
    try:
        found = parse_origin((origin or b"").decode("ascii"))
    except ValueError:
        found = ""
    if not found or ANY in found:  # no browser sends a wildcard: nobody talks us into advising one
        return "this origin", "pointsman origin add ORIGIN (or pointsman serve --allow-origin ORIGIN)"
    word = shlex.quote(found)
    return found, f"pointsman origin add {word} (or pointsman serve --allow-origin {word})"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. key_id: the client key used, None when none is needed, and of the gateway's own pages. own_login:
    the client's own provider login as header lines, b"" when it sent none. bounds: what its key may use, None where nothing
    bounds it. until: unix seconds until which it is good."""

    key_id: int | None
    own_login: bytes = field(default=b"", repr=False)
    bounds: Bounds | None = None
    until: float = math.inf

    @property
    def login(self) -> SecretBytes:
        """The client's own login as it is sent on, only where a rule says so."""
        return SecretBytes(self.own_login)


class KeyRing:
    """The live client keys of one snapshot."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._pepper = snapshot.pepper
        self._required = snapshot.keys_required
        self._by_digest = {
            digest: key for key in snapshot.client_keys for digest in (key.before, key.digest) if digest
        }
        self._names = {key.id: key.name for key in snapshot.client_keys}
        limited = frozenset(limit.whose for limit in snapshot.limits)
        bounded = ((key.id, Bounds.of(key, limited)) for key in snapshot.client_keys)
        self._bounds = {name: bounds for name, bounds in bounded if bounds is not None}
        begins = {key.begins.encode() for key in snapshot.client_keys if key.begins}
        self.begins = (_KEY_PREFIX, *begins)

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
            if key is not None and presented is not None:
                bounds = self._bounds.get(key.id)
                until = math.inf if bounds is None else self._good_until(bounds, presented)
                own = None if self.holds_key(authorization) else authorization
                login = _login(own, None if self.holds_key(api_key) else api_key)
                return Caller(key.id or None, login, bounds, until)
        said = "is not valid" if bearer or api_key else "is missing"
        raise PointsmanError(
            ErrorKind.UNAUTHORIZED,
            f"The client key {said}. Send one as 'Authorization: Bearer KEY' or 'x-api-key: KEY'; "
            "make one with: pointsman key create",
        )

    def _good_until(self, bounds: Bounds, presented: bytes) -> float:
        """Raises PointsmanError 401 where that is over."""
        key, now = bounds.key, time.time()
        was_rotated = bool(key.before) and hmac.digest(self._pepper, presented, "sha256") == key.before
        if was_rotated and now >= key.before_until:
            raise PointsmanError(
                ErrorKind.UNAUTHORIZED,
                "The client key was replaced by a new one (key rotate), and the time in which both were good is over;"
                " use the new one.",
            )
        if now >= bounds.until:
            raise PointsmanError(
                ErrorKind.UNAUTHORIZED,
                f"The client key has expired; make it good again with: pointsman key update {key.id} --expires WHEN",
            )
        return min(bounds.until, key.before_until) if was_rotated else bounds.until

    def name_of(self, caller: Caller) -> str:
        """Of the caller's client key; "" where it used none, and of one that is gone."""
        if caller.key_id is None:
            return ""
        return self._names.get(caller.key_id, "")

    def holds_key(self, value: bytes | None) -> bool:
        """Does one of this gateway's own client keys stand in it, as it is, percent-encoded or in Basic credentials?"""
        if value is None:
            return False
        texts = [value, unquote_to_bytes(value)] if b"%" in value else [value]
        if value[:6].lower() == b"basic ":
            with suppress(ValueError):
                texts.append(base64.b64decode(value[6:].strip() + b"=="))
        return any(self._ours(text) or self._given(text) for text in texts)

    def _ours(self, text: bytes) -> bool:
        return any(
            self._find(word[:end]) is not None
            for word in _KEYLIKE.findall(text)
            for end in {len(word), _KEY_LENGTH}
        )

    def _given(self, text: bytes) -> bool:
        """Does a key of somebody else's form stand in it? Its length is not known, nor what may stand around it."""
        for begins in self.begins[1:]:
            at = text.find(begins)
            looks = 0
            while at >= 0:
                looks += 1
                ends = range(at + _GIVEN_SHORTEST, min(at + _GIVEN_LONGEST, len(text)) + 1)
                if looks > _MOST_LOOKS or any(self._find(text[at:end]) is not None for end in ends):
                    return True  # so many beginnings are nobody's header
                at = text.find(begins, at + 1)
        return False

    def may_hold_key(self, text: bytes) -> bool:
        """A quick look: is it worth to look closer?"""
        for begins in self.begins:  # noqa: SIM110 - a generator costs twice that
            if begins in text:
                return True
        return False

    def without_keys(self, query: bytes) -> bytes:
        """A query less the parameters that hold a client key."""
        if not self._by_digest or not (b"%" in query or self.may_hold_key(query)):
            return query
        return b"&".join(part for part in query.split(b"&") if not self.holds_key(part))

    def free_of_keys(self, headers: Headers) -> Headers:
        """The headers less those that hold a client key."""
        return [(name, value) for name, value in headers if not self.holds_key(value)]

    def _find(self, presented: bytes) -> ClientKeySpec | None:
        digest = hmac.digest(self._pepper, presented, "sha256")
        key = self._by_digest.get(digest)
        if key is None:
            return None
        ours = hmac.compare_digest(key.digest, digest) or hmac.compare_digest(key.before, digest)
        return key if ours else None


_KEYLIKE = re.compile(rb"pm-[A-Za-z0-9_-]+")
_KEY_PREFIX = b"pm-"
_KEY_LENGTH = 52
"""Of a client key (admin/store/client_keys.new_secret), so that what stands right behind one hides none."""
_GIVEN_SHORTEST, _GIVEN_LONGEST = 32, 256
"""Characters of a key that was given at the start (process/settings.py)."""
_MOST_LOOKS = 32


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
