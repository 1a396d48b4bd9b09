"""Which names a list of models has: those of exact rules, and what a backend lists where the rules send that name there.
Pure.

The data plane makes `/v1/models` by it and the control plane tells of the same list, so that they cannot disagree. Not here:
how a list is asked for (upstream/model_lists.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from ..errors import PointsmanError
from ..kinds import BackendType
from .specs import PRACTICE_KEY
from .table import Fork, Plan, Target

Asked = tuple[str, str | None]
"""A name, and the key of the backend that lists it; None of an exact rule's."""


def names_in_turn(exact: Iterable[str], *listings: Mapping[str, Iterable[str]]) -> list[Asked]:
    """Every name that may work, in the order in which the first plan that is found for it counts. listings: backend's key ->
    the names that it lists, local ones first. The practice model is listed by nobody."""
    asked: list[Asked] = [(name, None) for name in exact]
    for listing in listings:
        asked += [(name, key) for key in listing if key != PRACTICE_KEY for name in sorted(listing[key])]
    return asked


def listed(
    found: Plan | Fork, name: str, key: str | None, may: Callable[[Plan], Plan]
) -> tuple[Plan, Target] | None:
    """The plan under which a name is listed, and the target that serves it; None where it is not to be listed. may: what of
    a plan the client may use; raises PointsmanError where that is nothing."""
    for plan in found.plans:
        try:
            plan = may(plan)
        except PointsmanError:
            continue
        target = first_usable(plan, name, key)
        if target is not None:
            return plan, target
    return None


def first_usable(plan: Plan, name: str, key: str | None) -> Target | None:
    """The first target that serves it, None where the name is not to be listed. key: as in Asked: its plan must lead there.
    Behind a wall only local servers are targets."""
    usable = [one for one in plan.targets if one.problem is None and one.backend is not None]
    if plan.rule.local_only and key is not None:
        usable = [one for one in usable if one.backend is not None and one.backend.type == BackendType.LOCAL]
    if usable and (key is None or any(one.key == key and one.model == name for one in usable)):
        return usable[0]
    return None
