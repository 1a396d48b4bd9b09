"""Reads a Completions answer as it passes: `choices[].text`, `finish_reason`, `usage`, `[DONE]`. Changes nothing."""

from __future__ import annotations

from typing import Any

import msgspec

from ...conversation.usage import TokenUsage
from ...wire.sse import data_of
from ..base import Seen
from ..vendor_errors import error_inside, is_json_object


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Choice(msgspec.Struct):
    text: str | None = None
    finish_reason: str | None = None


class _Chunk(msgspec.Struct):
    id: str | None = None
    choices: list[_Choice] = []
    usage: _Usage | None = None
    error: Any = None


_chunk = msgspec.json.Decoder(_Chunk).decode


class CompletionsWatch(Seen):
    """See dialects.base.Seen."""

    __slots__ = ()

    def event(self, event: bytes) -> None:
        """One event."""
        data = data_of(event)
        if data == b"[DONE]":
            self.finished = True
        elif data and not self._read(data):
            self.malformed += 1

    def whole(self, body: bytes) -> bool:
        """A whole answer."""
        known = self._read(body) or is_json_object(body)
        self.output = self.finished = known
        return known

    def _read(self, data: bytes) -> bool:
        try:
            chunk = _chunk(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return False
        self.answer_id = chunk.id or self.answer_id
        for choice in chunk.choices:
            self.output = self.output or bool(choice.text)
            self.finished = self.finished or bool(choice.finish_reason)
        if chunk.usage is not None:
            self.usage = TokenUsage(chunk.usage.prompt_tokens, chunk.usage.completion_tokens)
        if chunk.error is not None:
            self.error = error_inside(msgspec.json.encode({"error": chunk.error}))
        return True
