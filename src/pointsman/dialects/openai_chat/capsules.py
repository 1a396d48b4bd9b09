"""Reasoning that another backend made, taken out of a request on its way to a backend of this protocol
(docs/protocols/reasoning.md#capsules).

For the pass-through: clients send `reasoning_details` back as they got them, and servers refuse members and formats that
they do not know. Its words, which stand in `reasoning_content`, are the client's to send.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ...errors import PointsmanError
from ...wire.splice import find_values, without_members
from ..capsule import is_capsule
from ..decoding import UNREADABLE
from .reply import FORMAT

_items = msgspec.json.Decoder(list[msgspec.Raw]).decode
_HINT = FORMAT.encode()
CAPSULE_WORDS = (_HINT,)
"""Begin a string of every body that has a capsule."""
_MEMBER = "reasoning_details"


def without_capsules(body: bytes) -> bytes | None:
    """The body less the reasoning details that we told; None when there is none. All other bytes stay."""
    if _HINT not in body:
        return None
    try:
        spans = find_values(body, "messages")
        if len(spans) != 1:
            return None
        ((start, end),) = spans
        items = [bytes(item) for item in _items(body[start:end])]
        kept = [_message(item) for item in items]
    except (*UNREADABLE, PointsmanError):
        return None  # not what it should be: the backend's own error is the better answer
    if kept == items:
        return None
    return body[:start] + b"[" + b",".join(kept) + b"]" + body[end:]


def _message(item: bytes) -> bytes:
    if _HINT not in item or item[:1] != b"{":
        return item
    return without_members(item, lambda name, value: name == _MEMBER and _is_ours(value))


def _is_ours(value: bytes) -> bool:
    """All of it is: nobody mixes what two gateways told."""
    details: Any = msgspec.json.decode(value)
    return isinstance(details, list) and bool(details) and all(map(_is_our_detail, details))


def _is_our_detail(detail: Any) -> bool:
    if not isinstance(detail, dict) or detail.get("format") != FORMAT:
        return False
    carrier = detail.get("signature")
    return carrier is None or (isinstance(carrier, str) and is_capsule(carrier))
