"""The plan of a rule that spreads its requests: whose turn it is among its equals, chosen once a request
(docs/design.md#equals).

Not here: the choice itself (resilience/spread.py), and what comes after the first has failed (targets.py).
"""

from __future__ import annotations

import time
from dataclasses import replace

from ...resilience.spread import Equal, Rota, order
from ...routing.table import Plan, Target
from ...upstream.backend import Backend
from ...upstream.candidates import passed_over
from ...upstream.model_facts import FRESH_SECONDS
from ..compiled import CompiledRules
from ..data_plane import DataPlane
from .job import Job


def in_turn(plane: DataPlane, rules: CompiledRules, job: Job, plan: Plan) -> Plan:
    """The same plan with its equals in the order in which this request asks them. The rule spreads."""
    turns = plane.turns.setdefault(plan.rule.id, Rota())
    turns.count += 1
    targets: list[Target] = []
    for group in plan.rule.equals:
        known = [_known(plane, rules, job, plan, at) for at in group]
        targets += [plan.targets[group[place]] for place in order(known, turns.count)]
    turns.asked[targets[0].label] = time.monotonic()
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
        loaded=None if backend is None else _loaded(plane, backend, target, plane.turns[plan.rule.id]),
        in_flight=places.in_use + places.queued,
        weight=plan.rule.weight(at),
    )


def _loaded(plane: DataPlane, backend: Backend, target: Target, turns: Rota) -> bool | None:
    """What the server says, which is asked again for the next time. One that was sent a request lately is taken to have
    loaded its model for that."""
    plane.facts.look((backend,))
    loaded = plane.facts.of(backend, target.model).loaded
    lately = turns.asked.get(target.label, -FRESH_SECONDS) > time.monotonic() - FRESH_SECONDS
    return None if loaded is False and lately else loaded
