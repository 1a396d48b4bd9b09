"""Budgets and rates as options: client keys and groups have all of them, credentials budgets. Not here: the nouns."""

from __future__ import annotations

from typing import Any

import click

from ..kinds import Per
from .columns import Body, Column
from .common import Row

_MONEY = "Dollars that may be spent, in each period of --per."
_TOKENS = "Tokens that may be spent, input and output together, in each period of --per."
_PER = "The budget's period; without it the budget is one in all."
_ZONE = "Time zone of its days, such as Europe/Berlin; without it this computer's."
_WARN = "Tell of it once so many percent are spent (80)."
BUDGET = (
    Column(
        "--budget-money", "budget_money", _MONEY, _MONEY, kind=click.FloatRange(0, min_open=True), metavar="USD",
        clear=("--no-budget", "Take its budget away."),
        body=lambda value: {"budget_money": value} if value is not None else {"budget_tokens": None, "budget_money": None},
    ),
    Column("--budget-tokens", "budget_tokens", _TOKENS, _TOKENS, kind=click.IntRange(1), metavar="N"),
    Column("--per", "per", _PER, _PER, kind=click.Choice([per.value for per in Per])),
    Column("--zone", "zone", _ZONE, _ZONE, metavar="ZONE"),
    Column("--warn", "warn", _WARN, _WARN, kind=click.IntRange(1, 100), metavar="PERCENT"),
)  # fmt: skip

_REQUESTS = "Requests a minute."
_RATE = "Tokens a minute, input and output together."
_AT_ONCE = "Requests at once."
RATES = (
    Column(
        "--rate-requests", "rate_requests", _REQUESTS, _REQUESTS, kind=click.IntRange(1), metavar="N",
        clear=("--no-rates", "Take its rates and --parallel away."),
        body=lambda value: (
            {"rate_requests": value} if value is not None
            else {"rate_requests": None, "rate_tokens": None, "parallel": None}
        ),
    ),
    Column("--rate-tokens", "rate_tokens", _RATE, _RATE, kind=click.IntRange(1), metavar="N"),
    Column("--parallel", "parallel", _AT_ONCE, _AT_ONCE, kind=click.IntRange(1), metavar="N"),
)  # fmt: skip


def check_amount(body: Body) -> None:
    """A period without an amount bounds nothing. Raises click.UsageError."""
    if {"per", "zone", "warn"} & {*body} and not {"budget_money", "budget_tokens"} & {*body}:
        raise click.UsageError("say how much may be spent: --budget-money USD or --budget-tokens N")


def said(row: Row) -> str | None:
    """All limits of a row, for a list."""
    per = row.get("per") or "total"
    found = []
    if row.get("budget_money") is not None:
        found.append(f"${row['budget_money']:g} per {per}")
    if row.get("budget_tokens") is not None:
        found.append(f"{row['budget_tokens']} tokens per {per}")
    for field, unit in (
        ("rate_requests", "requests/min"),
        ("rate_tokens", "tokens/min"),
        ("parallel", "at once"),
    ):
        if row.get(field) is not None:
            found.append(f"{row[field]} {unit}")
    return ", ".join(found) or None


def spent(row: Row) -> str | None:
    """What of its budget is spent."""
    found: dict[str, Any] | None = row.get("spent")
    if found is None:
        return None
    parts = [f"${found['money']:.4g}"] if row.get("budget_money") is not None else []
    return ", ".join(parts + ([f"{found['tokens']} tokens"] if row.get("budget_tokens") is not None else []))
