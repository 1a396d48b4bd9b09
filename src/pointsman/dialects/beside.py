"""Reads whole answers of the paths beside a protocol's own (count_tokens, cancel, compact): no answers of a model, so
all there is to know is whether they are JSON, and whether they say that something failed; or the count."""

from __future__ import annotations

from typing import Any

import msgspec

from .base import Seen
from .decoding import UNREADABLE
from .vendor_errors import error_inside


class _Frame(msgspec.Struct):
    error: Any = None
    object: Any = None


_frame = msgspec.json.Decoder(_Frame).decode


class BesideSeen(Seen):
    """See dialects.base.Seen. For whole bodies only."""

    __slots__ = ()

    def whole(self, body: bytes) -> bool:
        """See Seen."""
        try:
            frame = _frame(body)
        except UNREADABLE:
            return False
        # an object of the API may hold an error and be told all the same
        if frame.error and frame.object is None:
            self.error = error_inside(body)
        self.output = self.finished = self.error is None
        return True


class _Count(msgspec.Struct):
    input_tokens: int


def parse_count(body: bytes) -> int:
    """The answer of a path that counts input tokens. Raises ValueError when it is none."""
    return msgspec.json.decode(body, type=_Count).input_tokens
