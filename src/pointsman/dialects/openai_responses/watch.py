"""Reads a Responses answer as it passes (grammar: PROTOCOLS.md 11.3). Changes nothing."""

from __future__ import annotations

from typing import Any

import msgspec

from ...conversation.usage import TokenUsage
from ...wire.sse import data_of
from ..base import Seen
from ..vendor_errors import is_json_object
from .errors import error_inside

_ENDS = {"response.completed", "response.incomplete", "response.failed"}


class _InputDetails(msgspec.Struct):
    cached_tokens: int | None = None


class _OutputDetails(msgspec.Struct):
    reasoning_tokens: int | None = None


class _Usage(msgspec.Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: _InputDetails | None = None
    output_tokens_details: _OutputDetails | None = None

    def neutral(self) -> TokenUsage:
        cached, reasoning = self.input_tokens_details, self.output_tokens_details
        return TokenUsage(
            self.input_tokens,
            self.output_tokens,
            cached.cached_tokens if cached else None,
            reasoning.reasoning_tokens if reasoning else None,
        )


class _Response(msgspec.Struct):
    id: str | None = None
    object: str | None = None
    usage: _Usage | None = None
    error: Any = None
    status: str | None = None
    output: list[msgspec.Raw] | None = None


class _Event(msgspec.Struct):
    type: str = ""
    delta: Any = None
    response: _Response | None = None
    message: Any = None
    error: Any = None


class _Item(msgspec.Struct):
    content: Any = None


class _Output(msgspec.Struct):
    output: list[_Item] = []


_output = msgspec.json.Decoder(_Output).decode
_event = msgspec.json.Decoder(_Event).decode
_whole = msgspec.json.Decoder(_Response).decode


class ResponsesWatch(Seen):
    """See dialects.base.Seen."""

    __slots__ = ()

    def event(self, event: bytes) -> None:
        """One event."""
        data = data_of(event)
        if not data or data == b"[DONE]":
            return
        try:
            found = _event(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self.malformed += 1
            return
        if found.response is not None:
            self.answer_id = found.response.id or self.answer_id
        if found.type.endswith(".delta"):
            self.refused = self.refused or found.type == "response.refusal.delta"
            self.output = self.output or bool(found.delta)
        elif found.type == "response.output_item.done":
            self.output = True
        elif found.type in _ENDS:
            self._end(found)
        elif found.type == "error" or (not found.type and found.error is not None):
            self.error = error_inside(found.message or found.error)

    def _end(self, found: _Event) -> None:
        self.finished = True
        self.output = self.output or found.type == "response.incomplete"  # it says why; not an empty answer
        if found.response is None:
            return
        if found.response.usage is not None:
            self.usage = found.response.usage.neutral()
        if found.type == "response.failed":
            self.error = error_inside(found.response.error)

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
        self.output = bool(found.output) or found.status not in (None, "completed")  # another status says why
        if found.usage is not None:
            self.usage = found.usage.neutral()
        if (
            found.error is not None and found.object is None
        ):  # a failed response object is the API's own answer
            self.error = error_inside(found.error)
        self.refused = b'"refusal"' in body and _refused(body)
        return True


def _refused(body: bytes) -> bool:
    """Does a message of a whole answer hold a refusal?"""
    try:
        output = _output(body).output
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    parts = [part for item in output if isinstance(item.content, list) for part in item.content]
    return any(isinstance(part, dict) and part.get("type") == "refusal" for part in parts)
