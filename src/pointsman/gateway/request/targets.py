"""A request's walk over its targets: what the walk (resilience/walk.py) needs of this process, and the hedge.

Not here: how one target is tried (attempt.py), and who is healthy (resilience/board.py).
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial

from ...errors import PointsmanError
from ...kinds import FallbackOn, FallbackReason
from ...ledger.metrics import ATTEMPTS, FALLBACKS
from ...resilience import backoff
from ...resilience.verdict import worth_a_repeat
from ...resilience.walk import Closed, Held, Walked, walk
from ...routing.table import Plan, Target
from ...upstream.candidates import passed_over
from ...wire.answer import Answer
from ..attempt.answer import FAILED
from ..attempt.attempt import attempt
from ..attempt.moves import Stage
from ..compiled import CompiledRules
from ..data_plane import DataPlane
from ..spending.reserving import let_in, settle_unanswered
from .job import Job, Tried
from .spreading import in_turn
from .waiting import pause

log = logging.getLogger("pointsman.gateway")

_BUSY = Closed(FallbackReason.THROTTLED, 0.0, busy=True)

Failures = list[tuple[Target, Held[Answer]]]


async def ask_targets(plane: DataPlane, rules: CompiledRules, job: Job, plan: Plan) -> Walked[Target, Answer]:
    """Ask the plan's targets until one has answered the client. What failed is in the log, by request id. Raises
    PointsmanError where the client may use none of them, or has used up what it may."""
    if job.begun is None:
        plan = await let_in(plane, rules, job, plan)
    if len(plan.targets) > 1 and (plan.rule.stick or FallbackOn.STUCK in plan.rule.fallback_on):
        from .keeping import answered, arranged  # for whoever has such rules

        plan = await arranged(plane, rules, job, plan)
        job.on_answered = partial(answered, plane, job, plan)
    elif plan.rule.spread and len(plan.targets) > 1:
        plan = in_turn(plane, rules, job, plan)
    asking = _Asking(plane, rules, job, plan)
    if job.begun is None:
        plane.budget.requested(time.monotonic())
    walked = await walk(plan.targets, asking, fall_back=not job.request.no_fallback)
    for target, closed in walked.passed_over:
        log.info("request %s: %s was passed over: %s", job.request.id, target.label, closed.reason.value)
    if walked.served and job.on_answered is not None:
        job.on_answered()
    if not walked.served and job.tries and job.ended is None:
        reasons = "; ".join(f"{target.label}: {held.reason.value}" for target, held in walked.failures)
        log.warning("request %s failed at every target: %s", job.request.id, reasons)
    return walked


@dataclass(slots=True)
class _Asking:
    """One request's. See resilience.walk.Steps."""

    plane: DataPlane
    rules: CompiledRules
    job: Job
    plan: Plan

    def closed(self, target: Target) -> Closed | None:
        if self.job.begun is not None and target is self.plan.targets[0]:
            return None  # it has been asked
        login = bool(target.forwards and self.job.request.caller.login)
        shut = passed_over(self.plane.board, target, self.rules.backends.get(target.key), login=login)
        if shut is None and FallbackOn.BUSY in self.plan.rule.fallback_on and target.problem is None:
            return _BUSY if self.plane.board.backend(target.key).places.full else None
        return shut

    def _say_why(self, target: Target) -> None:
        """Nobody was asked before this one: the answer says why the rule's first target did not give it."""
        for before in self.plan.targets:
            closed = self.closed(before) if before is not target else None
            if closed is None:
                return
            self.job.failed_reason = closed.reason.value

    def _count_fallback(self, target: Target) -> None:
        """This one is asked instead of another: of the last that was asked, or of the rule's first."""
        job, labels = self.job, self.plane.labels
        before, reason = (job.plan or self.plan).targets[0], job.failed_reason
        if job.tries and job.begun is None:
            before, reason = job.tries[-1].target, job.tries[-1].reason
        if before is target or reason is None:
            return
        listed = self.plan.mapping_id is None
        left, asked = (labels.target(one.label, listed=listed) for one in (before, target))
        self.plane.counters.count((FALLBACKS, left, asked, reason))

    async def try_one(self, target: Target, rest: Sequence[Target]) -> Failures | None:
        if target is not self.plan.targets[0] and not self.job.tries:
            self._say_why(target)
        self._count_fallback(target)
        onward = self.plan.rule.fallback_on if rest else ()
        seconds = self.plan.rule.hedge_seconds
        if seconds is None or not rest or self.plan.rule.local_only:
            held = await self.attempt(target, onward)
            return None if held is None else [(target, held)]
        return await _Hedge(self).run(target, rest[0], seconds, onward)

    async def attempt(self, target: Target, onward: Collection[str]) -> Held[Answer] | None:
        """One attempt, counted and in the log."""
        job, plane = self.job, self.plane
        number = len(job.tries) if job.begun is None else 0
        held = await attempt(plane, self.rules, job, self.plan, target, onward)
        tried = job.tries[number]
        if held is not None:
            settle_unanswered(plane, tried)
        tried.seconds = time.monotonic() - tried.start
        result = "ok" if held is None else held.reason.value
        plane.counters.count((ATTEMPTS, target.key, result))
        if held is not None:
            tried.reason = job.failed_reason = held.reason.value
            # A server's own words may quote what it was asked: no log has them.
            said = f"{tried.status} {held.error.kind.value}" if tried.status else held.error.public
            log.info("request %s: %s failed: %s: %s", job.request.id, target.label, tried.reason, said)
        return held

    def repeat(self, target: Target, held: Held[Answer]) -> float | None:
        if (
            target.problem is not None
            or held.clients
            or held.certain
            or self.job.delivery.stage is Stage.CONTENT
        ):
            return None
        if self.job.request.no_fallback:  # its client repeats what it wants repeated
            return None
        if not self.plane.board.target(target.key, target.model).breaker.allows(time.monotonic()):
            return None  # it has failed too often for one more to be worth its load
        chance = random.random()  # noqa: S311 -- spreads repeats, guards nothing
        if held.reason is FallbackReason.THROTTLED or held.retry_after is not None:
            wait = None if held.spent else backoff.after_throttling(held.retry_after, chance)
        elif worth_a_repeat(held.reason):
            wait = backoff.after_fault(chance)
        else:
            wait = None
        if wait is None or wait >= self.time_left() or not self.plane.budget.spend(time.monotonic()):
            return None
        return wait

    async def pause(self, seconds: float) -> None:
        await pause(self.plane, self.job, seconds)

    def time_left(self) -> float:
        return self.job.deadline - time.monotonic()


class _Hedge:
    """Two targets in a race: the second starts when the first has given no output for some seconds, or has failed. The
    first real output wins, and the other is given up at once."""

    def __init__(self, asking: _Asking) -> None:
        self._asking = asking
        self._job = asking.job
        self._tasks: dict[asyncio.Task[Held[Answer] | None], Target] = {}

    async def run(
        self, first: Target, second: Target, seconds: float, onward: Collection[str]
    ) -> Failures | None:
        job = self._job
        failures: Failures = []
        job.on_won = self._won
        try:
            leading = self._start(first, onward)
            await asyncio.wait({leading}, timeout=seconds)
            if leading.done() or job.won is not None:
                held = await leading
                return None if held is None else [(first, held)]
            log.info("request %s: %s is slow; %s is asked too", job.request.id, first.label, second.label)
            self._start(second, onward)
            while self._tasks:
                done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    target = self._tasks.pop(task)
                    if task.cancelled():
                        continue
                    held = task.result()
                    if held is None:
                        return None
                    if not held.lost:
                        failures.append((target, held))
            failures.sort(key=lambda pair: pair[0] is not first)
            return failures
        finally:
            job.on_won = None
            left = list(self._tasks)
            for task in left:
                task.cancel()
            if left:
                await asyncio.wait(left)

    def _start(self, target: Target, onward: Collection[str]) -> asyncio.Task[Held[Answer] | None]:
        task = asyncio.get_running_loop().create_task(self._asking.attempt(target, onward))
        self._tasks[task] = target
        return task

    def _won(self, tried: Tried) -> None:
        """Real output: the others stop costing at once."""
        for task, target in self._tasks.items():
            if target is not tried.target:
                task.cancel()
        for other in self._job.tries:
            if other is not tried and other.reason is None:
                other.outcome = "aborted"


def failure_of(walked: Walked[Target, Answer]) -> Held[Answer]:
    """What to tell the client when nobody answered it."""
    held = walked.most_useful()
    assert held is not None, "the last candidate is always asked"
    return held


_WHY_MOST = 300
"""Characters told of one target."""
_NOT_ASKED = {
    FallbackReason.AUTH: "its key was refused",
    FallbackReason.CONNECT: "it is down",
    FallbackReason.THROTTLED: "it wants to be left alone",
}


def of_all(walked: Walked[Target, Answer], held: Held[Answer]) -> PointsmanError:
    """The failure that is told, naming each target and why it did not serve, in one sentence; as it is where there was only
    one, or where it is the client's own affair."""
    why: dict[str, str] = {}
    for target, failed in walked.failures:
        why[target.label] = _why(target, failed)
    for target, closed in walked.passed_over:
        reason = _NOT_ASKED.get(closed.reason, f"it has failed too often lately ({closed.reason.value})")
        reason = "all its places are taken" if closed.busy else reason
        wait = "" if closed.wait is None else f" for {max(1, round(closed.wait))} s"
        why.setdefault(target.label, f"not asked, {reason}{wait}")
    error = held.error
    if held.clients or len(why) < 2:
        return error
    text = "; ".join(f"{label}: {words}" for label, words in why.items())
    return PointsmanError(
        error.kind,
        f"No target could serve this request ({text}).",
        status=error.status,
        retry_after=error.retry_after,
        param=error.param,
        code=error.code,
        tokens=error.tokens,
        details=error.details,
    )


def _why(target: Target, held: Held[Answer]) -> str:
    words = " ".join(held.error.public.split()).rstrip(". ")
    for before in (f"{target.key} could not be used: ", f"{target.key} is ", FAILED):
        words = words.removeprefix(before)
    status = f"{held.answer.status}, " if held.answer is not None and held.answer.status >= 400 else ""
    return status + (words if len(words) <= _WHY_MOST else words[:_WHY_MOST] + "...")


def unavailable(error: PointsmanError, walked: Walked[Target, Answer]) -> PointsmanError:
    """With the time after which a repeat may help, in whole seconds (Claude Code stops above 60)."""
    if error.retry_after is None and error.status in (502, 503, 504):
        waits = [closed.wait for _, closed in walked.passed_over if closed.wait is not None]
        error.retry_after = max(1, min(60, round(min(waits)))) if waits else 1
    return error
