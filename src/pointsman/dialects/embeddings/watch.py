"""Reads an Embeddings answer as it passes: its usage. Changes nothing."""

from __future__ import annotations

import msgspec

from ...conversation.usage import TokenUsage


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None


class _Whole(msgspec.Struct):
    usage: _Usage | None = None


_whole = msgspec.json.Decoder(_Whole).decode


class EmbeddingsWatch:
    """See dialects.base.Watch."""

    __slots__ = ("error", "finished", "malformed", "output", "usage")

    def __init__(self) -> None:
        self.output = False
        self.finished = False
        self.error: str | None = None
        self.usage: TokenUsage | None = None
        self.malformed = 0

    def event(self, event: bytes) -> None:
        """Embeddings do not stream; an event of a backend that does counts as output."""
        self.output = True

    def whole(self, body: bytes) -> bool:
        """A whole answer."""
        try:
            found = _whole(body)
        except msgspec.ValidationError:
            return True
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return False
        self.output = self.finished = True
        if found.usage is not None:
            self.usage = TokenUsage(found.usage.prompt_tokens)
        return True
