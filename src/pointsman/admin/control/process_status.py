"""What the data-plane processes last said of themselves, merged: for `explain`, `/api/status` and `/metrics`.

Pure values with the clock as an argument. It decides nothing and keeps nothing on disk.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ...link.messages import BackendHealth, Status, TargetHealth

STALE_SECONDS = 15.0
"""A process says something every second; after this long its gauges no longer count."""

_COUNTER = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*(_total|_bucket|_sum|_count)(\{|$)")
_SWITCH = re.compile(r"pointsman_(breaker_open|backend_down|key_benched)\{")
"""Gauges that say yes or no: yes when one process says so."""
_BADNESS = {"closed": 0, "probing": 1, "open": 2}
_HISTOGRAM_PART = re.compile(r"(_bucket|_sum|_count)$")


@dataclass(slots=True)
class _Seen:
    status: Status
    at: float


class StatusBoard:
    """Counters of a process that went away stay in the sums, so that a restart never makes a total
    smaller."""

    def __init__(self) -> None:
        self._seen: dict[int, _Seen] = {}
        self._gone: dict[str, float] = {}

    def take(self, status: Status, now: float) -> None:
        """Remember what a process says; `now` is monotonic seconds."""
        before = self._seen.get(status.worker)
        if before is not None and before.status.pid != status.pid:
            for name, value in before.status.counters.items():
                if _COUNTER.match(name):
                    self._gone[name] = self._gone.get(name, 0.0) + value
        self._seen[status.worker] = _Seen(status, now)

    def live(self, now: float) -> list[Status]:
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
            for name, value in seen.status.counters.items():
                if _SWITCH.match(name):
                    if fresh:
                        sums[name] = max(sums.get(name, 0.0), value)
                elif fresh or _COUNTER.match(name):
                    sums[name] = sums.get(name, 0.0) + value
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


def _later(one: float | None, other: float | None) -> float | None:
    times = [time for time in (one, other) if time is not None]
    return max(times) if times else None


def prometheus_text(samples: Iterable[tuple[str, float]]) -> str:
    """Samples as Prometheus text, each family once with its type."""
    bare = list(samples)
    histograms = {
        name.partition("{")[0].removesuffix("_bucket")
        for name, _ in bare
        if name.partition("{")[0].endswith("_bucket")
    }
    families: dict[str, list[str]] = {}
    for name, value in bare:  # the order within a family is the sender's: buckets must stay in theirs
        plain = name.partition("{")[0]
        base = _HISTOGRAM_PART.sub("", plain)
        family = base if base in histograms else plain
        families.setdefault(family, []).append(f"{name} {_number(value)}")
    lines: list[str] = []
    for family, rows in sorted(families.items()):
        kind = "histogram" if family in histograms else "counter" if family.endswith("_total") else "gauge"
        lines += [f"# TYPE {family} {kind}", *rows]
    return "\n".join(lines) + "\n" if lines else ""


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)
