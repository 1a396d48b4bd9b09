"""One usage record an attempt, made after the client's last byte. Numbers and names only: never a prompt or an answer."""

from __future__ import annotations

import time
from typing import Any

from ...ledger.cost import Charged
from ...ledger.records import UsageRecord
from ...wire.user_agent import client_of
from ..client.sessions import session_of
from ..prompts import Changed
from .charging import charged
from .job import Job, Tried

GONE = 499
"""Status of a request whose client left before one was sent (nginx's number)."""


_WARNINGS = 480
"""Characters of what was lost that are kept."""
_TEXT = 200
"""Characters of a path and of a model's name that are kept: a client chose them."""


def record(
    id: str,
    at: float,
    protocol: str,
    path: str,
    model: str,
    target: str | None,
    status: int,
    outcome: str,
    stream: bool,
    used: tuple[Any, ...],
    start: float,
    first_output: float | None,
    end: float | None,
    key_id: int | None,
    mapping_id: int | None,
    answer_id: str | None,
    client: str,
    session: str | None,
    charged: Charged,
    ours: float,
    sent: int,
    warnings: str | None = None,
    changed: Changed | None = None,
    attempts: int = 1,
    attempt: int = 1,
    fallback: str | None = None,
    request: str = "",
    joined: bool = False,
    extra: int | None = None,
) -> UsageRecord:
    """The record of these facts; those of a plain request are given up to `changed`, by position, which costs least.

    used: a usage's fields (used_of). start, first_output, end: monotonic seconds. ours: seconds of it that
    were the gateway's own. sent: bytes that the backend was given. request: "" where the record stands for its request.
    answer_id: as it was read; it is kept of an answer that succeeded."""
    if answer_id is not None and (not 200 <= status < 300 or len(model) > _TEXT):
        answer_id = None
    return UsageRecord(
        id, at, protocol, path[:_TEXT], model[:_TEXT],
        target, attempts, fallback, status, outcome, stream, used[0], used[1], used[2], used[3],
        None if first_output is None else (first_output - start) * 1000.0,  # rounded by who shows it
        None if end is None else (end - start) * 1000.0,
        key_id, mapping_id, request or id, attempt, joined, answer_id,
        client, session, charged[0], charged[1], charged[2], extra, used[7], used[4], used[5], used[6],
        ours * 1000.0 if ours > 0.0 else None, warnings, sent,
        None if changed is None else changed[0], None if changed is None else changed[1] or None,
    )  # fmt: skip


def told_warnings(warnings: bytes) -> str | None:
    """As they were told, the last ones left out where they are many."""
    text = warnings.decode("latin-1")
    if len(text) <= _WARNINGS:
        return text or None
    return text[: text.rindex(",", 0, _WARNINGS)] + ",more" if "," in text[:_WARNINGS] else text[:_WARNINGS]


def records_of(job: Job, *, aborted: bool) -> list[tuple[Tried | None, UsageRecord]]:
    """The records of a finished job, each with the attempt that it is of: those of attempts that another followed, or was
    faster than, and last the job's own; of a joined answer its own request has the others. aborted: its client left."""
    found: list[tuple[Tried | None, UsageRecord]] = []
    if len(job.tries) > 1 and job.joined is None:
        last = job.decisive
        found += [(tried, _of_other(job, tried)) for tried in job.tries if tried is not last]
    found.append((None if job.joined is not None else job.decisive, _own(job, aborted=aborted)))
    return found


def _own(job: Job, *, aborted: bool) -> UsageRecord:
    """Of its last attempt, or of the one that answered."""
    made = job.joined or job
    delivery = made.delivery
    return _of_attempt(
        job,
        made.decisive,
        job.request.id,
        job.request.wall,
        delivery.status or GONE,
        _outcome(made, aborted=aborted),
        (job.request.start, delivery.first_output, time.monotonic()),
        made.failed_reason,
    )


def _outcome(made: Job, *, aborted: bool) -> str:
    said = made.delivery.outcome
    return "aborted" if aborted else "cancelled" if made.ended is not None and said != "ok" else said


def _of_other(job: Job, tried: Tried) -> UsageRecord:
    return _of_attempt(
        job,
        tried,
        f"{job.request.id}/{tried.number}",
        tried.wall,
        tried.status,
        tried.outcome,
        (0.0, None, tried.seconds),
        tried.reason,
    )


def _of_attempt(
    job: Job,
    tried: Tried | None,
    id: str,
    at: float,
    status: int,
    outcome: str,
    times: tuple[float, float | None, float | None],
    fallback: str | None,
) -> UsageRecord:
    """times: start, first output and end."""
    request, made = job.request, job.joined or job
    where, plan, joined = request.route, made.plan, job.joined is not None
    made_of = charged(job, tried, outcome)
    return record(
        id,
        at,
        where.protocol.value if where.exact else "",
        where.path,
        request.model,
        tried.target.label if tried is not None else None,
        status,
        outcome,
        request.stream,
        made_of.used,
        *times,
        request.caller.key_id,
        plan.mapping_id if plan is not None else None,
        tried.answer_id if tried is not None else None,
        client_of(request.head),
        session_of(request.head),
        made_of.cost,
        0.0 if joined else sum(one.ours for one in (made.tries if id == request.id else (tried,)) if one),
        0 if tried is None or joined else tried.sent,
        None if tried is None else told_warnings(tried.lost),
        None if tried is None or joined else tried.changed,
        int(tried is not None) if joined else len(made.tries),
        tried.number if tried is not None else 0,
        fallback,
        request.id,
        joined,
        made_of.extra,
    )
