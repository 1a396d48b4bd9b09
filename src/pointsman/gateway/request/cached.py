"""A request whose rule or client key keeps answers (docs/cache.md): the answer of an equal one, where there is one;
else its own is kept when it is over.

Loaded by the first request that needs it. Not here: which requests are equal (translation/same_request.py), and where
answers are kept (admin/control/answer_cache.py).
"""

from __future__ import annotations

import hashlib
import logging
import time
from dataclasses import dataclass
from functools import partial

import msgspec

from ...dialects.headers import without_rate_limits
from ...dialects.recall import Given
from ...dialects.registry import varying_headers
from ...errors import PointsmanError
from ...ledger.metrics import CACHE, CACHE_BYTES
from ...ledger.records import UsageRecord
from ...link.bounds import restricted
from ...link.kept_messages import KeepAnswer, KeptAnswer
from ...routing.specs import UNIX
from ...routing.table import Plan
from ...translation.same_request import Unlike, canonical
from ..client.recorder import Recorder
from ..compiled import CompiledRules
from ..data_plane import DataPlane
from ..spending.reserving import take_rates
from .charging import FREE, cost_line
from .job import Job, Keeping, header_text
from .offload import LARGE, offload
from .recall import has_references

log = logging.getLogger("pointsman.gateway")

MOST_BYTES = 4 * 1024 * 1024
"""Of one answer that is kept."""
_FORM = b"1"
"""Of names; another one where what is kept changes its meaning."""
_ASKS = (b"x-pointsman-strict", b"x-pointsman-no-fallback")
"""Headers of ours that change an answer, beside those of the protocols."""
_ITS_OWN = frozenset(
    {b"x-request-id", b"request-id", b"x-upstream-request-id", b"date", b"age", b"vary", b"x-pointsman-target",
     b"x-pointsman-attempts", b"x-pointsman-cost-usd", b"x-pointsman-cache"}
)  # fmt: skip
"""Header lines that an answer told again has of its own, or that were of that one alone."""


@dataclass(frozen=True, slots=True)
class _Wish:
    """What the client's `cache-control` says. looks: an earlier answer may do; seconds: and how old it may be. keeps: this
    one may be kept."""

    looks: bool
    seconds: float
    keeps: bool


async def answered_again(plane: DataPlane, rules: CompiledRules, job: Job, plan: Plan) -> bool:
    """Has the client got the answer of an equal request? If not, its own may be kept. Raises PointsmanError where it may not
    have that."""
    bounds, key_id = job.request.caller.bounds, 0
    if plan.rule.cache_seconds is None and bounds is not None:
        plan, key_id = bounds.keeping(plan), bounds.key.id
    wish = _wish(job, plan)
    name = await _name(rules, job, plan) if wish.looks or wish.keeps else None
    found = await _look_up(plane, job, name, wish.seconds) if name is not None and wish.looks else None
    if found is not None and await _tell(plane, rules, job, plan, found):
        _count(plane, plan, "hit")
        told = plane.counters.cell((CACHE_BYTES,))
        told.n += len(found.body)
        return True
    result = "miss" if name is not None and wish.looks else "no"
    _count(plane, plan, result)
    job.delivery.lines += b"x-pointsman-cache: %b\r\n" % result.encode()
    if name is not None and wish.keeps:
        assert plan.rule.cache_seconds is not None
        recorder = job.delivery.client = Recorder(job.delivery.client, b"")
        job.keeping = Keeping(name, plan.rule.cache_seconds, recorder, key_id)
        job.afterwards += (partial(keep, plane, job),)
    return False


def keep(plane: DataPlane, job: Job, record: UsageRecord) -> None:
    """What its client was told, now that it is over, if that is an answer from its beginning to its end, of the target
    whose turn it was. record: of the attempt that gave it."""
    keeping, plan = job.keeping, job.plan
    if keeping is None or plan is None or job.failed_reason is not None or job.handed is not None:
        return
    answer = answer_told(plane, job, keeping.recorder, record)
    if answer is not None:
        asked = job.request.start
        plane.kept.keep(
            KeepAnswer(keeping.name, plan.rule.id, keeping.seconds, answer, asked, keeping.key_id)
        )


def answer_told(plane: DataPlane, job: Job, recorder: Recorder, record: UsageRecord) -> KeptAnswer | None:
    """What the recorder has, if that is an answer from its beginning to its end. record: of the attempt that gave it."""
    won, delivery = job.won, job.delivery
    if won is None or job.joined is not None or job.ended is not None:
        return None
    told = recorder.told()
    whole = won.complete and delivery.outcome == "ok" and delivery.status == 200
    if not whole or told is None or len(told[1]) > MOST_BYTES:
        return None
    lines, body = told
    if b"x-pointsman-target" not in lines:  # the head was sent before anybody had answered
        body = _without_signs(body, job.request.route.dialect.ping)
    worth = None if record.cost is None else record.cost + (record.saved or 0)
    return KeptAnswer(
        time.time(),
        won.target.label,
        _lasting(lines),
        not job.request.stream,
        body,
        worth,
        _given(plane, job, body),
    )


def _count(plane: DataPlane, plan: Plan, result: str) -> None:
    plane.counters.count((CACHE, plane.labels.route(plan.mapping_id), result))


def _wish(job: Job, plan: Plan) -> _Wish:
    seconds = float(plan.rule.cache_seconds or 0)
    said = job.request.head.get(b"cache-control") or b""
    looks = keeps = True
    for word in said.lower().split(b","):
        name, _, value = word.strip().partition(b"=")
        looks = looks and name not in (b"no-cache", b"no-store")
        keeps = keeps and name != b"no-store"
        if name == b"max-age" and value.isdigit():
            seconds = min(seconds, int(value[:12]))
    return _Wish(looks and seconds > 0, seconds, keeps)


async def _name(rules: CompiledRules, job: Job, plan: Plan) -> str | None:
    """By which an equal request finds the answer; None of one that is answered anew each time."""
    request, pepper = job.request, rules.snapshot.pepper
    if request.head.method != b"POST" or not pepper:
        return None
    large = len(request.body) >= LARGE
    try:
        if large:
            same = await offload(_canonical, job, plan)
        else:
            same = _canonical(job, plan)
    except Unlike as why:
        log.debug("request %s is answered anew: %s", request.id, why)
        return None
    said = [bytes(request.head.get(one) or b"") for one in (*_ASKS, *varying_headers())]
    targets = [(one.key, one.model, _address(rules, one.key)) for one in plan.targets]
    rule = msgspec.structs.replace(plan.rule, cache_seconds=None, priority=0)
    path = [request.route.path, bytes(request.head.query)]
    about = msgspec.msgpack.encode([_FORM, path, _who(job, plan), said, targets, rule, same])
    return hashlib.blake2b(about, key=bytes(pepper)[:64], digest_size=20).hexdigest()


def _canonical(job: Job, plan: Plan) -> bytes:
    return canonical(job.request.route, job.request.body, plan.rule, stream=job.request.stream)


def _who(job: Job, plan: Plan) -> object:
    """Whose answers it may get: its own key's, unless the rule says otherwise. One that is remembered, so that its client
    may refer to it, is nobody else's."""
    caller = job.request.caller
    remembered = has_references(job.request) and job.recalled.asks.keeps
    return None if plan.rule.cache_shared and not remembered else [caller.key_id, bytes(caller.login)]


def _address(rules: CompiledRules, key: str) -> str:
    """Where the target is; "" of one that each process has by itself, or that comes and goes."""
    backend = rules.backends.get(key)
    if backend is None or backend.spec.engine is not None:
        return ""
    url = backend.spec.base_url
    return "" if url.startswith(UNIX) and not url.startswith(UNIX + "//") else url


async def _look_up(plane: DataPlane, job: Job, name: str, seconds: float) -> KeptAnswer | None:
    """None also while the control plane does not answer: then the target does."""
    kept = plane.kept
    if kept.find is None:
        return None
    try:
        found = await kept.find(name, seconds)
    except PointsmanError as error:
        log.info("request %s: the cache is not looked at: %s", job.request.id, error.public)
        return None
    kept.entries, kept.size = found.entries, found.size
    return found.answer


async def _tell(plane: DataPlane, rules: CompiledRules, job: Job, plan: Plan, answer: KeptAnswer) -> bool:
    """False where its target is none that this client may use. Raises PointsmanError: 403, 429."""
    bounds = job.request.caller.bounds
    if bounds is not None:
        bounds.check_path(job.request.route.path)
    if all(one.label != answer.target for one in restricted(bounds, plan).targets):
        return False
    if rules.limits:
        await take_rates(plane, rules, job)
    if answer.given and plane.responses.on:
        given, caller = msgspec.msgpack.decode(answer.given, type=Given), str(job.request.caller.key_id)
        if plane.responses.find(caller, given.id) is None:
            plane.responses.put(caller, given)
    job.hit = answer
    about = b"x-pointsman-cache: hit\r\nx-pointsman-target: %b\r\nx-pointsman-attempts: 0\r\n" % header_text(
        answer.target
    )
    if answer.whole:
        job.delivery.send(200, about + cost_line(FREE), answer.lines, answer.body)
    else:
        job.delivery.begin(200, about, answer.lines, None, answer.body)
        job.delivery.client.finish()
    return True


def _lasting(lines: bytes) -> bytes:
    """The header lines that an answer told again has, too."""
    kept = [line for line in without_rate_limits(lines).split(b"\r\n") if line and _stays(line)]
    return b"".join([line + b"\r\n" for line in kept])


def _without_signs(body: bytes, ping: bytes) -> bytes:
    """A stream without the signs of life before it, and what told whose answer it is."""
    at = 0
    while True:
        if ping and body.startswith(ping, at):
            at += len(ping)
        elif body.startswith(b": ", at) and (end := body.find(b"\n\n", at)) >= 0:
            at = end + 2
        else:
            return body[at:]


def _stays(line: bytes) -> bool:
    name = line.partition(b":")[0].lower()
    return name not in _ITS_OWN and not name.startswith(b"access-control-")


class _Id(msgspec.Struct, frozen=True):
    id: str = ""


class _Event(msgspec.Struct, frozen=True):
    response: _Id = _Id()


def _given(plane: DataPlane, job: Job, body: bytes) -> bytes:
    """What the memory has of it, packed, where its client may refer to it."""
    if not has_references(job.request) or not job.recalled.asks.keeps:
        return b""
    try:
        if job.request.stream:
            data = next((line for line in body.split(b"\n") if line.startswith(b"data:")), b"data:{}")
            name = msgspec.json.decode(data[5:].strip(), type=_Event).response.id
        else:
            name = msgspec.json.decode(body, type=_Id).id
    except msgspec.DecodeError:
        return b""
    given = plane.responses.find(str(job.request.caller.key_id), name) if name else None
    return b"" if given is None else msgspec.msgpack.encode(given)
