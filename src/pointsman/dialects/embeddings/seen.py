"""The one reading of an Embeddings answer: its usage, its error. Changes nothing."""

from __future__ import annotations

from typing import Any

import msgspec

from ...conversation.usage import TokenUsage
from ..base import Seen
from ..decoding import UNREADABLE
from ..openai_usage import neutral_usage
from ..vendor_errors import error_inside, is_json_object


class _Whole(msgspec.Struct):
    usage: Any = None
    error: Any = None


_whole = msgspec.json.Decoder(_Whole).decode


class EmbeddingsSeen(Seen):
    """See dialects.base.Seen. Whatever stands in it is output; it tells no stop."""

    __slots__ = ()

    def event(self, event: bytes) -> None:
        """Embeddings do not stream; an event of a backend that does counts as output."""
        self.output = True

    def whole(self, body: bytes) -> bool:
        """See Seen."""
        try:
            self.see(_whole(body))
        except msgspec.ValidationError:
            if not is_json_object(body):
                return False
        except UNREADABLE:
            return False
        self.output = self.finished = self.error is None
        return True

    def see(self, frame: _Whole) -> None:
        """The only place where facts begin."""
        if frame.error:
            self.error = error_inside(msgspec.json.encode({"error": frame.error}))
        asked = neutral_usage(frame.usage)
        if asked is not None:
            self.usage = TokenUsage(asked.input)  # nothing is generated
