"""One usage record an attempt, made after the client's last byte. Numbers and names only: never a prompt or an answer."""

from __future__ import annotations

import time

from ...ledger.records import UsageRecord
from .job import Job, Tried

GONE = 499
"""Status of a request whose client left before one was sent (nginx's number)."""


def record_of(job: Job, *, aborted: bool) -> UsageRecord:
    """The record of a finished job: of its last attempt, or of the one that answered. aborted: its client left."""
    request, made = job.request, job.joined or job
    delivery = made.delivery
    return _record(
        job,
        made.decisive,
        id=request.id,
        at=request.wall,
        fallback=made.failed_reason,
        status=delivery.status or GONE,
        outcome="aborted" if aborted else delivery.outcome,
        first_output_ms=_milliseconds(delivery.first_output, request.start),
        total_ms=_milliseconds(time.monotonic(), request.start),
    )


def records_of_others(job: Job) -> list[UsageRecord]:
    """Those of the attempts that another followed, or was faster than; of a joined answer its own request has them."""
    if job.joined is not None:
        return []
    last = job.decisive
    return [
        _record(
            job,
            tried,
            id=f"{job.request.id}/{tried.number}",
            at=tried.wall,
            fallback=tried.reason,
            status=tried.status,
            outcome=tried.outcome,
            first_output_ms=None,
            total_ms=round(tried.seconds * 1000, 2) if tried.seconds is not None else None,
        )
        for tried in job.tries
        if tried is not last
    ]


def _record(
    job: Job,
    tried: Tried | None,
    *,
    id: str,
    at: float,
    fallback: str | None,
    status: int,
    outcome: str,
    first_output_ms: float | None,
    total_ms: float | None,
) -> UsageRecord:
    request, made = job.request, job.joined or job
    usage = tried.usage if tried is not None and not request.route.answer_id else None  # told a second time
    answer_id = tried.answer_id if tried is not None and 200 <= status < 300 else None
    attempts = len(made.tries) if job.joined is None else int(tried is not None)
    plan = made.plan
    return UsageRecord(
        id=id,
        at=at,
        protocol=request.route.protocol.value if request.route.exact else "",
        path=request.route.path[:200],
        model=request.model[:200],
        target=tried.target.label if tried is not None else None,
        attempts=attempts,
        fallback=fallback,
        status=status,
        outcome=outcome,
        stream=request.stream,
        input_tokens=usage.input if usage else None,
        output_tokens=usage.output if usage else None,
        cached_tokens=usage.cached if usage else None,
        reasoning_tokens=usage.reasoning if usage else None,
        first_output_ms=first_output_ms,
        total_ms=total_ms,
        key_id=request.caller.key_id,
        mapping_id=plan.mapping_id if plan is not None else None,
        request=request.id,
        attempt=tried.number if tried is not None else 0,
        joined=job.joined is not None,
        answer_id=answer_id if answer_id is not None and len(request.model) <= 200 else None,
    )


def _milliseconds(end: float | None, start: float) -> float | None:
    return round((end - start) * 1000, 2) if end is not None else None
