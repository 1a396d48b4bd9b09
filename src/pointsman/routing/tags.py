"""Names of models with the tag that a protocol's clients add and leave off: `x:latest` is `x`, and `x` is `x:latest`
(docs/protocols/ollama.md#names). Pure. Not here: which rule one of them has (table.py)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from .pattern import is_wild
from .table import Plan

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


def best(plans: Sequence[Plan], lists: Sequence[_Known]) -> Plan:
    """Of one name in its spellings, that of the one that somebody knows: a rule that names it, or a backend that lists it.
    Else of the one without the tag, which is nobody's name but Ollama's. A wall stands for both."""
    sure = next((plan for plan in plans if _is_sure(plan, lists)), None)
    walled = next((plan for plan in plans if plan.rule.local_only), None)
    return sure or walled or min(plans, key=lambda plan: len(plan.model))


def _is_sure(plan: Plan, lists: Sequence[_Known]) -> bool:
    if plan.pattern is not None and not is_wild(plan.pattern):
        return True
    return any(one.model in known.get(one.key, ()) for one in plan.targets for known in lists)
