"""What a rule sets, in a Responses body (base.Presetting)."""

from __future__ import annotations

from ...conversation.profile import Profile
from ...wire.splice import find_values, set_member
from ..base import Presetting
from ..preset_text import before


def with_system(body: bytes, text: str, profile: Profile) -> bytes | None:
    """Before its instructions; what stands as a message in its input stays there."""
    spans = find_values(body, "instructions")
    value = body[slice(*spans[-1])] if spans else b"null"
    changed = before(value, text, parts=False)
    return None if changed is None else set_member(body, "instructions", changed)


def has_system(body: bytes) -> bool:
    """Does it have instructions?"""
    return any(body[start:end] not in (b"null", b'""') for start, end in find_values(body, "instructions"))


PRESETTING = Presetting(
    reads=frozenset({"max_output_tokens", "temperature", "top_p", "reasoning"}),
    with_system=with_system,
    has_system=has_system,
)
