"""The one retry loop: targets in order, each at most once unless it is the only one, until one answers.

Owns no socket and no clock: what it needs of the world is in Steps. Not here: what a status means (verdict.py), who is
healthy (board.py), how one target is tried (gateway/attempt.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar
from typing import Protocol as TypingProtocol

from ..errors import PointsmanError
from ..kinds import FallbackReason
from .backoff import LONGEST_WAIT

T = TypeVar("T")
R = TypeVar("R")


@dataclass(slots=True)
class Held(Generic[R]):
    """A target that failed before anything was sent.

    answer: the upstream's own error answer, None when it gave none. retry_after: seconds, as it said itself. spent: it
    says that the account is used up. loading: it says that its model is being loaded. clients: it is the client's own
    doing (too long an input, a refused request), told as it came when nobody else does better. lost: nothing is wrong
    with it, another target was faster. certain: it is this request or this model there that fails, not the server: it
    would fail the same way again, and says nothing of other requests. final: nobody else is asked.
    """

    reason: FallbackReason
    error: PointsmanError
    answer: R | None = None
    retry_after: float | None = None
    spent: bool = False
    loading: bool = False
    clients: bool = False
    lost: bool = False
    certain: bool = False
    final: bool = False


@dataclass(frozen=True, slots=True)
class Closed:
    """Why a target is passed over now. wait: seconds until it opens by itself, None when it does not. key: it is its
    key that is refused, so that trying it costs an error and brings nothing. busy: nothing is wrong with it, all its places
    are taken: where nobody else serves, its queue is waited in."""

    reason: FallbackReason
    wait: float | None
    key: bool = False
    busy: bool = False


@dataclass(slots=True)
class Walked(Generic[T, R]):
    """How a walk ended. served: somebody answered. failures: who did not, in order. passed_over: who was not asked."""

    served: bool = False
    failures: list[tuple[T, Held[R]]] = field(default_factory=list)
    passed_over: list[tuple[T, Closed]] = field(default_factory=list)

    def most_useful(self) -> Held[R] | None:
        """Of all failures, the one to tell: what the client can act on first, then what an upstream said itself, then
        ours; of equals the last. None when nobody was asked."""
        best: Held[R] | None = None
        for _, held in self.failures:
            if best is None or _use(held) >= _use(best):
                best = held
        return best


_USE = {
    FallbackReason.CONNECT: 0,
    FallbackReason.AUTH: 1,
    FallbackReason.TIMEOUT: 2,
    FallbackReason.MALFORMED: 2,
    FallbackReason.EMPTY: 2,
    FallbackReason.UPSTREAM_ERROR: 3,
    FallbackReason.STUCK: 3,
    FallbackReason.CONTEXT: 3,
    FallbackReason.REFUSAL: 3,
    FallbackReason.ABILITY: 3,
    FallbackReason.MISS: 3,
    FallbackReason.THROTTLED: 4,
    FallbackReason.BUDGET: 4,
}


def _use(held: Held[R]) -> int:
    if held.clients:
        return 20
    return _USE[held.reason] + (10 if held.answer is not None else 0)


class Steps(TypingProtocol[T, R]):
    """What the walk needs."""

    async def try_one(self, target: T, rest: Sequence[T]) -> list[tuple[T, Held[R]]] | None:
        """None when the client has been answered, else who failed and why; it may have asked the first of `rest`,
        too."""

    def closed(self, target: T) -> Closed | None:
        """Why it is passed over now."""

    def repeat(self, target: T, held: Held[R]) -> float | None:
        """Seconds before the only target is asked once more, None = it is not."""

    async def pause(self, seconds: float) -> None:
        """Sleep."""

    def time_left(self) -> float:
        """Seconds."""


async def walk(targets: Sequence[T], steps: Steps[T, R], *, fall_back: bool) -> Walked[T, R]:
    """Ask the targets in order. A closed one is passed over while another remains; the last candidate never is."""
    walked: Walked[T, R] = Walked()
    candidates = list(targets if fall_back else targets[:1])
    asked = 0
    while asked < len(candidates):
        target = candidates[asked]
        asked += 1
        closed = steps.closed(target)
        if closed is not None:
            walked.passed_over.append((target, closed))
            continue
        if walked.failures and steps.time_left() <= 0.0:
            return walked
        rest = [t for t in candidates[asked:] if _serves(steps.closed(t))] if asked < len(candidates) else ()
        failures = await steps.try_one(target, rest)
        if failures is None:
            walked.served = True
            return walked
        walked.failures += failures
        if any(held.final for _, held in failures):
            return walked
        for other, _ in failures[1:]:  # asked at the same time
            candidates.remove(other)
    if walked.passed_over:
        await _last_candidate(walked, steps)
    elif len(targets if fall_back else targets[:1]) == 1:
        await _repeat(walked, steps)
    return walked


def _serves(closed: Closed | None) -> bool:
    """Now, or after a wait in its queue."""
    return closed is None or closed.busy


async def _last_candidate(walked: Walked[T, R], steps: Steps[T, R]) -> None:
    """Nobody else could: of those passed over, the one that would open first is asked after all."""
    best: tuple[T, Closed] | None = None
    for target, closed in walked.passed_over:
        if closed.key and walked.failures:
            continue
        if best is None or _soon(closed) < _soon(best[1]):
            best = (target, closed)
    if best is None or (walked.failures and steps.time_left() <= 0.0):
        return
    target, closed = best
    alone = len(walked.passed_over) == 1 and not walked.failures
    if (
        not closed.busy
        and closed.reason is FallbackReason.THROTTLED
        and closed.wait is not None
        and closed.wait <= LONGEST_WAIT
    ):
        await steps.pause(min(closed.wait, max(0.0, steps.time_left())))
    walked.passed_over.remove(best)
    failures = await steps.try_one(target, ())
    if failures is None:
        walked.served = True
        return
    walked.failures += failures
    if alone:
        await _repeat(walked, steps)


def _soon(closed: Closed) -> float:
    return (1e12 if closed.key else 1e9) if closed.wait is None else closed.wait


async def _repeat(walked: Walked[T, R], steps: Steps[T, R]) -> None:
    """The only target, once more."""
    target, held = walked.failures[-1]
    wait = steps.repeat(target, held)
    if wait is None or wait >= steps.time_left():
        return
    await steps.pause(wait)
    failures = await steps.try_one(target, ())
    if failures is None:
        walked.served = True
    else:
        walked.failures += failures
