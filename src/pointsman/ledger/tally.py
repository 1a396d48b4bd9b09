"""What usage records add up to as metrics: requests, how long they took, tokens, rescues. Done for many at once, off a
request's way. Pure. Not here: which names are configured (routing/labels.py), and what is counted meanwhile (counters.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Protocol

from ..kinds import NONE
from .cost import CACHED
from .counters import Cell, Counters, Histogram
from .metrics import (
    CACHE_SAVED,
    COST,
    DURATION,
    FIRST_OUTPUT,
    OUTPUT_SPEED,
    REQUESTS,
    RESCUED,
    SAVED,
    TOKENS,
    UNPRICED,
)
from .records import UsageRecord

_GONE: Final = 499
"""Status of a record whose client left before it was answered (gateway/request/meter.py)."""
_MOST_GROUPS: Final = 2000
_SHORTEST: Final = 0.01
"""Seconds of a stream whose speed says anything."""

_Key = tuple[str, int | None, str | None, int]


class Naming(Protocol):
    """The names that stand for a rule and a target in labels."""

    def route(self, mapping_id: int | None) -> str: ...

    def target(self, label: str | None, *, listed: bool = False) -> str: ...


class _Group:
    """Where records of one protocol, rule, target and status are counted."""

    __slots__ = (
        "backend", "cached", "cost", "duration", "first", "input", "output", "reasoning", "requests", "rescued", "speed",
    )  # fmt: skip

    def __init__(self, counters: Counters, labels: Naming, key: _Key) -> None:
        protocol, mapping_id, label, status = key
        protocol, target = protocol or NONE, labels.target(label, listed=mapping_id is None)
        route = labels.route(mapping_id)
        status_class = "gone" if status == _GONE else f"{status // 100}xx"
        self.requests = counters.cell((REQUESTS, protocol, route, target, status_class))
        self.duration = counters.histogram((DURATION, protocol, target))
        self.first = counters.histogram((FIRST_OUTPUT, protocol, target))
        self.speed: Histogram = counters.histogram((OUTPUT_SPEED, target))
        self.rescued: Cell = counters.cell((RESCUED, target))
        self.backend = backend = (label or NONE).partition(":")[0]
        self.cost = counters.cell((COST, backend))
        self.input: Cell | None = None  # while it has told none
        self.output: Cell | None = None
        self.cached: Cell | None = None
        self.reasoning: Cell | None = None


class Tally:
    """Counts into `counters`."""

    def __init__(self, counters: Counters, labels: Naming) -> None:
        self._counters = counters
        self._labels = labels
        self._groups: dict[_Key, _Group] = {}

    def take(self, records: Iterable[UsageRecord]) -> None:
        """Count these, each once."""
        groups = self._groups
        for record in records:
            key = (record.protocol, record.mapping_id, record.target, record.status)
            group = groups.get(key)
            if group is None:
                group = self._new(key)
            if not record.request or record.request == record.id:
                _count_request(group, record)
            if record.input_tokens is not None or record.output_tokens is not None:
                self._count_tokens(group, record)
            if record.cost is not None:
                cost = group.cost
                cost.n += record.cost
            elif record.flag is not None:
                self._counters.count((UNPRICED, group.backend, record.flag))
            if record.saved is not None:
                family = (CACHE_SAVED,) if record.flag == CACHED else (SAVED, group.backend)
                saved = self._counters.cell(family)
                saved.n += record.saved

    def _new(self, key: _Key) -> _Group:
        """Names in it may be a client's: so many are remembered."""
        if len(self._groups) >= _MOST_GROUPS:
            self._groups.clear()
        group = self._groups[key] = _Group(self._counters, self._labels, key)
        return group

    def _count_tokens(self, group: _Group, record: UsageRecord) -> None:
        """Unknown is not counted as 0."""
        read, written = record.input_tokens, record.output_tokens
        cached, reasoning = record.cached_tokens, record.reasoning_tokens
        if read is not None:
            if group.input is None:
                group.input = self._cell(group, "input")
            group.input.n += read
        if written is not None:
            if group.output is None:
                group.output = self._cell(group, "output")
            group.output.n += written
        if cached is not None:
            if group.cached is None:
                group.cached = self._cell(group, "cached")
            group.cached.n += cached
        if reasoning is not None:
            if group.reasoning is None:
                group.reasoning = self._cell(group, "reasoning")
            group.reasoning.n += reasoning

    def _cell(self, group: _Group, kind: str) -> Cell:
        return self._counters.cell((TOKENS, group.backend, kind))


def _count_request(group: _Group, record: UsageRecord) -> None:
    """It stands for its request."""
    requests, rescued = group.requests, group.rescued
    requests.n += 1
    total, first = record.total_ms, record.first_output_ms
    if total is not None:
        group.duration.observe(total / 1000.0)
    if first is None:
        return
    group.first.observe(first / 1000.0)
    if record.fallback is not None and record.outcome == "ok" and record.status < 400 and not record.joined:
        rescued.n += 1
    if record.stream and record.output_tokens and total is not None:
        seconds = (total - first) / 1000.0
        if seconds >= _SHORTEST:
            group.speed.observe(record.output_tokens / seconds)
