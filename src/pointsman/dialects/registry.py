"""Every dialect by its protocol. A new protocol is a folder and a row here; a test compares the two."""

from __future__ import annotations

from ..kinds import Protocol
from .anthropic_messages import errors as messages_errors
from .anthropic_messages.seen import MessagesSeen
from .anthropic_messages.translation import TRANSLATION as MESSAGES
from .anthropic_messages.writer import PING
from .base import Dialect
from .completions import errors as completions_errors
from .completions.watch import CompletionsWatch
from .embeddings import errors as embeddings_errors
from .embeddings.watch import EmbeddingsWatch
from .openai_chat import errors as chat_errors
from .openai_chat.translation import TRANSLATION as CHAT
from .openai_chat.watch import ChatWatch, is_extra_usage
from .openai_responses import errors as responses_errors
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
            ChatWatch,
            is_extra_usage,
            statuses=OPENAI_STATUSES,
            translation=CHAT,
        ),
        Dialect(
            Protocol.OPENAI_RESPONSES,
            responses_errors.error,
            responses_errors.stream_error,
            ResponsesSeen,
            statuses=OPENAI_STATUSES,
            translation=RESPONSES,
        ),
        Dialect(
            Protocol.ANTHROPIC_MESSAGES,
            messages_errors.error,
            messages_errors.stream_error,
            MessagesSeen,
            statuses=messages_errors.STATUSES,
            ping=PING,
            translation=MESSAGES,
        ),
        Dialect(
            Protocol.COMPLETIONS, completions_errors.error, completions_errors.stream_error, CompletionsWatch
        ),
        Dialect(
            Protocol.EMBEDDINGS, embeddings_errors.error, embeddings_errors.stream_error, EmbeddingsWatch
        ),
    )
}


def register(dialect: Dialect) -> None:
    """Add a protocol from outside. Its requests are routed by Translation.path (gateway/paths.py asks here)."""
    DIALECTS[dialect.protocol] = dialect
