"""What one process counts of its requests: by metric and label values, and tokens by backend. Not here: gauges, and what the
samples become (metrics.py).
"""

from __future__ import annotations

from .metrics import TOKENS, Metric
from .records import UsageRecord

Count = tuple[Metric, *tuple[str, ...]]
"""A metric and its label values; the sample's name is made when somebody asks."""
_KINDS = ("input", "output", "cached", "reasoning")


class Counters:
    """All from 0, or not there yet."""

    __slots__ = ("_counts", "_tokens")

    def __init__(self) -> None:
        self._counts: dict[Count, int] = {}
        self._tokens: dict[str, list[int | None]] = {}  # backend -> of _KINDS

    def count(self, what: Count) -> None:
        """One more."""
        self._counts[what] = self._counts.get(what, 0) + 1

    def tokens(self, record: UsageRecord) -> None:
        """What the backend reported, by kind: what the usage totals add up, too. Unknown is not counted as 0."""
        read, written = record.input_tokens, record.output_tokens
        if read is None and written is None:
            return
        backend = (record.target or "").partition(":")[0]
        totals = self._tokens.get(backend)
        if totals is None:
            totals = self._tokens[backend] = [None, None, None, None]
        if read is not None:
            totals[0] = (totals[0] or 0) + read
        if written is not None:
            totals[1] = (totals[1] or 0) + written
        cached, reasoning = record.cached_tokens, record.reasoning_tokens
        if cached is not None:
            totals[2] = (totals[2] or 0) + cached
        if reasoning is not None:
            totals[3] = (totals[3] or 0) + reasoning

    def samples(self) -> dict[str, float]:
        """Metric sample -> value."""
        found = {metric.sample(*values): float(count) for (metric, *values), count in self._counts.items()}
        for backend, totals in self._tokens.items():
            for kind, count in zip(_KINDS, totals, strict=True):
                if count is not None:
                    found[TOKENS.sample(backend, kind)] = float(count)
        return found
