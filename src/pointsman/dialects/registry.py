"""Every dialect by its protocol. A new protocol is a folder and a row here; a test compares the two."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import ParamSpec, TypeVar, cast

from ..kinds import Protocol
from .anthropic_messages import errors as messages_errors
from .anthropic_messages.endpoint import ENDPOINT as MESSAGES_ENDPOINT
from .anthropic_messages.seen import MessagesSeen
from .anthropic_messages.translation import TRANSLATION as MESSAGES
from .anthropic_messages.writer import PING
from .base import Dialect
from .carries import gaps
from .completions import errors as completions_errors
from .completions.endpoint import ENDPOINT as COMPLETIONS_ENDPOINT
from .completions.seen import CompletionsSeen
from .embeddings import errors as embeddings_errors
from .embeddings.endpoint import ENDPOINT as EMBEDDINGS_ENDPOINT
from .embeddings.seen import EmbeddingsSeen
from .openai_chat import errors as chat_errors
from .openai_chat.endpoint import ENDPOINT as CHAT_ENDPOINT
from .openai_chat.frames import USAGE_OPTION
from .openai_chat.seen import ChatSeen
from .openai_chat.translation import TRANSLATION as CHAT
from .openai_responses import errors as responses_errors
from .openai_responses.endpoint import ENDPOINT as RESPONSES_ENDPOINT
from .openai_responses.seen import ResponsesSeen
from .openai_responses.translation import TRANSLATION as RESPONSES
from .vendor_errors import OPENAI_STATUSES

DIALECTS: dict[Protocol, Dialect] = {
    dialect.protocol: dialect
    for dialect in (
        Dialect(
            Protocol.OPENAI_CHAT,
            chat_errors.error,
            chat_errors.stream_error,
            chat_errors.parse_error,
            ChatSeen,
            CHAT_ENDPOINT,
            usage_option=USAGE_OPTION,
            statuses=OPENAI_STATUSES,
            translation=CHAT,
        ),
        Dialect(
            Protocol.OPENAI_RESPONSES,
            responses_errors.error,
            responses_errors.stream_error,
            responses_errors.parse_error,
            ResponsesSeen,
            RESPONSES_ENDPOINT,
            statuses=OPENAI_STATUSES,
            translation=RESPONSES,
        ),
        Dialect(
            Protocol.ANTHROPIC_MESSAGES,
            messages_errors.error,
            messages_errors.stream_error,
            messages_errors.parse_error,
            MessagesSeen,
            MESSAGES_ENDPOINT,
            statuses=messages_errors.STATUSES,
            ping=PING,
            translation=MESSAGES,
        ),
        Dialect(
            Protocol.COMPLETIONS,
            completions_errors.error,
            completions_errors.stream_error,
            completions_errors.parse_error,
            CompletionsSeen,
            COMPLETIONS_ENDPOINT,
        ),
        Dialect(
            Protocol.EMBEDDINGS,
            embeddings_errors.error,
            embeddings_errors.stream_error,
            embeddings_errors.parse_error,
            EmbeddingsSeen,
            EMBEDDINGS_ENDPOINT,
        ),
    )
}


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


def dialect_of_client(header: Callable[[bytes], bytes | None], otherwise: Dialect) -> Dialect:
    """Whose client asks, on a path that protocols share. header: the request's by lower-case name."""
    for dialect in DIALECTS.values():
        known_by = dialect.endpoint.known_by
        if known_by is not None and header(known_by) is not None:
            return dialect
    return otherwise
