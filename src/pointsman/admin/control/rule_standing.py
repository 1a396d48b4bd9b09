"""How each stored rule stands among the others: its place, whether any request can get to it, and what takes its names. For
the API, the pages and doctor. Not here: working that out (routing/reach.py)."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from pydantic import BaseModel

from ...errors import PointsmanError
from ...kinds import ErrorKind, Per
from ...ledger.periods import period_at
from ..store import mappings
from ..store.rule_order import never_reached, reaches
from ..store.tables import BackendMapping
from ..store.usage_groups import By, MappingTotals
from ..store.usage_query import UsageFilter
from .control_plane import ControlPlane


class SharedName(BaseModel):
    """id: an earlier rule that takes some of this one's names without being a special case of it. name: such a one."""

    id: int
    name: str


class RuleStanding(BaseModel):
    """position: from 1 on, rules that are off included. reached: whether any request can get to it; null of one that is off,
    and where it would take too long to find out. example: a name that it gets. taken_by: of one that is never reached, the
    rules that together take all its names; none where the built-in practice model does. problem: the same as a sentence;
    fix: the command that mends it. shared: see there. raised_over: rules behind it that by themselves would come first,
    and whose names it takes: it was raised by hand. requests, failed, rescued: today's, as /api/usage counts them."""

    id: int
    position: int
    pattern: str
    enabled: bool
    reached: bool | None = None
    example: str | None = None
    taken_by: list[int] = []
    problem: str | None = None
    fix: str | None = None
    shared: list[SharedName] = []
    raised_over: list[int] = []
    requests: int = 0
    failed: int = 0
    rescued: int = 0


def standing_of(control: ControlPlane, zone: str) -> list[RuleStanding]:
    """Of all rules, in their order. zone: whose day is counted."""
    with control.read() as session:
        told = standing(mappings.list_all(session))
    return with_today(told, today_of(control, zone))


def today_of(control: ControlPlane, zone: str) -> dict[int, MappingTotals]:
    """What each rule that was asked today has done, by its number. Raises INVALID for a zone that nobody knows."""
    try:
        since = period_at(Per.DAY, zone, time.time()).start
    except ValueError as error:
        raise PointsmanError(ErrorKind.INVALID, f"{error}.", param="zone") from None
    filters = UsageFilter(since=datetime.fromtimestamp(since, UTC))
    return {
        one.mapping_id: one
        for one in control.usage.by(By.MAPPING, filters, zone)
        if isinstance(one, MappingTotals) and one.mapping_id is not None
    }


def with_today(rules: list[RuleStanding], totals: Mapping[int, MappingTotals]) -> list[RuleStanding]:
    """With what each has done today."""
    for rule in rules:
        done = totals.get(rule.id)
        if done is not None:
            rule.requests, rule.failed, rule.rescued = done.requests, done.failed, done.rescued
    return rules


def standing(rows: Sequence[BackendMapping]) -> list[RuleStanding]:
    """rows: all there are, in their order."""
    found, by_id = reaches(rows), {row.id or 0: row for row in rows}
    told = []
    for position, (number, row) in enumerate(by_id.items(), 1):
        one = RuleStanding(id=number, position=position, pattern=row.model_pattern, enabled=row.enabled)
        reach = found.get(number)
        if reach is not None:
            one.reached = reach.name is not None if reach.known else None
            one.example = reach.name if reach.known else None
            one.taken_by = list(reach.takers)
            one.problem, one.fix = never_reached(row, found, by_id) or (None, None)
            one.shared = [SharedName(id=other.id, name=other.name) for other in reach.shared]
            one.raised_over = list(reach.raised_over)
        told.append(one)
    return told
