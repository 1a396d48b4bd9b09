"""Reasoning that another backend made, taken out of a request on its way to OpenAI's own protocol
(docs/protocols/reasoning.md#capsules).

For the pass-through: a session that switched backends must not be refused for what its earlier one had said.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ...wire.splice import find_values
from ..capsule import PREFIX, is_capsule

CAPSULE_WORDS = (PREFIX.encode(),)
"""A string of every body that carries one begins with this."""
_HINT = b'"%b' % CAPSULE_WORDS
_items = msgspec.json.Decoder(list[msgspec.Raw]).decode


def without_capsules(body: bytes) -> bytes | None:
    """The body less the reasoning items that carry one of our capsules; None when there is none. All other bytes stay."""
    if _HINT not in body:
        return None
    spans = find_values(body, "input")
    if len(spans) != 1:
        return None
    start, end = spans[0]
    try:
        items = _items(body[start:end])
    except msgspec.DecodeError:
        return None
    kept = [bytes(item) for item in items if not _is_ours(bytes(item))]
    if len(kept) == len(items):
        return None
    return body[:start] + b"[" + b",".join(kept) + b"]" + body[end:]


def _is_ours(item: bytes) -> bool:
    if _HINT not in item:
        return False
    value: Any = msgspec.json.decode(item)
    if not isinstance(value, dict) or value.get("type") != "reasoning":
        return False
    carrier = value.get("encrypted_content")
    return isinstance(carrier, str) and is_capsule(carrier)
