"""What one client key may use: paths, models, only this machine, until when. Asked of the targets that a request would
really go to, never of the name that it asked for.

Not here: how much it may use (gateway/spending), and whose key it is (access.py).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import msgspec

from ..errors import PointsmanError
from ..kinds import NODE, REPLAY, BackendType, ErrorKind, is_local_backend
from ..routing.pattern import wild_match
from ..routing.table import Fork, Plan, Target, shown
from .messages import ClientKeySpec

_TYPES = (*(kind.value for kind in BackendType), REPLAY[:-1], NODE[:-1])


@dataclass(frozen=True, slots=True)
class Bounds:
    """Of a key that may not use everything for ever."""

    key: ClientKeySpec
    whose: tuple[str, ...]  # its limits: its own, its group's
    careful: bool = False  # not every request of its goes as it is where its rule asks for nothing

    @staticmethod
    def of(key: ClientKeySpec, limited: frozenset[str]) -> Bounds | None:
        """None where nothing bounds it. limited: who has limits at all."""
        own = (f"key/{key.id}", *(() if key.group is None else (f"group/{key.group}",)))
        whose = tuple(one for one in own if one in limited)
        careful = key.customs is not None or key.cache_seconds is not None
        scoped = key.models or key.paths or key.local_only or key.until is not None or key.before or careful
        return Bounds(key, whose, careful) if whose or scoped else None

    @property
    def until(self) -> float:
        """Unix seconds when it expires."""
        return math.inf if self.key.until is None else self.key.until

    @property
    def caches(self) -> bool:
        """Are answers to its requests kept?"""
        return self.key.cache_seconds is not None

    def keeping(self, plan: Plan) -> Plan:
        """The plan as its requests have it, whose answers are kept: what the rule says of that counts, else what the key
        says."""
        key = self.key
        if key.cache_seconds is None or plan.rule.cache_seconds is not None:
            return plan
        any_temperature = key.cache_any_temperature
        rule = msgspec.structs.replace(
            plan.rule, cache_seconds=key.cache_seconds, cache_any_temperature=any_temperature
        )
        return replace(plan, rule=rule)

    def check_path(self, path: str) -> None:
        """Raises PointsmanError 403."""
        if self.key.paths and not any(wild_match(pattern, path) for pattern in self.key.paths):
            raise PointsmanError(
                ErrorKind.FORBIDDEN,
                f"This client key may not use {path}; it may use {', '.join(self.key.paths)}.",
            )

    def restricted(self, plan: Plan) -> Plan:
        """The plan with the targets that the key may use. Raises PointsmanError 403 where there is none."""
        key = self.key
        if not key.models and not key.local_only:
            return plan
        targets = tuple(target for target in plan.targets if self._may_use(target))
        if not targets:
            where = ", ".join(target.label for target in plan.targets)
            what = f"only models on this computer; '{shown(plan.model)}' goes to {shown(where)}"
            if not key.local_only:
                what = f"only {', '.join(key.models)}; '{shown(plan.model)}' is {shown(where)}"
            raise PointsmanError(ErrorKind.FORBIDDEN, f"This client key may use {what}.", param="model")
        plan = plan.narrowed(targets)
        if not key.local_only:
            return plan
        return replace(plan, rule=msgspec.structs.replace(plan.rule, local_only=True))

    def lets(self, plan: Plan) -> bool:
        """May it use all of it as it is?"""
        if self.careful and (self.caches or not all(map(_is_local, plan.targets))):
            return False
        return not self.key.local_only and all(map(self._may_use, plan.targets))

    def _may_use(self, target: Target) -> bool:
        key = self.key
        if key.local_only and not _is_local(target):
            return False
        return not key.models or any(allows(pattern, target) for pattern in key.models)


def _is_local(target: Target) -> bool:
    away = target.backend is not None and target.backend.node is not None
    return is_local_backend(target.key) and not away


def restricted(bounds: Bounds | None, plan: Plan) -> Plan:
    """See Bounds.restricted; all of it where nothing bounds the client."""
    return plan if bounds is None else bounds.restricted(plan)


def first_allowed(bounds: Bounds | None, found: Plan | Fork) -> Plan:
    """What a client with these bounds is told of a name: the first plan that it may use, that for which no condition has to
    hold before the others. Raises PointsmanError 403 where there is none."""
    refused: PointsmanError | None = None
    for plan in found.plans:
        try:
            return restricted(bounds, plan)
        except PointsmanError as error:
            refused = refused or error
    assert refused is not None, "a name comes to one plan at least"
    raise refused


def allows(pattern: str, target: Target) -> bool:
    """A pattern that begins as a backend does, up to a colon (`openai:*`, `local/box:*`), is of the target as rules write
    it, whichever node has it; any other of the model's name there."""
    before, colon, _ = pattern.partition(":")
    is_label = bool(colon) and before.partition("/")[0] in _TYPES
    return wild_match(pattern, f"{target.key}:{target.model}" if is_label else target.model)
