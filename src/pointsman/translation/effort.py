"""Words for how hard a model thinks, their order, and budgets in tokens as words and back. Pure."""

from __future__ import annotations

from ..conversation.request import EFFORTS, Request

BUDGETS = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16384, "xhigh": 32768}
"""Words as tokens."""
_WORDS = ((2048, "low"), (8192, "medium"), (24576, "high"))
"""Tokens up to -> word; above the last: xhigh."""


def word_of(budget: int) -> str:
    """A thinking budget as a word."""
    return next((word for most, word in _WORDS if budget <= most), "xhigh")


def effort_of(request: Request) -> str | None:
    """The effort that the client's fields amount to, None when it said nothing."""
    thinking = request.thinking
    if thinking is not None and thinking.type == "disabled":
        return "none"
    if request.effort is not None:
        return request.effort
    if thinking is not None and thinking.type == "enabled":
        return "medium" if thinking.budget is None else word_of(thinking.budget)
    return None


def nearest_effort(effort: str, known: tuple[str, ...]) -> str | None:
    """The strongest known effort that is not above it, else the weakest known; None when none is known."""
    if effort in known:
        return effort
    rank = EFFORTS.index(effort) if effort in EFFORTS else EFFORTS.index("medium")
    below = [word for word in known if EFFORTS.index(word) <= rank]
    return below[-1] if below else (known[0] if known else None)
