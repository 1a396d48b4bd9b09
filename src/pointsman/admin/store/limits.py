"""Limits as rows hold them, compiled for the data plane; and what is spent of budgets, by the usage log.

Not here: what a limit does (ledger/accounts.py).
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from sqlmodel import Session, col, select

from ...kinds import Limit, Per, backend_key
from ...ledger.accounts import LimitSpec, dollars
from ...ledger.periods import own_zone, period_at
from ...ledger.records import NANO
from ...link.messages import Reached
from .tables import BudgetColumns, ClientKey, CloudCredential, KeyGroup, LimitColumns
from .usage import UsageStore


def compile_limits(
    keys: Iterable[ClientKey], groups: Iterable[KeyGroup], stored: Iterable[CloudCredential]
) -> tuple[LimitSpec, ...]:
    """Of live client keys, groups, and credentials."""
    found: list[LimitSpec] = []
    for key in keys:
        found += _limits(f"key/{key.id}", key)
    for group in groups:
        found += _limits(f"group/{group.id}", group)
    for row in stored:
        found += _budgets(f"backend/{backend_key(row.backend_type, row.name)}", row)
    return tuple(found)


def _budgets(whose: str, row: BudgetColumns) -> Iterable[LimitSpec]:
    per, zone = row.per or Per.TOTAL, row.zone or own_zone()
    if row.budget_money is not None:
        yield LimitSpec(whose, Limit.MONEY, round(row.budget_money * NANO), Per(per), zone, row.warn)
    if row.budget_tokens is not None:
        yield LimitSpec(whose, Limit.TOKENS, row.budget_tokens, Per(per), zone, row.warn)


def _limits(whose: str, row: LimitColumns) -> Iterable[LimitSpec]:
    yield from _budgets(whose, row)
    rates = (
        (Limit.REQUESTS, row.rate_requests),
        (Limit.TOKEN_RATE, row.rate_tokens),
        (Limit.PARALLEL, row.parallel),
    )
    for kind, most in rates:
        if most is not None:
            yield LimitSpec(whose, kind, most)


def charged_to(session: Session, whose: str) -> tuple[list[int], str | None]:
    """(client keys, backend) whose requests a key's, a group's or a backend's limits count; as UsageStore.spent() takes
    them. No key is -1."""
    kind, _, rest = whose.partition("/")
    if kind == "backend":
        return [], rest
    return ([int(rest)] if kind == "key" else _keys(session, int(rest))) or [-1], None


def spent_of(session: Session, usage: UsageStore, whose: str, since: float | None) -> tuple[int, int]:
    """(nano-dollars, tokens) that a key, a group's keys, or a backend has spent from those unix seconds on."""
    keys, backend = charged_to(session, whose)
    tokens, cost = usage.spent(keys, backend=backend, since=since)
    return cost, tokens


def reached_text(told: Reached) -> str:
    """For the log: `80 % of the budget of backend/openai is spent: $16.00 of $20.00 a day`."""
    limit = told.limit
    used = dollars(told.spent) if limit.kind is Limit.MONEY else f"{told.spent:,} tokens"
    return f"{told.percent} % of the budget of {limit.whose} is spent: {used} of {limit.said}"


def _keys(session: Session, group_id: int) -> list[int]:
    found = session.exec(select(ClientKey.id).where(col(ClientKey.group_id) == group_id))
    return [one for one in found if one is not None]


class SpentByKey:
    """What each of many keys has spent, read once for all whose period began at the same moment."""

    def __init__(self, usage: UsageStore) -> None:
        self._usage = usage
        self._since: dict[float | None, dict[int, tuple[int, int]]] = {}

    def of(self, key_id: int, since: float | None) -> tuple[int, int]:
        """(nano-dollars, tokens)."""
        if since not in self._since:
            self._since[since] = self._usage.spent_by_key(since)
        tokens, cost = self._since[since].get(key_id, (0, 0))
        return cost, tokens


def spent_now(
    session: Session,
    usage: UsageStore,
    whose: str,
    row: BudgetColumns,
    among: SpentByKey | None = None,
) -> dict[str, Any] | None:
    """In the fields of schemas.Spent; None where it has no budget. among: of a key, those that are read with it."""
    if row.budget_money is None and row.budget_tokens is None:
        return None
    period = period_at(Per(row.per or Per.TOTAL), row.zone or own_zone(), time.time())
    if among is not None:
        money, tokens = among.of(int(whose.partition("/")[2]), period.since)
    else:
        money, tokens = spent_of(session, usage, whose, period.since)
    return {
        "money": money / NANO,
        "tokens": tokens,
        "period_start": moment_of(period.since),
        "period_end": moment_of(period.until),
    }


def moment_of(at: float | None) -> datetime | None:
    """Of unix seconds."""
    return None if at is None else datetime.fromtimestamp(at, UTC)
