"""Which neutral fields may be dropped and which may not: PROTOCOLS.md section 15 as one table.

check() reports every field that is set and that the target's renderer does not deal with itself (Translation.takes).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from ..conversation.notes import Notes
from ..conversation.request import Request

HINTS = (
    "seed", "frequency_penalty", "presence_penalty", "logit_bias", "verbosity", "metadata", "service_tier", "cache_key",
    "cache_auto", "top_k", "top_p", "temperature", "user", "effort", "thinking", "summary", "max_tool_calls",
    "web_search", "parallel_tools", "top_logprobs",
)  # fmt: skip
"""Dropped and told."""

SHAPES: dict[str, tuple[Any, str]] = {
    "n": (1, "this backend's protocol gives one answer a request; send n: 1, or several requests."),
    "logprobs": (False, "this backend's protocol has no log probabilities; leave it out."),
    "format": (None, "this backend's protocol has no structured output; leave it out, or use a tool."),
}
"""Field -> (the value that loses nothing, what to do): anything else is a 400."""


@lru_cache(maxsize=64)
def _untaken(takes: frozenset[str]) -> tuple[str, ...]:
    return tuple(name for name in HINTS if name not in takes)


def check(request: Request, takes: frozenset[str], notes: Notes) -> None:
    """Raises PointsmanError 400 for a shape that cannot be kept, and for any loss under strict."""
    for name in _untaken(takes):
        if getattr(request, name) is not None:
            notes.drop(name)
    for name, (harmless, advice) in SHAPES.items():
        value = getattr(request, name)
        if name not in takes and value is not None and value != harmless:
            notes.refuse(name, advice)
