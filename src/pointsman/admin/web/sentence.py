"""Is it working? One sentence about all backends, and the order in which they are shown. Pure.

Not here: the states themselves (control/backend_states.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..control.backend_states import BackendShown

_GOOD = frozenset({"works", "busy", "starting", "asleep"})
_BAD = frozenset({"down", "refused", "unusable", "failing"})
_ORDER = ("down", "refused", "unusable", "failing", "busy", "starting", "works", "asleep", "unknown", "off")
_VERBS = {"down": "is down", "refused": "refuses its key", "unusable": "cannot be used", "failing": "fails"}


class HomeVerdict(NamedTuple):
    """text goes before a name and after it: `2 of 3 backends work.`, `local/box`, `is down.` name: "" where no single one
    is to be named. worst: the one that the sentence is about."""

    text: str
    name: str
    after: str
    worst: BackendShown | None

    @property
    def good(self) -> bool:
        return self.worst is None


def in_order(states: Sequence[BackendShown]) -> list[BackendShown]:
    """What is wrong first; else as they come."""
    return sorted(states, key=lambda one: _ORDER.index(one.state))


def something_wrong(states: Sequence[BackendShown]) -> bool:
    return any(one.state in _BAD for one in states)


def verdict_of(states: Sequence[BackendShown]) -> HomeVerdict:
    """Of those that are switched on."""
    on = [one for one in states if one.state != "off"]
    bad = [one for one in in_order(on) if one.state in _BAD]
    good = [one for one in on if one.state in _GOOD]
    if not on:
        return HomeVerdict("No backend yet. The practice model answers.", "", "", None)
    if not bad:
        unasked = len(on) - len(good)
        if not unasked:
            return HomeVerdict(_all(len(on)), "", "", None)
        if not good:
            none = "The backend has" if len(on) == 1 else f"None of {_backends(len(on))} has"
            return HomeVerdict(
                f"{none} not been asked yet." if len(on) == 1 else f"{none} been asked yet.", "", "", None
            )
        rest = "The other has" if unasked == 1 else f"The other {unasked} have"
        return HomeVerdict(
            f"{len(good)} of {_backends(len(on))} {_work(good)}. {rest} not been asked yet.", "", "", None
        )
    text = f"{len(good) or 'None'} of {_backends(len(on))} {_work(good)}." if len(on) > 1 else ""
    if len(bad) == 1:
        return HomeVerdict(text, bad[0].key, f"{_VERBS[bad[0].state]}.", bad[0])
    more = "one other does not work" if len(bad) == 2 else f"{len(bad) - 1} others do not work"
    return HomeVerdict(text, bad[0].key, f"{_VERBS[bad[0].state]}, and {more}.", bad[0])


def _all(count: int) -> str:
    return "The backend works." if count == 1 else f"All {_backends(count)} work."


def _work(good: Sequence[BackendShown]) -> str:
    return "works" if len(good) == 1 else "work"


def _backends(count: int) -> str:
    return "1 backend" if count == 1 else f"{count} backends"
