"""The plan of a rule that spreads its requests: whose turn it is among its equals, chosen once a request
(docs/design.md#equals).

Not here: the choice itself (resilience/spread.py), and what comes after the first has failed (targets.py).
"""

from __future__ import annotations

from dataclasses import replace

from ...resilience.spread import Equal, order
from ...routing.table import Plan, Target
from ...upstream.candidates import passed_over
from ..compiled import CompiledRules
from ..data_plane import DataPlane
from .job import Job


def in_turn(plane: DataPlane, rules: CompiledRules, job: Job, plan: Plan) -> Plan:
    """The same plan with its equals in the order in which this request asks them. The rule spreads."""
    turn = plane.turns[plan.rule.id] = plane.turns.get(plan.rule.id, -1) + 1
    targets: list[Target] = []
    for group in plan.rule.equals:
        known = [_known(plane, rules, job, plan, at) for at in group]
        targets += [plan.targets[group[place]] for place in order(known, turn)]
    return replace(plan, targets=tuple(targets))


def _known(plane: DataPlane, rules: CompiledRules, job: Job, plan: Plan, at: int) -> Equal:
    target = plan.targets[at]
    backend = rules.backends.get(target.key)
    login = bool(target.forwards and job.request.caller.login)
    usable = backend is not None and target.problem is None
    shut = passed_over(plane.board, target, backend, login=login)
    places = plane.board.backend(target.key).places
    return Equal(
        open=usable and shut is None,
        full=places.full,
        in_flight=places.in_use + places.queued,
        weight=plan.rule.weight(at),
    )
