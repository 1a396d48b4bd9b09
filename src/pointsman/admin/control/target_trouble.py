"""What is wrong with a target now, and until when it is left out: the data plane's own board asked, with what
its processes told put back into it. Pure.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from ...kinds import FallbackReason
from ...link.messages import BackendHealth, TargetHealth
from ...resilience.board import Board
from ...resilience.breaker import BreakerState
from ...resilience.walk import Closed
from ...routing.table import Target
from ...upstream.backend import Backend
from ...upstream.candidates import passed_over


@dataclass(frozen=True, slots=True)
class TargetTrouble:
    """text: what is wrong with it, or `good`. until: unix seconds, None where it does not end by itself."""

    text: str
    passed_over: bool
    until: float | None


def trouble_of(
    target: Target, backend: Backend | None, seen: BackendHealth, model: TargetHealth, now: float
) -> TargetTrouble:
    """What is wrong with a target, and for how long that leaves it out: the data plane's own board, with what
    its processes told put back into it, asked now and then at each moment at which it would open."""
    clock = _Clock(now)
    board = _recalled(seen, model, None if backend is None else backend.account, clock)
    shut: Closed | None = None
    while (closed := passed_over(board, target, backend, login=False)) is not None:
        shut = closed
        if not closed.wait:  # it does not open by itself, or its probe is on its way
            return TargetTrouble(_text(closed, seen, model), True, None)
        clock.now += closed.wait
    if shut is not None:
        return TargetTrouble(_text(shut, seen, model), True, clock.now)
    if model.state != BreakerState.CLOSED:
        return TargetTrouble(
            f"its breaker is open and the next request tries it ({_row(model)})", False, None
        )
    return TargetTrouble("good", False, None)


class _Clock:
    """The board's clock; unix seconds here, as processes tell them."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def _recalled(seen: BackendHealth, model: TargetHealth, account: Hashable, clock: _Clock) -> Board:
    board = Board(clock, lambda: 0.0)
    backend, target = board.backend(seen.key), board.target(seen.key, model.model)
    backend.down = seen.down
    backend.benched = None if seen.benched is None else (account, seen.benched)
    target.account, target.throttled_until = account, model.throttled_until or 0.0
    target.breaker.state, target.breaker.until = BreakerState(model.state), model.until or 0.0
    return board


def _text(closed: Closed, seen: BackendHealth, model: TargetHealth) -> str:
    if closed.key:
        return f"its key was refused and is not used until it is edited ({seen.benched})"
    if seen.down:
        return "it takes no connections; it is asked every 2 s whether it does again"
    if closed.reason is FallbackReason.THROTTLED:
        return "it said that it is too busy"
    if model.state == BreakerState.PROBING:
        return f"its breaker is open and one request is trying it ({_row(model)})"
    return f"its breaker is open ({_row(model)})"


def _row(model: TargetHealth) -> str:
    return f"failures in a row: {model.failures}"
