"""Requests that a recording is made of (docs/replay.md): what their client was told is handed up when it is over.

Loaded while somebody records. Not here: where recordings are (admin/control/recordings.py), and how one answers
(attempt/replayed.py).
"""

from __future__ import annotations

import logging
from functools import partial

from msgspec.structs import replace

from ...kinds import BACKEND_PROTOCOLS
from ...ledger.metrics import RECORDED
from ...ledger.records import UsageRecord
from ...link.kept_messages import KeepRecorded, KeptAnswer
from ...link.messages import RecordSpec
from ...routing.pattern import wild_match
from ...translation.same_request import Unlike, is_told_apart, recorded_as
from ..client.recorder import Recorder
from ..compiled import CompiledRules
from ..data_plane import DataPlane
from .cached import answer_told
from .job import Job

log = logging.getLogger("pointsman.gateway")


def record(plane: DataPlane, rules: CompiledRules, job: Job) -> None:
    """From now on, where this request is of such a recording. Before anything is told to its client."""
    names = tuple(one.name for one in rules.snapshot.recordings if _takes(one, job))
    where = job.request.route
    if names and job.request.head.method == b"POST" and is_told_apart(where):
        recorder = job.delivery.client = Recorder(job.delivery.client, b"")
        job.afterwards += (partial(_keep, plane, job, names, recorder),)


def _takes(one: RecordSpec, job: Job) -> bool:
    if one.key_id is not None and one.key_id != job.request.caller.key_id:
        return False
    return one.pattern is None or wild_match(one.pattern, job.request.model)


def _keep(
    plane: DataPlane, job: Job, names: tuple[str, ...], recorder: Recorder, record: UsageRecord
) -> None:
    """What its client was told, now that it is over. record: of the attempt that gave it. What cannot be kept is counted by
    why: `pointsman record` tells it."""
    if job.won is not None and job.won.target.backend is not None and job.won.target.backend.recording:
        return  # it came out of a recording
    answer = job.hit or answer_told(plane, job, recorder, record)
    result = "failed" if answer is None else _handed_up(plane, job, names, answer)
    plane.counters.count((RECORDED, result))


def _handed_up(plane: DataPlane, job: Job, names: tuple[str, ...], answer: KeptAnswer) -> str:
    request, plan = job.request, job.plan
    assert plan is not None
    where = request.route
    try:
        asked = recorded_as(where, request.body, plan.model, stream=request.stream)
    except Unlike as why:
        log.info("request %s is not recorded: %s", request.id, why)
        return "unfit"
    if where.protocol not in BACKEND_PROTOCOLS:
        return "unfit"
    kept = KeepRecorded(names, where.path, plan.model, asked, _alone(answer))
    return "kept" if plane.kept.keep_recorded(kept) else "lost"


def _alone(answer: KeptAnswer) -> KeptAnswer:
    """Without what was of that day: of the header lines what the body is, and what was lost of it."""
    lines = [line for line in answer.lines.split(b"\r\n") if line.lower().startswith(_LASTING)]
    return replace(answer, lines=b"".join(line + b"\r\n" for line in lines), given=b"")


_LASTING = (b"content-type:", b"x-pointsman-warnings:")
