"""How many repeats at the same target are still in order, across requests
(docs/reliability-promises.md#r3). Pure.

20 % of the requests of the last 10 s, with a floor of 10. The first try of a next target is never counted: a fallback
that the rule names is no repeat.
"""

from __future__ import annotations

from collections import deque

SHARE = 0.2
FLOOR = 10
WINDOW_SECONDS = 10.0


class Budget:
    """requested() once a request, then spend() before each repeat. floor: repeats in order even of few requests."""

    def __init__(self, floor: int = FLOOR) -> None:
        self._floor = floor
        self._buckets: deque[list[int]] = deque()  # [second, requests, repeats], oldest first
        self._requests = 0
        self._repeats = 0

    def requested(self, now: float) -> None:
        """A request has begun."""
        self._bucket(now)[1] += 1
        self._requests += 1

    def spend(self, now: float) -> bool:
        """Take one repeat. False when there is none left."""
        bucket = self._bucket(now)
        if self._repeats + 1 > max(self._floor, SHARE * self._requests):
            return False
        bucket[2] += 1
        self._repeats += 1
        return True

    def _bucket(self, now: float) -> list[int]:
        second = int(now)
        buckets = self._buckets
        if not buckets or buckets[-1][0] != second:
            buckets.append([second, 0, 0])
            while buckets[0][0] <= second - WINDOW_SECONDS:
                _, requests, repeats = buckets.popleft()
                self._requests -= requests
                self._repeats -= repeats
        return buckets[-1]
