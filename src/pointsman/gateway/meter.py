"""One usage record a request, made after the client's last byte. Numbers and names only: never a prompt or an answer."""

from __future__ import annotations

import time

from ..ledger.records import UsageRecord
from .job import Job

GONE = 499
"""Status of a request whose client left before one was sent (nginx's number)."""


def record_of(job: Job) -> UsageRecord:
    """The record of a finished job."""
    now = time.monotonic()
    usage = job.usage
    plan = job.plan
    return UsageRecord(
        id=job.id,
        at=job.wall,
        protocol=job.route.protocol.value if job.route.exact else "",
        path=job.path[:200],
        model=job.model[:200],
        target=job.target.label if job.target is not None else None,
        attempts=job.attempts,
        fallback=job.failed_reason,
        status=job.status or GONE,
        outcome=job.outcome,
        stream=job.stream,
        input_tokens=usage.input if usage else None,
        output_tokens=usage.output if usage else None,
        cached_tokens=usage.cached if usage else None,
        reasoning_tokens=usage.reasoning if usage else None,
        first_output_ms=round((job.first_output - job.start) * 1000, 2)
        if job.first_output is not None
        else None,
        total_ms=round((now - job.start) * 1000, 2),
        key_id=job.caller.key_id,
        mapping_id=plan.mapping_id if plan is not None else None,
    )
