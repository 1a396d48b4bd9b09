"""Reads a Messages answer as it passes (grammar: PROTOCOLS.md 11.1). Changes nothing."""

from __future__ import annotations

from typing import Any

import msgspec

from ...conversation.usage import TokenUsage
from ...wire.sse import data_of
from ..base import Seen
from ..vendor_errors import is_json_object
from .errors import of as error_of

_TOLD = {"refusal", "max_tokens", "model_context_window_exceeded"}
_EMPTY_STARTS = {"text", "thinking"}
"""Blocks that say nothing until their first delta; every other block is output by starting."""


class _OutputDetails(msgspec.Struct):
    thinking_tokens: int | None = None


class _Usage(msgspec.Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    output_tokens_details: _OutputDetails | None = None


class _Message(msgspec.Struct):
    usage: _Usage | None = None
    error: Any = None
    stop_reason: Any = None
    content: Any = None


class _Event(msgspec.Struct):
    type: str = ""
    delta: dict[str, Any] | None = None
    content_block: dict[str, Any] | None = None
    message: _Message | None = None
    usage: _Usage | None = None
    error: Any = None


_event = msgspec.json.Decoder(_Event).decode
_whole = msgspec.json.Decoder(_Message).decode


class MessagesWatch(Seen):
    """See dialects.base.Seen."""

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        super().__init__()
        self._seen = _Usage()

    def event(self, event: bytes) -> None:
        """One event."""
        data = data_of(event)
        if not data:
            return
        try:
            found = _event(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self.malformed += 1
            return
        match found.type:
            case "content_block_delta":
                if not self.output and found.delta:
                    self.output = any(value for key, value in found.delta.items() if key != "type")
            case "content_block_start":
                block = found.content_block or {}
                self.output = self.output or block.get("type") not in _EMPTY_STARTS or bool(block.get("text"))
            case "message_start":
                self._count(found.message.usage if found.message else None)
            case "message_delta":
                self._count(found.usage)
                # A refusal before any output is a real answer (recorded), not an empty one; so is a limit reached.
                reason = (found.delta or {}).get("stop_reason")
                self.refused = self.refused or reason == "refusal"
                self.output = self.output or reason in _TOLD
            case "message_stop":
                self.finished = True
            case "error":
                self.error = error_of(found.error)

    def whole(self, body: bytes) -> bool:
        """A whole answer."""
        try:
            found = _whole(body)
        except msgspec.ValidationError:
            self.output = self.finished = is_json_object(body)
            return self.finished
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return False
        self.finished = True
        self.output = found.stop_reason in _TOLD or _says(found.content)
        if found.error:  # an object; a string from servers that only learned the protocol's paths
            self.error = error_of(found.error)
        self._count(found.usage)
        self.refused = found.stop_reason == "refusal"
        return True

    def _count(self, new: _Usage | None) -> None:
        """Cumulative: a later report overwrites what it says and leaves the rest (SDK accumulator's rule)."""
        if new is None:
            return
        seen = self._seen
        for field in _Usage.__struct_fields__:
            value = getattr(new, field)
            if value is not None:
                setattr(seen, field, value)
        total = seen.input_tokens
        if total is not None:  # Anthropic counts cached tokens apart from input_tokens
            total += (seen.cache_read_input_tokens or 0) + (seen.cache_creation_input_tokens or 0)
        thinking = seen.output_tokens_details.thinking_tokens if seen.output_tokens_details else None
        self.usage = TokenUsage(total, seen.output_tokens, seen.cache_read_input_tokens, thinking)


def _says(content: Any) -> bool:
    """Is there any block but an empty text? What is no list of blocks is not ours to judge."""
    if not isinstance(content, list):
        return content is not None
    return any(not isinstance(one, dict) or one.get("type") != "text" or one.get("text") for one in content)
