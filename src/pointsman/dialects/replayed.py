"""Earlier reasoning as clients send it back: in one of our capsules, or as its maker wrote it
(docs/protocols/reasoning.md#capsules). Not here: in which field a protocol carries it."""

from __future__ import annotations

from ..conversation.parts import Opaque, Thinking
from .base import Reading
from .capsule import Forged, is_capsule


def replayed(text: str, carrier: str, own: Opaque, path: str, reading: Reading) -> Thinking | None:
    """carrier: what only its maker reads, which stands at `path`. own: the same as a vendor's own
    form. None, and told, where it claims to be a capsule of ours and is none."""
    opaque: Opaque | None = own
    if is_capsule(carrier):
        try:
            opaque = reading.capsules.open(carrier)
        except Forged:
            reading.notes.drop(path, "it was not made by this gateway, or was changed")
            return None
    data = opaque.data if opaque is not None else None
    return Thinking(text, opaque, isinstance(data, dict) and data.get("type") == "redacted_thinking")
