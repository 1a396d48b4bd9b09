"""What a rule sets, in a Messages body (base.Presetting)."""

from __future__ import annotations

from ...conversation.profile import Profile
from ..base import Presetting
from ..preset_text import holds, member_before


def with_system(body: bytes, text: str, profile: Profile) -> bytes | None:
    """As the first of its blocks, or of its text."""
    return member_before(body, "system", text, parts=True)


def has_system(body: bytes) -> bool:
    """Does it have a system prompt?"""
    return holds(body, "system", b"[]")


PRESETTING = Presetting(
    reads=frozenset({
        "max_tokens", "temperature", "top_p", "top_k", "stop_sequences", "thinking", "output_config",
    }),
    with_system=with_system,
    has_system=has_system,
)  # fmt: skip
