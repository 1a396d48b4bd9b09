"""What one attempt is made with, and the exchange that carries it: the request's bytes, how its answer is read, the
judge.

Not here: which way it goes (attempt.py).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING

from ...kinds import FallbackOn, Protocol
from ...providers.wordings import MAYBE_UNKNOWN_PATH, UNKNOWN_PATH, Phrases
from ...routing.table import Plan, Target
from ...upstream.backend import Backend
from ..client.sessions import session_of
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

if TYPE_CHECKING:
    from ...customs.placeholders import Placeholders


@dataclass(slots=True)
class Attempt:
    """What one attempt is made with. onward: further reasons to leave it for the next target. through: the client's own
    protocol, where the answer is read in neutral form all the same (recovering.py). back: what it went with in the place of
    credentials (customs.py)."""

    plane: DataPlane
    rules: CompiledRules
    job: Job
    plan: Plan
    target: Target
    tried: Tried
    onward: Collection[str]
    through: Protocol | None = None
    back: Placeholders | None = None


def straight_exchange(
    one: Attempt, backend: Backend, body: bytes, hide_usage: bool, login: bytes, judge: Judge | None = None
) -> Exchange:
    """For a request that goes as it is. judge: of one that is under way already."""
    job, plan, target = one.job, one.plan, one.target
    request = job.request
    head, where = request.head, request.route
    path = upstream_path(head, where, one.rules.keys)
    asks = job.recalled.asks
    keep = keeping(one.plane, one.rules, request, asks, plan, target, straight=True) if asks.keeps else None
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
            codec.note = noting(one.plane, request, target) if asks.keeps else None
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
    if one.back is not None and codec.media is None:
        from .returning import Returning  # for whoever has such rules

        codec = Returning(codec, one.back, job.request.route.framing)
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
    if backend.local and one.tried.changed is None:
        _remember(one, codec.body)
    exchange = Exchange(
        judge, job, one.tried, health, limits.hold_seconds, codec, data, unknown_path, one.onward,
    )  # fmt: skip
    plane.ticking.add(exchange)
    return exchange


def _remember(one: Attempt, body: bytes) -> None:
    """What a local server is sent of an agent's session, and where that began to change."""
    request = one.job.request
    session = session_of(request.head) if request.route.path == request.route.dialect.endpoint.path else None
    if session is not None:
        whose = request.caller.key_id, session, one.target.label
        one.tried.changed = one.plane.prompts.next(whose, body)


def watch_loops(one: Attempt, backend: Backend, exchange: Exchange, spoken: Protocol) -> None:
    """Where its rule says so. spoken: to the backend."""
    if one.plan.rule.stop_loops:
        from .loops import watch_of  # for whoever has such rules

        exchange.watch = watch_of(one.plan.rule, one.plane, one.job, backend, one.target.model, spoken)


def unknown_path_of(backend: Backend, protocol: Protocol, tried: tuple[Phrases, ...]) -> tuple[Phrases, ...]:
    """The answers that show that the backend does not speak this protocol. tried: where it is only tried."""
    if protocol not in backend.spoken:
        return tried
    return UNKNOWN_PATH if protocol in backend.assumed else ()
