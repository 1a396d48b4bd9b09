"""What a plain request reserves, without a wait, and what it took. Which accounts those are is found once for a key and a
target.

One-sided: None is the full way's (reserving.py), which asks what is not known and says why a request is refused.
"""

from __future__ import annotations

import time

from ...dialects.paths import Route
from ...kinds import Limit
from ...ledger.accounts import Reservation, Want
from ...ledger.records import UsageRecord
from ...link.spending import Cashier
from ...routing.table import Target
from ..client.access import Caller
from ..compiled import CompiledRules
from ..data_plane import DataPlane
from .refusing import header_lines
from .reserving import RATES, dearest, limits_of, of_rate, tokens_of
from .worst_case import worst_case


class Taken:
    """rates, budgets: settled apart, where the request does not stay a plain one. lines: the headers that tell what is left
    of its rates."""

    __slots__ = ("budgets", "cashier", "lines", "rates")

    def __init__(self, cashier: Cashier, rates: Reservation, budgets: Reservation, lines: bytes) -> None:
        self.cashier = cashier
        self.rates = rates
        self.budgets = budgets
        self.lines = lines

    def settle(self, record: UsageRecord) -> None:
        """It took what its record says."""
        tokens = tokens_of(record)
        self.cashier.settle(self.budgets, {Limit.TOKENS: tokens, Limit.MONEY: record.cost})
        self.cashier.settle(self.rates, {Limit.TOKEN_RATE: tokens})


class Charged:
    """The accounts that requests with one key to one target are charged to. cashier: has them, None where another process
    does."""

    __slots__ = ("cashier", "money", "rates", "tokens")

    def __init__(self, plane: DataPlane, rules: CompiledRules, caller: Caller, target: Target) -> None:
        limits = limits_of(rules, caller, target)
        self.cashier = plane.cashier if isinstance(plane.cashier, Cashier) else None
        accounts = [] if self.cashier is None else self.cashier.accounts(limits)
        self.rates = [one for one in accounts if one.limit.kind in RATES]
        self.tokens = [one for one in accounts if one.limit.kind is Limit.TOKENS]
        self.money = [one for one in accounts if one.limit.kind is Limit.MONEY]


def take_at_once(
    plane: DataPlane, rules: CompiledRules, caller: Caller, where: Route, target: Target, body: bytes
) -> Taken | None:
    """All that a request takes of its limits; None where that cannot be said now, or it is refused."""
    charged = _charged(plane, rules, caller, target)
    cashier = charged.cashier
    if cashier is None:
        return None
    asked, answered = worst_case(where, body)
    budgets = [Want(one, asked + answered) for one in charged.tokens]
    if charged.money:
        cost = dearest(rules, caller, target, asked, answered)
        if cost is None:
            return None
        budgets += [Want(one, cost) for one in charged.money] if cost else []
    rates = [Want(one, of_rate(one.limit.kind, asked + answered)) for one in charged.rates]
    taken = cashier.at_once(rates, budgets)
    if taken is None:
        return None
    lines = b""
    if rates:
        now, wall = time.monotonic(), time.time()
        seen = [one.seen(now, wall) for one in charged.rates]
        lines = header_lines(seen, where.dialect.endpoint.rate_limits)
    return Taken(cashier, *taken, lines)


def _charged(plane: DataPlane, rules: CompiledRules, caller: Caller, target: Target) -> Charged:
    key = (caller.key_id, target.key)
    found: Charged | None = rules.charged.get(key)
    if found is None:
        found = rules.charged[key] = Charged(plane, rules, caller, target)
    return found
