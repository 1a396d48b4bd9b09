"""The events of a Messages stream, and its whole answer, as typed values: one decode each.

Not here: what they mean (seen.py), what they tell a client of another protocol (reader.py, reply.py).
"""

from __future__ import annotations

from typing import Any

import msgspec

from ..decoding import without

KNOWN = {
    "message_start",
    "content_block_start",
    "content_block_delta",
    "content_block_stop",
    "message_delta",
    "message_stop",
    "error",
}
"""Event types that mean something here; others are legal and passed over."""

PLAIN = frozenset({*KNOWN, "ping"} - {"error"})
"""Those that tell no error."""


class FrameDelta(msgspec.Struct, gc=False):
    """`delta` of a block or of the message; what is not of its type is None."""

    type: str = ""
    text: str | None = None
    partial_json: str | None = None
    thinking: str | None = None
    signature: str | None = None
    citation: dict[str, Any] | None = None
    content: Any = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: dict[str, Any] | None = None

    @property
    def explanation(self) -> str | None:
        """Of a refusal, in the vendor's words."""
        found = self.stop_details.get("explanation") if self.stop_details else None
        return found if isinstance(found, str) else None


class FrameMessage(msgspec.Struct):
    """`message` of the first event."""

    id: str | None = None
    model: str | None = None
    usage: Any = None


class Frame(msgspec.Struct, gc=False):
    """Any event."""

    type: str = ""
    index: int = 0
    delta: FrameDelta | None = None
    content_block: dict[str, Any] | None = None
    message: FrameMessage | None = None
    usage: Any = None
    error: Any = None


class Message(FrameMessage):
    """A whole answer, or the error that stands where one should."""

    type: str = ""
    content: list[dict[str, Any]] | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: dict[str, Any] | None = None
    error: Any = None

    @property
    def ending(self) -> FrameDelta:
        """What the stream that it could have been would say at its end."""
        return FrameDelta(
            "", None, None, None, None, None, None, self.stop_reason, self.stop_sequence, self.stop_details
        )  # by position: a keyword costs a dict


decode = msgspec.json.Decoder(Frame).decode
"""Raises one of UNREADABLE."""
decode_whole = msgspec.json.Decoder(Message).decode
"""Raises one of UNREADABLE."""
_BESIDE = ("stop_details", "stop_sequence", "id", "model")


def bare(value: dict[str, Any]) -> bytes:
    """See decoding.without: of a frame, and of a whole answer."""
    return without(value, _BESIDE, "message")
