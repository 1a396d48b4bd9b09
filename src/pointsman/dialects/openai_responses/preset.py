"""What a rule sets, in a Responses body (base.Presetting)."""

from __future__ import annotations

from ...conversation.profile import Profile
from ..base import Presetting
from ..preset_text import holds, member_before


def with_system(body: bytes, text: str, profile: Profile) -> bytes | None:
    """Before its instructions; what stands as a message in its input stays there."""
    return member_before(body, "instructions", text, parts=False)


def has_system(body: bytes) -> bool:
    """Does it have instructions?"""
    return holds(body, "instructions")


PRESETTING = Presetting(
    reads=frozenset({"max_output_tokens", "temperature", "top_p", "reasoning"}),
    with_system=with_system,
    has_system=has_system,
)
