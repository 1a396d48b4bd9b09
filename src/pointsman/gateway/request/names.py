"""The plan of a model's name, in each spelling that its client's protocol has for it (routing/tags.py). Not here: which rule
a name has (routing/table.py)."""

from __future__ import annotations

from ...errors import PointsmanError
from ...routing.table import Fork, Plan, shown
from ...routing.tags import best, tagged
from ..compiled import CompiledRules
from ..data_plane import DataPlane


async def plan_for(plane: DataPlane, rules: CompiledRules, model: str, tag: str) -> Plan | Fork:
    """The ordered targets; a name nobody knows is looked for once more in the local backends' newest lists. tag: "" where
    the client's protocol has none. Raises PointsmanError MODEL_NOT_FOUND."""
    try:
        plan = await (_plan_of(plane, rules, model, tag) if tag else plane.plan(rules, model))
    except PointsmanError:
        await plane.lists.refresh()
        return await _plan_of(plane, rules, model, tag)
    if any(one.unplaced for one in plan.plans):
        await plane.lists.refresh()
        plan = await _plan_of(plane, rules, model, tag)
    return plan


async def _plan_of(plane: DataPlane, rules: CompiledRules, model: str, tag: str) -> Plan | Fork:
    """By the spelling that somebody knows. Raises PointsmanError MODEL_NOT_FOUND."""
    if not tag:
        return await plane.plan(rules, model)
    found: list[Plan | Fork] = []
    unknown: list[PointsmanError] = []
    for name in tagged(model, tag):
        try:
            found.append(await plane.plan(rules, name))
        except PointsmanError as error:
            unknown.append(error)
    if not found:
        raise _not_found(model, unknown[0])
    return best(found, (plane.lists.known, plane.provider_lists.known))


def _not_found(model: str, error: PointsmanError) -> PointsmanError:
    """In the words that these clients look for."""
    return PointsmanError(error.kind, f"model '{shown(model)}' not found. {error.public}", param="model")
