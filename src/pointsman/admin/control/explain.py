"""Where a model's requests would go and why: the data plane's own routing, run over the published snapshot.

Nothing is sent to a model. Where a rule leaves the local server open (`local` without a name, or no rule at
all), local servers are asked which models they hold, as the data plane does; that list is kept for some
seconds. Not here: one target (explain_target.py), and one request (explain_request.py).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec
from pydantic import BaseModel, Field

from ...errors import PointsmanError
from ...kinds import is_provider
from ...ledger.price_spec import in_usd
from ...ledger.prices import PriceBook
from ...link.engine_desk import EngineStanding
from ...link.messages import BackendHealth, Snapshot
from ...resilience.spread import Equal, order
from ...routing.conditions import Sight, check, taken
from ...routing.specs import MappingSpec
from ...routing.table import Fork, Listed, Plan, RoutingTable, shown
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


class ConditionExplained(BaseModel):
    """held: null where that cannot be told of what is explained."""

    text: str
    held: bool | None = None


class ChoiceExplained(BaseModel):
    """A rule with conditions that has the model's name, too, and is asked before. takes: whether all of them hold; null of a
    name alone. targets: as they are written, in their order."""

    mapping_id: int
    pattern: str
    takes: bool | None = None
    checked: list[ConditionExplained]
    targets: list[str]


class Explanation(_PlanExplained):
    """What would happen to a request for this model. targets are in the order in which they are tried, of a rule that
    spreads the order of this moment; none when nothing matches (code `model_not_found`). choices: rules with conditions that
    are asked first, in their order."""

    targets: list[TargetExplained] = []
    choices: list[ChoiceExplained] = []


async def explain(
    snapshot: Snapshot,
    view: RoutingView,
    health: Mapping[str, BackendHealth],
    model: str,
    engine: Callable[[str], EngineStanding],
    tag: str = "",
    sight: Sight | None = None,
) -> tuple[Explanation, Plan | None]:
    """The plan for a model name, each target judged; and the plan itself, None where there is none. health: what the
    data-plane processes last saw. engine: how one that is started on demand stands. tag: see routing/tags.py. sight: of the
    request, None of a name alone: then it is as if no condition held."""
    view.follow(snapshot, running_engines(snapshot, engine))
    found = await _plan_of(view, model, tag, {})
    if isinstance(found, PointsmanError) or any(
        target.backend is None for one in found.plans for target in one.targets
    ):
        found = await _plan_of(view, model, tag, await view.listed())
    choices = _choices(found.choices, sight) if isinstance(found, Fork) else []
    plan = _chosen(found, choices)
    if isinstance(plan, PointsmanError):
        only = sight is None and bool(choices)
        why = _of_a_name(model, choices) if only else plan.public
        return Explanation(model=model, why=why, code=plan.kind.value, choices=choices), None
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
        choices=choices,
    )
    return explanation, plan


def _choices(plans: Iterable[Plan], sight: Sight | None) -> list[ChoiceExplained]:
    told = []
    for plan in plans:
        rule = plan.rule
        checked = [] if sight is None else check(rule.conditions, sight)
        if sight is None:
            known = [ConditionExplained(text=text) for text in rule.conditions]
        else:
            known = [ConditionExplained(text=one.text, held=one.held) for one in checked]
        told.append(
            ChoiceExplained(
                mapping_id=rule.id,
                pattern=rule.pattern,
                takes=None if sight is None else taken(checked, wall=rule.local_only),
                checked=known,
                targets=[target.label for target in plan.targets],
            )
        )
    return told


def _of_a_name(model: str, choices: Iterable[ChoiceExplained]) -> str:
    """That only rules with conditions have. No request is there yet that could meet them."""
    said = "; ".join(
        f"rule {one.mapping_id} when {' and '.join(each.text for each in one.checked)}" for one in choices
    )
    name = shown(model)
    return (
        f"Only rules with conditions take '{name}': {said}. A request that meets none of them gets a 404. See which "
        f"one meets with: pointsman explain '{name}' --request FILE. Add a rule for all others with: "
        f"pointsman mapping add '{name}' --to TYPE[/NAME]"
    )


def _chosen(found: Plan | Fork | PointsmanError, choices: Iterable[ChoiceExplained]) -> Plan | PointsmanError:
    """As the data plane chooses (gateway/request/choosing.py)."""
    if not isinstance(found, Fork):
        return found
    takes = {one.mapping_id for one in choices if one.takes}
    try:
        return found.chosen(lambda rule: rule.id in takes)
    except PointsmanError as error:
        return error


async def _plan_of(view: RoutingView, model: str, tag: str, lists: Listed) -> Plan | Fork | PointsmanError:
    """Of each spelling that a protocol has for the name, as the data plane chooses among them."""
    found = [await _resolve(view.table, name, lists) for name in tagged(model, tag)]
    plans = [one for one in found if not isinstance(one, PointsmanError)]
    return best(plans, [lists]) if plans else found[0]


def _priced(explained: TargetExplained, snapshot: Snapshot) -> TargetExplained:
    """With what its answers cost now."""
    specs = snapshot.prices.get(explained.backend)
    rate = PriceBook(specs).rate(explained.model, time.time()) if specs is not None else None
    if rate is not None:
        explained.price = in_usd(rate.prices)
    elif not is_provider(explained.backend):
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


async def _resolve(table: RoutingTable, model: str, lists: Listed) -> Plan | Fork | PointsmanError:
    work = table.search(model, lists)
    try:
        while True:
            next(work)
            await asyncio.sleep(0)
    except StopIteration as done:
        found: Plan | Fork = done.value
        return found
    except PointsmanError as error:
        return error
