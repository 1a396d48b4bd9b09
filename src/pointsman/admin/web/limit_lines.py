"""How a client key or a group stands, in the words of a list: its state, what it may use, what of its budget is left. Pure.
Not here: the form that changes it (limit_forms.py)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

from ...config import span_of
from ...models import ClientKeyResponse, KeyGroupResponse
from .words import count, money, tokens

Row = ClientKeyResponse | KeyGroupResponse


class BudgetLine(NamedTuple):
    """left: `$3.18 of $5.00 left`. used: how much of it, 0 to 1 and above. until: when it begins anew. zone: by whose
    calendar."""

    left: str
    used: float
    until: datetime | None
    zone: str


class KeyLine(NamedTuple):
    """mark and word: of its state. scope: None where it may use everything."""

    key: ClientKeyResponse
    mark: str
    word: str
    scope: str | None
    budget: list[BudgetLine]
    rate: str | None

    @property
    def title(self) -> str:
        """What a person calls it; also what is typed to rotate or revoke it."""
        return self.key.name or self.key.prefix


class GroupLine(NamedTuple):
    group: KeyGroupResponse
    budget: list[BudgetLine]
    rate: str | None


def key_line(key: ClientKeyResponse, now: datetime | None = None) -> KeyLine:
    """A line of the list."""
    budget = budget_lines(key)
    mark, word = _state(key, budget, now or datetime.now(UTC))
    return KeyLine(key, mark, word, _scope(key), budget, rate_line(key))


def group_line(group: KeyGroupResponse) -> GroupLine:
    return GroupLine(group, budget_lines(group), rate_line(group))


def budget_lines(row: Row) -> list[BudgetLine]:
    """Of dollars, and of tokens; none where it has no budget."""
    if row.spent is None:
        return []
    found = []
    of_each: list[tuple[float | None, float, Callable[[float], str], str]] = [
        (row.budget_money, row.spent.money, money, ""),
        (row.budget_tokens, row.spent.tokens, tokens, " tokens"),
    ]
    for whole, spent, written, unit in of_each:
        if whole is None:
            continue
        left = max(whole - spent, 0)
        text = f"{written(left) if left else 'nothing'} of {written(whole)}{unit} left"
        found.append(BudgetLine(text, spent / whole, row.spent.period_end, row.zone or ""))
    return found


def rate_line(row: Row) -> str | None:
    """`60 requests, 40.0k tokens a minute; 4 at once`; None where it is not bounded."""
    minute = [
        f"{count(row.rate_requests)} requests" if row.rate_requests else "",
        f"{tokens(row.rate_tokens)} tokens" if row.rate_tokens else "",
    ]
    said = ", ".join(filter(None, minute))
    parts = [f"{said} a minute" if said else "", f"{count(row.parallel)} at once" if row.parallel else ""]
    return "; ".join(filter(None, parts)) or None


def _state(key: ClientKeyResponse, budget: list[BudgetLine], now: datetime) -> tuple[str, str]:
    if key.revoked_at is not None:
        return "off", "Revoked"
    if key.expires_at is not None and key.expires_at <= now:
        return "off", "Expired"
    if any(one.used >= 1 for one in budget):
        return "bad", "Budget spent"
    if any(100 * one.used >= key.warn for one in budget):
        return "warn", "Budget nearly spent"
    return "ok", "Good"


def _scope(key: ClientKeyResponse) -> str | None:
    parts = [
        "this machine only" if key.local_only else "",
        f"customs {key.customs}" if key.customs else "",
        "" if key.cache_seconds is None else f"answers kept {span_of(key.cache_seconds)}",
        ", ".join(key.models),
        ", ".join(key.paths),
    ]
    return "; ".join(filter(None, parts)) or None
