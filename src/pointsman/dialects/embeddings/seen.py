"""The one reading of an Embeddings answer: its usage, its error. Changes nothing."""

from __future__ import annotations

from typing import Any

import msgspec

from ...conversation.usage import TokenUsage
from ...wire.sse import data_of
from ..base import Seen
from ..decoding import UNREADABLE
from ..openai_usage import neutral_usage
from ..vendor_errors import bare_error, error_inside


class _Whole(msgspec.Struct):
    usage: Any = None
    error: Any = None
    data: msgspec.Raw = msgspec.Raw()


_whole = msgspec.json.Decoder(_Whole).decode


class EmbeddingsSeen(Seen):
    """See dialects.base.Seen. Whatever stands in it is output; it tells no stop."""

    member = b'"data"'
    __slots__ = ()

    def event(self, event: bytes) -> None:
        """Embeddings do not stream: whatever a backend that does so says, it is no answer."""
        self._bare(data_of(event))
        self.malformed += 1

    def whole(self, body: bytes) -> bool:
        """See Seen."""
        try:
            frame = _whole(body)
        except UNREADABLE:
            return self._bare(body)
        self.see(frame)
        if self.error is None and not bytes(frame.data).startswith(b"["):
            return self._bare(body)
        self.output = self.finished = self.error is None
        return True

    def _bare(self, body: bytes) -> bool:
        """What has none of an answer's members is an error at best, in a form that its clients overlook."""
        found = bare_error(body)
        if found is not None and self.error is None:
            self.see(_Whole(error=found))
            self.concluded = True
        return found is not None

    def see(self, frame: _Whole) -> None:
        """The only place where facts begin."""
        if frame.error:
            self.error = error_inside(msgspec.json.encode({"error": frame.error}))
        asked = neutral_usage(frame.usage)
        if asked is not None:
            self.usage = TokenUsage(asked.input)  # nothing is generated
