"""Thinking as an effort word, however the client said it, and the nearest word a model knows (PROTOCOLS.md 7.3). Pure."""

from __future__ import annotations

from ..conversation.request import Request

ORDER = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
"""Weakest first."""
_BUDGETS = ((2048, "low"), (8192, "medium"), (24576, "high"))
"""Thinking budgets as efforts; above the last: xhigh."""


def effort_of(request: Request) -> str | None:
    """The effort that the client's fields amount to, None when it said nothing."""
    thinking = request.thinking
    if thinking is not None and thinking.type == "disabled":
        return "none"
    if request.effort is not None:
        return request.effort
    if thinking is not None and thinking.type == "enabled":
        budget = thinking.budget
        if budget is None:
            return "medium"
        return next((word for limit, word in _BUDGETS if budget <= limit), "xhigh")
    return None


def nearest_effort(effort: str, known: tuple[str, ...]) -> str | None:
    """The strongest known effort that is not above it, else the weakest known; None when none is known."""
    if effort in known:
        return effort
    rank = ORDER.index(effort) if effort in ORDER else ORDER.index("medium")
    below = [word for word in known if ORDER.index(word) <= rank]
    return below[-1] if below else (known[0] if known else None)
