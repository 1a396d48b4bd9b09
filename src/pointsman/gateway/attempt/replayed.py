"""A target that is a recording (docs/replay.md): its answer to this request goes the way of any backend's answer, as it was
recorded, or translated to the protocol and the form that are asked for. Nobody is connected to.

Not here: which request is the same (translation/same_request.py, same_meaning.py), and the recordings
(admin/control/recordings.py).
"""

from __future__ import annotations

from hashlib import blake2b

from ...dialects.paths import Route, route
from ...errors import PointsmanError
from ...kinds import ErrorKind, FallbackOn, FallbackReason, Protocol
from ...link.kept_messages import KeptAnswer, ReplayFound
from ...resilience.walk import Held
from ...translation.crossing import Crossing
from ...translation.same_meaning import meant
from ...translation.same_request import Unlike, recorded_as
from ...upstream.backend import Backend
from ...wire.answer import Answer, Headers
from ..request.offload import LARGE, offload
from ..request.recall import keeping
from . import count
from .across import asked_of, crossing_of, read_neutral
from .exchange import Exchange
from .making import Attempt, exchange_for, straight_exchange


async def replayed(one: Attempt, backend: Backend, name: str) -> Held[Answer] | None:
    """None when the client has been answered, else why not. name: of the recording."""
    where = one.job.request.route
    client = where.dialect.translation
    if client is not None and where.path == client.count_path:
        asked = await read_neutral(one.rules, one.plane, one.job)
        return await count.answer(
            one.plane, one.job, one.plan, one.tried, backend, asked, where.protocol, asks=False
        )
    try:
        found = await _look_up(one, name)
    except Unlike as why:
        return _missed(one, f"{why}")
    except PointsmanError as error:
        return _held(one, error)
    if found.answer is None:
        return _missed(one, found.missing)
    return await _tell(one, backend, found.answer, route(found.path))


async def _look_up(one: Attempt, name: str) -> ReplayFound:
    """Raises Unlike, and PointsmanError where nobody can say."""
    request = one.job.request
    asks = (recorded_as, request.route, request.body, one.target.model)
    if len(request.body) >= LARGE:
        asked = await offload(_recorded, *asks[1:], request.stream)
    else:
        asked = _recorded(*asks[1:], request.stream)
    neutral, most = b"", None
    if request.route.half is not None:
        try:
            told = (await read_neutral(one.rules, one.plane, one.job)).request
            neutral, most = meant(told), told.max_tokens
        except PointsmanError:
            pass  # as it is it may be known all the same
    find = one.plane.kept.find_recorded
    if find is None:
        return ReplayFound(0, missing="nobody can look into it")
    return await find(name, request.route.path, asked, neutral, most)


def _recorded(where: Route, body: bytes, model: str, stream: bool) -> bytes:
    return recorded_as(where, body, model, stream=stream)


async def _tell(one: Attempt, backend: Backend, answer: KeptAnswer, recorded: Route) -> Held[Answer] | None:
    """recorded: where it was asked for then."""
    job, where = one.job, one.job.request.route
    if recorded.path == where.path and answer.whole is not job.request.stream:
        exchange = straight_exchange(one, backend, job.request.body, False, b"")
    else:
        try:
            codec = _across(one, backend, recorded.protocol)
            codec.made_at(int(answer.at))
        except PointsmanError as error:
            return _held(one, error)
        one.tried.warnings = codec.warnings
        exchange = exchange_for(one, backend, b"", codec)
    return await _over(one, exchange, answer)


def _across(one: Attempt, backend: Backend, recorded: Protocol) -> Crossing:
    """Its ids come from the request itself, so that they are the same each time. Raises PointsmanError 400."""
    plane, job, request = one.plane, one.job, one.job.request
    client = request.route.half
    assert client is not None
    name = f"req_{blake2b(request.body, digest_size=12).hexdigest()}"
    told = (client, request.body, request.head, name, request.caller, job.recalled)
    keep = keeping(plane, one.rules, request, job.recalled.asks, one.plan, one.target, straight=False)
    return crossing_of(
        plane, backend, one.target.model, asked_of(plane, one.rules, *told), request.route.dialect, recorded,
        request.caller, keep,
    )  # fmt: skip


async def _over(one: Attempt, exchange: Exchange, answer: KeptAnswer) -> Held[Answer] | None:
    """As if it had come by a connection, all at once."""
    held = None
    try:
        exchange.head(200, _headers(answer.lines), len(answer.body))
        exchange.body(answer.body)
        exchange.end()
        held = await exchange.outcome
        return held
    finally:
        one.plane.ticking.discard(exchange)
        exchange.close()
        exchange.sum_up()
        exchange.health.over(held, unreachable=False)


def _headers(lines: bytes) -> Headers:
    found = (line.partition(b":") for line in lines.split(b"\r\n") if line)
    return [(name.strip().lower(), value.strip()) for name, _, value in found]


def _missed(one: Attempt, why: str) -> Held[Answer]:
    text = f"{one.target.label} has no answer to this request: {why}."
    number = one.plan.mapping_id
    if number is not None and FallbackOn.MISS not in one.onward:
        text += (
            f" Record it (pointsman record {one.target.key.partition('/')[2]}), or let another target take it: "
            f"pointsman mapping update {number} --fallback-on {FallbackOn.MISS.value}"
        )
    return _held(one, PointsmanError(ErrorKind.NOT_RECORDED, text))


def _held(one: Attempt, error: PointsmanError) -> Held[Answer]:
    """The next target is asked where the rule says so, and else nobody: who replays wants nothing to leave in silence."""
    on = FallbackOn.MISS in one.onward
    return Held(FallbackReason.MISS, error, clients=True, certain=True, final=not on)
