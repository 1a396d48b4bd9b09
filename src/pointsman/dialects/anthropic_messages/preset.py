"""What a rule sets, in a Messages body (base.Presetting)."""

from __future__ import annotations

from ...conversation.profile import Profile
from ...wire.splice import find_values, set_member
from ..base import Presetting
from ..preset_text import before


def with_system(body: bytes, text: str, profile: Profile) -> bytes | None:
    """As the first of its blocks, or of its text."""
    spans = find_values(body, "system")
    value = body[slice(*spans[-1])] if spans else b"null"
    changed = before(value, text, parts=True)
    return None if changed is None else set_member(body, "system", changed)


def has_system(body: bytes) -> bool:
    """Does it have a system prompt?"""
    return any(body[start:end] not in (b"null", b'""', b"[]") for start, end in find_values(body, "system"))


PRESETTING = Presetting(
    reads=frozenset({
        "max_tokens", "temperature", "top_p", "top_k", "stop_sequences", "thinking", "output_config",
    }),
    with_system=with_system,
    has_system=has_system,
)  # fmt: skip
