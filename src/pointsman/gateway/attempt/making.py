"""What one attempt is made with, and the exchange that carries it: the request's bytes, how its answer is read, the
judge.

Not here: which way it goes (attempt.py).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from time import monotonic

from ...dialects.recall import NOTHING
from ...kinds import FallbackOn, Protocol
from ...providers.wordings import MAYBE_UNKNOWN_PATH, UNKNOWN_PATH, Phrases
from ...routing.table import Plan, Target
from ...upstream.backend import Backend
from ..compiled import CompiledRules
from ..data_plane import DataPlane
from ..request.job import Job, Tried
from ..request.recall import keeping
from ..request.stored import noting
from .client_headers import straight_block, upstream_path
from .exchange import Exchange
from .health import AttemptHealth
from .judge import Judge
from .passthrough import Codec, Passthrough, Revising


@dataclass(slots=True)
class Attempt:
    """What one attempt is made with. onward: further reasons to leave it for the next target."""

    plane: DataPlane
    rules: CompiledRules
    job: Job
    plan: Plan
    target: Target
    tried: Tried
    onward: Collection[str]


def straight_exchange(
    one: Attempt, backend: Backend, body: bytes, hide_usage: bool, login: bytes, judge: Judge | None = None
) -> Exchange:
    """For a request that goes as it is. judge: of one that is under way already."""
    job, plan, target = one.job, one.plan, one.target
    request = job.request
    head, where = request.head, request.route
    path = upstream_path(head, where, one.rules.keys)
    keep = (
        None if job.recalled is NOTHING else keeping(one.plane, one.rules, job, plan, target, straight=True)
    )
    revision = where.dialect.revision if where.exact else None
    revise = revision(body) if revision is not None else None
    going = (
        where.dialect, path, body, request.id, where.exact, hide_usage, backend.mask, keep,
        backend.spec.silent_end, request.stream, where.exact and where.path == where.dialect.endpoint.path,
    )  # fmt: skip
    rows: tuple[Phrases, ...] = ()
    if where.media is not None:
        codec, rows = Passthrough(*going, media=where.media), UNKNOWN_PATH
    else:
        codec = Passthrough(*going) if revise is None else Revising(*going, revise=revise)
        if where.exact and not where.answer_id:  # nor does a 404 for an id say anything of the path
            rows = unknown_path_of(backend, where.protocol, MAYBE_UNKNOWN_PATH)
            codec.note = noting(one.plane, request, target) if job.recalled.asks.keeps else None
    block, names = head.forward or straight_block(head, one.rules.keys)
    size = len(body) if body or head.method == b"POST" else None
    data = backend.head(head.method, path, block, names, size, login)
    return exchange_for(one, backend, data, codec, unknown_path=rows, own_login=bool(login), judge=judge)


def exchange_for(
    one: Attempt,
    backend: Backend,
    data: bytes,
    codec: Codec,
    *,
    unknown_path: tuple[Phrases, ...] = (),
    own_login: bool = False,
    judge: Judge | None = None,
) -> Exchange:
    """See Exchange. unknown_path: its answers that say that the backend does not know the path. own_login: the client's
    is sent. judge: of one that is under way already."""
    plane, job = one.plane, one.job
    limits = plane.limits
    doubt = partial(plane.probes.doubt, backend)
    health = AttemptHealth(plane.board, one.target.key, one.target.model, backend, own_login, doubt)
    if judge is None:
        patient = (
            backend.local or job.request.route.media is not None
        )  # a picture is made before its first byte
        quiet = limits.first_output_local_seconds if patient else limits.first_output_cloud_seconds
        # By position: a keyword costs a class, unlike a function, a dict; and an enum's member costs.
        entire = codec.translated or (job.request.stream and job.request.route.exact)
        leaves = bool(one.onward) and FallbackOn.REFUSAL in one.onward
        now = monotonic()
        one.tried.ours += now - one.tried.placed
        judge = Judge(
            now, quiet, limits.between_chunks_seconds, entire, codec.collects, leaves,
        )  # fmt: skip
    if backend.mask not in job.delivery.masks:
        job.delivery.masks += (backend.mask,)
    exchange = Exchange(
        judge, job, one.tried, health, limits.hold_seconds, codec, data, unknown_path, one.onward,
    )  # fmt: skip
    plane.ticking.add(exchange)
    return exchange


def unknown_path_of(backend: Backend, protocol: Protocol, tried: tuple[Phrases, ...]) -> tuple[Phrases, ...]:
    """The answers that show that the backend does not speak this protocol. tried: where it is only tried."""
    if protocol not in backend.spoken:
        return tried
    return UNKNOWN_PATH if protocol in backend.assumed else ()
