"""What the board knows, as the control plane and the metrics show it. Decides nothing."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

from ...ledger.metrics import BACKEND_DOWN, BREAKER_OPEN, BREAKER_STATE, KEY_BENCHED, QUEUED
from ...link.messages import BackendHealth, TargetHealth
from ...resilience.board import BackendState, Board, TargetState
from ...resilience.breaker import BreakerState
from ...routing.labels import Labels
from ...upstream.backend import Backend

_STATES = {BreakerState.CLOSED: 0.0, BreakerState.PROBING: 1.0, BreakerState.OPEN: 2.0}


def backends_health(board: Board, backends: Mapping[str, Backend], epoch: float) -> tuple[BackendHealth, ...]:
    """epoch: unix seconds at monotonic 0, since people read clocks. What was learnt with a key that has been
    edited since says nothing of the new one, and is not shown."""
    targets: dict[str, list[TargetHealth]] = {}
    for (key, model), one in board.targets.items():
        if not one.breaker.quiet() or one.throttles:
            targets.setdefault(key, []).append(_target(model, one, _account(backends, key), epoch))
    return tuple(
        BackendHealth(
            key,
            health.in_flight,
            health.last_success,
            health.last_failure,
            health.last_reason,
            queued=health.places.queued,
            down=health.down,
            benched=_benched(health, _account(backends, key)),
            unspoken=_unspoken(backends[key]) if key in backends else (),
            targets=tuple(targets.get(key, ())),
        )
        for key, health in board.backends.items()
        if health.last_success or health.last_failure or health.in_flight or health.places.queued
    )


def _unspoken(backend: Backend) -> tuple[str, ...]:
    return tuple(protocol.value for protocol in (*backend.unspoken, *backend.untrue))


def _account(backends: Mapping[str, Backend], key: str) -> Hashable:
    backend = backends.get(key)
    return None if backend is None else backend.account


def _benched(health: BackendState, account: Hashable) -> str | None:
    return health.benched[1] if health.benched is not None and health.benched[0] == account else None


def _target(model: str, one: TargetState, account: Hashable, epoch: float) -> TargetHealth:
    breaker = one.breaker
    is_open = breaker.state is not BreakerState.CLOSED
    throttled = one.throttled_until and one.account == account
    return TargetHealth(
        model,
        breaker.state.value,
        breaker.failures,
        epoch + breaker.until if is_open else None,
        epoch + one.throttled_until if throttled else None,
    )


def gauges(board: Board, backends: Mapping[str, Backend], labels: Labels) -> dict[str, float]:
    """Metric samples: what is shut out now, and who waits. Of models that share a label, the worst."""
    found = {BREAKER_OPEN.sample(key, labels.model(key, model)): 1.0 for key, model in board.opened()}
    for (key, model), one in board.targets.items():
        sample = BREAKER_STATE.sample(f"{key}:{labels.model(key, model)}")
        found[sample] = max(found.get(sample, 0.0), _STATES[one.breaker.state])
    for key, health in board.backends.items():
        if health.down:
            found[BACKEND_DOWN.sample(key)] = 1.0
        if _benched(health, _account(backends, key)) is not None:
            found[KEY_BENCHED.sample(key)] = 1.0
        if health.places.queued:
            found[QUEUED.sample(key)] = float(health.places.queued)
    return found
