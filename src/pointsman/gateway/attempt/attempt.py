"""One try of one target: is it usable, which protocol it gets, the request's bytes, and its answer into an Exchange.

Not here: which target comes next (resilience/walk.py, targets.py), and what is remembered of it (resilience/board.py).
"""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from time import monotonic

from ...dialects.bridge import Bridge
from ...errors import PointsmanError
from ...kinds import ErrorKind, FallbackOn, FallbackReason, Protocol
from ...providers.wordings import UNKNOWN_PATH
from ...resilience.admission import Ticket
from ...resilience.walk import Held
from ...routing.table import Plan, Target
from ...translation.bridged import Bridged
from ...translation.crossing import Asked, Crossing
from ...upstream.backend import Backend
from ...upstream.candidates import (
    goes_as_it_is,
    may_cross,
    needs_of,
    translated_to,
    unusable,
)
from ...upstream.egress import ConnectFailed
from ...wire.answer import Answer
from ..compiled import CompiledRules
from ..data_plane import DataPlane
from ..request.engines import cold, with_engine
from ..request.job import Begun, Job, Tried
from ..request.offload import LARGE, offload
from ..request.recall import keeping
from ..request.waiting import wait_for_place
from ..spending.reserving import reserve
from . import count
from .across import crossing_of, read_neutral
from .body import body_for, must_gather
from .client_headers import translated_block
from .connecting import StoppedConnecting, begun_with, connected
from .exchange import Exchange
from .failures import key_refused, tell_malformed
from .fitting import unfit
from .making import Attempt, exchange_for, straight_exchange, unknown_path_of, watch_loops
from .moves import State
from .presetting import preset_across, preset_straight
from .recovering import through_neutral, watch_calls
from .replayed import replayed
from .ways import must_cross, not_spoken


async def attempt(
    plane: DataPlane, rules: CompiledRules, job: Job, plan: Plan, target: Target, onward: Collection[str] = ()
) -> Held[Answer] | None:
    """None when the client has been answered, else why this target could not serve."""
    begun, job.begun = job.begun, None
    if begun is not None:
        return await _attempted(
            Attempt(plane, rules, job, plan, target, begun.tried, onward), begun.backend, begun.place, begun
        )
    tried = Tried(target, len(job.tries) + 1, bill=rules.bill(target))
    if job.plan is not None and job.plan.targets[0] is not target and job.failed_reason is not None:
        tried.instead = (rules.bill(job.plan.targets[0]),)
    if not job.tries:
        tried.ours = tried.start - job.request.start
    job.tries.append(tried)
    backend = rules.backends.get(target.key)
    login = bool(target.forwards and job.request.caller.login)
    route = job.request.route
    problem = unusable(target, backend, route.protocol, login=login, exact=route.exact)
    if problem is not None:
        reason, text = problem
        missed = reason is FallbackReason.MISS and FallbackOn.MISS not in onward
        return Held(reason, _unusable(target, text), certain=missed, final=missed)
    assert backend is not None
    too_dear = await reserve(plane, rules, job, target, tried)
    if too_dear is not None:
        return too_dear
    one = Attempt(plane, rules, job, plan, target, tried, onward)
    if backend.spec.recording is not None:
        return await replayed(one, backend, backend.spec.recording)
    engine = backend.spec.engine
    if engine is not None:
        too_much = await unfit(one, backend) if backend.asleep else None  # then it need not be started
        if too_much is not None:
            return too_much
        return await with_engine(plane, job, target, engine, onward, partial(_placed, one))
    return cold(plane, target, backend, onward) or await _placed(one, backend)


async def _placed(one: Attempt, backend: Backend) -> Held[Answer] | None:
    """Once nothing is against it: with a place there."""
    plane, job, target = one.plane, one.job, one.target
    if one.plan.rule.local_only:
        problem = await plane.elsewhere.of(backend, target.model)
        if problem is not None:
            return Held(problem[0], _unusable(target, problem[1]))
    if plane.facts.doubtful(backend, job.request.route.protocol):
        await plane.facts.know(backend)
    held = await unfit(one, backend)
    if held is not None:
        return held
    places = plane.board.backend(target.key).places
    place = places.take(job.request.caller.key_id)
    if place is None:
        place, busy = await wait_for_place(plane, job, target.key, places)
        if place is None:
            return busy
    return await _attempted(one, backend, place, None)


async def _attempted(
    one: Attempt, backend: Backend, place: Ticket, begun: Begun | None
) -> Held[Answer] | None:
    """With a place at the backend, which is given back at the end."""
    job, tried, target = one.job, one.tried, one.target
    route = job.request.route
    tried.placed = monotonic()
    try:
        if one.plan.rule.presets:
            await one.plane.facts.know(backend)  # which words it has, and how much it takes
        if begun is not None and begun.across is not None:
            return await _crossed(one, backend, begun)
        if begun is None and one.plan.rule.recover_calls:
            one.through = await through_neutral(one, backend)
        if begun is None and (
            one.through is not None or not goes_as_it_is(backend, route.protocol, exact=route.exact)
        ):
            return await _crossed(one, backend)
        if (
            begun is None
            and may_cross(backend, target.model, route.protocol)
            and await must_cross(one, backend)
        ):
            held = await _crossed(one, backend)
            if held is None or job.won is not None or await must_cross(one, backend):
                return held
            # It has just answered that it does not know that protocol, which only its vendor must.
        held, unknown = await _straight(one, backend, begun)
        if held is None or unknown is None or job.won is not None:
            return held
        # It has just answered that it does not know the path: translated, it may serve.
        one.tried.placed = monotonic()
        crossed = await _crossed(one, backend)
        if crossed is None and tried.status < 300:
            backend.learn_unspoken(unknown)
        nowhere = crossed is not None and crossed.error.kind is ErrorKind.NOT_IMPLEMENTED
        return held if nowhere and unknown in backend.assumed else crossed
    finally:
        one.plane.board.backend(target.key).places.leave(place)


async def _straight(
    one: Attempt, backend: Backend, begun: Begun | None
) -> tuple[Held[Answer] | None, Protocol | None]:
    """Also the protocol whose path it does not know. begun: it is on its way already."""
    job, target = one.job, one.target
    where = job.request.route
    if begun is not None:
        assert isinstance(begun.exchange, Exchange)
        exchange, own_login = begun.exchange, False
    else:
        try:
            gathers = must_gather(backend, job)
            make = (backend, target, job, gathers)
            large = len(job.request.body) >= LARGE
            body, hide_usage = await offload(body_for, *make) if large else body_for(*make)
            if one.plan.rule.presets:
                sets = (one, backend, body)
                body = await offload(preset_straight, *sets) if large else preset_straight(*sets)
            body = await _through_customs(one, backend, body)
        except PointsmanError as error:
            return _not_for(job, error), None
        login = job.request.caller.login if target.forwards else b""
        exchange, own_login = straight_exchange(one, backend, body, hide_usage, login), bool(login)
        watch_loops(one, backend, exchange, where.protocol)
        one.tried.own_login = own_login
    held = await _run(one, backend, exchange, own_login=own_login, begun=begun)
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


async def _crossed(one: Attempt, backend: Backend, begun: Begun | None = None) -> Held[Answer] | None:
    """Translated to what it speaks; where that was a try and its path is not known, to the next. begun: it is on its way
    already."""
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
        if begun is not None:
            assert isinstance(begun.exchange, Exchange)
            assert begun.across is not None
            exchange, (spoken, codec) = begun.exchange, begun.across
            held = await _run_across(one, backend, exchange, codec, begun)
            begun = None
        else:
            try:
                asked, found, made = await _translated(one, backend, without, counting=counting)
            except PointsmanError as error:
                return _not_for(job, error)
            if found is None:
                return first or Held(FallbackReason.UPSTREAM_ERROR, not_spoken(target, route))
            if made is None:
                asks = one.rules.customs is None or not await _holds_any(one, backend)
                return await count.answer(one.plane, job, one.plan, one.tried, backend, asked, found, asks)
            spoken = found
            exchange, held = await _send_across(one, backend, made, spoken)
        if exchange.judge.state is not State.UNSPOKEN or job.won is not None:
            if held is None and one.tried.status < 300:
                for protocol in without:
                    backend.learn_unspoken(protocol)
            return held
        without.add(spoken)  # so that it is asked in each once at most
        one.tried.placed = monotonic()
        if spoken in backend.assumed:  # believed once something else has served
            first = first or held
        else:
            backend.learn_unspoken(spoken)


async def _translated(
    one: Attempt, backend: Backend, without: Collection[Protocol], *, counting: bool
) -> tuple[Asked, Protocol | None, Crossing | None]:
    """(the request in neutral form, the protocol that the backend gets: None when there is none,
    the request in it: None where it is only counted). Raises PointsmanError for what cannot be."""
    plane, job, target = one.plane, one.job, one.target
    large = len(job.request.body) >= LARGE
    asked = await read_neutral(one.rules, plane, job)
    client = job.request.route.protocol
    spoken = one.through if one.through not in without else None
    spoken = spoken or translated_to(backend, target.model, client, needs_of(asked.request), without)
    if spoken is None or counting:
        return asked, spoken, None
    cross = (one, backend, asked, spoken)
    made = await offload(_cross, *cross) if large else _cross(*cross)
    made.body = await _through_customs(one, backend, made.body)
    return asked, spoken, made


async def _through_customs(one: Attempt, backend: Backend, body: bytes) -> bytes:
    if one.rules.customs is None:
        return body
    from .customs import through_customs  # for whoever has such rules

    return await through_customs(one, backend, body)


async def _holds_any(one: Attempt, backend: Backend) -> bool:
    from .customs import holds_any

    return await holds_any(one, backend)


async def _send_across(
    one: Attempt, backend: Backend, codec: Crossing | Bridged, spoken: Protocol
) -> tuple[Exchange, Held[Answer] | None]:
    one.tried.warnings = codec.warnings
    head = one.job.request.head
    block, names = head.across or translated_block(head, one.rules.keys)
    data = backend.head(b"POST", codec.path, block, names, len(codec.body))
    rows = unknown_path_of(backend, spoken, UNKNOWN_PATH)
    exchange = exchange_for(one, backend, data, codec, unknown_path=rows)
    watch_loops(one, backend, exchange, spoken)
    return exchange, await _run_across(one, backend, exchange, codec)


async def _run_across(
    one: Attempt, backend: Backend, exchange: Exchange, codec: Crossing | Bridged, begun: Begun | None = None
) -> Held[Answer] | None:
    held = await _run(one, backend, exchange, begun=begun)
    if codec.inside is not None:
        backend.learn_inside(one.target.model, codec.inside)
    return held


def _not_for(job: Job, error: PointsmanError) -> Held[Answer]:
    """This target cannot take what was asked. Raises the error where none was tried before: it is the client's own
    request, and nobody else would do better with it."""
    if len(job.tries) == 1:
        raise error
    return Held(FallbackReason.UPSTREAM_ERROR, error)


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
        codec.body = await _through_customs(one, backend, codec.body)
    except PointsmanError as error:
        return _not_for(job, error)
    return (await _send_across(one, backend, codec, bridge.to))[1]


def _cross(one: Attempt, backend: Backend, asked: Asked, spoken: Protocol) -> Crossing:
    plane, job = one.plane, one.job
    keep = keeping(plane, one.rules, job.request, job.recalled.asks, one.plan, one.target, straight=False)
    client, caller = job.request.route.dialect, job.request.caller
    codec = crossing_of(plane, backend, one.target.model, asked, client, spoken, caller, keep)
    if one.plan.rule.recover_calls:
        watch_calls(one, backend, codec)
    if one.plan.rule.presets:
        preset_across(one, backend, codec, asked.request, spoken)
    return codec


async def _run(
    one: Attempt,
    backend: Backend,
    exchange: Exchange,
    *,
    own_login: bool = False,
    begun: Begun | None = None,
) -> Held[Answer] | None:
    plane, job = one.plane, one.job
    held: Held[Answer] | None = None
    ended = unreachable = False
    try:
        held = await plane.pool.ask(
            backend,
            one.plan.rule.local_only,
            exchange.ask,
            once=job.request.no_fallback,
            first=None if begun is None else begun_with(exchange, begun),
            connected=partial(connected, exchange),
        )
        if held is not None and held.reason is FallbackReason.AUTH and not own_login:
            key_refused(held, exchange.head_status, backend, job.request.route.dialect, job.request.id)
        ended = True
    except StoppedConnecting:
        held = exchange.failure
    except PointsmanError as error:
        held = Held(FallbackReason.CONNECT, _unusable(one.target, error.public))
        ended, unreachable = isinstance(error, ConnectFailed), backend.local
    finally:
        plane.ticking.discard(exchange)
        exchange.close()
        exchange.sum_up()
        health = exchange.health
        ours = held is None or held.clients or held.lost or exchange.judge.state is State.UNSPOKEN
        health.over(held if ended and not ours else None, unreachable=unreachable)
    if ended:
        _look_after(plane, one, backend, exchange, held, unreachable)
    return held


def _look_after(
    plane: DataPlane,
    one: Attempt,
    backend: Backend,
    exchange: Exchange,
    held: Held[Answer] | None,
    unreachable: bool,
) -> None:
    """What an attempt that has ended tells of its server."""
    tell_malformed(one.job.request.id, exchange.malformed, one.target.label)
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
