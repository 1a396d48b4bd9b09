"""Reads an Embeddings answer as it passes: its usage. Changes nothing."""

from __future__ import annotations

from typing import Any

import msgspec

from ...conversation.usage import TokenUsage
from ..base import Seen
from ..vendor_errors import error_inside, is_json_object


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None


class _Whole(msgspec.Struct):
    usage: _Usage | None = None
    error: Any = None


_whole = msgspec.json.Decoder(_Whole).decode


class EmbeddingsWatch(Seen):
    """See dialects.base.Seen."""

    __slots__ = ()

    def event(self, event: bytes) -> None:
        """Embeddings do not stream; an event of a backend that does counts as output."""
        self.output = True

    def whole(self, body: bytes) -> bool:
        """A whole answer."""
        try:
            found = _whole(body)
        except msgspec.ValidationError:
            self.output = self.finished = is_json_object(body)
            return self.finished
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return False
        self.output = self.finished = True
        if found.usage is not None:
            self.usage = TokenUsage(found.usage.prompt_tokens)
        if found.error is not None:
            self.error = error_inside(msgspec.json.encode({"error": found.error}))
        return True
