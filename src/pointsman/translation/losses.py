"""Reports and refuses what the target's protocol has no place for, by its declaration
(dialects/carries.py).

Every field of every value of the request is looked at, by what the types themselves say they have:
a field that nobody declared is told as well, so that nothing is lost because somebody forgot it.
Not here: what one model does not take (adapt.py, which comes first).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

import msgspec

from ..conversation.known import KnownList, begun, remember
from ..conversation.notes import Notes, Told
from ..conversation.parts import Placed, Text
from ..conversation.request import PLAIN, Message, Request
from ..dialects.carries import REPORTED, Carries, How, Place, reachable


class _Plan:
    """What is looked at in values of one type. lost: (field, the value that says nothing, place). within: (field, the same
    of it) whose values, or their items, may lose something themselves; within_it(one): the only one of them.
    values(one) == quiet: there is nothing to look at; own(one) == kept: nothing but what is within. own: None where
    nothing else can be lost."""

    __slots__ = ("kept", "lost", "own", "quiet", "values", "within", "within_it")

    def __init__(self, lost: list[tuple[str, Any, Place]], within: list[tuple[str, Any]]) -> None:
        self.lost = lost
        self.within = [name for name, _ in within]
        one = len(within) == 1
        self.within_it: Callable[[Any], Any] | None = attrgetter(*self.within) if one else None
        own = [(name, nothing) for name, nothing, _ in lost]
        self.values, self.quiet = _all_of([*own, *within])
        self.own: Callable[[Any], Any] | None = None
        self.kept: Any = None
        if own:
            self.own, self.kept = _all_of(own)


def _all_of(fields: list[tuple[str, Any]]) -> tuple[Callable[[Any], Any], Any]:
    """(the fields of a value in one step, what they are where all say nothing)."""
    if not fields:
        return (lambda value: None), None
    quiet = tuple(nothing for _, nothing in fields)
    return attrgetter(*(name for name, _ in fields)), quiet if len(fields) > 1 else quiet[0]


_SAID: dict[type[msgspec.Struct], tuple[str, ...]] = {
    Message: ("role", "parts", "path"),
    Text: ("text", "path"),
}
"""What turns of texts say (Request.texts)."""

_Plans = dict[type[msgspec.Struct], _Plan]
_Lost = dict[type[msgspec.Struct], list[tuple[str, Any, Place]]]
_planned: dict[int, tuple[Carries, _Plans, _Plan, _Plan, _Plan]] = {}
"""Of each declaration; then of a request, of one that is plain, and of one of texts. By the identity of the declaration,
which is kept so that nothing else can get it."""


def check(request: Request, carries: Carries, notes: Notes) -> None:
    """Raises PointsmanError 400 for a shape that cannot be kept, and for any loss under strict."""
    found = _planned.get(id(carries))
    if found is None:
        found = _planned[id(carries)] = (carries, *_plan(carries))
    _, plans, every, plain, texts = found
    if request.plain:
        every = texts if request.texts else plain
        if not (every.lost or every.within):
            return
    _look_into(request, every, plans, notes, "")  # it always says something


def _plan(carries: Carries) -> tuple[_Plans, _Plan, _Plan, _Plan]:
    lost = {kind: _lost(kind, carries) for kind in reachable()}
    within = {kind: _within(kind, lost) for kind in lost}
    plans = {kind: _Plan(found, within[kind]) for kind, found in lost.items() if found or within[kind]}
    own = [one for one in lost[Request] if one[0] in PLAIN]
    inner = [one for one in within[Request] if one[0] in PLAIN]
    kept = not any(name in said for kind, said in _SAID.items() for name, _, _ in lost[kind])
    of_texts = [one for one in inner if one[0] not in ("system", "messages")] if kept else inner
    return plans, _Plan(lost[Request], within[Request]), _Plan(own, inner), _Plan(own, of_texts)


def _within(kind: type[msgspec.Struct], lost: _Lost) -> list[tuple[str, Any]]:
    fields = msgspec.structs.fields(kind)
    return [
        (field.name, _nothing(field)) for field in fields if any(lost[one] for one in reachable(field.type))
    ]


def _nothing(field: msgspec.structs.FieldInfo) -> Any:
    made = field.default_factory is not msgspec.NODEFAULT
    return field.default_factory() if made else field.default


def _lost(kind: type[msgspec.Struct], carries: Carries) -> list[tuple[str, Any, Place]]:
    places = carries.get(kind, {})
    lost = []
    for field in msgspec.structs.fields(kind):
        place = places.get(field.name, REPORTED)
        if place.how in (How.REPORTED, How.REFUSED):
            lost.append((field.name, _nothing(field), place))
    return lost


def _look(value: Any, plans: _Plans, notes: Notes, path: str) -> None:
    """path: of a value that does not know its own."""
    plan = plans.get(type(value))
    if plan is not None and plan.values(value) != plan.quiet:
        _look_into(value, plan, plans, notes, path)


def _look_into(value: Any, plan: _Plan, plans: _Plans, notes: Notes, path: str) -> None:
    """It says more than nothing."""
    if plan.own is not None and plan.own(value) != plan.kept:
        _tell(value, plan, notes, path)
    for name in plan.within:
        inner = getattr(value, name)
        if not inner:
            continue
        if type(inner) is KnownList and not notes.strict:
            told = _of_known(inner, plans, notes)
            if told:
                notes.replay(told)
        elif isinstance(inner, (list, tuple)):
            first = _lossless(inner, plans) if type(inner[0]) is Message else 0
            for at, one in enumerate(inner[first:] if first else inner, first):
                found = plans.get(type(one))
                if found is not None and found.values(one) != found.quiet:
                    placed = isinstance(one, Placed)
                    inside = "" if placed else f"{notes.inside(value, name, path)}[{at}]"
                    _look_into(one, found, plans, notes, inside)
        elif type(inner) in plans:
            _look(inner, plans, notes, notes.inside(value, name, path))


def _lossless(messages: Sequence[Message], plans: _Plans) -> int:
    """How many of the first turns of a history were met before and lose nothing."""
    if type(messages) is not list or type(messages[0].parts) is not KnownList:
        return 0
    plan, key = plans.get(Message), id(plans)
    if plan is None or plan.within_it is None:
        return 0
    first, _ = begun(messages, key)
    known = first
    for message in messages[first:]:
        parts = plan.within_it(message)
        if type(parts) is not KnownList or parts.made.get(key) != ():
            break
        if plan.own is not None and plan.own(message) != plan.kept:
            break
        known += 1
    if known > first:
        remember(messages, known, key, True)
    return known


def _tell(value: Any, plan: _Plan, notes: Notes, path: str) -> None:
    """What of the value's own is lost."""
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


def _of_known(values: KnownList[Any], plans: _Plans, notes: Notes) -> tuple[Told, ...]:
    """Their losses, looked for once; each knows its own path. plans: those of one declaration, which are kept for good."""

    def look() -> tuple[Told, ...]:
        recorder = notes.recorder()
        for one in values:
            _look(one, plans, recorder, "")
        return tuple(recorder.told)

    key = id(plans)
    found: tuple[Told, ...] | None = values.made.get(key)
    return values.once(key, look) if found is None else found


def _refused_path(value: Any, name: str, found: Any, notes: Notes) -> str:
    """Refused is a part or a tool as a whole, else a field of the request."""
    if isinstance(value, Placed):
        return value.path
    if type(found) is list and isinstance(found[0], Placed):
        return found[0].path
    return notes.inside(value, name)
