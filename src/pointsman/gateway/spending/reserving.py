"""What one request reserves, and when: its rates as it comes, its budgets with each attempt, since each is paid for.

Not here: how limits are held (link/spending.py), and what a refused client is told (refusing.py).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ...errors import PointsmanError
from ...kinds import BackendType, FallbackReason, Limit
from ...ledger.accounts import Level, LimitSpec
from ...ledger.records import UsageRecord
from ...link.bounds import restricted
from ...link.spending import Spending
from ...resilience.walk import Held
from ...routing.table import Plan, Target
from ...wire.answer import Answer
from ..client.access import Caller
from ..compiled import CompiledRules
from ..data_plane import DataPlane
from .refusing import header_lines, refused, unpriced
from .worst_case import worst_case

if TYPE_CHECKING:
    from ..request.job import Job, Tried

RATES = (Limit.REQUESTS, Limit.TOKEN_RATE, Limit.PARALLEL)

Charges = list[tuple[LimitSpec, int]]
"""Limits, and how much of each; -1 of money where nobody knows what it costs."""


async def let_in(plane: DataPlane, rules: CompiledRules, job: Job, plan: Plan) -> Plan:
    """The plan with the targets that this client may use and pay for now; what it may not is never asked, however the others
    fare. Raises PointsmanError: 403, 429, or what says in its protocol that a budget is spent."""
    bounds = job.request.caller.bounds
    if bounds is not None:
        bounds.check_path(job.request.route.path)
        plan = restricted(bounds, plan)
    if not rules.limits or not job.request.route.generates:
        return plan
    try:
        plan = await _affordable(plane, rules, job, plan)
    except PointsmanError:
        _tell(job, (await _cashier(plane).look(_rates(rules, job))).seen)
        raise
    await take_rates(plane, rules, job)
    return plan


def _own_limits(rules: CompiledRules, caller: Caller) -> list[LimitSpec]:
    """Those of the client's key and its group."""
    whose = caller.bounds.whose if caller.bounds is not None else ()
    return [limit for one in whose for limit in rules.limits.get(one, ())]


def limits_of(rules: CompiledRules, caller: Caller, target: Target) -> list[LimitSpec]:
    """Those of the client's key and its group, and of the target's backend."""
    return [*_own_limits(rules, caller), *rules.limits.get(f"backend/{target.key}", ())]


async def _affordable(plane: DataPlane, rules: CompiledRules, job: Job, plan: Plan) -> Plan:
    """Where a provider's budget is spent, no other provider takes its place: what comes after it costs nothing."""
    left: list[Target] = []
    problem: PointsmanError | None = None
    only_local = False
    for target in plan.targets:
        if only_local and not _is_local(target):
            continue
        found = await _problem(plane, target, _charges(rules, job, target))
        if found is None:
            left.append(target)
            continue
        error, whose = found
        problem = problem or error
        only_local = only_local or whose.startswith("backend/")
    if problem is None:
        return plan
    if not left:
        raise problem
    if left[0] is not plan.targets[0]:
        job.failed_reason = FallbackReason.BUDGET.value
    return plan.narrowed(left)


async def _problem(plane: DataPlane, target: Target, charges: Charges) -> tuple[PointsmanError, str] | None:
    """Why it cannot be paid for now, and whose limit says so."""
    if not charges:
        return None
    unknown = next((limit for limit, amount in charges if amount < 0), None)
    if unknown is not None:
        return unpriced(target.label), unknown.whose
    refusal = (await _cashier(plane).look(charges)).refused
    return None if refusal is None else (refused(refusal), refusal.limit.whose)


def _is_local(target: Target) -> bool:
    return target.backend is not None and target.backend.type == BackendType.LOCAL


def _charges(rules: CompiledRules, job: Job, target: Target) -> Charges:
    """The budgets that an attempt at this target is charged to, and how much it may cost. What is free is charged to none of
    money."""
    limits = [limit for limit in limits_of(rules, job.request.caller, target) if limit.is_budget]
    if not limits:
        return []
    asked, answered = _worst_of(job)
    cost = dearest(rules, job.request.caller, target, asked, answered)
    found: Charges = []
    for limit in limits:
        if limit.kind is Limit.TOKENS:
            found.append((limit, asked + answered))
        elif cost != 0:
            found.append((limit, -1 if cost is None else cost))
    return found


def dearest(rules: CompiledRules, caller: Caller, target: Target, asked: int, answered: int) -> int | None:
    """Nano-dollars that so many tokens cost this gateway there at most; None where there is no price."""
    if target.problem is not None or (target.forwards and caller.login):
        return 0  # nobody is asked, or the client's own account is charged
    book = rules.prices(target.key)
    rate = book.rate(target.model, time.time()) if book is not None else None
    if rate is None:
        return 0 if _is_local(target) else None
    most = rate.most(asked, answered)
    return rate.most(asked, 0) if most is None else most  # nothing is charged for output that has no price


def _worst_of(job: Job) -> tuple[int, int]:
    """worst_case() of its request, looked for once."""
    if job.worst is None:
        job.worst = worst_case(job.request.route, job.request.body)
    return job.worst


def of_rate(kind: Limit, tokens: int) -> int:
    """What a request of so many tokens takes of a rate of that kind."""
    return tokens if kind is Limit.TOKEN_RATE else 1


def _rates(rules: CompiledRules, job: Job) -> Charges:
    """What the request takes of the rates of its key and its group."""
    limits = [limit for limit in _own_limits(rules, job.request.caller) if limit.kind in RATES]
    if not limits:
        return []
    tokens = sum(_worst_of(job))
    return [(limit, of_rate(limit.kind, tokens)) for limit in limits]


def _tell(job: Job, seen: Iterable[Level]) -> None:
    """What is left of the rates."""
    lines = header_lines(seen, job.request.route.dialect.endpoint.rate_limits)
    job.delivery.lines += lines
    job.delivery.rated = bool(lines)


async def take_rates(plane: DataPlane, rules: CompiledRules, job: Job) -> None:
    """Its part of the rates of its key and its group. Raises PointsmanError 429."""
    rates = _rates(rules, job)
    if not rates:
        return
    taken = await _cashier(plane).admit(rates)
    _tell(job, taken.seen)
    if taken.refused is not None:
        raise refused(taken.refused)
    job.receipt = taken.receipt


async def reserve(
    plane: DataPlane, rules: CompiledRules, job: Job, target: Target, tried: Tried
) -> Held[Answer] | None:
    """Before an attempt is sent: its budgets have room for it. None when they have."""
    charges: Charges = []
    if rules.limits and job.request.route.generates:
        charges = _charges(rules, job, target)
    if not charges:
        return None
    if any(amount < 0 for _, amount in charges):
        return Held(FallbackReason.BUDGET, unpriced(target.label), certain=True)
    taken = await _cashier(plane).admit(charges)
    if taken.refused is not None:
        return Held(FallbackReason.BUDGET, refused(taken.refused), certain=True)
    tried.receipt = taken.receipt
    return None


def settle_unanswered(plane: DataPlane, tried: Tried) -> None:
    """An attempt that got no answer has cost nothing; another may follow it."""
    if tried.receipt is not None and (tried.status == 0 or tried.status >= 400):
        _cashier(plane).settle(tried.receipt, {})
        tried.receipt = None


def settle(plane: DataPlane, job: Job, records: Sequence[tuple[Tried | None, UsageRecord]]) -> None:
    """The request is over: each attempt counts as its record says, and the request as all of them."""
    for tried, record in records:
        if tried is not None and tried.receipt is not None:
            used = {Limit.TOKENS: tokens_of(record), Limit.MONEY: record.cost}
            _cashier(plane).settle(tried.receipt, used)
    if job.receipt is not None:
        told = [tokens_of(record) for _, record in records]
        tokens = None if None in told else sum(one for one in told if one is not None)
        _cashier(plane).settle(job.receipt, {Limit.TOKEN_RATE: tokens})


_LEFT = "aborted"
_FAILED = "failed"


def tokens_of(record: UsageRecord) -> int | None:
    """None where it was answered, or was not waited for, and nobody knows how many it took."""
    if record.input_tokens is None and record.output_tokens is None:
        answered = record.status < 400 and record.outcome != _FAILED
        return None if record.attempt and not record.joined and (answered or record.outcome == _LEFT) else 0
    return (record.input_tokens or 0) + (record.output_tokens or 0)


def _cashier(plane: DataPlane) -> Spending:
    assert plane.cashier is not None, "limits have come by a link"
    return plane.cashier
