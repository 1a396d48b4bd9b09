"""Figures beside their yardstick and budget (docs/design.md#what-it-costs): tables, one JSON file.

Pure but for `save`; what was measured how is in measure.py.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from .measure import Memory, Window, quantile, typical
from .open_loop import Delays


@dataclass(frozen=True, slots=True)
class Row:
    """One line. `budget` bounds the ratio where there is one, else the value; None: shown, not judged."""

    figure: str
    unit: str
    value: float
    nginx: float | None = None
    ratio: float | None = None
    spread: tuple[float, float] | None = None  # of the ratio (or the value) over the rounds
    budget: float | None = None
    errors: int = 0
    note: str = ""

    @property
    def verdict(self) -> str:
        if self.errors:
            return f"{self.errors} ERRORS"
        if self.budget is None:
            return ""
        return "OK" if (self.value if self.ratio is None else self.ratio) <= self.budget else "over"


Taken = dict[str, list[Window]]
Names = tuple[str, str]  # the subject, nginx


def cpu_row(figure: str, taken: Taken, names: Names, budget: float | None) -> Row:
    """The subject's CPU a unit beside nginx's. Drift cancels in each A B B A, so a round gives one ratio."""
    mine, theirs = taken[names[0]], taken[names[1]]
    ratios = []
    for at in range(0, len(mine), 2):
        ratios.append(sum(w.cpu_us for w in mine[at : at + 2]) / sum(w.cpu_us for w in theirs[at : at + 2]))
    errors = sum(window.errors for window in mine + theirs)
    told = [window.first_error for window in mine + theirs if window.first_error]
    late = max(window.backlog for window in mine)
    notes = told[:1] + [_shares(mine)] + ([f"could not keep the rate: {late} waited"] if late > 1000 else [])
    return Row(
        figure,
        "CPU us",
        typical(mine),
        typical(theirs),
        statistics.median(ratios),
        (min(ratios), max(ratios)),
        budget,
        errors,
        "; ".join(note for note in notes if note),
    )


def own_row(figure: str, windows: list[Window], budget: float | None) -> Row:
    """The subject's CPU a unit, where nginx has nothing to set beside it."""
    each = [window.cpu_us for window in windows]
    errors = sum(window.errors for window in windows)
    told = [window.first_error for window in windows if window.first_error]
    note = "; ".join([*told[:1], _shares(windows)])
    return Row(
        figure,
        "CPU us",
        typical(windows),
        spread=(min(each), max(each)),
        budget=budget,
        errors=errors,
        note=note,
    )


def rate_row(figure: str, taken: Taken, names: Names, direct: Window) -> Row:
    """Answers (or events) a second with the core full. Not judged: CPU a unit is, and says the same."""
    mine, theirs = (statistics.median(window.per_second for window in taken[name]) for name in names)
    note = (
        f"mock alone {direct.per_second:,.0f}/s, {direct.per_second / mine:.1f}x"
        if mine
        else "nothing came back"
    )
    return Row(figure, "/s", mine, theirs, note=note)


def latency_rows(figure: str, blocks: dict[str, list[list[float]]], names: Names) -> list[Row]:
    """What is added to going direct, at the median and the 99th percentile."""
    rows = []
    for label, share in (("p50", 0.5), ("p99", 0.99)):
        at = {
            name: quantile(sorted(value for block in taken for value in block), share) * 1e6
            for name, taken in blocks.items()
        }
        each = [
            (quantile(sorted(mine), share) - quantile(sorted(direct), share)) * 1e6
            for mine, direct in zip(blocks[names[0]], blocks["direct"], strict=True)
        ]
        rows.append(
            Row(
                f"{figure}, {label}",
                "us",
                at[names[0]] - at["direct"],
                at[names[1]] - at["direct"],
                spread=(quantile(sorted(each), 0.1), quantile(sorted(each), 0.9)),
                note=f"direct {at['direct']:.0f} us",
            )
        )
    return rows


def delay_rows(figure: str, taken: Taken, names: Names) -> list[Row]:
    """What is added to an event's way from the mock's write to the client."""
    rows = []
    for label in ("p50", "p99"):
        field_name = f"delay_{label}_us"
        at = {
            name: statistics.median(getattr(w, field_name) for w in windows)
            for name, windows in taken.items()
        }
        added, note = at[names[0]] - at["direct"], f"direct {at['direct']:.0f} us"
        rows.append(Row(f"{figure}, {label}", "us", added, at[names[1]] - at["direct"], note=note))
    return rows


def memory_rows(mine: Memory, nginx: Memory, count: int) -> list[Row]:
    each, theirs = mine.data_plane() / 1e6, nginx.data_plane() / 1e6
    return [
        Row("memory, an idle data-plane process", "MB", each, theirs),
        Row("memory, all processes idle, PSS", "MB", mine.pss / 1e6, nginx.pss / 1e6, budget=90),
        Row(
            f"memory, an open stream of {count:,}",
            "KiB",
            mine.per_stream / 1024,
            nginx.per_stream / 1024,
            budget=8,
        ),
        Row(f"memory kept after {count:,} closed", "MB", mine.kept / 1e6, nginx.kept / 1e6),
    ]


def _shares(windows: list[Window]) -> str:
    """Which process the CPU went to, where there is more than one that counts."""
    roles = {role for window in windows for role in window.by_role}
    medians = {role: statistics.median(w.by_role.get(role, 0.0) for w in windows) for role in roles}
    told = [
        f"{role} {us:.1f}" for role, us in sorted(medians.items(), key=lambda item: -item[1]) if us >= 0.1
    ]
    return ", ".join(told) if len(told) > 1 else ""


def time_row(figure: str, seconds: Sequence[float], budget_ms: float) -> Row:
    taken = [value * 1000 for value in seconds]
    return Row(figure, "ms", statistics.median(taken), spread=(min(taken), max(taken)), budget=budget_ms)


@dataclass(frozen=True, slots=True)
class DelayRow:
    """What one way adds up to at a fixed rate of arrivals, in us; `count`: so many delays were seen."""

    figure: str
    way: str
    count: int
    p50: float
    p99: float
    p999: float
    most: float
    errors: int = 0
    first_error: str = ""
    strangers: float = 0.0


def delays_of(title: str, taken: dict[str, Delays]) -> list[DelayRow]:
    """Rows of a level: the first words (or the whole answer), between events, and how late the generator was."""
    rows = []
    streamed = any(delays.between for delays in taken.values())
    kinds = {"first": "first words" if streamed else "whole answer", "between": "each later event"}
    for kind, told in (kinds | {"late": "the request itself, by the generator"}).items():
        for way, delays in taken.items():
            if seen := sorted(getattr(delays, kind)):
                p50, p99, p999, most = (quantile(seen, share) * 1e6 for share in (0.5, 0.99, 0.999, 1.0))
                row = DelayRow(f"{title}: {told}", way, len(seen), p50, p99, p999, most, delays.errors)
                rows.append(replace(row, first_error=delays.first_error, strangers=delays.strangers))
    return rows


_DELAY_HEADS = ("delay from the time that was meant, us", "way", "seen", "p50", "p99", "p99.9", "max", "")


def delay_lines(rows: list[DelayRow]) -> list[tuple[str, ...]]:
    """A head and the rows, as text."""
    lines: list[tuple[str, ...]] = [_DELAY_HEADS]
    for row in rows:
        wrong = f"{row.errors} ERRORS: {row.first_error}" if row.errors else ""
        figures = [f"{value:,.0f}" for value in (row.count, row.p50, row.p99, row.p999, row.most)]
        lines.append((row.figure, row.way, *figures, wrong))
    return lines


def delay_table(rows: list[DelayRow]) -> str:
    return aligned(delay_lines(rows), {0, 1, 7})


_HEADS = ("nginx", "ratio", "spread", "budget", "", "")


def table(rows: list[Row], subject: str = "pointsman") -> str:
    """Plain text; the same on a terminal and in a log."""
    lines = [("figure", "unit", subject, *_HEADS)]
    for row in rows:
        lines.append(
            (
                row.figure,
                row.unit,
                number(row.value),
                number(row.nginx),
                f"{row.ratio:.2f}x" if row.ratio is not None else "",
                "-".join(map(number, row.spread)) if row.spread else "",
                "" if row.budget is None else f"<= {row.budget:g}{'x' if row.ratio is not None else ''}",
                row.verdict,
                row.note,
            )
        )
    return aligned(lines, {0, 1, 7, 8})


def aligned(lines: Sequence[Sequence[str]], left: set[int]) -> str:
    """Columns of one width each; those of `left` begin at their left edge."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(
        "  ".join(
            text.ljust(width) if column in left else text.rjust(width)
            for column, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def number(value: float | None) -> str:
    """Three digits that count."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


@dataclass
class Result:
    """Everything of a run, as it goes into the JSON file."""

    machine: dict[str, object]
    settings: dict[str, object]
    rows: list[Row] = field(default_factory=list)
    delays: list[DelayRow] = field(default_factory=list)
    peers: list[Row] = field(default_factory=list)
    lost: dict[str, str] = field(default_factory=dict)  # peers without figures, and why
    windows: dict[str, list[Window]] = field(default_factory=dict)
    processes: dict[str, int] = field(default_factory=dict)

    def strangers(self) -> float:
        windows = [window.strangers for taken in self.windows.values() for window in taken]
        return max((*windows, *(row.strangers for row in self.delays)), default=0.0)

    def save(self, path: Path) -> None:
        rows, peers = (
            [asdict(row) | {"verdict": row.verdict} for row in rows] for rows in (self.rows, self.peers)
        )
        windows = {name: [asdict(window) for window in taken] for name, taken in self.windows.items()}
        whole = {
            "machine": self.machine,
            "settings": self.settings,
            "rows": rows,
            "delays": [asdict(row) for row in self.delays],
            "peers": peers,
            "lost": self.lost,
            "windows": windows,
            "idle_rss_bytes": self.processes,
            "strangers": self.strangers(),
        }
        path.write_text(json.dumps(whole, indent=1) + "\n")
