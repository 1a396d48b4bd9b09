"""How long one attempt's backend is waited for. Times are monotonic seconds.

Apart from one another (RELIABILITY.md 1b.3): silence before the first output, where any byte, a comment too, shows that
it is alive; silence in the middle; and the request's deadline. Not here: what follows (exchange.py).
"""

from __future__ import annotations

from ...config import Limits
from ..request.job import Job


class Patience:
    """heard: when its last byte came. paused: the client is the slow one, which is no silence of the backend."""

    __slots__ = ("_job", "_limits", "_quiet", "heard", "paused")

    def __init__(self, job: Job, limits: Limits, quiet_seconds: float, now: float) -> None:
        self._job = job
        self._limits = limits
        self._quiet = quiet_seconds
        self.heard = now
        self.paused = False

    def late(self, now: float, won: bool) -> str | None:
        """What to say of a backend that took too long, None while it has not. won: its output has begun."""
        job = self._job
        if now > job.deadline:
            return f"it took longer than {job.deadline - job.start:g} s"
        silent = now - self.heard
        if not won:
            return f"it gave no output within {self._quiet:g} s" if silent > self._quiet else None
        most = self._limits.between_chunks_seconds
        if silent > most and not self.paused:
            return f"it sent nothing for {most:g} s in the middle of its answer"
        return None
