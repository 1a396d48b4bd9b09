"""Names of models with the tag that a protocol's clients add and leave off: `x:latest` is `x`, and `x` is `x:latest`
(docs/protocols/ollama.md#names). Pure. Not here: which rule one of them has (table.py)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from .pattern import is_wild
from .table import Fork, Plan

_Known = Mapping[str, Iterable[str]]
"""Backend's key -> the models that it lists."""


def tagged(model: str, tag: str) -> tuple[str, ...]:
    """As it is written, and the other way; only the first where it has another tag, or tag is ""."""
    bare, colon, found = model.rpartition(":")
    if not tag:
        return (model,)
    if colon and found == tag and bare:
        return model, bare
    return (model,) if colon and "/" not in found else (model, f"{model}:{tag}")


def best(plans: Sequence[Plan | Fork], lists: Sequence[_Known]) -> Plan | Fork:
    """Of one name in its spellings, that of the one that somebody knows: a rule that names it, or a backend that lists it.
    Else of the one without the tag, which is nobody's name but Ollama's. A wall stands for both."""
    sure = next((plan for plan in plans if _is_sure(plan, lists)), None)
    walled = next((plan for plan in plans if any(one.rule.local_only for one in plan.plans)), None)
    return sure or walled or min(plans, key=lambda plan: len(plan.model))


def _is_sure(found: Plan | Fork, lists: Sequence[_Known]) -> bool:
    if any(plan.pattern is not None and not is_wild(plan.pattern) for plan in found.plans):
        return True
    targets = [one for plan in found.plans for one in plan.targets]
    return any(one.model in known.get(one.key, ()) for one in targets for known in lists)
