"""What a chart of usage shows: each of the greatest groups in each day or hour, the rest of them in one, and all of them.

One reading, so that table, chart and totals say the same. Not here: how they are added up (usage_sums.py), in what they are
drawn (admin/web).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from .usage_adding import Values
from .usage_facts import VALUES
from .usage_groups import By
from .usage_query import UsageFilter
from .usage_sums import NOTHING, Span, SumsReader


class Series(NamedTuple):
    """names: what tells the group (usage_groups.NAMES), None of all the others together. total: its sum. each: in each
    span, None where there was nothing; values in the order of usage_facts.VALUES. many: how many groups it is."""

    names: tuple[Any, ...] | None
    total: Values
    each: list[Values | None]
    many: int = 1


class Chart(NamedTuple):
    """series: the most expensive first, the others last. total: of all of them, and in each span."""

    spans: list[Span]
    series: list[Series]
    total: Series


def chart_of(sums: SumsReader, filters: UsageFilter, by: By, spans: Sequence[Span], most: int) -> Chart:
    """spans: one after the other. by: DAY and SESSION have no series. most: series beside the others. Raises Damaged."""
    apart = by not in (By.DAY, By.SESSION)
    found = sums.grouped(filters, by.value if apart else "all", spans)
    groups: dict[tuple[Any, ...], dict[int, Values]] = {}
    for (number, group), one in found.items():
        groups.setdefault(group, {})[number] = one.values
    total = _series((), [*groups.values()], len(spans))
    if not apart:
        return Chart([*spans], [], total)
    ranked = sorted(groups.items(), key=lambda item: _weight(_total(item[1].values())), reverse=True)
    series = [_series(group, [each], len(spans)) for group, each in ranked[:most]]
    rest = [each for _, each in ranked[most:]]
    if rest:
        series.append(_series(None, rest, len(spans)))
    return Chart([*spans], series, total)


def _series(names: tuple[Any, ...] | None, groups: Sequence[dict[int, Values]], spans: int) -> Series:
    there: list[list[Values]] = [[] for _ in range(spans)]
    for sums in groups:
        for number, values in sums.items():
            there[number].append(values)
    each = [_total(some) if some else None for some in there]
    return Series(names, _total([one for one in each if one is not None]), each, len(groups))


def _total(sums: Iterable[Values]) -> Values:
    """Column by column: there are thousands of them. Of values that nobody knows it is none."""
    return [_known(column) for column in zip(NOTHING.values, *sums, strict=True)]


def _known(column: Iterable[int | None]) -> int | None:
    some = [one for one in column if one is not None]
    return sum(some) if some else None


def _weight(of: Values) -> tuple[int, int, int]:
    values = dict(zip(VALUES, of, strict=True))
    tokens = (values["input_tokens"] or 0) + (values["output_tokens"] or 0)
    return values["cost"] or 0, tokens, values["requests"] or 0
