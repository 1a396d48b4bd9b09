"""What budgets that are spent mean for an explanation: a provider whose own is spent is not asked, and after it no other.
Not here: a client key's, which depends on who asks.
"""

from __future__ import annotations

import time
from typing import TypeVar

from ...kinds import Limit, is_provider
from ...ledger.accounts import LimitSpec
from ...ledger.periods import Span, period_at
from ..store.limits import moment_of, spent_of
from .control_plane import ControlPlane
from .explain import Explanation
from .explain_target import TargetExplained

_Told = TypeVar("_Told", bound=Explanation)


def with_budgets(control: ControlPlane, found: _Told) -> _Told:
    """The same, its targets judged by what is spent now. Blocks."""
    only_local = False
    for target in found.targets:
        if not is_provider(target.backend):
            continue
        for limit in control.snapshot.limits:
            if limit.whose != f"backend/{target.backend}":
                continue
            period = period_at(limit.per, limit.zone, time.time())
            if _is_spent(control, limit, period):
                _shut(target, limit, period)
                only_local = True
        if only_local and target.usable:
            target.usable, target.reason = (
                False,
                "a provider's budget is spent: only models on this computer are asked",
            )
    return found


def _is_spent(control: ControlPlane, limit: LimitSpec, period: Span) -> bool:
    with control.read() as session:
        spent = spent_of(session, control.usage, limit.whose, period.since)
    return spent[limit.kind is not Limit.MONEY] >= limit.most


def _shut(target: TargetExplained, limit: LimitSpec, period: Span) -> None:
    target.usable = False
    target.reason = (
        f"its budget of {limit.said} is spent; raise it: pointsman credential update {target.backend}"
    )
    target.passed_over = True
    target.passed_over_until = moment_of(period.until)
