"""Reports and refuses what the target's protocol has no place for, by its declaration
(dialects/carries.py).

Every field of every value of the request is looked at, by what the types themselves say they have:
a field that nobody declared is told as well, so that nothing is lost because somebody forgot it.
Not here: what one model does not take (adapt.py, which comes first).
"""

from __future__ import annotations

from typing import Any

import msgspec

from ..conversation.known_tools import KnownTools
from ..conversation.notes import Notes, Told
from ..conversation.parts import Placed
from ..conversation.request import Request
from ..dialects.carries import REPORTED, Carries, How, Place, reachable


class _Plan:
    """What is looked at in values of one type. lost: (field, the value that says nothing,
    place). within: the fields whose values, or their items, may lose something themselves."""

    __slots__ = ("lost", "within")

    def __init__(self, lost: list[tuple[str, Any, Place]]) -> None:
        self.lost = lost
        self.within: list[str] = []


_Plans = dict[type[msgspec.Struct], _Plan]
_planned: dict[int, tuple[Carries, _Plans]] = {}
"""By the identity of the declaration, which is kept so that nothing else can get it."""


def check(request: Request, carries: Carries, notes: Notes) -> None:
    """Raises PointsmanError 400 for a shape that cannot be kept, and for any loss under strict."""
    found = _planned.get(id(carries))
    if found is None:
        found = _planned[id(carries)] = (carries, _plan(carries))
    _look(request, found[1], notes, "")


def _plan(carries: Carries) -> _Plans:
    plans = {kind: _Plan(_lost(kind, carries)) for kind in reachable()}
    for kind, plan in plans.items():
        for field in msgspec.structs.fields(kind):
            if any(plans[inner].lost for inner in reachable(field.type)):
                plan.within.append(field.name)
    return {kind: plan for kind, plan in plans.items() if plan.lost or plan.within}


def _lost(kind: type[msgspec.Struct], carries: Carries) -> list[tuple[str, Any, Place]]:
    places = carries.get(kind, {})
    lost = []
    for field in msgspec.structs.fields(kind):
        place = places.get(field.name, REPORTED)
        if place.how in (How.REPORTED, How.REFUSED):
            made = field.default_factory is not msgspec.NODEFAULT
            lost.append((field.name, field.default_factory() if made else field.default, place))
    return lost


def _look(value: Any, plans: _Plans, notes: Notes, path: str) -> None:
    """path: of a value that does not know its own."""
    plan = plans.get(type(value))
    if plan is None:  # of a tool: what else is looked at has been asked for
        return
    for name, nothing, place in plan.lost:
        found = getattr(value, name)
        if found == nothing or found in place.harmless:
            continue
        if place.how is How.REFUSED:
            named = (
                notes.inside(value, name, path) if place.field else _refused_path(value, name, found, notes)
            )
            notes.refuse(named, place.why)
        notes.drop(notes.inside(value, name, path), place.why)
    for name in plan.within:
        inner = getattr(value, name)
        if type(inner) is KnownTools and not notes.strict:
            notes.replay(_of_tools(inner, plans, notes))
        elif isinstance(inner, list | tuple):
            for at, one in enumerate(inner):
                if type(one) in plans:
                    known = isinstance(one, Placed)
                    _look(one, plans, notes, "" if known else f"{notes.inside(value, name, path)}[{at}]")
        elif type(inner) in plans:
            _look(inner, plans, notes, notes.inside(value, name, path))


def _of_tools(tools: KnownTools, plans: _Plans, notes: Notes) -> tuple[Told, ...]:
    """Their losses, looked for once. plans: those of one declaration, which are kept for good."""

    def look() -> tuple[Told, ...]:
        recorder = notes.recorder()
        for tool in tools:
            _look(tool, plans, recorder, "")
        return tuple(recorder.told)

    return tools.once(("losses", id(plans)), look)


def _refused_path(value: Any, name: str, found: Any, notes: Notes) -> str:
    """Refused is a part or a tool as a whole, else a field of the request."""
    if isinstance(value, Placed):
        return value.path
    if type(found) is list and isinstance(found[0], Placed):
        return found[0].path
    return notes.inside(value, name)
