"""Many wild patterns at once: which is the first of them that covers a name, without trying each. Pure.

Each pattern is filed under one run of its literal characters, the one that the fewest others have; tried are
only those whose run stands in the name. Rules that share all their runs leave nothing to tell them apart by: what is
tried then comes in slices, between which others are served. So a name that a stranger sends does not make the event
loop wait (docs/reliability-promises.md#slow-and-huge). Not here: what order the patterns have (table.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Sequence

from .pattern import Glob, Subject
from .slices import Slices, at_once

WINDOW = 8
"""Characters of a run at most: enough to tell rules apart that differ in a number, few enough lengths to look for."""
SLICE = 3000
"""Characters of patterns that are tried without a pause. One costs 0.13 us where pattern and name are made for it, so a
slice is less than half a millisecond; 5,000 ordinary rules are less than one slice."""
_EACH = 8
"""What trying a pattern costs beside its characters, in such characters."""


class WildIndex:
    """patterns: in their order; a pattern's number is its place there."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._patterns = patterns
        self._globs: list[Glob | None] = [None] * len(patterns)  # taken apart when first tried
        runs = [_runs(pattern) for pattern in patterns]
        how_often = Counter(run for found in runs for run in found)
        self._always: list[int] = []  # no literal character at all
        self._filed: dict[int, dict[str, list[int]]] = {}  # by the run's length, by the run
        for number, found in enumerate(runs):
            if found:
                run = min(found, key=lambda run: (how_often[run], -len(run)))
                self._filed.setdefault(len(run), {}).setdefault(run, []).append(number)
            else:
                self._always.append(number)

    def candidates(self, name: str) -> list[int]:
        """The numbers of the patterns that could cover the name, in their order."""
        found = self._always.copy()
        for length, filed in self._filed.items():
            for run in {name[at : at + length] for at in range(len(name) - length + 1)}:
                if run in filed:
                    found += filed[run]
        found.sort()
        return found

    def search(self, name: str, besides: Container[int] = ()) -> Slices[int | None]:
        """The number of the first pattern that covers the name, or None; it pauses after each slice. besides: numbers that
        do not count."""
        subject = Subject(name)
        spent = 0
        for number in self.candidates(name):
            spent += len(self._patterns[number]) + _EACH
            if spent > SLICE:
                yield
                spent = 0
            if self._glob(number).covers(subject) and number not in besides:
                return number
        return None

    def first(self, name: str) -> int | None:
        """The same without a pause."""
        return at_once(self.search(name))

    def _glob(self, number: int) -> Glob:
        glob = self._globs[number]
        if glob is None:
            glob = self._globs[number] = Glob.of(self._patterns[number])
        return glob


def _runs(pattern: str) -> dict[str, None]:
    """Its literal runs, in their order, longer ones in pieces side by side, so that each character is in one."""
    found: dict[str, None] = {}
    for run in dict.fromkeys(pattern.replace("?", "*").split("*")):
        if len(run) > WINDOW:
            found |= dict.fromkeys(run[at : at + WINDOW] for at in range(0, len(run) - WINDOW, WINDOW))
        if run:
            found[run[-WINDOW:]] = None
    return found
