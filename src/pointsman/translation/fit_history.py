"""The conversation made to fit: parts the target cannot take, ids and names of calls, turns that
it demands in an order. See adapt.py. Not here: repairing what no backend would take (heal.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import is_
from typing import NamedTuple

import msgspec

from ..conversation.known import KnownList, begun, remember
from ..conversation.notes import Notes
from ..conversation.parts import (
    Document,
    Foreign,
    Image,
    Part,
    Refusal,
    ResultPart,
    Text,
    Thinking,
    ToolCall,
    ToolKind,
    ToolResult,
)
from ..conversation.profile import Profile
from ..conversation.request import Message, Request, Role
from ..dialects.ids import upstream_id
from ..dialects.shown import MARKED
from .adaptation import Adaptation
from .bound import together
from .fit_media import fit_document, fit_image
from .fit_turns import fit_turns

_UNREADABLE = "can be read by its own vendor only; leave it out, or use one of that vendor's models."


def fit_history(made: Request, profile: Profile, notes: Notes, adaptation: Adaptation) -> None:
    """Changes `made`. Raises PointsmanError 400 for what the target cannot be shown."""
    fit: _Fit | None = None  # until there is something to be made to fit
    changed = False
    messages: list[Message] = []
    shown: list[Part] = []  # what the assistant's tools showed, which is the user's to say
    if made.messages and type(made.messages[0].parts) is KnownList:
        fit = _Fit(profile, notes, adaptation)
        messages, changed = fit.go_on(made.messages)
    for message in made.messages[len(messages) :] if messages else made.messages:
        parts: Sequence[Part] = message.parts
        if type(parts) is KnownList and not shown:
            if fit is None:
                fit = _Fit(profile, notes, adaptation)
            parts = fit.known(parts)
            if parts is message.parts:
                messages.append(message)
                continue
        elif not shown and _FITS.issuperset(map(type, parts)):
            messages.append(message)  # as almost all are that hold no call
            continue
        else:
            if fit is None:
                fit = _Fit(profile, notes, adaptation)
            parts = fit.turn(together(parts, profile))
        if message.role is Role.ASSISTANT:
            if shown:
                messages.append(Message(Role.USER, shown, path=shown[0].path))
                shown = []
            if not _SHOWN.isdisjoint(map(type, parts)):
                shown = [part for part in parts if type(part) in _SHOWN]
                parts = [part for part in parts if type(part) not in _SHOWN]
        elif shown and message.role is Role.USER:
            results = [part for part in parts if isinstance(part, ToolResult)]
            parts = [*results, *shown, *(part for part in parts if not isinstance(part, ToolResult))]
            shown = []
        if _same(parts, message.parts):
            messages.append(message)
        else:
            changed = True
            messages.append(msgspec.structs.replace(message, parts=parts))
    if shown:
        changed = True
        messages.append(Message(Role.USER, shown, path=shown[0].path))
    if changed:
        made.messages = messages
    fit_turns(made, profile, notes)


_FITS = frozenset((Text, Refusal))
"""Parts that every target takes as they are."""
_SHOWN = frozenset((Image, Document))


def _same(parts: Sequence[Part], others: Sequence[Part]) -> bool:
    return len(parts) == len(others) and all(map(is_, parts, others))


class _KnownTurn(NamedTuple):
    """What becomes of a turn that was met before, as long as what came before it does not stand against that. taken: ids
    of its calls that no other call may have. ids: of its calls, answers: of those that its results answer, the client's ->
    the target's. names: of its calls, likewise. plain: it has neither."""

    parts: KnownList[Part]
    taken: frozenset[str]
    ids: dict[str, str]
    answers: dict[str, str]
    names: dict[tuple[str, str | None], str]
    plain: bool = False


class _Begun(NamedTuple):
    """What becomes of the first turns of a history. changed: is any of them another? The rest as in _Fit."""

    messages: list[Message]
    changed: bool
    names: dict[tuple[str, str | None], str]
    ids: dict[str, str]
    taken: frozenset[str]


class _Fit:
    """Part by part; the same object where nothing is to be changed."""

    __slots__ = ("_adaptation", "_ids", "_key", "_names", "_notes", "_profile", "_taken")

    def __init__(self, profile: Profile, notes: Notes, adaptation: Adaptation) -> None:
        self._profile = profile
        self._notes = notes
        self._adaptation = adaptation
        self._key = (_Fit, profile)  # of what becomes of known turns
        self._names: dict[tuple[str, str | None], str] = {}  # of the tools that were called
        self._ids: dict[str, str] = {}  # of the calls so far: the client's -> the target's
        self._taken: set[str] = set()

    def turn(self, parts: Sequence[Part]) -> list[Part]:
        """What goes of these, and in which form."""
        out: list[Part] = []
        for part in parts:
            if type(part) is Text:
                out.append(part)
            elif type(part) is ToolCall:
                out.append(self._call(part))
            elif type(part) is ToolResult:
                out.append(self._result(part))
            else:
                out += self._other(part)
        return out

    def known(self, parts: KnownList[Part]) -> Sequence[Part]:
        """The same for a turn that was met before. It is of text, calls and results of text (dialects/turn_memory.py), of
        which nothing is told here."""
        found: _KnownTurn = parts.made.get(self._key) or parts.once(self._key, lambda: self._alone(parts))
        if found.plain:
            return found.parts
        ids, names = self._ids, self._names
        for full, name in found.names.items():
            if full not in names:
                names[full] = self._adaptation.shorten(*full, self._profile)
            if names[full] != name:
                return self.turn(parts)
        if found.taken and not self._taken.isdisjoint(found.taken):
            return self.turn(parts)
        for told, answered in found.answers.items():
            if ids.get(told) != answered:
                return self.turn(parts)
        self._taken |= found.taken
        ids |= found.ids
        return found.parts

    def go_on(self, messages: list[Message]) -> tuple[list[Message], bool]:
        """(what becomes of the turns that stand first and were met before, is any of them another?)."""
        _, found = begun(messages, self._key)
        fitted: list[Message] = []
        changed = False
        if found is not None and all(
            self._adaptation.shorten(name, group, self._profile) == short
            for (name, group), short in found.names.items()
        ):
            fitted, changed = found.messages[:], found.changed
            self._names, self._ids, self._taken = found.names.copy(), found.ids.copy(), set(found.taken)
        at, alone = len(fitted), True
        for message in messages[at:]:
            if type(message.parts) is not KnownList:
                break
            parts = self.known(message.parts)
            alone = alone and type(parts) is KnownList
            if parts is not message.parts and not _same(parts, message.parts):
                changed = True
                message = msgspec.structs.replace(message, parts=parts)
            fitted.append(message)
        if alone and len(fitted) > at:
            state = _Begun(fitted[:], changed, self._names.copy(), self._ids.copy(), frozenset(self._taken))
            remember(messages, len(fitted), self._key, state)
        return fitted, changed

    def _alone(self, parts: KnownList[Part]) -> _KnownTurn:
        """As if it were the first turn."""
        first = _Fit(self._profile, self._notes, Adaptation())
        fitted = first.turn(parts)
        made = parts if _same(fitted, parts) else KnownList(fitted)
        if not first._ids:
            return _KnownTurn(made, frozenset(), {}, {}, {}, plain=True)
        if any(type(part) is ToolResult for part in parts):
            return _KnownTurn(made, frozenset(), {}, first._ids, first._names)
        return _KnownTurn(made, frozenset(first._taken), first._ids, {}, first._names)

    def _other(self, part: Part) -> Sequence[Part]:
        match part:
            case Image() | Document():
                return (self._shown(part),)
            case Thinking():
                thought = self._thinking(part)
                return () if thought is None else (thought,)
            case Foreign():
                return self._foreign(part)
        return (part,)

    def _call(self, part: ToolCall) -> ToolCall:
        profile = self._profile
        call_id = self._call_id(part.id)
        full = (part.name, part.namespace)
        name = self._names.get(full)
        if name is None:
            name = self._names[full] = self._adaptation.shorten(*full, profile)
        if part.kind is ToolKind.CUSTOM and not profile.custom_tools:
            arguments = msgspec.json.encode({"input": part.arguments}).decode()
            return ToolCall(call_id, name, arguments, cache=part.cache, path=part.path)
        namespace = part.namespace if profile.namespaces else None
        if (call_id, name, namespace) == (part.id, part.name, part.namespace):
            return part
        return msgspec.structs.replace(part, id=call_id, name=name, namespace=namespace)

    def _call_id(self, told: str) -> str:
        """The backend's own where we told the client another: thinking is bound to it. A backend that uses one twice gets
        ours for the second, as it stays the same in the turns to come (docs/protocols/tools.md#call-ids)."""
        own = upstream_id(told)
        if own in self._taken:
            own = told
        self._taken.add(own)
        found = self._ids[told] = self._adaptation.id_for(own, self._profile.tool_id)
        return found

    def _result(self, part: ToolResult) -> ToolResult:
        call_id = self._ids.get(part.call_id) or self._call_id(part.call_id)
        kind = part.kind if self._profile.custom_tools else ToolKind.FUNCTION
        texts = _FITS.issuperset(map(type, part.parts))
        parts = part.parts if texts else tuple(map(self._shown, part.parts))
        if call_id == part.call_id and kind is part.kind and (texts or all(map(is_, parts, part.parts))):
            return part
        return msgspec.structs.replace(part, call_id=call_id, kind=kind, parts=parts)

    def _shown(self, part: ResultPart) -> ResultPart:
        """What a tool's output can hold as well."""
        if isinstance(part, Image):
            return fit_image(part, self._profile, self._notes)
        return fit_document(part, self._profile, self._notes) if isinstance(part, Document) else part

    def _thinking(self, part: Thinking) -> Thinking | None:
        """What is opaque goes to who made it, and only as it was; its text to models that are
        shown their earlier reasoning. Signed reasoning of another maker is of use to nobody
        else, so that nothing is told of it; what bears no signature the client may have written
        itself (docs/protocols/reasoning.md#reasoning-must-come-back)."""
        opaque, profile = part.opaque, self._profile
        if opaque is not None and opaque.protocol == profile.protocol:
            if opaque.backend in ("", profile.backend):
                return part
        if profile.replay_as is None or not part.text:
            if opaque is None and part.text.strip():
                self._notes.drop(part.path, "the backend is not shown reasoning that it did not sign")
            return None
        return part if opaque is None else msgspec.structs.replace(part, opaque=None)

    def _foreign(self, part: Foreign) -> Sequence[Part]:
        """Told to a model of another vendor in words and pictures, marked as what it is."""
        if part.protocol == self._profile.protocol:
            return (part,)
        if not part.text.strip() and not part.shown:
            self._notes.refuse(part.path, f"'{part.type}' {_UNREADABLE}")
        self._notes.change(part.path, f"'{part.type}' is of one vendor only, and is told in words")
        marked = Text(MARKED.format(part.type, part.text), path=part.path)
        return (marked, *map(self._shown, part.shown))
