"""A circuit breaker of one target by the numbers of docs/reliability-promises.md#r4. Pure: time is
an argument, chance too.

closed -> open after 5 failures in a row, or when at least half of at least 20 tries in 30 s failed. open -> probing
when its time is over: one try goes through. That one decides: closed again, or open for twice as long.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum

from ..kinds import at_hand

IN_A_ROW = 5
WINDOW_SECONDS = 30.0
LEAST_TRIES = 20
SHARE = 0.5
OPEN_SECONDS = 15.0
MOST_SECONDS = 300.0
JITTER = 0.1
"""Up to this share is added, so that many gateways do not probe at the same moment."""


@at_hand
class BreakerState(StrEnum):
    """closed: tries go through. open: none does. probing: one is on its way, no other goes through."""

    CLOSED = "closed"
    OPEN = "open"
    PROBING = "probing"


CLOSED, OPEN, PROBING = BreakerState  # by a name of their own: cheaper than a member's


@dataclass
class Breaker:
    """allows() first, then begin(), then exactly one of succeeded(), failed(), forgotten() with what begin() gave;
    after a failed() that says so, judged()."""

    state: BreakerState = CLOSED
    until: float = 0.0
    _row: int = 0
    _trips: int = 0
    _buckets: deque[list[int]] = field(default_factory=deque)  # [second, tries, failures]

    @property
    def failures(self) -> int:
        """Failures in a row."""
        return self._row

    def quiet(self) -> bool:
        """Nothing here that would be missed."""
        return self.state is CLOSED and self._row == 0

    def allows(self, now: float) -> bool:
        """May a try go through now?"""
        if self.state is CLOSED:
            return True
        return self.state is OPEN and now >= self.until

    def begin(self, now: float) -> bool:
        """A try starts. True when it is the probe. A try that was not allowed (the last candidate) is none."""
        if self.state is OPEN and now >= self.until:
            self.state = PROBING
            return True
        return False

    def succeeded(self, now: float, probe: bool) -> None:
        """It answered. Whoever got an answer while it was open has shown that it is alive."""
        self._row = 0
        if self.state is not CLOSED:
            self.state = CLOSED
            self._trips = 0
            self._buckets.clear()
        self._count(now, 0)

    def failed(self, now: float, probe: bool, chance: float, *, asks: bool = False) -> bool:
        """It did not. chance: 0 <= chance < 1, for the jitter. asks: the server can be asked how it is. True when it would
        open and that is to be done first; then judged() is due."""
        self._row += 1
        self._count(now, 1)
        too_often = self._row >= IN_A_ROW or self._too_many(now)
        decided = probe and self.state is PROBING  # and not overtaken by an answer meanwhile
        if decided or (too_often and self.state is CLOSED):
            if asks:
                return True
            self._open(now, chance)
        return False

    def judged(self, now: float, alive: bool, chance: float) -> None:
        """What the server said of itself. alive: it is well, so that the requests were what failed. An answer that came
        meanwhile has decided already."""
        if alive:
            self._row = self._trips = 0
            self.state = CLOSED
            self._buckets.clear()
        elif self._row and self.state is not OPEN:
            self._open(now, chance)

    def forgotten(self, now: float, probe: bool) -> None:
        """The try says nothing about the target: the client left, or the answer was the client's own mistake."""
        if probe and self.state is PROBING:
            self.state = OPEN  # and due: the next try is the probe

    def _open(self, now: float, chance: float) -> None:
        seconds = min(OPEN_SECONDS * 2.0**self._trips, MOST_SECONDS)
        self.state = OPEN
        self.until = now + min(seconds * (1.0 + JITTER * chance), MOST_SECONDS)
        self._trips = min(self._trips + 1, 10)

    def _count(self, now: float, failed: int) -> None:
        second = int(now)
        buckets = self._buckets
        if buckets and buckets[-1][0] == second:
            last = buckets[-1]
            last[1] += 1
            last[2] += failed
        else:
            buckets.append([second, 1, failed])
            while buckets[0][0] <= second - WINDOW_SECONDS:
                buckets.popleft()

    def _too_many(self, now: float) -> bool:
        oldest = int(now) - WINDOW_SECONDS
        tries = failures = 0
        for second, count, failed in self._buckets:
            if second > oldest:
                tries += count
                failures += failed
        return tries >= LEAST_TRIES and failures >= SHARE * tries
