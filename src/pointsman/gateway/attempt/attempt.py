"""One try of one target: is it usable, which protocol it gets, the request's bytes, and its answer into an Exchange.

Not here: which target comes next (resilience/walk.py, targets.py), and what is remembered of it (resilience/board.py).
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from time import monotonic

import msgspec

from ...dialects.bridge import Bridge
from ...dialects.recall import NOTHING
from ...errors import PointsmanError
from ...kinds import ErrorKind, FallbackOn, FallbackReason, Protocol
from ...providers.profiles import profile_for
from ...providers.wordings import MAYBE_UNKNOWN_PATH, UNKNOWN_PATH, Phrases
from ...resilience.walk import Held
from ...routing.table import Plan, Target
from ...translation.bridged import Bridged
from ...translation.crossing import Asked, Crossing
from ...translation.reasoning_store import KeptReasoning
from ...upstream.backend import Backend
from ...upstream.candidates import (
    Needs,
    crosses,
    goes_as_it_is,
    may_cross,
    needs_of,
    translated_to,
    unusable,
)
from ...upstream.egress import ConnectFailed
from ...wire.answer import Answer
from ..client.paths import Route
from ..compiled import CompiledRules
from ..data_plane import DataPlane
from ..request.job import Job, Tried
from ..request.offload import LARGE, offload
from ..request.recall import keeping
from ..request.stored import noting
from ..request.waiting import wait_for_place
from . import count
from .body import body_for, must_gather
from .client_headers import straight_block, translated_block
from .exchange import Exchange
from .failures import key_refused
from .health import AttemptHealth
from .judge import Judge
from .moves import State
from .passthrough import Codec, Passthrough, Revising

log = logging.getLogger("pointsman.gateway")


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


async def attempt(
    plane: DataPlane, rules: CompiledRules, job: Job, plan: Plan, target: Target, onward: Collection[str] = ()
) -> Held[Answer] | None:
    """None when the client has been answered, else why this target could not serve."""
    tried = Tried(target, len(job.tries) + 1)
    job.tries.append(tried)
    backend = rules.backends.get(target.key)
    login = bool(target.forwards and job.request.caller.login)
    route = job.request.route
    problem = unusable(target, backend, route.protocol, login=login, exact=route.exact)
    if problem is None and backend is not None and plan.rule.local_only:
        problem = await plane.elsewhere.of(backend, target.model)
    if problem is not None:
        reason, text = problem
        return Held(reason, _unusable(target, text))
    assert backend is not None
    one = Attempt(plane, rules, job, plan, target, tried, onward)
    places = plane.board.backend(target.key).places
    place = places.take(job.request.caller.key_id)
    if place is None:
        place, busy = await wait_for_place(plane, job, target.key, places)
        if place is None:
            return busy
    try:
        if not goes_as_it_is(backend, route.protocol, exact=route.exact):
            return await _crossed(one, backend)
        if may_cross(backend, target.model, route.protocol) and await _must_cross(one, backend):
            held = await _crossed(one, backend)
            if held is None or job.won is not None or await _must_cross(one, backend):
                return held
            # It has just answered that it does not know that protocol, which only its vendor must.
        held, unknown = await _straight(one, backend)
        if held is None or unknown is None or job.won is not None:
            return held
        # It has just answered that it does not know the path: translated, it may serve.
        crossed = await _crossed(one, backend)
        if crossed is None and tried.status < 300:
            backend.learn_unspoken(unknown)
        nowhere = crossed is not None and crossed.error.kind is ErrorKind.NOT_IMPLEMENTED
        return held if nowhere and unknown in backend.assumed else crossed
    finally:
        places.leave(place)


async def _must_cross(one: Attempt, backend: Backend) -> bool:
    """Does the backend, which speaks the client's protocol and may_cross(), take this request in another one only?"""
    job, model, route = one.job, one.target.model, one.job.request.route
    client = route.protocol
    if not route.exact or route.path != route.dialect.endpoint.path:
        return False
    body = job.request.body
    if not any(hint in body for hint in _TOOLS):
        return crosses(backend, model, client, Needs())
    try:
        read = (one.rules, one.plane, job)
        asked = await offload(_read, *read) if len(body) >= LARGE else _read(*read)
    except PointsmanError:
        return False  # the vendor's own error is the better answer
    return crosses(backend, model, client, needs_of(asked.request))


_TOOLS = (b'"tools"', b'"functions"', b'"web_search_options"')
"""One of these stands in every body that declares a tool."""


async def _straight(one: Attempt, backend: Backend) -> tuple[Held[Answer] | None, Protocol | None]:
    """Also the protocol whose path it does not know."""
    job, plan, target = one.job, one.plan, one.target
    request = job.request
    head = request.head
    try:
        gathers = must_gather(backend, job)
        make = (backend, target, job, gathers)
        large = len(request.body) >= LARGE
        body, hide_usage = await offload(body_for, *make) if large else body_for(*make)
    except PointsmanError as error:
        return _not_for(job, error), None
    where = request.route
    query = one.rules.keys.without_keys(head.query) if head.query else b""
    path = request.route.path.encode("ascii") + (b"?" + query if query else b"")
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
            rows = _unknown_path(backend, where.protocol, MAYBE_UNKNOWN_PATH)
            codec.note = noting(one.plane, request, target) if job.recalled.asks.keeps else None
    block, names = head.forward or straight_block(head, one.rules.keys)
    login = request.caller.login if target.forwards else b""
    size = len(body) if body or head.method == b"POST" else None
    data = backend.head(head.method, path, block, names, size, login)
    exchange, held = await _run(one, backend, data, codec, unknown_path=rows, own_login=bool(login))
    if held is None or exchange.judge.state is not State.UNSPOKEN:
        return held, None
    if where.media is not None:
        return Held(FallbackReason.UPSTREAM_ERROR, not_spoken(target, where), held.answer), None
    if where.protocol in backend.assumed:
        return held, where.protocol
    held = Held(FallbackReason.UPSTREAM_ERROR, not_spoken(target, where), held.answer)
    if exchange.sure and where.path == where.dialect.endpoint.path:
        backend.learn_unspoken(where.protocol)
    return held, where.protocol


async def _crossed(one: Attempt, backend: Backend) -> Held[Answer] | None:
    """Translated to what it speaks; where that was a try and its path is not known, to the next."""
    job, target, route = one.job, one.target, one.job.request.route
    client = route.dialect
    if route.bridge is not None:
        return await _bridged(one, backend, route.bridge)
    counting = client.translation is not None and route.path == client.translation.count_path
    if route.half is None:
        return Held(FallbackReason.UPSTREAM_ERROR, not_spoken(target, route))
    without: set[Protocol] = set()
    first: Held[Answer] | None = None
    while True:
        try:
            asked, spoken, codec = await _translated(one, backend, without, counting=counting)
        except PointsmanError as error:
            return _not_for(job, error)
        if spoken is None:
            return first or Held(FallbackReason.UPSTREAM_ERROR, not_spoken(target, route))
        if codec is None:
            return await count.answer(one.plane, job, one.plan, one.tried, backend, asked, spoken)
        rows = _unknown_path(backend, spoken, UNKNOWN_PATH)
        exchange, held = await _send_across(one, backend, codec, rows)
        if exchange.judge.state is not State.UNSPOKEN or job.won is not None:
            if held is None and one.tried.status < 300:
                for protocol in without:
                    backend.learn_unspoken(protocol)
            return held
        if spoken in backend.assumed:  # believed once something else has served
            without.add(spoken)
            first = first or held
        else:
            backend.learn_unspoken(spoken)


def _unknown_path(backend: Backend, protocol: Protocol, tried: tuple[Phrases, ...]) -> tuple[Phrases, ...]:
    """The answers that show that the backend does not speak this protocol. tried: where it is only tried."""
    if protocol not in backend.spoken:
        return tried
    return UNKNOWN_PATH if protocol in backend.assumed else ()


async def _translated(
    one: Attempt, backend: Backend, without: Collection[Protocol], *, counting: bool
) -> tuple[Asked, Protocol | None, Crossing | None]:
    """(the request in neutral form, the protocol that the backend gets: None when there is none,
    the request in it: None where it is only counted). Raises PointsmanError for what cannot be."""
    plane, job, target = one.plane, one.job, one.target
    large = len(job.request.body) >= LARGE
    read = (one.rules, plane, job)
    asked = await offload(_read, *read) if large else _read(*read)
    client = job.request.route.protocol
    spoken = translated_to(backend, target.model, client, needs_of(asked.request), without)
    if spoken is None or counting:
        return asked, spoken, None
    cross = (one, backend, asked, spoken)
    return asked, spoken, await offload(_cross, *cross) if large else _cross(*cross)


async def _send_across(
    one: Attempt, backend: Backend, codec: Crossing | Bridged, unknown_path: tuple[Phrases, ...]
) -> tuple[Exchange, Held[Answer] | None]:
    one.tried.warnings = codec.warnings
    head = one.job.request.head
    block, names = head.across or translated_block(head, one.rules.keys)
    data = backend.head(b"POST", codec.path, block, names, len(codec.body))
    sent = await _run(one, backend, data, codec, unknown_path=unknown_path)
    if codec.inside is not None:
        backend.learn_inside(one.target.model, codec.inside)
    return sent


def _not_for(job: Job, error: PointsmanError) -> Held[Answer]:
    """This target cannot take what was asked. Raises the error where none was tried before: it is the client's own
    request, and nobody else would do better with it."""
    if len(job.tries) == 1:
        raise error
    return Held(FallbackReason.UPSTREAM_ERROR, error)


def _read(rules: CompiledRules, plane: DataPlane, job: Job) -> Asked:
    """The request in neutral form; once a request, whatever is tried."""
    if job.asked is None:
        request = job.request
        client = request.route.half
        assert client is not None
        job.asked = Asked(client, request.body, request.head, request.id, rules.capsules, job.recalled)
        KeptReasoning(plane.reasoning, str(request.caller.key_id)).restore(job.asked.request, client.ordered)
    return job.asked


async def _bridged(one: Attempt, backend: Backend, bridge: Bridge) -> Held[Answer] | None:
    """What has no neutral form, in the one protocol that it can become."""
    job, target = one.job, one.target
    request, upstream = job.request, one.plane.dialects[bridge.to]
    if not backend.speaks(bridge.to):
        return Held(FallbackReason.UPSTREAM_ERROR, not_spoken(target, request.route))
    models = (request.model, target.model)
    going = (request.route.dialect, upstream, request.body, request.head, request.id, models, backend.mask)
    try:
        codec = Bridged(bridge, *going)
    except PointsmanError as error:
        return _not_for(job, error)
    return (await _send_across(one, backend, codec, _unknown_path(backend, bridge.to, UNKNOWN_PATH)))[1]


def _cross(one: Attempt, backend: Backend, asked: Asked, spoken: Protocol) -> Crossing:
    plane, job = one.plane, one.job
    upstream = plane.dialects[spoken]
    profile = profile_for(backend.spec, spoken, one.target.model)
    if backend.begins_inside(one.target.model) and not profile.begins_inside:
        profile = msgspec.structs.replace(profile, begins_inside=True)
    if backend.unheeding:
        profile = msgspec.structs.replace(profile, stream_all=True)
    keep = keeping(plane, one.rules, job, one.plan, one.target, straight=False)
    reasoning = KeptReasoning(plane.reasoning, str(job.request.caller.key_id))
    return Crossing(asked, job.request.route.dialect, upstream, profile, reasoning, backend.mask, keep)


async def _run(
    one: Attempt,
    backend: Backend,
    data: bytes,
    codec: Codec,
    *,
    unknown_path: tuple[Phrases, ...] = (),
    own_login: bool = False,
) -> tuple[Exchange, Held[Answer] | None]:
    plane, job = one.plane, one.job
    limits = plane.limits
    doubt = partial(plane.probes.doubt, backend)
    health = AttemptHealth(plane.board, one.target.key, one.target.model, backend, own_login, doubt)
    patient = backend.local or job.request.route.media is not None  # a picture is made before its first byte
    quiet = limits.first_output_local_seconds if patient else limits.first_output_cloud_seconds
    # By position: a keyword costs a class, unlike a function, a dict; and an enum's member costs.
    entire = codec.translated or (job.request.stream and job.request.route.exact)
    leaves = bool(one.onward) and FallbackOn.REFUSAL in one.onward
    judge = Judge(
        monotonic(), quiet, limits.between_chunks_seconds, entire, codec.collects, leaves,
    )  # fmt: skip
    exchange = Exchange(
        judge, job, one.tried, health, limits.hold_seconds, codec, data, unknown_path, one.onward,
    )  # fmt: skip
    if backend.mask not in job.delivery.masks:
        job.delivery.masks += (backend.mask,)
    plane.ticking.add(exchange)
    held: Held[Answer] | None = None
    ended = unreachable = False
    try:
        held = await plane.pool.ask(
            backend, one.plan.rule.local_only, exchange.ask, once=job.request.no_fallback
        )
        if held is not None and held.reason is FallbackReason.AUTH and not own_login:
            key_refused(held, exchange.head_status, backend, job.request.route.dialect, job.request.id)
        ended = True
    except PointsmanError as error:
        held = Held(FallbackReason.CONNECT, _unusable(one.target, error.public))
        ended, unreachable = isinstance(error, ConnectFailed), backend.local
    finally:
        plane.ticking.discard(exchange)
        exchange.close()
        exchange.sum_up()
        ours = held is None or held.clients or held.lost or exchange.judge.state is State.UNSPOKEN
        health.over(held if ended and not ours else None, unreachable=unreachable)
    if ended:
        _look_after(plane, one, backend, exchange, held, unreachable)
    return exchange, held


def _look_after(
    plane: DataPlane,
    one: Attempt,
    backend: Backend,
    exchange: Exchange,
    held: Held[Answer] | None,
    unreachable: bool,
) -> None:
    """What an attempt that has ended tells of its server."""
    if exchange.malformed:
        what = "request %s: %s events of %s could not be read"
        log.warning(what, one.job.request.id, exchange.malformed, one.target.label)
    if not backend.local:
        return
    if backend.unheeding is None and exchange.headers:
        backend.learn_server(exchange.headers)
    if unreachable:
        plane.probes.watch(backend)
    elif held is not None and held.certain and exchange.head_status == 404:
        plane.probes.suspect(backend)


def _unusable(target: Target, text: str) -> PointsmanError:
    return PointsmanError(ErrorKind.UPSTREAM_UNREACHABLE, f"{target.key} could not be used: {text}.")


def not_spoken(target: Target, route: Route) -> PointsmanError:
    """The honest answer where no translation exists: embeddings, completions, and paths beside the main ones."""
    spoken = route.protocol if route.bridge is None else route.bridge.to
    what = f"speak {spoken.value} on this path" if route.media is None else f"offer {route.path}"
    return PointsmanError(
        ErrorKind.NOT_IMPLEMENTED,
        f"{target.key} does not {what}, and this request cannot be translated. "
        "Call it in a protocol it speaks, or map the model to a backend that speaks this one.",
    )
