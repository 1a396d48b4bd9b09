"""What one client key may use: paths, models, only this machine, until when. Asked of the targets that a request would
really go to, never of the name that it asked for.

Not here: how much it may use (gateway/spending), and whose key it is (access.py).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import msgspec

from ..errors import PointsmanError
from ..kinds import BackendType, ErrorKind
from ..routing.pattern import wild_match
from ..routing.table import Plan, Target, shown
from .messages import ClientKeySpec

_TYPES = tuple(kind.value for kind in BackendType)


@dataclass(frozen=True, slots=True)
class Bounds:
    """Of a key that may not use everything for ever."""

    key: ClientKeySpec
    whose: tuple[str, ...]  # its limits: its own, its group's

    @staticmethod
    def of(key: ClientKeySpec, limited: frozenset[str]) -> Bounds | None:
        """None where nothing bounds it. limited: who has limits at all."""
        own = (f"key/{key.id}", *(() if key.group is None else (f"group/{key.group}",)))
        whose = tuple(one for one in own if one in limited)
        scoped = key.models or key.paths or key.local_only or key.until is not None or key.before
        return Bounds(key, whose) if whose or scoped else None

    @property
    def until(self) -> float:
        """Unix seconds when it expires."""
        return math.inf if self.key.until is None else self.key.until

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
        rule = msgspec.structs.replace(plan.rule, local_only=True) if key.local_only else plan.rule
        return replace(plan, targets=targets, rule=rule)

    def lets(self, plan: Plan) -> bool:
        """May it use all of it as it is?"""
        return not self.key.local_only and all(map(self._may_use, plan.targets))

    def _may_use(self, target: Target) -> bool:
        key = self.key
        if key.local_only and target.key.partition("/")[0] != BackendType.LOCAL.value:
            return False
        return not key.models or any(allows(pattern, target) for pattern in key.models)


def restricted(bounds: Bounds | None, plan: Plan) -> Plan:
    """See Bounds.restricted; all of it where nothing bounds the client."""
    return plan if bounds is None else bounds.restricted(plan)


def allows(pattern: str, target: Target) -> bool:
    """A pattern that begins as a backend does, up to a colon (`openai:*`, `local/box:*`), is of the target's label; any
    other of the model's name there."""
    before, colon, _ = pattern.partition(":")
    is_label = bool(colon) and before.partition("/")[0] in _TYPES
    return wild_match(pattern, target.label if is_label else target.model)
