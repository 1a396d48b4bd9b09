"""One shadow: what a client asked a cloud is asked of a local target, by the very attempt that any request is, and the two
answers are compared.

The target's wall is a `local_only` rule's: a local server, at an address of this machine, straight, with a model that it
does not send on; decided now, whatever was so when the client asked. Not here: which requests have one (sampled.py), and
when it may begin (shadows.py).
"""

from __future__ import annotations

import asyncio
import copy
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from ...conversation.agreement import agreement, refuses, text_of
from ...conversation.reply import Reply
from ...dialects.paths import Route
from ...dialects.recall import Recalled
from ...errors import PointsmanError
from ...ledger.shadows import Comparison
from ...link.bounds import restricted
from ...routing.specs import TargetSpec
from ...routing.table import Plan, Target
from ...upstream.backend import Backend
from ...wire.http1 import RequestHead
from ..attempt.across import read_neutral
from ..attempt.attempt import attempt
from ..client.recorder import Recorder
from ..compiled import CompiledRules
from ..data_plane import DataPlane
from ..request.charging import charged
from ..request.delivery import Delivery
from ..request.job import ClientRequest, Job
from ..request.offload import offload
from .apart import plane_apart, rules_apart
from .reading import told_reply

log = logging.getLogger("pointsman.gateway")

MOST_SECONDS = 300.0
"""How long a local target may take for one; then it is given up, and has failed."""
_LONG = 16 * 1024
"""Bytes from which answers are read and compared in a thread: it is some milliseconds, and nobody waits for it."""


@dataclass(frozen=True, slots=True)
class Shadow:
    """A request whose client has an answer of a cloud. since: when it was, monotonic. known: what of the comparison is known
    of that; told: has it as the client got it."""

    request: ClientRequest
    recalled: Recalled
    plan: Plan
    known: Comparison
    told: Recorder
    since: float

    @property
    def size(self) -> int:
        """Bytes that it holds."""
        return len(self.request.body) + self.told.size


class Forbidden(Exception):
    """Not to be asked; says why, in a word."""


@dataclass(frozen=True, slots=True)
class Way:
    """Where it goes, by the rules of now."""

    rules: CompiledRules
    plan: Plan
    target: Target
    backend: Backend


def way_of(plane: DataPlane, shadow: Shadow) -> Way:
    """Raises Forbidden: `changed` (the rule, the key), `key` (it may not use that target), `not_local`, `unusable`."""
    rules, meant = plane.rules, shadow.plan.rule
    rule = next((one for one in rules.snapshot.mappings if one.id == meant.id), None) if rules else None
    if rules is None or rule is None or rule.shadow != meant.shadow:
        raise Forbidden("changed")
    target = rules.table.shadow(rule, shadow.request.model, plane.lists.known)
    backend = None if target is None else rules.backends.get(target.key)
    if target is None or backend is None or target.problem is not None:
        raise Forbidden("unusable")
    if not backend.stays:
        raise Forbidden("not_local")
    alone = msgspec.structs.replace(
        rule,
        targets=(TargetSpec(target.key, target.model),),
        local_only=True,
        forward_auth=False,
        fallback_on=(),
        hedge_seconds=None,
        spread=False,
        weights=(),
        stick=False,
        stop_loops=False,
        cache_seconds=None,
    )
    plan = Plan(shadow.request.model, (target,), alone, shadow.plan.why)
    try:
        bounds = rules.keys.identify(shadow.request.head).bounds
        if bounds is not None and bounds.key.local_only:
            raise Forbidden("key")
        plan = restricted(bounds, plan)
    except PointsmanError:
        raise Forbidden("key") from None
    return Way(rules, plan, target, backend)


async def ask(plane: DataPlane, shadow: Shadow, way: Way) -> Comparison:
    """What came of it, whatever that is. Cancelled where it has to give way. Raises Forbidden where the cloud's answer is
    none that could be compared (a response that is made in the background): `unreadable`."""
    first = await _told(shadow, shadow.told, shadow.request.route)
    if first is None:
        raise Forbidden("unreadable")
    rules, target = rules_apart(way.rules), way.target
    start = time.monotonic()
    request = msgspec.structs.replace(shadow.request, start=start, wall=time.time(), no_fallback=False)
    told = Recorder(Nobody(), b"")
    job = Job(request, Delivery(told, request.id, request.route.framing), way.plan, recalled=shadow.recalled)
    job.deadline = start + MOST_SECONDS
    failed: str | None = None
    try:
        await _read(plane, rules, job)
        async with asyncio.timeout(MOST_SECONDS):
            held = await attempt(plane_apart(plane), rules, job, way.plan, target)
        failed = None if held is None else held.reason.value
    except TimeoutError:
        failed = "timeout"
    except PointsmanError as error:
        failed = error.kind.value
    end = time.monotonic()
    delivery, tried = job.delivery, job.tries[-1] if job.tries else None
    if failed is None and delivery.status != 200:
        failed = f"status_{delivery.status}"
    elif failed is None and delivery.outcome != "ok":
        failed = delivery.outcome
    known = msgspec.structs.replace(
        shadow.known,
        local=target.label,
        local_first_ms=_ms(start, delivery.first_output),
        local_total_ms=_ms(start, end),
    )
    if failed is not None or tried is None:
        return msgspec.structs.replace(known, failed=failed or "unanswered")
    usage = tried.usage
    known = msgspec.structs.replace(
        known,
        local_tokens=None if usage is None else usage.output,
        local_cost=charged(job, tried, "ok").cost[0],
    )
    second = await _told(shadow, told, request.route)
    if second is None:
        return msgspec.structs.replace(known, failed="unreadable")
    compare = (first, second, job, known)
    return await offload(_compared, *compare) if shadow.size >= _LONG else _compared(*compare)


async def _told(shadow: Shadow, told: Recorder, where: Route) -> Reply | None:
    read = (told, where)
    return await offload(told_reply, *read) if shadow.size >= _LONG else told_reply(*read)


async def _read(plane: DataPlane, rules: CompiledRules, job: Job) -> None:
    """Into neutral form, with the reasoning that its history has lost: by the real plane, whose memory that is. What cannot
    be read may still go as it is."""
    try:
        await read_neutral(rules, plane, job)
    except PointsmanError as error:
        log.info("request %s: its shadow has no neutral form: %s", job.request.id, error.kind.value)


def _compared(first: Reply, second: Reply, job: Job, known: Comparison) -> Comparison:
    wanted = job.asked is not None and job.asked.request.format is not None
    same = agreement(first, second, structured=wanted)
    return msgspec.structs.replace(
        known,
        **msgspec.structs.asdict(same),
        refused=refuses(first),
        local_refused=refuses(second),
        stop=first.stop.value,
        local_stop=second.stop.value,
        characters=len(text_of(first)),
        local_characters=len(text_of(second)),
        tokens=known.tokens if known.tokens is not None else _output_of(first),
    )


def _output_of(reply: Reply) -> int | None:
    return None if reply.usage is None else reply.usage.output


def _ms(start: float, at: float | None) -> float | None:
    return None if at is None else (at - start) * 1000.0


def own_head(head: RequestHead) -> RequestHead:
    """The same, which the next request of its connection does not change (gateway/client/head_memory.py)."""
    made = copy.copy(head)
    made.headers = list(head.headers)
    made.get = dict(made.headers).get
    made.forward = made.across = made.asker = None
    made.varying = ()
    return made


def asked_only(request: ClientRequest) -> ClientRequest:
    """The request, to be asked again after its client has gone."""
    return msgspec.structs.replace(request, head=own_head(request.head), start=math.nan)


class Nobody:
    """Is told the answer of a shadow. See recorder.Client."""

    closing = False
    on_writable: Callable[[bool], None] | None = None
    started = False

    def send(self, status: int, lines: bytes, body: bytes) -> None:
        """Nothing."""

    def start(self, status: int, lines: bytes, length: int | None, first: bytes = b"") -> None:
        """Nothing."""

    def write(self, data: bytes) -> None:
        """Nothing."""

    def finish(self) -> None:
        """Nothing."""

    def abort(self) -> None:
        """Nothing."""
