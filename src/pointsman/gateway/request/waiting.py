"""Waits of a request before its target is asked: for a place at the backend, and between two tries. The client is kept
alive meanwhile, and may leave at any moment, which ends the wait. Not here: who may go first (resilience/admission.py)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ...errors import PointsmanError
from ...kinds import ErrorKind, FallbackReason
from ...ledger.metrics import QUEUE
from ...resilience.admission import Places, Ticket
from ...resilience.walk import Held
from ...wire.answer import Answer
from ..data_plane import DataPlane
from .job import Job

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class Wait:
    """Ends by wake(), or by itself at `until` (monotonic seconds). done: True when it was woken.
    places and ticket: of a wait in a queue."""

    job: Job
    until: float
    hold_seconds: float
    places: Places | None = None
    ticket: Ticket | None = None
    error: PointsmanError | None = None
    done: asyncio.Future[bool] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def wake(self) -> None:
        """The place is there."""
        self._end(True)

    def stop(self, error: PointsmanError) -> None:
        """End now, e.g. when a drain has run out of time."""
        self.job.deadline = 0.0  # nobody else is asked either
        self.error = error
        self._end(False)

    def tick(self, now: float) -> None:
        """Called a few times a second."""
        if now >= self.until:
            self._end(False)
            return
        delivery, places, ticket = self.job.delivery, self.places, self.ticket
        due = delivery.keep_alive(now, self.hold_seconds, self.job.request.route.dialect.ping)
        if due and places is not None and ticket is not None and ticket.wake is not None:
            delivery.client.write(b": queued, %d before this one\n\n" % places.position(ticket))

    def _end(self, woken: bool) -> None:
        if not self.done.done():
            self.done.set_result(woken)


async def wait_for_place(
    plane: DataPlane, job: Job, key: str, places: Places
) -> tuple[Ticket, None] | tuple[None, Held[Answer]]:
    """A place at a backend where none is free now, to be given back; else why there is none."""
    wait: Wait | None = None

    def wake() -> None:
        assert wait is not None
        wait.wake()

    ticket = places.enter(job.request.caller.key_id, wake)
    if ticket is None:
        return None, _busy(key, f"{places.limit} requests are running there and {places.queued} wait already")
    seconds, since = plane.limits.queue_seconds, time.monotonic()
    until = min(since + seconds, job.deadline)
    wait = Wait(job, until, plane.limits.hold_seconds, places, ticket)
    plane.ticking.add(wait)
    try:
        if await wait.done:
            return ticket, None
    except asyncio.CancelledError:
        places.leave(ticket)  # it may have got the place in this very moment
        raise
    finally:
        plane.ticking.discard(wait)
        plane.counters.histogram((QUEUE, key)).observe(time.monotonic() - since)
    places.leave(ticket)
    if wait.error is not None:
        return None, Held(FallbackReason.TIMEOUT, wait.error, lost=True)
    return None, _busy(key, f"no place became free within {seconds:g} s")


def _busy(key: str, text: str) -> Held[Answer]:
    error = PointsmanError(ErrorKind.OVERLOADED, f"{key} is busy: {text}. Try again.", retry_after=5)
    return Held(FallbackReason.THROTTLED, error, retry_after=5.0)


async def pause(plane: DataPlane, job: Job, seconds: float) -> None:
    """Sleep, the client kept alive."""
    wait = Wait(job, time.monotonic() + seconds, plane.limits.hold_seconds)
    plane.ticking.add(wait)
    timer = asyncio.get_running_loop().call_later(seconds, wait.wake)
    try:
        await wait.done
    finally:
        timer.cancel()
        plane.ticking.discard(wait)


async def meanwhile(
    plane: DataPlane,
    job: Job,
    work: Coroutine[Any, Any, T],
    seconds: float,
    spare: Callable[[T], object] = lambda _: None,
) -> tuple[T | None, PointsmanError | None]:
    """(what `work` gives, the client kept alive meanwhile; None when it took longer or had to end; why it had to end).
    Raises what it raises. spare: gets what came in the very moment in which nobody waited any more."""
    task = asyncio.get_running_loop().create_task(work)
    wait = Wait(job, min(time.monotonic() + seconds, job.deadline), plane.limits.hold_seconds)
    task.add_done_callback(lambda _: wait.wake())
    plane.ticking.add(wait)
    wanted = False
    try:
        await wait.done
        wanted = wait.error is None
        return (task.result() if wanted and task.done() else None), wait.error
    finally:
        plane.ticking.discard(wait)
        if not task.done():
            task.cancel()
        elif not wanted and not task.cancelled() and task.exception() is None:
            spare(task.result())
