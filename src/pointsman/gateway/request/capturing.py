"""The bodies of a request that somebody has asked to see: what its client sent and got, bounded, given to the control plane
when the request is over. No headers: a key stands there. Not here: of which requests (routing/captures.py).
"""

from __future__ import annotations

import time

from ...link.messages import Captured
from ..client.tee import Tee
from ..compiled import CompiledRules
from ..data_plane import DataPlane
from .job import Job


def capture(rules: CompiledRules, job: Job) -> None:
    """From now on, where this request is one of those. Before anything is told to its client."""
    if rules.captures is None or job.plan is None:
        return
    most = rules.captures.most(job.plan.mapping_id, job.request.caller.key_id, time.time())
    if most is not None:
        job.tee = job.delivery.client = Tee(job.delivery.client, most)


def hand_over(plane: DataPlane, job: Job) -> None:
    """What was captured, now that the request is over."""
    tee, request = job.tee, job.request
    if tee is None:
        return
    tried = (job.joined or job).decisive
    plane.captured(
        Captured(
            request.id,
            request.wall,
            request.route.path,
            request.model,
            tried.target.label if tried else "",
            job.plan.mapping_id if job.plan is not None else None,
            request.caller.key_id,
            tee.status,
            request.body[: tee.most],
            len(request.body),
            tee.body,
            tee.size,
        )
    )
