"""What this process serves now, for the control plane that asks; and the end of one of it, where the operator wants that.

Nothing is kept for it: a request in its own lane is among what ticks, any other among what is served. Not here: how an
attempt ends (attempt/exchange.py).
"""

from __future__ import annotations

import heapq
from operator import attrgetter

from ...errors import PointsmanError
from ...kinds import ErrorKind
from ...link.messages import Asked, EndFound, RunningFact, RunningFound, RunningQuestion
from ...wire.user_agent import client_of
from ..attempt.exchange import Exchange
from ..attempt.moves import Stage
from ..client.sessions import session_of
from ..data_plane import DataPlane
from ..lane.lane import Lane
from ..request.job import Job
from ..request.waiting import Wait


def answer(plane: DataPlane, question: Asked) -> RunningFound | EndFound:
    """What the control plane has asked."""
    if isinstance(question, RunningQuestion):
        return running(plane, question.number, question.most)
    return EndFound(question.number, end(plane, question.request_id))


def running(plane: DataPlane, number: int, most: int) -> RunningFound:
    """The requests to models that have run longest, and how many there are."""
    lanes = _lanes(plane)
    jobs = _jobs(plane)
    oldest = heapq.nsmallest(most, [(one.start, place) for place, one in enumerate(lanes)])
    facts = [_of_lane(lanes[place]) for _, place in oldest]
    facts += map(_of_job, heapq.nsmallest(most, jobs, key=attrgetter("request.start")))
    facts.sort(key=attrgetter("at"))
    return RunningFound(number, len(lanes) + len(jobs), tuple(facts[:most]))


def end(plane: DataPlane, request_id: str) -> bool:
    """End it as if the gateway had no more time for it: what it has asked is told to stop, and its client that it was
    cancelled, in its own words. False where no such request runs."""
    for lane in _lanes(plane):
        if lane.id == request_id:
            exchange = lane.general()  # the full way knows what to tell
            _end(plane, exchange.job)
            return True
    for job in _jobs(plane):
        if job.request.id == request_id:
            _end(plane, job.joined or job)
            return True
    return False


def _end(plane: DataPlane, job: Job) -> None:
    error = PointsmanError(
        ErrorKind.CONFLICT,
        "The operator of this gateway cancelled this request.",
        status=410,  # no client sends it again for that
        code="cancelled",
    )
    job.ended = error
    job.deadline = 0.0  # nobody else is asked, whatever it is at
    for one in list(plane.ticking):
        if isinstance(one, Exchange | Wait) and one.job is job:
            one.stop(error)


def _lanes(plane: DataPlane) -> list[Lane]:
    return [one for one in plane.ticking if isinstance(one, Lane)]


def _jobs(plane: DataPlane) -> list[Job]:
    return [job for job in plane.serving if job.request.route.kind == "llm"]


def _of_lane(lane: Lane) -> RunningFact:
    asker, track = lane.asker, lane.track
    return RunningFact(
        lane.id, lane.wall, asker.protocol, asker.route.path, lane.model, track.label, 1, lane.first_output > 0,
        lane.stream, asker.key_id, track.mapping_id, asker.client, asker.session,
    )  # fmt: skip


def _of_job(job: Job) -> RunningFact:
    request, made = job.request, job.joined or job
    where, tried = request.route, made.decisive
    return RunningFact(
        request.id, request.wall, where.protocol.value if where.exact else "", where.path, request.model,
        None if tried is None else tried.target.label, 0 if tried is None else tried.number,
        made.delivery.stage is Stage.CONTENT, request.stream, request.caller.key_id,
        None if made.plan is None else made.plan.mapping_id, client_of(request.head), session_of(request.head),
    )  # fmt: skip
