"""Many wild patterns at once: which is the first of them that covers a name, without trying each. Pure.

Each pattern is filed under one run of its literal characters, the one that the fewest others have; tried are
only those whose run stands in the name. So a name that a stranger sends does not make the event loop wait
(docs/reliability-promises.md#slow-and-huge). Not here: what order the patterns have (table.py).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from .pattern import Glob, Subject

WINDOW = 8
"""Characters of a run at most: enough to tell rules apart that differ in a number, few enough lengths to look for."""
_WILD = re.compile(r"[*?]+")


class WildIndex:
    """patterns: in their order; a pattern's number is its place there."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._globs = [Glob.of(pattern) for pattern in patterns]
        runs = [list(dict.fromkeys(_runs(pattern))) for pattern in patterns]
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

    def first(self, name: str) -> int | None:
        """The number of the first pattern that covers the name, or None."""
        subject = Subject(name)
        globs = self._globs
        return next((number for number in self.candidates(name) if globs[number].covers(subject)), None)


def _runs(pattern: str) -> Iterator[str]:
    """Its literal runs, longer ones in pieces side by side, so that each character is in one."""
    for run in _WILD.split(pattern):
        if len(run) > WINDOW:
            yield from (run[at : at + WINDOW] for at in range(0, len(run) - WINDOW, WINDOW))
        if run:
            yield run[-WINDOW:]
