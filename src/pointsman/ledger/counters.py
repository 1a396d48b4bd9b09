"""What one process counts of its requests: by metric and label values, and tokens by backend. Not here: gauges, and what the
samples become (metrics.py).
"""

from __future__ import annotations

from .metrics import TOKENS, Metric
from .records import UsageRecord

Count = tuple[Metric, *tuple[str, ...]]
"""A metric and its label values; the sample's name is made when somebody asks."""
_KINDS = ("input", "output", "cached", "reasoning")


class Cell:
    """One number, from 0."""

    __slots__ = ("n",)

    def __init__(self) -> None:
        self.n = 0


class Tokens:
    """Of one backend, by kind (_KINDS); None while it has told none."""

    __slots__ = ("cached", "input", "output", "reasoning")

    def __init__(self) -> None:
        self.input: int | None = None
        self.output: int | None = None
        self.cached: int | None = None
        self.reasoning: int | None = None

    def add(self, read: int | None, written: int | None, cached: int | None, reasoning: int | None) -> None:
        """What the backend reported, if anything: what the usage totals add up, too. Unknown is not counted as 0."""
        if read is None and written is None:
            return
        if read is not None:
            self.input = read if self.input is None else self.input + read
        if written is not None:
            self.output = written if self.output is None else self.output + written
        if cached is not None:
            self.cached = cached if self.cached is None else self.cached + cached
        if reasoning is not None:
            self.reasoning = reasoning if self.reasoning is None else self.reasoning + reasoning


class Counters:
    """All from 0, or not there yet. cell(), tokens_of(): for who counts the same again and again."""

    __slots__ = ("_cells", "_tokens")

    def __init__(self) -> None:
        self._cells: dict[Count, Cell] = {}
        self._tokens: dict[str, Tokens] = {}  # by backend

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

    def tokens_of(self, backend: str) -> Tokens:
        """Where its tokens are counted."""
        found = self._tokens.get(backend)
        if found is None:
            found = self._tokens[backend] = Tokens()
        return found

    def tokens(self, record: UsageRecord) -> None:
        """Those of its backend."""
        self.tokens_of((record.target or "").partition(":")[0]).add(
            record.input_tokens, record.output_tokens, record.cached_tokens, record.reasoning_tokens
        )

    def samples(self) -> dict[str, float]:
        """Metric sample -> value."""
        found = {
            metric.sample(*values): float(one.n) for (metric, *values), one in self._cells.items() if one.n
        }
        for backend, tokens in self._tokens.items():
            for kind in _KINDS:
                count = getattr(tokens, kind)
                if count is not None:
                    found[TOKENS.sample(backend, kind)] = float(count)
        return found
