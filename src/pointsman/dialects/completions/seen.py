"""The one reading of a Completions answer: `choices[].text`, `finish_reason`, `usage`, `[DONE]`. Changes nothing."""

from __future__ import annotations

from typing import Any

import msgspec

from ...conversation.usage import newer
from ...wire.sse import data_of, unframed_error
from ...wire.surrogates import mended
from ..base import Seen
from ..openai_usage import neutral_usage
from ..vendor_errors import error_inside, is_json_object


class _Choice(msgspec.Struct, gc=False):
    index: int | None = None
    text: str | None = None
    finish_reason: str | None = None


class _Chunk(msgspec.Struct, gc=False):
    id: str | None = None
    choices: list[_Choice] = []
    usage: Any = None
    error: Any = None


_chunk = msgspec.json.Decoder(_Chunk).decode


class CompletionsSeen(Seen):
    """See dialects.base.Seen. Any text is output. It tells no class of stop: nothing is translated."""

    __slots__ = ("_said_why",)

    def __init__(self) -> None:
        super().__init__()
        self._said_why: dict[int, bool] = {}  # of each choice that has begun

    def event(self, event: bytes) -> None:
        """See Seen."""
        data = data_of(event) or unframed_error(event)
        if data == b"[DONE]":
            self.finished = self.error is None and (self.finished or not self.end_unexplained())
        elif data and not self._read(data):
            self.malformed += 1

    def whole(self, body: bytes) -> bool:
        """See Seen. Whatever its choices hold, it is an answer unless it is an error."""
        known = self._read(body) or is_json_object(body)
        self.output = self.finished = known and self.error is None
        return known

    def _read(self, data: bytes) -> bool:
        try:
            frame = _chunk(data)
        except msgspec.DecodeError:
            sound = mended(data)
            return sound is not data and self._read(sound)
        except (UnicodeDecodeError, RecursionError):
            return False
        self.see(frame)
        return True

    def see(self, frame: _Chunk) -> None:
        """One frame: the only place where facts begin."""
        if self.error is not None:
            return
        if frame.error:
            self.error = error_inside(msgspec.json.encode({"error": frame.error}))
            return
        self.answer_id = frame.id or self.answer_id
        for choice in frame.choices:
            self.output = self.output or bool(choice.text)
            index = choice.index or 0
            self._said_why[index] = self._said_why.get(index, False) or bool(choice.finish_reason)
        if frame.choices:
            self.finished = all(self._said_why.values())
        if frame.usage is not None:
            self.usage = newer(self.usage, neutral_usage(frame.usage))
