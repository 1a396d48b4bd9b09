"""Which of a name's rules takes a request, where some of them have conditions: chosen once, when the request has been read.

Loaded by the first request that needs it. Not here: what a condition is (routing/conditions.py), and which rules a name has
(routing/table.py).
"""

from __future__ import annotations

import logging

from ...errors import PointsmanError
from ...routing.conditions import Contents, check, of_body, taken
from ...routing.specs import MappingSpec
from ...routing.table import Fork, Plan
from ...translation.sight import contents_of, contents_of_text, sight_of
from ..attempt.across import read_neutral
from ..compiled import CompiledRules
from ..data_plane import DataPlane
from .job import Job
from .offload import LARGE, offload

log = logging.getLogger("pointsman.gateway")


async def choose(plane: DataPlane, rules: CompiledRules, job: Job, fork: Fork) -> Plan:
    """The plan of the first rule whose conditions all hold of this request. Raises PointsmanError MODEL_NOT_FOUND."""
    request = job.request
    contents = None
    if any(of_body(plan.rule.conditions) for plan in fork.choices):
        contents = await _contents(plane, rules, job)
    key = rules.keys.name_of(request.caller)
    sight = sight_of(request.route.protocol, request.head, key, request.wall, contents)

    def takes(rule: MappingSpec) -> bool:
        return taken(check(rule.conditions, sight), wall=rule.local_only)

    return fork.chosen(takes)


async def _contents(plane: DataPlane, rules: CompiledRules, job: Job) -> Contents | None:
    """None of a body that cannot be read. What follows an answer that is not known here is judged without it, and a backend
    that has it may all the same be told to go on."""
    request = job.request
    large = len(request.body) >= LARGE
    if request.route.half is None:
        if request.route.media is not None:
            return None
        return await offload(contents_of_text, request.body) if large else contents_of_text(request.body)
    try:
        asked = await read_neutral(rules, plane, job)
    except PointsmanError as error:
        log.info("request %s: conditions of rules cannot be asked: %s", request.id, error.public)
        return None
    return await offload(contents_of, asked.request) if large else contents_of(asked.request)
