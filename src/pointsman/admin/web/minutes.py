"""The last hour as bars, drawn by the server: an SVG's numbers, so that they are there without a script. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import NamedTuple

from ..store.usage_glance import MINUTE, Became

WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 760, 150, 28, 10, 0
_LEAST = 1.5
"""Of a bar's height, so that one failure of a thousand requests is seen."""


class Bar(NamedTuple):
    kind: str
    x: float
    y: float
    width: float
    height: float
    title: str


class Line(NamedTuple):
    """Of the grid."""

    y: float
    text: str


class HourDrawn(NamedTuple):
    """bars, lines: to be drawn. ticks: (x, text, anchor) below. spoken: all of it in a sentence."""

    bars: list[Bar]
    lines: list[Line]
    ticks: list[tuple[float, str, str]]
    spoken: str
    each: dict[str, int]


WORDS = {
    Became.FIRST: "first try",
    Became.RESCUED: "rescued",
    Became.FAILED: "failed",
    Became.ABORTED: "client left",
}


def drawn(minutes: Sequence[tuple[int, dict[Became, int]]], zone: tzinfo) -> HourDrawn:
    """minutes: the unix minute, and how many became what; the last is now."""
    most = max((sum(counts.values()) for _, counts in minutes), default=0)
    top = _nice(most)
    step = (WIDTH - LEFT) / len(minutes)
    bars = []
    for number, (minute, counts) in enumerate(minutes):
        at, done = datetime.fromtimestamp(minute * MINUTE, zone), 0.0
        title = f"{at:%H:%M}: " + ", ".join(f"{n:,} {WORDS[kind]}" for kind, n in counts.items() if n)
        for kind, many in counts.items():
            if many:
                height = max(_LEAST, many / top * HEIGHT)
                y = TOP + HEIGHT - done - height
                bars.append(
                    Bar(
                        kind.value,
                        round(LEFT + number * step + 1, 1),
                        round(y, 1),
                        round(step - 2, 1),
                        round(height, 1),
                        title,
                    )
                )
                done += height
    each = {kind.value: sum(counts[kind] for _, counts in minutes) for kind in Became}
    lines = [Line(round(TOP + HEIGHT * (1 - part / 2), 1), _short(top * part / 2)) for part in (2, 1)]
    first, middle = (datetime.fromtimestamp(minutes[at][0] * MINUTE, zone) for at in (0, len(minutes) // 2))
    ticks = [
        (LEFT, f"{first:%H:%M}", "start"),
        (LEFT + (WIDTH - LEFT) / 2, f"{middle:%H:%M}", "middle"),
        (WIDTH, "now", "end"),
    ]
    return HourDrawn(bars, lines, ticks, _spoken(each, len(minutes), most), each)


def _spoken(each: dict[str, int], minutes: int, most: int) -> str:
    total = sum(each.values())
    if not total:
        return "Requests a minute over the last hour: none."
    parts = [f"{each[kind.value]:,} {word}" for kind, word in WORDS.items() if each[kind.value]]
    mean = total / minutes
    mean_text = f"{mean:,.0f}" if mean >= 10 else f"{mean:.1f}"
    return (
        f"Requests a minute over the last hour: {mean_text} on average, {most:,} at most; {', '.join(parts)}."
    )


def _nice(most: float) -> float:
    """The top of the scale: 2, 4, 10, 20, 40, 100 ..."""
    if most <= 2:
        return 2
    size = 10.0 ** math.floor(math.log10(most))
    return next(size * part for part in (1, 2, 4, 10) if size * part >= most)


def _short(value: float) -> str:
    return f"{value:,.0f}" if value < 10_000 else f"{value / 1000:,.0f}k"
