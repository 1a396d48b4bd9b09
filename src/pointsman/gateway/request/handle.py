"""A request's way, in order: who asks, what for, which targets, try them, answer, record. Read this file first.

Each step is one module: access, paths, splice (peek), routing, walk, attempt, exchange, meter.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from urllib.parse import unquote

from ...dialects.paths import models_in_path, route
from ...dialects.recall import NOTHING
from ...dialects.registry import DIALECTS, SHARED
from ...errors import PointsmanError
from ...kinds import NONE, ErrorKind
from ...ledger.metrics import OVERHEAD, REQUESTS
from ...ledger.records import UsageRecord
from ...routing.table import Fork, Plan
from ...wire import shield
from ...wire.http1 import BadHead, RequestHead, head_error
from ...wire.multipart import Form, boundary_of, peek_form
from ...wire.splice import Peek, peek
from ..client.access import Caller
from ..client.server import Cancellable, ClientConnection
from ..compiled import CompiledRules
from ..data_plane import DataPlane
from ..lane.begin import begin
from ..own import pages
from ..own.at_once import answered_at_once
from ..own.control_proxy import pass_to_control
from ..spending.reserving import settle
from . import meter
from .by_node import served_for_node
from .capturing import capture, hand_over
from .delivery import Delivery
from .job import ClientRequest, Job
from .joining import joins
from .names import plan_for
from .offload import LARGE, offload
from .recall import has_references, recall
from .refusals import answer_error, answer_failure, error_line, no_such_method, unnamed, wants_websocket
from .stored import forget_deleted, look_up, tell_remembered
from .targets import ask_targets, failure_of
from .unpacking import unpack

log = logging.getLogger("pointsman.gateway")

_NOT_FOR_PAGES = frozenset({"control", "metrics", "root"})
"""Kinds of paths that allowed web pages of other origins have no part in (docs/reliability-promises.md#web-pages)."""


class Handler:
    """Serves the requests of one data-plane process. record: where usage records go."""

    def __init__(self, plane: DataPlane, record: Callable[[UsageRecord], None]) -> None:
        self.plane = plane
        plane.record = record

    def start(self, client: ClientConnection, head: RequestHead, body: bytes) -> Cancellable:
        """Begin to serve one request: in its own lane where it is plain."""
        lane = begin(self, client, head, body)
        if lane is not None:
            return lane
        request = ClientRequest(
            self.plane.next_id(), head, body, route(head.path), time.monotonic(), time.time()
        )
        job = Job(request, Delivery(client, request.id, request.route.framing))
        return asyncio.get_running_loop().create_task(self._serve(job))

    def go_on(self, job: Job, rules: CompiledRules) -> None:
        """A lane's request goes the full way from here on."""
        going = _Going()
        going.task = asyncio.get_running_loop().create_task(self._serve(job, (rules, going)))
        job.delivery.client.adopt(going)  # type: ignore[attr-defined]

    def refuse(self, client: ClientConnection, bad: BadHead) -> None:
        """Answer a request whose head or body cannot be read."""
        where = None if client.head is None else route(client.head.path)
        error = head_error(bad)
        delivery = Delivery(client, self.plane.next_id())
        if client.head is not None and route(client.head.path).kind not in _NOT_FOR_PAGES:
            delivery.lines = self.plane.guard.cors_lines(client.head)
        self.plane.counters.count((REQUESTS, NONE, NONE, NONE, "4xx"))
        shown = shield.LINES if where is not None and where.kind in pages.LOOKED_AT else b""
        if where is not None and where.kind == "control":
            body = pages.problem(error, delivery.request_id)
            delivery.send(error.status, b"", pages.PROBLEM + error_line(error) + shown, body)
            return
        dialect = DIALECTS[SHARED] if where is None else where.dialect
        lines = pages.JSON + error_line(error) + shown
        delivery.send(error.status, b"", lines, dialect.error(error, delivery.request_id))

    async def _serve(self, job: Job, begun: tuple[CompiledRules, _Going] | None = None) -> None:
        """The request boundary: whatever happens, the client gets an answer of its own protocol or a closed line. begun:
        it has come from a lane, which has dispatched it by these rules."""
        plane = self.plane
        plane.jobs += begun is None
        plane.serving.add(job)
        aborted = False
        try:
            if begun is None:
                await self._dispatch(job)
            else:
                begun[1].begins()
                assert job.plan is not None
                await self._ask(job, begun[0], job.plan)
        except PointsmanError as error:
            answer_error(job, error)
        except asyncio.CancelledError:
            aborted = True
            raise
        except Exception:
            log.exception("request %s failed inside the gateway", job.request.id)
            text = f"The gateway failed; its log has request {job.request.id}."
            answer_error(job, PointsmanError(ErrorKind.INTERNAL, text))
        finally:
            plane.jobs -= 1
            plane.serving.discard(job)
            plane.unpacked -= job.unpacked
            self._settle(job, aborted)

    def _settle(self, job: Job, aborted: bool) -> None:
        where = job.request.route
        if where.kind != "llm":
            return
        records = meter.records_of(job, aborted=aborted)
        for _, record in records:
            self.plane.record(record)
        settle(self.plane, job, records)
        traceparent = job.request.head.get(b"traceparent")
        if traceparent is not None and self.plane.trace is not None:
            self.plane.trace(job.request.id, traceparent)
        hand_over(self.plane, job)
        if job.afterwards and not aborted:
            _afterwards(job, records[-1][1])
        if job.won is not None and not aborted:
            ours = self.plane.counters.histogram((OVERHEAD, where.protocol.value))
            ours.observe(sum(one.ours for one in job.tries))

    async def _dispatch(self, job: Job) -> None:
        plane, head, where = self.plane, job.request.head, job.request.route
        pages_may = where.kind not in _NOT_FOR_PAGES
        if pages_may and head.get(b"origin") is not None:
            job.delivery.lines = plane.guard.cors_lines(head)
        plane.guard.check(head, models=pages_may)
        if head.method == b"OPTIONS" and where.kind != "control":
            _options(plane, job)
            return
        if where.kind == "control":
            if unquote(where.path).startswith("/internal/"):  # between the planes alone
                raise PointsmanError(ErrorKind.NOT_FOUND, "There is nothing at this path.")
            if not await served_for_node(plane, job):
                await pass_to_control(plane, job)
            return
        if head.method.decode() not in where.methods:
            raise wants_websocket(job) or no_such_method(job)
        if where.kind in ("live", "ready", "metrics", "root", "hello"):
            await self._own_page(job)
            return
        rules = plane.rules
        if rules is None:
            raise PointsmanError(ErrorKind.UNAVAILABLE, "The gateway is starting; try again.", retry_after=1)
        caller = rules.keys.identify(head)
        if where.kind == "llm":
            await self._serve_llm(job, rules, caller)
        elif where.kind == "page":
            _send_json(job, 200, await self._page_of_a_protocol(job, rules, caller))
        elif where.kind == "models":
            _send_json(job, 200, await pages.models(plane, rules, head.query, caller.bounds))
        else:
            _send_json(job, 200, await pages.model(plane, rules, where.path, caller.bounds))

    async def _serve_llm(self, job: Job, rules: CompiledRules, caller: Caller) -> None:
        plane, head, body = self.plane, job.request.head, job.request.body
        if plane.jobs > plane.limits.max_requests:
            raise PointsmanError(
                ErrorKind.UNAVAILABLE,
                "The gateway serves as many requests as it may; try again.",
                retry_after=1,
            )
        if head.get(b"content-encoding") is not None:
            await unpack(plane, job)
            body = job.request.body
        if job.request.route.answer_id:
            await self._serve_stored(job, rules, caller)
            return
        try:
            small = len(body) < LARGE and job.request.route.media is None
            seen = peek(body) if small else await _look(job, body)
        except PointsmanError as error:
            raise unnamed(job, body, error) from None
        request = job.request = job.request.known(caller, seen)
        self.limit_time(job)
        plan = await self._plan(job, rules, await plan_for(plane, rules, request.model, request.route.tag))
        if not request.route.exact:
            plan = await self._behind_a_wall(job, plan, rules)
        job.plan = plan
        capture(rules, job)
        if rules.snapshot.recordings:
            from .recording import record  # while somebody records

            record(plane, rules, job)
        if await answered_at_once(job):
            return
        if has_references(request) and job.recalled is NOTHING:
            await recall(plane, job)
        caches = caller.bounds is not None and caller.bounds.caches
        if (plan.wants_told or caches) and await self._told_again(job, rules, plan, caches):
            return

        async def make(job: Job) -> None:
            await self._ask(job, rules, plan)

        word = head.get(b"idempotency-key")
        if word is not None and not request.stream:
            await plane.joining.once(job, word, make)
        elif joins(rules, plan):
            await plane.joining.resend(rules, job, make)
        else:
            await make(job)

    async def _told_again(self, job: Job, rules: CompiledRules, plan: Plan, caches: bool) -> bool:
        """Has it got the answer of an equal request? If not, what it is told may be wanted when it is over. caches: its
        client key keeps answers."""
        if plan.rule.cache_seconds is not None or caches:
            from .cached import answered_again  # for whoever has such rules or keys

            if await answered_again(self.plane, rules, job, plan):
                return True
        if plan.rule.shadow is not None:
            from ..shadow.sampled import sample

            sample(self.plane, rules, job, plan)
        return False

    async def _ask(self, job: Job, rules: CompiledRules, plan: Plan) -> None:
        """The plan's targets, and tell the client whatever comes of it."""
        try:
            walked = await ask_targets(self.plane, rules, job, plan)
        except PointsmanError as error:
            answer_error(job, job.ended or error, pointless=job.ended is not None)
            return
        if walked.served:
            return
        if job.ended is not None:
            answer_error(job, job.ended, pointless=True)
        else:
            answer_failure(job, walked)

    async def _serve_stored(self, job: Job, rules: CompiledRules, caller: Caller) -> None:
        """By the backend that made the answer; by the memory where there is none, or it keeps none."""
        found = await look_up(self.plane, rules, job, caller)
        if found.plan is not None:
            job.plan = found.plan
            self.limit_time(job)
            walked = await ask_targets(self.plane, rules, job, found.plan)
            if walked.served:
                if job.delivery.status < 300:
                    await forget_deleted(self.plane, job)
                return
            asks_only = job.request.head.method == b"GET"
            if found.given is None or not (asks_only or failure_of(walked).certain):
                answer_failure(job, walked)
                return
        assert found.given is not None
        await tell_remembered(self.plane, job, found.given)

    def limit_time(self, job: Job) -> None:
        """When it must be over, and when its client first hears that it waits."""
        limits, request = self.plane.limits, job.request
        if request.stream:
            job.deadline = request.start + limits.total_seconds
            if request.route.media is None:  # there a model may ignore `stream`, and answer whole
                job.delivery.next_ping = request.start + limits.hold_seconds
        else:
            job.deadline = request.start + limits.total_whole_seconds

    async def _plan(self, job: Job, rules: CompiledRules, found: Plan | Fork) -> Plan:
        """Where rules have conditions, that of the first that takes the request."""
        if isinstance(found, Plan):
            return found
        from .choosing import choose  # for whoever has such rules

        if job.recalled is NOTHING and has_references(job.request):
            await recall(self.plane, job)
        return await choose(self.plane, rules, job, found)

    async def _behind_a_wall(self, job: Job, plan: Plan, rules: CompiledRules) -> Plan:
        """The plan of the model in the path, where that one must not leave this machine."""
        if not plan.rule.local_only:
            for named in models_in_path(job.request.route.path):
                with suppress(PointsmanError):
                    other = await self._plan(job, rules, await self.plane.plan(rules, named))
                    if other.rule.local_only:
                        return other
        return plan

    async def _page_of_a_protocol(self, job: Job, rules: CompiledRules, caller: Caller) -> bytes:
        if job.request.head.get(b"content-encoding") is not None:
            await unpack(self.plane, job)
        request = job.request
        plan = partial(plan_for, self.plane, rules, tag=request.route.tag)
        return await pages.of_a_protocol(
            self.plane, rules, request.route.page, request.body, plan, caller.bounds
        )

    async def _own_page(self, job: Job) -> None:
        plane = self.plane
        match job.request.route.kind:
            case "live":
                _show(job, 200, pages.JSON, b'{"status":"alive"}')
            case "ready":
                status, body = pages.ready(plane)
                _show(job, status, pages.JSON, body)
            case "metrics":
                if plane.guard.beyond and plane.rules is not None:
                    plane.rules.keys.identify(job.request.head)
                if (not plane.alone or job.request.head.query) and await self._merged_metrics(job):
                    return
                _show(job, 200, pages.METRICS, pages.metrics(plane))
            case "root" if job.request.head.method != b"HEAD":
                _show(job, 307, b"location: /ui\r\n", b"")
            case _:
                _show(job, 200, b"", b"")

    async def _merged_metrics(self, job: Job) -> bool:
        """Of all processes, as the control plane adds them up. False while it is away: then one's own must do."""
        try:
            await pass_to_control(self.plane, job, "/internal/metrics")
        except PointsmanError:
            return False
        return True


class _Going:
    """The task of a request that has come from a lane. A task that is cancelled before it has begun never runs; this one
    must, to give back what the lane took."""

    def __init__(self) -> None:
        self.task: asyncio.Task[None] | None = None
        self._runs = self._left = False

    def begins(self) -> None:
        """It runs."""
        self._runs = True
        if self._left and self.task is not None:
            self.task.cancel()

    def cancel(self) -> None:
        """See Cancellable."""
        self._left = True
        if self._runs and self.task is not None:
            self.task.cancel()


def _afterwards(job: Job, record: UsageRecord) -> None:
    """Its client has its answer: what goes wrong here is no request's affair, nor that of whatever else follows."""
    for after in job.afterwards:
        try:
            after(record)
        except Exception:
            log.exception("request %s: what follows its answer failed inside the gateway", job.request.id)


def _send(job: Job, status: int, lines: bytes, body: bytes) -> None:
    job.delivery.send(status, b"", lines, body)


def _show(job: Job, status: int, lines: bytes, body: bytes) -> None:
    """Where a browser may look."""
    _send(job, status, lines + shield.LINES, body)


def _send_json(job: Job, status: int, body: bytes) -> None:
    _send(job, status, pages.JSON, body)


def _options(plane: DataPlane, job: Job) -> None:
    if job.delivery.lines:  # of an allowed origin
        job.delivery.lines = plane.guard.preflight_lines(job.request.head)
    lines = f"allow: {', '.join((*job.request.route.methods, 'OPTIONS'))}\r\n".encode()
    _send(job, 204, lines, b"")


async def _look(job: Job, body: bytes) -> Peek | Form:
    """At what routing needs of a body. Raises PointsmanError 400."""
    media = job.request.route.media
    if media is not None and media.form:
        boundary = boundary_of(job.request.head.get(b"content-type"))
        if boundary is not None:
            small = len(body) < LARGE
            return peek_form(body, boundary) if small else await offload(peek_form, body, boundary)
    return peek(body) if len(body) < LARGE else await offload(peek, body)
