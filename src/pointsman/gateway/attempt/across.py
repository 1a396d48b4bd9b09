"""A request for a backend of another protocol: read into the neutral form, and what it becomes there.

Asked by the full way (attempt.py) and by a request's own lane (lane/across.py). Not here: which protocol the backend gets
(upstream/candidates.py), and when anything is sent.
"""

from __future__ import annotations

from functools import partial

import msgspec

from ...dialects.base import ClientHalf, Dialect
from ...dialects.recall import NOTHING, Keep, Recalled
from ...kinds import Protocol
from ...ledger.metrics import MISFITS, REWRITTEN
from ...translation.crossing import Asked, Crossing
from ...translation.reasoning_store import KeptReasoning
from ...upstream.backend import Backend
from ...upstream.candidates import profile_of
from ...wire.http1 import RequestHead
from ..client.access import Caller
from ..compiled import CompiledRules
from ..data_plane import DataPlane
from ..request.job import Job
from ..request.offload import LARGE, offload


def asked_of(
    plane: DataPlane,
    rules: CompiledRules,
    client: ClientHalf,
    body: bytes,
    head: RequestHead,
    request_id: str,
    caller: Caller,
    recalled: Recalled = NOTHING,
) -> Asked:
    """The request in neutral form, with the reasoning that its history has lost. Raises PointsmanError 400."""
    who = str(caller.key_id)
    asked = Asked(client, body, head, request_id, rules.capsules, recalled, who)
    if not plane.reasoning.empty:
        KeptReasoning(plane.reasoning, who).restore(asked.request, client.ordered)
    return asked


def neutral(rules: CompiledRules, plane: DataPlane, job: Job) -> Asked:
    """A job's request in neutral form; made once, whatever is tried. Raises PointsmanError 400."""
    if job.asked is None:
        request = job.request
        client = request.route.half
        assert client is not None
        told = (client, request.body, request.head, request.id, request.caller)
        job.asked = asked_of(plane, rules, *told, job.recalled)
    return job.asked


def size_of(job: Job) -> int:
    """Bytes of the body, and of what it only refers to."""
    recalled = job.recalled
    if recalled is NOTHING:
        return len(job.request.body)
    before = sum(map(len, recalled.earlier or ()))
    return len(job.request.body) + before + sum(len(text) for text, _ in recalled.items.values())


async def read_neutral(rules: CompiledRules, plane: DataPlane, job: Job) -> Asked:
    """neutral(), in a thread where there is much to read, with what other nodes have kept of its history. Raises
    PointsmanError 400."""
    if job.asked is not None:
        return job.asked
    large = size_of(job) >= LARGE
    asked = await offload(neutral, rules, plane, job) if large else neutral(rules, plane, job)
    caller, client = str(job.request.caller.key_id), job.request.route.half
    if lacking := plane.reasoning.lacks(caller, asked.request):
        await plane.shared.learn_calls(caller, lacking)
        assert client is not None
        KeptReasoning(plane.reasoning, caller).restore(asked.request, client.ordered)
    return asked


def crossing_of(
    plane: DataPlane,
    backend: Backend,
    model: str,
    asked: Asked,
    client: Dialect,
    spoken: Protocol,
    caller: Caller,
    keep: Keep | None = None,
) -> Crossing:
    """Its translation to what the backend gets. model: its name there. keep: who remembers the answer. Raises
    PointsmanError 400 where the target cannot take what was asked."""
    profile = profile_of(backend, spoken, model)
    if backend.begins_inside(model) and not profile.begins_inside:
        profile = msgspec.structs.replace(profile, begins_inside=True)
    if backend.unheeding:
        profile = msgspec.structs.replace(profile, stream_all=True)
    reasoning = KeptReasoning(plane.reasoning, str(caller.key_id))
    crossing = Crossing(asked, client, plane.dialects[spoken], profile, reasoning, backend.mask, keep)
    if not asked.request.plain and crossing.rewrote:
        label = plane.labels.target(f"{backend.spec.key}:{model}")
        plane.counters.count((REWRITTEN, label))
        crossing.counts = partial(plane.counters.count, (MISFITS, label))
    return crossing
