"""docs/performance.md, written from the last whole run, and the comparison with the run before it.

`result.json` beside this file is that run. Pure but for reading and writing. Not here: any measuring.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from . import report
from .machine import ROOT
from .report import Result, Row, number

LAST = Path(__file__).with_name("result.json")
PAGE = ROOT / "docs" / "performance.md"
NOISE = 0.05
"""A change below this is the machine's; the spread of a row says more."""

_HEAD = """# Performance

Written by `make bench ARGS=--commit` from its result; not to be edited.
[tests/bench](../tests/bench/README.md) says what is measured and how to read it. To repeat it, on a quiet
Linux machine with two cores: `make bench`, or `make bench ARGS=--quick`. This run took {minutes} minutes.

"""

_OPEN = """At a fixed rate of arrivals, whatever became of those before (open loop), without "coordinated omission":
each delay is counted from the time that was meant. W1: a straight request, metered and stored; W2: translated,
a Messages client of a Chat backend; W3: with a fallback and a limit armed."""
_PEERS = """Other gateways that package registries have, in turns with nginx and Pointsman. One worker each, their own
defaults otherwise, no log line for each request ([peers.py](../tests/bench/peers.py) says how each is set up;
most keep no usage, which Pointsman stores). Each at most at 40 % of what it can do."""


def judged(row: Row) -> float:
    """The figure that a row is compared by: the ratio to nginx where there is one."""
    return row.value if row.ratio is None else row.ratio


def changes(rows: list[Row], last: dict[str, Any]) -> list[str]:
    """Rows that moved by more than the noise, and than their own rounds, since the committed run; worst first."""
    before = {(row["figure"], row["unit"]): row for row in last.get("rows", ())}
    moved = []
    for row in rows:
        old = before.get((row.figure, row.unit))
        if old is None or row.unit == "/s":
            continue
        was = old["value"] if row.ratio is None or old["ratio"] is None else old["ratio"]
        low, high = row.spread or (judged(row), judged(row))
        if was and not low <= was <= high and abs(judged(row) / was - 1) > NOISE:
            moved.append((judged(row) / was - 1, f"{row.figure}: {number(was)} -> {number(judged(row))}"))
    return [f"{change:+.0%} {text}" for change, text in sorted(moved, reverse=True)]


def last() -> dict[str, Any]:
    """The committed run, {} where there is none."""
    found: dict[str, Any] = json.loads(LAST.read_text()) if LAST.exists() else {}
    return found


def text(result: Result) -> str:
    """The page."""
    about = "\n".join(f"- {name.replace('_', ' ')}: {value}" for name, value in result.machine.items())
    lines = _table("Pointsman", result.rows)
    if result.delays:
        lines += ["", _OPEN, "", *_pipes(report.delay_lines(result.delays), left=2, last="---")]
    if result.peers or result.lost:
        lines += ["", _PEERS, "", *_table("this one", result.peers), "", "Could not be measured here:", ""]
        lines += [f"- {name}: {why}" for name, why in result.lost.items()]
    else:
        lines += ["", "Other gateways were not measured in this run (`make bench ARGS=--peers`)."]
    said = result.settings.get("read_back", "usage was not read back")
    after = f"Everything was on: a client key on each request, {said}.\n"
    noise = f"Other programs used up to {result.strangers():.0%} of the machine during a window.\n"
    head = _HEAD.format(minutes=round(float(str(result.settings.get("seconds", 0))) / 60))
    return f"{head}{about}\n\n" + "\n".join(lines) + f"\n\n{after}{noise}"


def _table(subject: str, rows: list[Row]) -> list[str]:
    lines: list[tuple[str, ...]] = [("figure", "unit", subject, "nginx", "x nginx", "spread", "budget")]
    for row in rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        spread = " - ".join(map(number, row.spread)) if row.spread else ""
        bound = "" if row.budget is None else f"{row.budget:g}{'x' if row.ratio is not None else ''}"
        figure = f"{row.figure} ({row.errors} ERRORS)" if row.errors else row.figure
        lines.append((figure, row.unit, number(row.value), number(row.nginx), ratio, spread, bound))
    return _pipes(lines, left=2, last="--:")


def _pipes(lines: list[tuple[str, ...]], left: int, last: str) -> list[str]:
    """As Markdown: `left` columns at their left edge, figures at the right one."""
    head, *rows = ("| " + " | ".join(line) + " |" for line in lines)
    rule = ["---"] * left + ["--:"] * (len(lines[0]) - left - 1) + [last]
    return [head, "|" + "|".join(rule) + "|", *rows]


def write(result: Result) -> None:
    """The run becomes the committed one."""
    result.save(LAST)
    PAGE.write_text(text(result))
