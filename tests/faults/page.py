"""docs/reliability.md, made from what a run of the table saw. Not here: running it (__main__.py)."""

from __future__ import annotations

import os
import platform
from datetime import datetime
from pathlib import Path

from .cases import CASES
from .cell import Cell, Outcome
from .promises import Shown

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"

_HEAD = """# What happens when something fails

This page is written by `make faults`, which plays every fault against real sockets and then checks what a client got.
Try them yourself with [`pointsman chaos` and the practice model](faults.md).

## The rules

* **Three stages.** Until the backend gives real output (text, reasoning, a tool call) nothing of its answer is sent, and any
  other target of the rule may still serve. A stream that waits longer than 8 s gets headers and keep-alives, and another
  target may still serve, unseen. After the first output there is no switch: a failure is an error inside the stream, never
  something that looks like a clean end.
* **One walk.** Targets in the rule's order, each once; only when there is a single one it is asked a second time after a short
  wait (at most a fifth of all requests, with 10 in 10 s free). One deadline holds for all of them. `x-pointsman-no-fallback: 1`
  is always obeyed.
* **Who is passed over** while another target remains: a model at a backend after 5 failures in a row, or half of at least 20 in
  30 s (15 s, doubling to 5 minutes; then one request tries); a throttled key and model as long as it says; a refused key until
  it is edited; a local server that takes no connections until a probe, every 2 s, finds it back. The last candidate is never
  shut out. `pointsman explain MODEL` and `/metrics` show it; a change of the rules forgets nothing.
* **Your own mistakes come back as they are**: 400, 404, 413, 422 are no backend failures. A rule may send too long an input
  (`--fallback-on context`) or a refusal (`--fallback-on refusal`) to its next target; neither happens by itself.
* **When everybody fails** the most useful answer is told in your protocol's own words; the log and `pointsman usage --request ID`
  list every attempt.
* **Places**: `--max-in-flight N` on a backend lets others wait in a fair queue (100 long, 60 s), kept alive meanwhile; then the
  next target, or 503 with Retry-After.
* **Switches, all off by default**: `--hedge SECONDS` on a rule asks the next target too when there is no output yet (never with
  `--local-only`); `--join-resends` on a local backend keeps a generation whose client left for 10 s, for the same request to join;
  an `Idempotency-Key` on a request without `stream` gets the same answer again for 10 minutes.
* **Without its database** the gateway serves by the rules it has, and starts by the last good ones (`last-good.snapshot`, sealed);
  changes are refused with 503 until the database is back, which it notices by itself. Usage waits in memory and in `spool/`.
  `kill -HUP` makes it read rules and master key anew; limits come from the environment and need a restart.

"""


def page(found: list[tuple[Cell, Outcome]], shown: list[Shown], at: datetime, words: str) -> str:
    """The whole page."""
    lines = [_HEAD + "## The promises, measured\n"]
    lines.append(
        f"`make faults{f' ARGS={words!r}' if words else ''}` on {at:%Y-%m-%d}, Python {platform.python_version()}, "
        f"{os.cpu_count()} cores, {platform.system()}.\n"
    )
    lines += ["| | promise | seen | |", "| --- | --- | --- | --- |"]
    kept = sum(outcome.problem is None for _, outcome in found)
    hangs = sum(outcome.word == "hang" for _, outcome in found)
    wrong = sum(outcome.word.startswith("WRONG") for _, outcome in found)
    lines.append(
        f"| R1 | every fault ends as the table below says | {kept} of {len(found)} cells; {hangs} hang, {wrong} look complete or are "
        f"no answer of the protocol | {'kept' if kept == len(found) else 'NOT KEPT'} |"
    )
    for one in shown:
        word = "not tried here" if one.ok is None else "kept" if one.ok else "NOT KEPT"
        lines.append(f"| {one.name} | {one.promise} | {one.seen} | {word} |")
    lines += [
        "",
        "R4 (breakers) and R15 (parsers) are shown by tests/resilience and `make fuzz`.",
        "",
        "## Every fault",
        "",
    ]
    lines.append(
        "Each row was run in all three protocols, streamed and not, as it is and translated. Times are the slowest until the client "
        "had its whole answer; for faults of waiting they hold the time-outs of this run (0.3 to 0.4 s), not the product's."
    )
    lines += ["", "| fault | another target stands after it | it is the last one |", "| --- | --- | --- |"]
    for number, case in enumerate(CASES):
        cells = [(cell, outcome) for cell, outcome in found if cell.case == number]
        lines.append(f"| {case.name} | {_told(cells, last=False)} | {_told(cells, last=True)} |")
    return "\n".join(lines) + "\n"


_WORDS = {
    "served": "an answer",
    "in-band": "an error inside the stream",
}


def _told(cells: list[tuple[Cell, Outcome]], *, last: bool) -> str:
    these = [outcome for cell, outcome in cells if cell.last is last]
    if not these:
        return ""
    words = sorted({_WORDS.get(outcome.word, outcome.word) for outcome in these})
    reasons = sorted({outcome.reason for outcome in these if outcome.reason and not last})
    rescued = (
        f" from the next (`{'`, `'.join(reasons)}`)"
        if reasons and any(o.word == "served" for o in these)
        else ""
    )
    slowest = max(outcome.seconds for outcome in these) * 1000
    return f"{', '.join(words)}{rescued}, {slowest:.0f} ms"
