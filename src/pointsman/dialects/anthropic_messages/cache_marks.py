"""Cache marks in Anthropic's form (docs/protocols/caching.md#marks-toward-anthropic). Not here: which blocks keep theirs
(translation/fit_cache.py)."""

from __future__ import annotations

from typing import Any

from ...conversation.parts import CacheMark

_TTL = {"1h": "1h", "12h": "1h", "5m": "5m", "30m": None}
"""OpenAI's 30m becomes the default of 5 minutes: writes for an hour cost twice as much."""


def put(block: dict[str, Any], mark: CacheMark | None) -> dict[str, Any]:
    """The block, with the mark on it."""
    if mark is not None:
        block["cache_control"] = control(mark)
    return block


def control(mark: CacheMark) -> dict[str, Any]:
    """`cache_control` itself."""
    ttl = _TTL.get(mark.ttl) if mark.ttl is not None else None
    return {"type": "ephemeral", "ttl": ttl} if ttl is not None else {"type": "ephemeral"}
