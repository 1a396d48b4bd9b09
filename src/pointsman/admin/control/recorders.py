"""Recordings that are being made now, each as long as whoever makes it says so again and again. Kept in memory: a control
plane that starts anew knows of none, and `pointsman record` begins again and says so. Not here: what was recorded
(recordings.py).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from ...ledger.metrics import RECORDED
from ...link.kept_messages import KeepRecorded
from ...link.messages import RecordSpec
from .recordings import Recorded, Recordings

LEASE_SECONDS = 20.0
"""After so long without a word it ends: who made it is gone."""
_NOT_KEPT = ("failed", "unfit", "lost")


@dataclass(slots=True)
class Running:
    """spec: what is recorded. since: unix seconds. until: monotonic seconds. counts: of what came, by what became of it, and
    before: what the data plane had counted of those that it does not hand up."""

    spec: RecordSpec
    since: float
    until: float
    before: dict[str, int]
    counts: dict[str, int] = field(default_factory=dict)


class Recorders:
    """recordings: where they are kept. samples: what all data-plane processes have counted. From any thread."""

    def __init__(self, recordings: Recordings, samples: Callable[[], dict[str, float]]) -> None:
        self._recordings = recordings
        self._samples = samples
        self._lock = threading.Lock()
        self._running: dict[str, Running] = {}

    def specs(self) -> tuple[RecordSpec, ...]:
        """For the snapshot."""
        with self._lock:
            return tuple(one.spec for one in self._running.values())

    def go_on(self, spec: RecordSpec) -> bool:
        """It is being made, for some seconds more. Is that new, or of other requests than before?"""
        until = time.monotonic() + LEASE_SECONDS
        with self._lock:
            known = self._running.get(spec.name)
            if known is not None and known.spec == spec:
                known.until = until
                return False
            self._running[spec.name] = Running(spec, time.time(), until, self._not_kept())
        return True

    def find(self, name: str) -> Running | None:
        """As it stands now, with what the data plane did not hand up."""
        with self._lock:
            one = self._running.get(name)
            if one is None:
                return None
            now = self._not_kept()
            lacking = {result: now[result] - one.before[result] for result in _NOT_KEPT}
            return replace(one, counts=one.counts | {k: n for k, n in lacking.items() if n > 0})

    def end(self, name: str) -> None:
        """Nothing more is recorded in it."""
        with self._lock:
            self._running.pop(name, None)

    def end_what_is_over(self) -> bool:
        """Was there any whose maker is gone?"""
        now = time.monotonic()
        with self._lock:
            gone = [name for name, one in self._running.items() if one.until < now]
            for name in gone:
                del self._running[name]
        return bool(gone)

    def take(self, message: KeepRecorded) -> None:
        """An answer that was handed up. Raises PointsmanError, OSError as Recordings.keep() does."""
        one = Recorded(message.path, message.model, message.asked, message.answer)
        for name in message.recordings:
            result = "broken"
            try:
                result = self._recordings.keep(name, one)
            finally:
                self._count(name, result)

    def _count(self, name: str, result: str) -> None:
        with self._lock:
            one = self._running.get(name)
            if one is not None:
                one.counts[result] = one.counts.get(result, 0) + 1

    def _not_kept(self) -> dict[str, int]:
        samples = self._samples()
        return {result: int(samples.get(RECORDED.sample(result), 0)) for result in _NOT_KEPT}
