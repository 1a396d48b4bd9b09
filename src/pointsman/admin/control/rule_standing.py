"""How each stored rule stands among the others: its place, whether any request can get to it, and what takes its names. For
the API, the pages and doctor. Not here: working that out (routing/reach.py)."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel

from ..store import mappings
from ..store.rule_order import never_reached, reaches
from ..store.tables import BackendMapping
from .control_plane import ControlPlane


class SharedName(BaseModel):
    """id: an earlier rule that takes some of this one's names without being a special case of it. name: such a one."""

    id: int
    name: str


class RuleStanding(BaseModel):
    """position: from 1 on, rules that are off included. reached: whether any request can get to it; null of one that is off,
    and where it would take too long to find out. example: a name that it gets. taken_by: of one that is never reached, the
    rules that together take all its names; none where the built-in practice model does. problem: the same as a sentence;
    fix: the command that mends it. shared: see there. raised_over: rules behind it that by themselves would come first,
    and whose names it takes: it was raised by hand."""

    id: int
    position: int
    pattern: str
    enabled: bool
    reached: bool | None = None
    example: str | None = None
    taken_by: list[int] = []
    problem: str | None = None
    fix: str | None = None
    shared: list[SharedName] = []
    raised_over: list[int] = []


def standing_of(control: ControlPlane) -> list[RuleStanding]:
    """Of all rules, in their order."""
    with control.read() as session:
        return standing(mappings.list_all(session))


def standing(rows: Sequence[BackendMapping]) -> list[RuleStanding]:
    """rows: all there are, in their order."""
    found, by_id = reaches(rows), {row.id or 0: row for row in rows}
    told = []
    for position, (number, row) in enumerate(by_id.items(), 1):
        one = RuleStanding(id=number, position=position, pattern=row.model_pattern, enabled=row.enabled)
        reach = found.get(number)
        if reach is not None:
            one.reached = reach.name is not None if reach.known else None
            one.example = reach.name if reach.known else None
            one.taken_by = list(reach.takers)
            one.problem, one.fix = never_reached(row, found, by_id) or (None, None)
            one.shared = [SharedName(id=other.id, name=other.name) for other in reach.shared]
            one.raised_over = list(reach.raised_over)
        told.append(one)
    return told
