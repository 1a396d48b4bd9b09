"""Which requests have a shadow: a share of those of a rule that says so, whose client got the whole answer of a cloud. Not
here: what becomes of them (shadows.py, asking.py).
"""

from __future__ import annotations

import random
import time
from functools import partial

from ...ledger.records import UsageRecord
from ...ledger.shadows import Comparison
from ...routing.specs import SHADOW_SHARE
from ...routing.table import Plan
from ..client.recorder import Recorder
from ..compiled import CompiledRules
from ..data_plane import DataPlane
from ..request.job import Job
from .asking import Shadow, asked_only
from .shadows import Shadows

_TEXT = 200
"""Characters of a model's name that are kept: a client chose it."""


def sample(plane: DataPlane, rules: CompiledRules, job: Job, plan: Plan) -> None:
    """From now on what its client is told is kept, where this request may have a shadow: before anything is told."""
    rule, request = plan.rule, job.request
    where, bounds = request.route, request.caller.bounds
    endpoint = where.exact and where.path == where.dialect.endpoint.path and not where.answer_id
    if not endpoint or where.dialect.translation is None or request.head.method != b"POST":
        return
    if rule.local_only or (bounds is not None and bounds.key.local_only):
        return
    if all(_is_local(rules, one.key) for one in plan.targets):
        return
    share = SHADOW_SHARE if rule.shadow_share is None else rule.shadow_share
    if random.random() * 100.0 >= share:  # noqa: S311 -- which requests are looked at guards nothing
        return
    if job.keeping is not None:
        recorder = job.keeping.recorder
    else:
        recorder = job.delivery.client = Recorder(job.delivery.client, b"")
    job.afterwards += (partial(_offer, plane, rules, job, plan, recorder),)


def _is_local(rules: CompiledRules, key: str) -> bool:
    backend = rules.backends.get(key)
    return backend is not None and backend.local


def _offer(
    plane: DataPlane, rules: CompiledRules, job: Job, plan: Plan, recorder: Recorder, record: UsageRecord
) -> None:
    """Its client has the answer, or what there was of one. record: of the attempt that gave it."""
    won, delivery = job.won, job.delivery
    if won is None or job.hit is not None or job.joined is not None or job.ended is not None:
        return
    whole = won.complete and delivery.outcome == "ok" and delivery.status == 200
    if not whole or _is_local(rules, won.target.key) or plane.draining:
        return
    assert plan.rule.shadow is not None
    known = Comparison(
        job.request.id,
        time.time(),
        plan.rule.id,
        job.request.model[:_TEXT],
        won.target.label,
        plan.rule.shadow,
        job.request.route.protocol.value,
        job.request.stream,
        tokens=record.output_tokens,
        first_ms=record.first_output_ms,
        total_ms=record.total_ms,
        cost=record.cost,
    )
    if plane.shadows is None:
        plane.shadows = Shadows(plane)
    plane.shadows.offer(
        Shadow(asked_only(job.request), job.recalled, plan, known, recorder, time.monotonic())
    )
