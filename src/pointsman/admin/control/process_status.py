"""What the data-plane processes last said of themselves, merged: for `explain`, `/api/status` and `/metrics`.

Pure values with the clock as an argument. It decides nothing and keeps nothing on disk.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from ...ledger.metrics import Spread, add, add_spreads, is_counter
from ...link.messages import BackendHealth, TargetHealth, WorkerStatus

STALE_SECONDS = 15.0
"""A process says something every second; after this long its gauges no longer count."""

_BADNESS = {"closed": 0, "probing": 1, "open": 2}


@dataclass(slots=True)
class _Seen:
    status: WorkerStatus
    at: float


class StatusBoard:
    """Counters of a process that went away stay in the sums, so that a restart never makes a total
    smaller."""

    def __init__(self) -> None:
        self._seen: dict[int, _Seen] = {}
        self._gone: dict[str, float] = {}
        self._spreads_of_gone: dict[str, Spread] = {}

    def take(self, status: WorkerStatus, now: float) -> bool:
        """Remember what a process says; `now` is monotonic seconds. Returns whether it says anything else of backends than
        before."""
        before = self._seen.get(status.worker)
        if before is not None and before.status.pid != status.pid:
            add(self._gone, ((name, v) for name, v in before.status.counters.items() if is_counter(name)))
            add_spreads(self._spreads_of_gone, before.status.spreads)
        self._seen[status.worker] = _Seen(status, now)
        return before is None or before.status.backends != status.backends

    def live(self, now: float) -> list[WorkerStatus]:
        """The newest word of every process that is still heard, by worker number."""
        return [seen.status for _, seen in sorted(self._seen.items()) if now - seen.at <= STALE_SECONDS]

    def health(self, now: float) -> dict[str, BackendHealth]:
        """Backend's key -> what all processes together last saw of it."""
        merged: dict[str, BackendHealth] = {}
        for status in self.live(now):
            for one in status.backends:
                other = merged.get(one.key)
                merged[one.key] = one if other is None else _together(one, other)
        return merged

    def samples(self, now: float) -> dict[str, float]:
        """Metric sample (name with labels) -> value over all processes."""
        sums = dict(self._gone)
        for seen in self._seen.values():
            fresh = now - seen.at <= STALE_SECONDS
            add(sums, ((name, v) for name, v in seen.status.counters.items() if fresh or is_counter(name)))
        return sums

    def spreads(self) -> dict[str, Spread]:
        """The same of histograms."""
        sums: dict[str, Spread] = {}
        for one in (self._spreads_of_gone, *(seen.status.spreads for seen in self._seen.values())):
            add_spreads(sums, one)
        return sums


def _together(one: BackendHealth, other: BackendHealth) -> BackendHealth:
    newest = one if (one.last_failure or 0.0) >= (other.last_failure or 0.0) else other
    return BackendHealth(
        key=one.key,
        in_flight=one.in_flight + other.in_flight,
        last_success=_later(one.last_success, other.last_success),
        last_failure=newest.last_failure,
        last_reason=newest.last_reason,
        queued=one.queued + other.queued,
        down=one.down or other.down,
        benched=one.benched or other.benched,
        unspoken=tuple(dict.fromkeys((*one.unspoken, *other.unspoken))),
        targets=_worst((*one.targets, *other.targets)),
    )


def _worst(targets: Iterable[TargetHealth]) -> tuple[TargetHealth, ...]:
    """Each model once, with the worst that any process says of it. Failures in a row are the most of one process, not
    the sum: no row goes through two processes."""
    found: dict[str, TargetHealth] = {}
    for one in targets:
        other = found.get(one.model)
        found[one.model] = one if other is None else _worse(one, other)
    return tuple(found.values())


def _worse(one: TargetHealth, other: TargetHealth) -> TargetHealth:
    return TargetHealth(
        one.model,
        max(one.state, other.state, key=lambda state: _BADNESS.get(state, 0)),
        max(one.failures, other.failures),
        _later(one.until, other.until),
        _later(one.throttled_until, other.throttled_until),
    )


def utc(seconds: float | None) -> datetime | None:
    """A process's unix seconds as the API tells them."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _later(one: float | None, other: float | None) -> float | None:
    times = [time for time in (one, other) if time is not None]
    return max(times) if times else None
