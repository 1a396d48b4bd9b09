"""One generation for several requests: a resend joins the answer that is still being made, and an
Idempotency-Key gives the same answer twice.

A local server that is asked again by a client that gave up would do its whole prefill again.
Where its row says so, a generation whose client left goes on for up to 10 s, and the same request
(same key, same body) takes it over. Not here: making the answer (targets.py).
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from hashlib import blake2b

from ...dialects.registry import varying_headers
from ...errors import PointsmanError
from ...kinds import ErrorKind
from ...routing.table import Plan
from ..client.recorder import Recorder
from ..compiled import CompiledRules
from .job import Job

KEPT_SECONDS = 10.0
"""How long a generation without a client goes on."""
MOST_PARKED = 16
ANSWER_SECONDS = 600.0
"""How long an answer to an Idempotency-Key is kept."""
MOST_ANSWERS = 256
MOST_BYTES = 32 * 1024 * 1024
"""Of all kept answers together."""
KEY_LENGTH = 255

Key = tuple[object, ...]
Make = Callable[[Job], Awaitable[None]]


class Generation:
    """One answer being made by a task of its own. job: of the request that began it; its delivery
    writes to the recorder, which tells whoever listens, and keeps what it has told."""

    def __init__(self, job: Job, digest: bytes, make: Make) -> None:
        self.job = job
        self.digest = digest
        self.followers = 0
        self.timer: asyncio.TimerHandle | None = None
        delivery = job.delivery
        self.recorder = delivery.client = Recorder(delivery.client, delivery.id_lines())
        self.task: asyncio.Task[None] = asyncio.get_running_loop().create_task(self._make(make))
        self.task.add_done_callback(_seen)

    async def _make(self, make: Make) -> None:
        await make(self.job)

    @property
    def good(self) -> bool:
        """Is there anything that another request would want?"""
        if not self.recorder.whole or self.task.cancelled():
            return False
        if not self.task.done():
            return True
        delivery = self.job.delivery
        return self.task.exception() is None and delivery.outcome == "ok" and delivery.status < 400

    def give_to(self, job: Job) -> None:
        """From now on this job's client is told, from the beginning; the job's own record says
        so."""
        job.joined = self.job
        self.recorder.give_to(job.delivery.client, job.delivery.id_lines())

    async def follow(self) -> None:
        """Wait until it is made. Raises what the making raised."""
        self.followers += 1
        try:
            await asyncio.shield(self.task)
        finally:
            self.followers -= 1


def _seen(task: asyncio.Task[None]) -> None:
    """What went wrong while nobody waited is nobody's error."""
    if not task.cancelled():
        task.exception()


class Joining:
    """Of one process. Every generation in it belongs to the caller that began it."""

    def __init__(self) -> None:
        self._parked: OrderedDict[Key, Generation] = OrderedDict()
        self._answers: OrderedDict[Key, Generation] = OrderedDict()

    def close(self) -> None:
        """Give up what nobody waits for."""
        for generation in [*self._parked.values(), *self._answers.values()]:
            generation.task.cancel()
            if generation.timer is not None:
                generation.timer.cancel()
        self._parked.clear()
        self._answers.clear()

    # -- resends

    async def resend(self, rules: CompiledRules, job: Job, make: Make) -> None:
        """Take over the same request's generation, or begin one that may be taken over."""
        key = _identity(job)
        found = self._parked.pop(key, None)
        if found is not None and found.timer is not None:
            found.timer.cancel()
        if found is not None and found.good:
            found.give_to(job)
            generation = found
        else:
            if found is not None:
                found.task.cancel()
            generation = Generation(job, b"", make)
        try:
            await generation.follow()
        except asyncio.CancelledError:
            self._left(rules, key, generation)
            raise

    def _left(self, rules: CompiledRules, key: Key, generation: Generation) -> None:
        """Its client has gone."""
        tries = generation.job.tries
        backend = rules.backends.get(tries[-1].target.key) if tries else None
        if backend is None or not backend.spec.join_resends or not generation.good:
            generation.task.cancel()
            return
        generation.recorder.give_to(None, b"")
        self._give_up(key)  # another of the same request, whose client left, too
        self._parked[key] = generation
        while len(self._parked) > MOST_PARKED:
            self._give_up(next(iter(self._parked)))
        generation.timer = asyncio.get_running_loop().call_later(KEPT_SECONDS, self._give_up, key)

    def _give_up(self, key: Key) -> None:
        generation = self._parked.pop(key, None)
        if generation is not None:
            generation.task.cancel()
            if generation.timer is not None:
                generation.timer.cancel()

    # -- Idempotency-Key

    async def once(self, job: Job, word: bytes, make: Make) -> None:
        """The answer of the first request with this key, made once. Raises PointsmanError
        CONFLICT, BAD_REQUEST."""
        if len(word) > KEY_LENGTH:
            raise PointsmanError(
                ErrorKind.BAD_REQUEST, f"The Idempotency-Key is longer than {KEY_LENGTH} characters."
            )
        asked = job.request
        key: Key = (asked.caller.key_id, asked.caller.login, asked.route.path, word)
        digest = blake2b(asked.body, digest_size=16).digest()
        found = self._answers.get(key)
        if found is not None and found.digest != digest:
            raise PointsmanError(
                ErrorKind.CONFLICT, "This Idempotency-Key was used with another body; choose another key."
            )
        if found is None or not found.good:
            found = self._answers[key] = Generation(job, digest, make)
            while len(self._answers) > MOST_ANSWERS:
                self._forget(next(iter(self._answers)))
        try:
            await found.follow()
        except asyncio.CancelledError:
            if not found.followers and not found.task.done():
                found.task.cancel()
            raise
        finally:
            if not found.followers and self._answers.get(key) is found:
                self._keep(key, found)
        if job is not found.job:
            found.give_to(job)

    def _keep(self, key: Key, generation: Generation) -> None:
        if not generation.good or not generation.task.done():
            self._forget(key)
        elif generation.timer is None:
            generation.timer = asyncio.get_running_loop().call_later(ANSWER_SECONDS, self._forget, key)
            size = sum(one.recorder.size for one in self._answers.values())
            while size > MOST_BYTES:
                oldest = next(iter(self._answers))
                size -= self._answers[oldest].recorder.size
                self._forget(oldest)

    def _forget(self, key: Key) -> None:
        generation = self._answers.pop(key, None)
        if generation is not None and generation.timer is not None:
            generation.timer.cancel()


def joins(rules: CompiledRules, plan: Plan) -> bool:
    """Does a backend of the plan say that a resend may join?"""
    for target in plan.targets:
        backend = rules.backends.get(target.key)
        if backend is not None and backend.spec.join_resends:
            return True
    return False


_ASKS = (
    b"x-pointsman-strict",
    b"x-pointsman-no-fallback",
    b"accept",
)
"""Headers that change any answer; each protocol has more of its own."""


def _identity(job: Job) -> Key:
    """Who asks for what: two requests with the same one may have the same answer."""
    asked = job.request
    said = tuple(asked.head.get(name) for name in (*_ASKS, *varying_headers()))
    return (
        asked.caller.key_id, asked.caller.login, asked.route.path, asked.head.query, said,
        blake2b(asked.body).digest(),
    )  # fmt: skip
