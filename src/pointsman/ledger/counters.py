"""What one process counts while it serves: by metric and label values, how often, and values by their size. Not here:
gauges, what records say (tally.py), and what the samples become (metrics.py).
"""

from __future__ import annotations

from bisect import bisect_left

from .metrics import TOKENS, Metric, Spread, add, add_spreads

Count = tuple[Metric, *tuple[str, ...]]
"""A metric and its label values; the sample's name is made when somebody asks."""


_AT_ONCE = 512


class Cell:
    """One number, from 0."""

    __slots__ = ("n",)

    def __init__(self) -> None:
        self.n = 0


class Histogram:
    """Values by their size: how many in each bucket, and their sum. The buckets are found for many at once, so that who
    observes pays for a list's end alone."""

    __slots__ = ("_bounds", "_counts", "_fresh", "_sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._fresh: list[float] = []
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """One more."""
        self._fresh.append(value)
        if len(self._fresh) >= _AT_ONCE:
            self._fold()

    def _fold(self) -> None:
        fresh, self._fresh = self._fresh, []
        for value in fresh:
            self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += sum(fresh)

    def spread(self) -> Spread:
        """See metrics.Spread."""
        self._fold()
        return [*map(float, self._counts), self._sum]


class Counters:
    """All from 0, or not there yet. cell(), histogram(): for who counts the same again and again."""

    __slots__ = ("_cells", "_histograms")

    def __init__(self) -> None:
        self._cells: dict[Count, Cell] = {}
        self._histograms: dict[Count, Histogram] = {}

    def cell(self, what: Count) -> Cell:
        """Where this is counted."""
        found = self._cells.get(what)
        if found is None:
            found = self._cells[what] = Cell()
        return found

    def count(self, what: Count) -> None:
        """One more."""
        cell = self.cell(what)
        cell.n += 1

    def histogram(self, what: Count) -> Histogram:
        """Where such values are."""
        found = self._histograms.get(what)
        if found is None:
            found = self._histograms[what] = Histogram(what[0].bounds)
        return found

    def samples(self) -> dict[str, float]:
        """Metric sample -> value. What was never counted is left out; that a backend told 0 tokens is a count."""
        counted = (
            (metric.sample(*values), one.n / metric.unit)
            for (metric, *values), one in self._cells.items()
            if one.n or metric is TOKENS
        )
        found: dict[str, float] = {}
        add(found, counted)
        return found

    def spreads(self) -> dict[str, Spread]:
        """Metric sample -> its values by their size."""
        found: dict[str, Spread] = {}
        for (metric, *values), one in self._histograms.items():
            spread = one.spread()
            if any(spread[:-1]):
                add_spreads(found, {metric.sample(*values): spread})
        return found
