"""Where a model's requests would go and why: the data plane's own routing, run over the published snapshot.

Nothing is sent to a model. Where a rule leaves the local server open (`local` without a name, or no rule at
all), local servers are asked which models they hold, as the data plane does; that list is kept for some
seconds. Not here: one target (explain_target.py), and one request (explain_request.py).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from pydantic import BaseModel, Field

from ...errors import PointsmanError
from ...kinds import BackendType
from ...ledger.price_spec import in_usd
from ...ledger.prices import PriceBook
from ...link.engine_desk import EngineStanding
from ...link.messages import BackendHealth, Snapshot
from ...resilience.spread import Equal, order
from ...routing.specs import MappingSpec
from ...routing.table import Listed, Plan, RoutingTable
from ...routing.tags import best, tagged
from ..store.shapes import with_fields
from .explain_target import TargetExplained, judged
from .routing_view import RoutingView


def _default(column: msgspec.structs.FieldInfo) -> Any:
    made = column.default_factory
    return column.default if made is msgspec.NODEFAULT else Field(default_factory=made)


RULE_COLUMNS = {
    column.name: (column.type, _default(column))
    for column in msgspec.structs.fields(MappingSpec)
    if not column.required
}
"""The columns that say how a rule works beyond whom it is for and where it leads: all are shown."""


@with_fields(RULE_COLUMNS)
class _PlanExplained(BaseModel):
    model: str
    why: str
    code: str | None = None
    mapping_id: int | None = None
    pattern: str | None = None


class Explanation(_PlanExplained):
    """What would happen to a request for this model. targets are in the order in which they are tried, of a rule that
    spreads the order of this moment; none when nothing matches (code `model_not_found`)."""

    targets: list[TargetExplained] = []


async def explain(
    snapshot: Snapshot,
    view: RoutingView,
    health: Mapping[str, BackendHealth],
    model: str,
    engine: Callable[[str], EngineStanding],
    tag: str = "",
) -> tuple[Explanation, Plan | None]:
    """The plan for a model name, each target judged; and the plan itself, None where there is none. health: what the
    data-plane processes last saw. engine: how one that is started on demand stands. tag: see routing/tags.py."""
    view.follow(snapshot, running_engines(snapshot, engine))
    plan = await _plan_of(view, model, tag, {})
    if isinstance(plan, PointsmanError) or any(target.backend is None for target in plan.targets):
        plan = await _plan_of(view, model, tag, await view.listed())
    if isinstance(plan, PointsmanError):
        return Explanation(model=model, why=plan.public, code=plan.kind.value), None
    if plan.rule.spread or plan.rule.presets:
        await view.look_at(target.key for target in plan.targets)
    targets = [_priced(judged(target, plan, view, health, engine), snapshot) for target in plan.targets]
    explanation = Explanation(
        model=model,
        why=plan.why,
        mapping_id=plan.mapping_id,
        pattern=plan.pattern,
        **{name: getattr(plan.rule, name) for name in RULE_COLUMNS},
        targets=_in_turn(plan.rule, targets),
    )
    return explanation, plan


async def _plan_of(view: RoutingView, model: str, tag: str, lists: Listed) -> Plan | PointsmanError:
    """Of each spelling that a protocol has for the name, as the data plane chooses among them."""
    found = [await _resolve(view.table, name, lists) for name in tagged(model, tag)]
    plans = [one for one in found if isinstance(one, Plan)]
    return best(plans, [lists]) if plans else found[0]


def _priced(explained: TargetExplained, snapshot: Snapshot) -> TargetExplained:
    """With what its answers cost now."""
    specs = snapshot.prices.get(explained.backend)
    rate = PriceBook(specs).rate(explained.model, time.time()) if specs is not None else None
    if rate is not None:
        explained.price = in_usd(rate.prices)
    elif explained.backend.partition("/")[0] == BackendType.LOCAL.value:
        explained.price = {}
    return explained


def running_engines(snapshot: Snapshot, engine: Callable[[str], EngineStanding]) -> dict[str, str]:
    """Engine's name -> where it is, of those that can be asked; as the data plane has it."""
    standings = [engine(spec.engine) for spec in snapshot.backends if spec.engine is not None]
    return {one.engine: one.address for one in standings if one.address and one.state in ("ready", "asleep")}


def _in_turn(rule: MappingSpec, targets: list[TargetExplained]) -> list[TargetExplained]:
    """As a process that sees what all see would ask them now (gateway/request/spreading.py)."""
    if not rule.spread:
        return targets
    for at, target in enumerate(targets):
        target.weight = rule.weight(at)
    ordered: list[TargetExplained] = []
    for group in rule.equals:
        known = [_equal(targets[at]) for at in group]
        ordered += [targets[group[place]] for place in order(known, 0)]
    return ordered


def _equal(target: TargetExplained) -> Equal:
    most = target.max_in_flight
    full = target.queued > 0 or (most is not None and target.in_flight >= most)
    return Equal(
        open=target.usable and not target.passed_over,
        full=full,
        loaded=target.loaded,
        in_flight=target.in_flight + target.queued,
        weight=target.weight or 1,
    )


async def _resolve(table: RoutingTable, model: str, lists: Listed) -> Plan | PointsmanError:
    work = table.search(model, lists)
    try:
        while True:
            next(work)
            await asyncio.sleep(0)
    except StopIteration as done:
        plan: Plan = done.value
        return plan
    except PointsmanError as error:
        return error
