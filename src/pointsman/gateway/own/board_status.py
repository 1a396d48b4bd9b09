"""What the board knows, as the control plane and the metrics show it. Decides nothing."""

from __future__ import annotations

from ...link.messages import BackendHealth, TargetHealth
from ...resilience.board import Board
from ...resilience.board import TargetHealth as Remembered
from ...resilience.breaker import BreakerState


def backends_health(board: Board, epoch: float) -> tuple[BackendHealth, ...]:
    """epoch: unix seconds at monotonic 0, since people read clocks."""
    targets: dict[str, list[TargetHealth]] = {}
    for (key, model), one in board.targets.items():
        if not one.breaker.quiet or one.throttles:
            targets.setdefault(key, []).append(_target(model, one, epoch))
    return tuple(
        BackendHealth(
            key,
            health.in_flight,
            health.last_success,
            health.last_failure,
            health.last_reason,
            queued=health.places.queued,
            down=health.down,
            benched=health.benched[1] if health.benched is not None else None,
            targets=tuple(targets.get(key, ())),
        )
        for key, health in board.backends.items()
        if health.last_success or health.last_failure or health.in_flight or health.places.queued
    )


def _target(model: str, one: Remembered, epoch: float) -> TargetHealth:
    breaker = one.breaker
    is_open = breaker.state is not BreakerState.CLOSED
    return TargetHealth(
        model,
        breaker.state.value,
        breaker.failures,
        epoch + breaker.until if is_open else None,
        epoch + one.throttled_until if one.throttled_until else None,
    )


def gauges(board: Board) -> dict[str, float]:
    """Metric samples: what is shut out now, and who waits."""
    found = {
        f'pointsman_breaker_open{{backend="{key}",model="{_label(model)}"}}': 1.0
        for key, model in board.opened()
    }
    for key, health in board.backends.items():
        label = f'{{backend="{key}"}}'
        if health.down:
            found["pointsman_backend_down" + label] = 1.0
        if health.benched is not None:
            found["pointsman_key_benched" + label] = 1.0
        if health.places.queued:
            found["pointsman_queued" + label] = float(health.places.queued)
    return found


def _label(text: str) -> str:
    """A client's text as a label's value."""
    return text[:100].replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
