"""Every dialect by its protocol. A new protocol is a folder and a row here; a test compares the two."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import ParamSpec, TypeVar, cast

from ..kinds import Protocol
from .anthropic_messages.dialect import DIALECT as MESSAGES
from .base import Dialect
from .carries import gaps
from .completions.dialect import DIALECT as COMPLETIONS
from .embeddings.dialect import DIALECT as EMBEDDINGS
from .ollama.dialect import DIALECT as OLLAMA
from .openai_chat.dialect import DIALECT as CHAT
from .openai_responses.dialect import DIALECT as RESPONSES

DIALECTS = {one.protocol: one for one in (CHAT, RESPONSES, MESSAGES, COMPLETIONS, EMBEDDINGS, OLLAMA)}
"""In the order in which they are listed and asked."""
SHARED = Protocol.OPENAI_CHAT
"""In whose wording a path that is no protocol's own is answered when nothing tells who asks
(docs/protocols/models.md#who-asks-on-a-shared-path)."""

P = ParamSpec("P")
T = TypeVar("T")
_caches: list[Callable[[], None]] = []


def derived(make: Callable[P, T]) -> Callable[P, T]:
    """For a function of the dialects there are: its results are kept until another one is registered."""
    kept = lru_cache(maxsize=4096)(make)
    _caches.append(kept.cache_clear)
    return cast(Callable[P, T], kept)


def register(dialect: Dialect) -> None:
    """Add a protocol from outside; from then on it is served like the others.

    Raises ValueError where it does not say of every neutral field what becomes of it (carries.py).
    """
    if dialect.translation is not None:
        wrong = gaps(dialect.translation.carries)
        if wrong:
            raise ValueError(f"{dialect.protocol}: {'; '.join(wrong)}")
    DIALECTS[dialect.protocol] = dialect
    _forget()


def unregister(protocol: Protocol) -> None:
    """Take one out again."""
    del DIALECTS[protocol]
    _forget()


def _forget() -> None:
    for clear in _caches:
        clear()


def protocol_named(name: str) -> Protocol:
    """One of those there are. Raises ValueError."""
    for protocol in DIALECTS:
        if protocol == name:
            return protocol
    raise ValueError(f"{name!r} is not a protocol")


@derived
def family_of(protocol: Protocol) -> tuple[Protocol, ...]:
    """The protocols of the same vendor's interface, this one among them."""
    family = DIALECTS[protocol].endpoint.family
    return tuple(one for one, dialect in DIALECTS.items() if dialect.endpoint.family == family)


@derived
def varying_headers() -> tuple[bytes, ...]:
    """Request headers that change an answer, of every protocol."""
    return tuple(dict.fromkeys(name for dialect in DIALECTS.values() for name in dialect.endpoint.varies))


@derived
def session_headers() -> tuple[bytes, ...]:
    """Request headers by which agents name their session, of every protocol."""
    return tuple(dict.fromkeys(name for dialect in DIALECTS.values() for name in dialect.endpoint.sessions))


def dialect_of_client(header: Callable[[bytes], bytes | None], otherwise: Dialect) -> Dialect:
    """Whose client asks, on a path that protocols share. header: the request's by lower-case name."""
    for dialect in DIALECTS.values():
        known_by = dialect.endpoint.known_by
        if known_by is not None and header(known_by) is not None:
            return dialect
    return otherwise
