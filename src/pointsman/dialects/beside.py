"""Reads whole answers of the paths beside a protocol's own (count_tokens, cancel, compact): no answers of a model, so
all there is to know is whether they are JSON, and whether they say that something failed; or the count."""

from __future__ import annotations

from typing import Any

import msgspec

from .base import Seen
from .decoding import UNREADABLE, decode_object
from .vendor_errors import bare_error, error_inside


class _Frame(msgspec.Struct):
    error: Any = None
    object: Any = None
    id: Any = None
    input_tokens: Any = None

    @property
    def known(self) -> bool:
        """Does it say what it is?"""
        return self.object not in (None, "error") or self.id is not None or self.input_tokens is not None


_frame = msgspec.json.Decoder(_Frame).decode


class BesideSeen(Seen):
    """See dialects.base.Seen. For whole bodies only. counts: it must be a count."""

    member = b""
    __slots__ = ("_counts",)

    def __init__(self, *, counts: bool) -> None:
        super().__init__()
        self._counts = counts

    def whole(self, body: bytes) -> bool:
        """See Seen."""
        try:
            frame = _frame(body)
            nothing = not frame.known and not decode_object(body)
        except UNREADABLE:
            return False
        # an object of the API may hold an error and be told all the same
        found = frame.error if frame.object in (None, "error") else None
        if not found and not frame.known:
            found = bare_error(body)
        if found:
            self.error = error_inside(msgspec.json.encode({"error": found}))
        if self.error is None and (nothing or (self._counts and not isinstance(frame.input_tokens, int))):
            return False
        self.output = self.finished = self.error is None
        return True


class _Count(msgspec.Struct):
    input_tokens: int


def parse_count(body: bytes) -> int:
    """The answer of a path that counts input tokens. Raises ValueError when it is none."""
    return msgspec.json.decode(body, type=_Count).input_tokens
