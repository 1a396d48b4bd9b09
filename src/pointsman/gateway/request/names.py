"""Names of models with the tag that a protocol's clients add and leave off: `x:latest` is `x`, and `x` is `x:latest`
(docs/protocols/ollama.md#names). Not here: which rule a name has (routing/table.py)."""

from __future__ import annotations

from ...errors import PointsmanError
from ...routing.pattern import is_wild
from ...routing.table import Plan, shown
from ..compiled import CompiledRules
from ..data_plane import DataPlane


def spellings(model: str, tag: str) -> tuple[str, str] | tuple[str]:
    """As it is written, and the other way; only the first where it has another tag."""
    bare, colon, found = model.rpartition(":")
    if colon and found == tag and bare:
        return model, bare
    return (model,) if colon and "/" not in found else (model, f"{model}:{tag}")


async def plan_for(plane: DataPlane, rules: CompiledRules, model: str, tag: str) -> Plan:
    """The ordered targets; a name nobody knows is looked for once more in the local backends' newest lists. tag: "" where
    the client's protocol has none. Raises PointsmanError MODEL_NOT_FOUND."""
    try:
        plan = await (_plan_of(plane, rules, model, tag) if tag else plane.plan(rules, model))
    except PointsmanError:
        await plane.lists.refresh()
        return await _plan_of(plane, rules, model, tag)
    if plan.unplaced:
        await plane.lists.refresh()
        plan = await _plan_of(plane, rules, model, tag)
    return plan


async def _plan_of(plane: DataPlane, rules: CompiledRules, model: str, tag: str) -> Plan:
    """By the spelling that somebody knows: a rule that names it, or a backend that lists it. Else by the one without the
    tag, which is nobody's name but Ollama's. A wall stands for both. Raises PointsmanError MODEL_NOT_FOUND."""
    if not tag:
        return await plane.plan(rules, model)
    found: list[Plan] = []
    unknown: list[PointsmanError] = []
    for name in spellings(model, tag):
        try:
            found.append(await plane.plan(rules, name))
        except PointsmanError as error:
            unknown.append(error)
    if not found:
        raise _not_found(model, unknown[0])
    for plan in found:
        if _is_sure(plane, plan):
            return plan
    walled = (plan for plan in found if plan.rule.local_only)
    return next(walled, None) or min(found, key=lambda plan: len(plan.model))


def _is_sure(plane: DataPlane, plan: Plan) -> bool:
    """Does a rule name it, or a backend of it list it?"""
    if plan.pattern is not None and not is_wild(plan.pattern):
        return True
    lists = (plane.lists.known, plane.provider_lists.known)
    return any(one.model in known.get(one.key, ()) for one in plan.targets for known in lists)


def _not_found(model: str, error: PointsmanError) -> PointsmanError:
    """In the words that these clients look for."""
    return PointsmanError(error.kind, f"model '{shown(model)}' not found. {error.public}", param="model")
