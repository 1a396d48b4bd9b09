"""The one retry loop: targets in order, each at most once, until one answers. Owns no socket and no clock.

Not here: what a status means (verdict.py), how one target is tried (gateway/attempt.py).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from ..errors import PointsmanError
from ..kinds import FallbackReason

T = TypeVar("T")
R = TypeVar("R")


@dataclass(slots=True)
class Held(Generic[R]):
    """A target that failed before anything was sent. answer: the upstream's own error answer, None when it gave none."""

    reason: FallbackReason
    error: PointsmanError
    answer: R | None = None


@dataclass(slots=True)
class Walked(Generic[T, R]):
    """How a walk ended. served: the target that answered, None when all failed. failures: the others, in order."""

    served: T | None
    failures: list[tuple[T, Held[R]]] = field(default_factory=list)

    def most_useful(self) -> Held[R]:
        """Of all failures, the one to tell: the last answer an upstream gave itself, else the last failure."""
        for _, held in reversed(self.failures):
            if held.answer is not None:
                return held
        return self.failures[-1][1]


async def walk(
    targets: Sequence[T], try_one: Callable[[T], Awaitable[Held[R] | None]], *, fall_back: bool
) -> Walked[T, R]:
    """Try targets in order; `try_one` gives None when the client has been answered, else why it was not."""
    walked: Walked[T, R] = Walked(None)
    for target in targets:
        held = await try_one(target)
        if held is None:
            walked.served = target
            return walked
        walked.failures.append((target, held))
        if not fall_back:
            break
    return walked
