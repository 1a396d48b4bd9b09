"""The events of a Messages stream as typed values, for one decode each. Not here: what they mean (reader.py)."""

from __future__ import annotations

from typing import Any

import msgspec

from .usage import Usage

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


class DeltaSeen(msgspec.Struct):
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


class MessageSeen(msgspec.Struct):
    """`message` of the first event."""

    id: str | None = None
    model: str | None = None
    usage: Usage | None = None


class EventSeen(msgspec.Struct):
    """Any event."""

    type: str = ""
    index: int = 0
    delta: DeltaSeen | None = None
    content_block: dict[str, Any] | None = None
    message: MessageSeen | None = None
    usage: Usage | None = None
    error: Any = None


decode = msgspec.json.Decoder(EventSeen).decode
