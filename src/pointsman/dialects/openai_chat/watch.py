"""Reads a Chat Completions answer as it passes (grammar: PROTOCOLS.md 11.2). Changes nothing."""

from __future__ import annotations

from typing import Any

import msgspec

from ...conversation.usage import TokenUsage
from ...wire.sse import data_of
from ..base import Seen
from ..vendor_errors import is_json_object
from .errors import error_inside


class _InputDetails(msgspec.Struct):
    cached_tokens: int | None = None


class _OutputDetails(msgspec.Struct):
    reasoning_tokens: int | None = None


class ChatUsage(msgspec.Struct):
    """OpenAI's `usage` of a chat answer."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _InputDetails | None = None
    completion_tokens_details: _OutputDetails | None = None

    def neutral(self) -> TokenUsage:
        """The same numbers under our definition: OpenAI counts cached in input and reasoning in output already."""
        cached, reasoning = self.prompt_tokens_details, self.completion_tokens_details
        return TokenUsage(
            self.prompt_tokens,
            self.completion_tokens,
            cached.cached_tokens if cached else None,
            reasoning.reasoning_tokens if reasoning else None,
        )


class _Choice(msgspec.Struct):
    delta: dict[str, Any] | None = None
    finish_reason: str | None = None


class _Chunk(msgspec.Struct):
    id: str | None = None
    choices: list[_Choice] = []
    usage: ChatUsage | None = None
    error: Any = None


class _WholeChoice(msgspec.Struct):
    message: dict[str, msgspec.Raw] | None = None
    finish_reason: str | None = None


class _Whole(msgspec.Struct):
    usage: ChatUsage | None = None
    error: Any = None
    choices: list[_WholeChoice] = []


class _Refusal(msgspec.Struct):
    refusal: Any = None


class _RefusalChoice(msgspec.Struct):
    message: _Refusal | None = None


class _Refusals(msgspec.Struct):
    choices: list[_RefusalChoice] = []


_TOLD = {"length", "content_filter"}
"""Ends that say something though no output came: a small limit spent on thinking, a filter. Not an empty answer."""

_chunk = msgspec.json.Decoder(_Chunk).decode
_whole = msgspec.json.Decoder(_Whole).decode
_refusal = msgspec.json.Decoder(_Refusals).decode


class ChatWatch(Seen):
    """See dialects.base.Seen."""

    __slots__ = ()

    def event(self, event: bytes) -> None:
        """One event."""
        data = data_of(event)
        if data == b"[DONE]":
            self.finished = True
            return
        if not data:
            return
        try:
            chunk = _chunk(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self.malformed += 1
            return
        self.answer_id = chunk.id or self.answer_id
        for choice in chunk.choices:
            if choice.finish_reason:
                self.finished = True
                self.refused = self.refused or (choice.finish_reason == "content_filter" and not self.output)
                self.output = self.output or choice.finish_reason in _TOLD
            if not self.output and choice.delta:
                self.output = any(value for key, value in choice.delta.items() if key != "role")
                self.refused = bool(choice.delta.get("refusal"))
        if chunk.usage is not None:
            self.usage = chunk.usage.neutral()
        if chunk.error is not None:
            self.error = error_inside(chunk.error)

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
        self.output = any(_says(choice) for choice in found.choices)
        if found.usage is not None:
            self.usage = found.usage.neutral()
        if found.error is not None:
            self.error = error_inside(found.error)
        self.refused = b'"refusal"' in body and _refused(body)
        return True


_NOTHING = (b"null", b'""', b"[]", b"{}")


def _says(choice: _WholeChoice) -> bool:
    """Has a choice anything but a role, or does it say why not?"""
    if choice.finish_reason in _TOLD:
        return True
    members = (choice.message or {}).items()
    return any(bytes(value) not in _NOTHING for name, value in members if name != "role")


def _refused(body: bytes) -> bool:
    """Does the first choice of a whole answer hold a refusal? OpenAI's answers name the member always, mostly null."""
    try:
        choices = _refusal(body).choices
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return bool(choices and choices[0].message is not None and choices[0].message.refusal)


def message_of(error: Any) -> str:
    """The text of an upstream's `error`, object or string (mlx_lm.server sends strings)."""
    if isinstance(error, dict):
        error = error.get("message") or error
    return str(error)[:2000]


def is_extra_usage(event: bytes) -> bool:
    """Is this the last, choice-less chunk that `stream_options.include_usage` adds?"""
    if b'"usage"' not in event:
        return False
    try:
        chunk = _chunk(data_of(event))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return not chunk.choices and chunk.usage is not None and chunk.error is None
