"""The one reading of a Completions answer: `choices[].text`, `finish_reason`, `usage`, `[DONE]`. Changes nothing."""

from __future__ import annotations

from typing import Any

import msgspec

from ...conversation.usage import newer
from ...wire.sse import data_of
from ...wire.surrogates import mended
from ..base import Seen
from ..openai_usage import neutral_usage
from ..stop_words import NO_REASONS
from ..vendor_errors import (
    bare_error,
    error_of,
    event_error,
    holds_list,
    is_named_error,
    is_openai_object,
)


class _Choice(msgspec.Struct, gc=False):
    index: int | None = None
    text: str | None = None
    finish_reason: Any = None
    error: Any = None


class _Chunk(msgspec.Struct, gc=False):
    id: str | None = None
    choices: list[_Choice] | None = None
    usage: Any = None
    error: Any = None


_KNOWN = frozenset({"stop", "length", "content_filter"})
_chunk = msgspec.json.Decoder(_Chunk).decode


class CompletionsSeen(Seen):
    """See dialects.base.Seen. Any text is output. It tells no class of stop: nothing is translated."""

    __slots__ = ("_said_why",)

    def __init__(self) -> None:
        super().__init__()
        self._said_why: dict[int, bool] = {}  # of each choice that has begun

    def event(self, event: bytes) -> None:
        """See Seen."""
        data = data_of(event)
        if data == b"[DONE]":
            self.ended = True
            self.finished = self.error is None and (self.finished or not self.end_unexplained())
        elif not data:
            self._fail(event_error(event))
        elif not self._read(data, event):
            self.malformed += 1

    def whole(self, body: bytes) -> bool:
        """See Seen. Whatever its choices hold, it is an answer unless it is an error."""
        self._read(body)
        known = self.error is not None or holds_list(mended(body), "choices")
        self.output = self.finished = known and self.error is None
        return known

    def _read(self, data: bytes, event: bytes = b"") -> bool:
        try:
            frame = _chunk(data)
        except msgspec.DecodeError:
            sound = mended(data)
            if sound is not data:
                return self._read(sound, event)
            return self._fail(bare_error(data, sure=is_named_error(event)))
        except (UnicodeDecodeError, RecursionError):
            return False
        self.see(frame)
        if not frame.choices and self.error is None and frame.usage is None:
            self._fail(bare_error(data, sure=is_named_error(event)))
        return True

    def _fail(self, error: Any) -> bool:
        """An error in a form that its clients overlook is not told by its bytes."""
        if error is not None and self.error is None:
            self.see(_Chunk(error=error))
            self.concluded = True
        return error is not None

    def see(self, frame: _Chunk) -> None:
        """One frame: the only place where facts begin."""
        if self.error is not None:
            return
        if frame.error and frame.error is not True:
            self.error = error_of(frame.error)
            self.concluded = not is_openai_object(frame.error)
            return
        self.answer_id = frame.id or self.answer_id
        for choice in frame.choices or ():
            self.output = self.output or bool(choice.text)
            index = choice.index or 0
            said = choice.error is None and self._says_why(choice.finish_reason)
            if choice.error:
                self._fail(choice.error)
            self._said_why[index] = self._said_why.get(index, False) or said
        if frame.choices:
            self.finished = all(self._said_why.values())
        if frame.usage is not None:
            self.usage = newer(self.usage, neutral_usage(frame.usage))

    def _says_why(self, reason: Any) -> bool:
        """A word of failure is one here, too (docs/protocols/stop-reasons.md#words-of-their-own)."""
        word = "" if reason is None else str(reason).strip()
        if word.lower() in NO_REASONS:
            return False
        if word not in _KNOWN:
            self.other_stop(word)
        return True


def is_extra_usage(event: bytes) -> bool:
    """Is this the last, choice-less chunk that `stream_options.include_usage` adds?"""
    if b'"usage"' not in event:
        return False
    try:
        chunk = _chunk(data_of(event))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return not chunk.choices and chunk.usage is not None and chunk.error is None
