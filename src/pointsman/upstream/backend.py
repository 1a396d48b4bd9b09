"""One backend, compiled from its row for the hot path: where it is, which headers it gets, what it speaks."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from hashlib import blake2b

import msgspec

from ..conversation.profile import Profile
from ..dialects.headers import private_headers
from ..dialects.registry import DIALECTS, derived, protocol_named
from ..engines.engine import Engine
from ..engines.registry import is_unheeding
from ..kinds import AuthScheme, BackendType, Protocol
from ..providers.auth import auth_line
from ..providers.catalog import CATALOG
from ..providers.proxies import parse_setting
from ..providers.urls import BaseUrl, engine_of, parse_base_url
from ..routing.specs import UNIX, BackendSpec
from ..secret import SecretBytes
from ..wire.answer import Headers
from ..wire.http1 import NEVER_UPSTREAM, NEVER_UPSTREAM_PREFIXES
from ..wire.key_mask import KeyMask

LEARNED_SECONDS = 60.0
"""How long a local server's "I do not know this path" is believed; it may be updated meanwhile."""
LEARNED_SECONDS_CLOUD = 6 * 3600.0
"""A provider's: it seldom learns a protocol, and asking it costs every request so long a way."""
_V1 = (b"/v1/", b"/v1", b"/v1?")
_MODELS_MAX = 1000
"""Models of one backend that something is remembered of."""


def key_command(key: str) -> str:
    """What sets the key of the cloud backend of that key."""
    return f"pointsman credential set {key}"


Way = tuple[str, str, str | None, str | None]
"""What must be the same for a kept connection to serve: key, base URL, proxy, CA file."""
_ACCOUNTS = os.urandom(16)


class Backend:
    """spec: the row. url: None for a Unix socket, whose path is in
    unix_path. host: value of the Host header.
    learned: what it has answered that it does not know the path of, and when.
    assumed: those of `spoken` that nobody has said of it, so that a request in them is translated where its path is not
    known. unheeding: it never notices that a client left who waits for a whole answer; None while nobody knows. mask: of its
    key, which no error may show. account: tells one key from another, in this process only.

    Raises ValueError when the base URL, the key or the proxy cannot be used.
    """

    __slots__ = (
        "_before_path", "_before_v1", "_defaults", "_fixed", "_inside", "_origin", "_query", "_tried", "_without_auth",
        "account", "assumed", "crossing", "host", "learned", "local", "mask", "profiles", "spec", "spoken", "translated",
        "tried", "unheeding", "unix_path", "url", "way",
    )  # fmt: skip

    def __init__(self, spec: BackendSpec) -> None:
        self.spec = spec
        self.way: Way = (spec.key, spec.base_url, spec.proxy, spec.ca_file)
        provider = CATALOG[BackendType(spec.type)]
        if spec.proxy is not None:
            parse_setting(spec.proxy)  # a row edited by hand
        self.url: BaseUrl | None = None
        self.unix_path: str | None = None
        self._origin = ""
        if spec.base_url.startswith(UNIX) and not spec.base_url.startswith(f"{UNIX}//"):  # our own
            self.unix_path = spec.base_url.removeprefix(UNIX)
            self.host, prefix, query = b"localhost", "/v1", ""
        else:
            url = parse_base_url(spec.base_url)
            self._origin = url.origin
            if url.socket:
                self.unix_path, self.host = url.socket, b"localhost"
                self._origin += ":"
            else:
                self.url, self.host = url, url.origin.partition("://")[2].encode("ascii")
            prefix, query = url.prefix(provider.v1_behind_path), url.query
        self._before_v1 = b" " + prefix.encode("ascii")
        self._before_path = self._before_v1.removesuffix(b"/v1")
        self._query = query.encode("ascii")
        self.local = spec.type == BackendType.LOCAL
        self.unheeding: bool | None = None
        if spec.dialects is not None:
            self.spoken, self.tried = frozenset(map(protocol_named, spec.dialects)), frozenset[Protocol]()
            self.assumed = frozenset[Protocol]()
        else:
            elsewhere = provider.base_url is not None and spec.base_url != provider.base_url
            unsure = frozenset(provider.tried_elsewhere if elsewhere else ())
            self.spoken = frozenset(provider.dialects) - unsure
            self.tried = frozenset(provider.tried) | unsure
            self.assumed = self.spoken & _translated() if self.tried else frozenset[Protocol]()
        self._tried = self.tried
        self.learned: dict[Protocol, float] = {}
        # Remembered for candidates.py: may_cross, translated_to, profile_of.
        self.crossing: dict[tuple[str, Protocol], bool] = {}
        self.translated: dict[tuple[str, Protocol, bool], Protocol | None] = {}
        self.profiles: dict[tuple[Protocol, str], Profile] = {}
        self._inside: set[str] = set()  # models whose last answer began inside its reasoning
        # The only place of the data plane where a key is revealed: from here on it stands in bytes that show a mask.
        key = SecretBytes(b"" if spec.api_key is None else spec.api_key.reveal().encode())
        self.mask = KeyMask(key)
        self.account = blake2b(key, digest_size=8, key=_ACCOUNTS).digest()
        self._defaults = [(n.encode(), f"{n}: {v}\r\n".encode()) for n, v in provider.headers]
        self._without_auth = b" HTTP/1.1\r\nhost: " + self.host + b"\r\naccept-encoding: identity\r\n"
        auth = auth_line(AuthScheme(spec.auth), key) if key else b""
        self._fixed = SecretBytes(self._without_auth + auth)

    @property
    def stays(self) -> bool:
        """Is what it is sent this gateway's and its server's affair alone? A local server's is, but for another node's."""
        return self.local and self.spec.node is None

    @property
    def can_be_asked(self) -> bool:
        """Is it a local server, which may say what it is and what its models can?"""
        return self.local and not self.spec.built_in

    @property
    def asleep(self) -> bool:
        """Is it an engine that does not run now, so that there is nobody to ask?"""
        return self.spec.engine is not None and engine_of(self.spec.base_url) is not None

    @property
    def key_command(self) -> str:
        """What sets its key."""
        return f"{self.edit_command} --key" if self.local else self.edit_command

    @property
    def edit_command(self) -> str:
        """What changes its row."""
        return f"pointsman local update {self.spec.name}" if self.local else key_command(self.spec.key)

    def speaks(self, protocol: Protocol) -> bool:
        """Is the protocol one this backend is known or assumed to speak?"""
        if protocol not in self.spoken and protocol not in self.tried:
            return False
        return protocol not in self.learned or protocol not in self.unspoken

    @property
    def untrue(self) -> frozenset[Protocol]:
        """What would be tried, were it not known that its answers are not true to it."""
        return self._tried - self.tried

    @property
    def unspoken(self) -> list[Protocol]:
        """What it has lately answered that it does not know the path of."""
        if not self.learned:
            return []
        believed = LEARNED_SECONDS if self.local else LEARNED_SECONDS_CLOUD
        now = time.monotonic()
        return [protocol for protocol, at in self.learned.items() if now - at < believed]

    def learn_unspoken(self, protocol: Protocol) -> None:
        """It answered that it does not know the path. What its row says is not doubted, and what is assumed of it only while
        something else is left."""
        if protocol not in self.tried and protocol not in self.assumed:
            return
        self.learned[protocol] = time.monotonic()
        if self.learned.keys() >= self.assumed | self.tried:
            for one in self.assumed:
                self.learned.pop(one, None)

    def follow_unspoken(self, protocols: Iterable[Protocol]) -> None:
        """Another process has learned these, and no others."""
        doubtful = self.tried | self.assumed
        self.learned = dict.fromkeys((one for one in protocols if one in doubtful), time.monotonic())

    def learn_engine(self, engine: Engine) -> None:
        """Which one it is has been found out."""
        tried = self._tried - engine.untrue
        if tried != self.tried:
            self.tried = tried
            self.translated.clear()

    def learn_server(self, headers: Headers) -> None:
        """What an answer says of the program that gave it."""
        self.unheeding = is_unheeding(headers)

    def begins_inside(self, model: str) -> bool:
        """Did this model's last answer that could tell begin inside its reasoning?"""
        return model in self._inside

    def learn_inside(self, model: str, inside: bool) -> None:
        """What an answer told (docs/protocols/reasoning.md#reasoning-without-an-opening-tag)."""
        if not inside:
            self._inside.discard(model)
        elif len(self._inside) < _MODELS_MAX:
            self._inside.add(model)

    def head(
        self,
        method: bytes,
        path: bytes,
        block: bytes,
        names: frozenset[bytes],
        body_size: int | None,
        own_auth: bytes = b"",
    ) -> SecretBytes:
        """A request head. path: from `/v1` on, which the base URL may say otherwise, or one of the server's own, as
        `/health`; query included. block: the client's headers that may travel, as lines.
        names: the names in it. own_auth: the client's provider login as header lines, used instead of the key."""
        fixed = SecretBytes(self._without_auth + own_auth) if own_auth else self._fixed
        if self._defaults:
            missing = [line for name, line in self._defaults if name not in names]
            block = b"".join((block, *missing))
        end = b"\r\n" if body_size is None else b"content-length: %d\r\n\r\n" % body_size
        before, rest = (self._before_v1, path[3:]) if path[:4] in _V1 else (self._before_path, path)
        if self._query:
            rest += (b"&" if b"?" in rest else b"?") + self._query
        return SecretBytes(b"".join((method, before, rest, fixed, block, end)))

    def url_of(self, path: str) -> str:
        """The exact URL that is asked for a path, from `/v1` on; `unix:///run/x.sock:/v1/models` for a Unix socket. "" for
        our own backends."""
        if not self._origin:
            return ""
        target = self.head(b"GET", path.encode(), b"", frozenset(), None).split(b" ", 2)[1]
        return self._origin + target.decode("ascii")


@derived
def _translated() -> frozenset[Protocol]:
    return frozenset(one for one, dialect in DIALECTS.items() if dialect.translation is not None)


NOBODY: Mapping[str, str] = {}


def compile_backends(
    specs: Iterable[BackendSpec], before: Mapping[str, Backend], running: Mapping[str, str] = NOBODY
) -> tuple[list[BackendSpec], dict[str, Backend]]:
    """(every spec, every backend that can be used, by key). A spec that cannot be used is in the first with
    its problem told and without its key. before: an unchanged backend is kept, and what it has learned. running: engine's
    name -> the base URL at which it is now."""
    every: list[BackendSpec] = []
    usable: dict[str, Backend] = {}
    for spec in specs:
        if spec.engine is not None and spec.engine in running:
            spec = msgspec.structs.replace(spec, base_url=running[spec.engine])
        kept = before.get(spec.key)
        try:
            backend = kept if kept is not None and kept.spec == spec else Backend(spec)
        except ValueError as error:
            every.append(BackendSpec(spec.key, spec.type, spec.name, spec.base_url, problem=str(error)))
            continue
        every.append(spec)
        usable[spec.key] = backend
    return every, usable


def forwarded(
    headers: Headers,
    never: frozenset[bytes] = NEVER_UPSTREAM,
    prefixes: tuple[bytes, ...] = NEVER_UPSTREAM_PREFIXES,
) -> tuple[bytes, frozenset[bytes]]:
    """The client's headers that may travel upstream, as lines, and their names. A deny-list, never an allow-list;
    what `Connection` names is hop-by-hop too (RFC 9110 section 7.6.1)."""
    named: set[bytes] = set()
    for name, value in headers:
        if name == b"connection":
            named.update(token.strip().lower() for token in value.split(b","))
    lines = []
    names = set()
    for name, value in headers:
        if name in never or name in named or name.startswith(prefixes):
            continue
        lines.append(name + b": " + value + b"\r\n")
        names.add(name)
    return b"".join(lines), frozenset(names)


def forwarded_across(headers: Headers) -> tuple[bytes, frozenset[bytes]]:
    """The client's headers that may travel to a backend of another protocol, and the type of the body we make."""
    private, prefixes = private_headers()
    block, names = forwarded(headers, NEVER_UPSTREAM | private, NEVER_UPSTREAM_PREFIXES + prefixes)
    return block + b"content-type: application/json\r\n", names | {b"content-type"}
