"""What a rule sets, put into the body that its target gets: by position, in the words of that protocol and model
(docs/protocols/presets.md). Every other byte stays. Pure.

The same for a body that goes as it came and for one that was translated. What the target takes is asked of the same
`fit_` modules and written by the same renderer as a translation's, of a request that says nothing else: only where its
fields then differ is the body touched. Not here: names and ranges (conversation/presets.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from ..conversation.notes import Notes
from ..conversation.parts import Text, ToolCall, ToolResult
from ..conversation.presets import TEMPLATE, Presets, bare
from ..conversation.profile import Profile
from ..conversation.request import Message, Request, Role, ThinkingMode, ToolChoice
from ..dialects.base import Dialect, Presetting, Reading, Translation
from ..dialects.capsule import Capsules
from ..errors import PointsmanError
from ..wire.splice import find_values, set_inside, set_member, without_members
from . import losses
from .fit_thinking import fit_thinking
from .fit_values import fit_values

_FIELDS = (
    "temperature", "top_p", "top_k", "presence_penalty", "frequency_penalty", "seed", "max_tokens", "stop",
)  # fmt: skip
"""Presets that are fields of a neutral request."""
_THINKING = ("thinking", "effort")
_APART = frozenset({"model", "messages", "input", "stream", "stream_options", "store", "include"})
"""Members of every body that say nothing of what can be set."""
_NOBODYS = Capsules(bytes(32))
"""There is none in what is read here."""
_TURN = [Message(Role.USER, [Text("x")])]
_UNTHOUGHT = [
    *_TURN, Message(Role.ASSISTANT, [ToolCall("c", "f", "{}")]), Message(Role.USER, [ToolResult("c", (Text("x"),))]),
]  # fmt: skip
"""A turn that goes on after a tool's result, and begins without thinking."""


def preset_body(
    presets: Presets,
    body: bytes,
    dialect: Dialect,
    profile: Profile,
    *,
    said: Request | None = None,
) -> tuple[bytes, list[str]]:
    """(the body, what is to be told of it: `dropped:NAME` for what the target does not take, `changed:NAME` where the
    client said otherwise, or the target takes another value). body: of this protocol, for that target; it has passed peek().
    said: the client's request where that was translated."""
    way = dialect.presetting
    if way is None:
        return body, _unique(f"dropped:{bare(name)}" for name in presets)
    work = _Work(body, way, profile, dialect.translation, said)
    wishes = {
        bare(name): value
        for name, value in presets.items()
        if bare(name) == name or not work.says(bare(name))
    }
    if wishes.pop("num_ctx", 0) > (profile.context_window or 0):
        work.told.append("dropped:num_ctx")
    if dialect.translation is None:
        work.by_name(wishes)
    else:
        work.set_fields(wishes)
        work.set_extras(wishes)
        if "system" in wishes:
            work.set_system(wishes["system"])
    return work.body, _unique(work.told)


def with_system(presets: Presets, body: bytes, dialect: Dialect, profile: Profile) -> tuple[bytes, list[str]]:
    """The same of the system prompt alone: for a body whose tokens are counted."""
    wanted = {name: value for name, value in presets.items() if bare(name) == "system"}
    return preset_body(wanted, body, dialect, profile) if wanted else (body, [])


def _unique(told: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(told))


class _Work:
    """One body on its way. told: see preset_body()."""

    def __init__(
        self,
        body: bytes,
        way: Presetting,
        profile: Profile,
        translation: Translation | None,
        said: Request | None,
    ) -> None:
        self.body = body
        self.told: list[str] = []
        self._way = way
        self._profile = profile
        self._translation = translation
        read = Request("") if translation is None else _read(body, way, translation)
        self._unread = read is None
        self._before = Request("") if read is None else read
        self._said = self._before if said is None else said

    # -- what the client says

    def says(self, name: str) -> bool:
        """Does the client say anything of it?"""
        if self._unread and (name in _FIELDS or name in _THINKING):
            return True  # something that its backend will tell it of
        if self._translation is not None and name in _FIELDS:
            return getattr(self._said, name) not in (None, ())
        if name in _THINKING:
            return self._said.effort is not None or self._said.thinking is not None
        if name == "system":
            return self._way.has_system(self.body)
        return any(self._value(*spelled) not in (None, b"null") for spelled in self._spellings(name))

    def _spellings(self, name: str) -> list[tuple[str, str]]:
        """(member, name inside it or "") under which it stands in a body."""
        holder, dot, inner = name.partition(".")
        if dot:
            return [(holder, inner)]
        if name == "repeat_penalty":
            return [(one, "") for one in self._profile.repeat_penalty]
        return [(name, "")]

    def _value(self, member: str, inner: str) -> bytes | None:
        value = _last(self.body, member)
        if inner and value is not None:
            return _last(value, inner) if value.startswith(b"{") else None
        return value

    # -- fields that every protocol has, or some

    def set_fields(self, wishes: Mapping[str, Any]) -> None:
        wanted = {name: value for name, value in wishes.items() if name in _FIELDS or name in _THINKING}
        if not wanted:
            return
        base = self._fitted(self._before)
        try:
            made = self._fitted(self._after(wanted))
        except PointsmanError:  # it cannot think in this request
            self.told += [f"dropped:{name}" for name in wanted if name in _THINKING]
            wanted = {name: value for name, value in wanted.items() if name not in _THINKING}
            made = self._fitted(self._after(wanted))
        told = [one for one in made.told if one not in base.told or _is_drop_of(one, wanted)]
        self.told += [self._by_wish(one, wanted) for one in told if not self._as_wished(one, wanted)]
        self._tell_of(wanted, base, made)
        self._write(base.members, made.members)

    def _after(self, wanted: Mapping[str, Any]) -> Request:
        fields = {name: value for name, value in wanted.items() if name in _FIELDS}
        if "stop" in fields:
            fields["stop"] = tuple(fields["stop"])
        after = msgspec.structs.replace(self._before, **fields)
        if any(name in wanted for name in _THINKING):
            after.effort, after.thinking = self._thoughts(wanted)
        return after

    def _thoughts(self, wanted: Mapping[str, Any]) -> tuple[str | None, ThinkingMode | None]:
        before, effort, thinks = self._before.thinking, wanted.get("effort"), wanted.get("thinking")
        if thinks is False:
            return effort, ThinkingMode("disabled")
        if effort is None and before is not None and before.type != "disabled":
            return self._before.effort, before  # it thinks already
        if self._profile.reasoning == "budget":
            return effort or "high", None
        display = None if before is None else before.display
        if self._profile.thinking_field:
            return effort, ThinkingMode("adaptive", display=display) if effort != "none" else ThinkingMode(
                "disabled"
            )
        if effort is None:
            asked = self._before.effort
            effort = asked if asked not in (None, "none") else "medium"
        return effort, None

    def _fitted(self, request: Request) -> _Fitted:
        """Raises PointsmanError where it cannot be."""
        assert self._translation is not None
        notes = Notes()
        made = msgspec.structs.replace(request)
        made.messages = _UNTHOUGHT if self._lacks_thinking() else _TURN
        made.tool_choice = ToolChoice("any") if _forces(self._value("tool_choice", "")) else None
        fit_values(made, self._profile, notes)
        if len(made.stop) > self._profile.stop:
            notes.drop("stop")  # nobody would enforce them
            made.stop = ()
        fit_thinking(made, self._profile, notes)
        made.messages, made.tool_choice, made.stream = _TURN, None, False
        losses.check(made, self._translation.carries, notes)
        found: dict[str, Any] = msgspec.json.decode(self._translation.render_request(made, self._profile))
        return _Fitted({name: value for name, value in found.items() if name not in _APART}, notes.warnings)

    def _lacks_thinking(self) -> bool:
        return b'"tool_result"' in self.body and b'"signature"' not in self.body

    def _as_wished(self, told: str, wanted: Mapping[str, Any]) -> bool:
        """A model that can only think or not thinks: the word for how hard was nobody's wish."""
        code, _, name = told.partition(":")
        return (
            code == "changed"
            and name in _THINKING
            and "effort" not in wanted
            and self._profile.reasoning == "template"
        )

    @staticmethod
    def _by_wish(told: str, wanted: Mapping[str, Any]) -> str:
        """An effort by the name that the rule has for it, and so the thinking."""
        code, _, name = told.partition(":")
        if name in _THINKING and name not in wanted:
            name = next((one for one in _THINKING if one in wanted), name)
        return f"{code}:{name}"

    def _tell_of(self, wanted: Mapping[str, Any], base: _Fitted, made: _Fitted) -> None:
        """Of what the client said itself, and of what became nothing."""
        about = {one.partition(":")[2] for one in self.told}
        for name, value in wanted.items():
            if name in _THINKING or name in about:
                continue
            theirs = getattr(self._said, name)
            if theirs not in (None, ()) and theirs != (tuple(value) if name == "stop" else value):
                self.told.append(f"changed:{name}")
        thought = [name for name in _THINKING if name in wanted]
        if thought and not about.intersection(thought):
            if base.members != made.members and self.says("effort"):
                self.told += [f"changed:{name}" for name in thought]
            elif not base.thinks_differently(made) and not self.says("effort"):
                self.told += [f"dropped:{name}" for name in thought]

    def _write(self, base: Mapping[str, Any], made: Mapping[str, Any]) -> None:
        for name in dict.fromkeys((*base, *made)):
            old, new = base.get(name), made.get(name)
            if old == new:
                continue
            self._push_out(self._way.twins.get(name, frozenset()))
            if isinstance(new, dict) or (isinstance(old, dict) and new is None):
                self._write_inside(name, old or {}, new or {})
            elif new is None:
                self._push_out(frozenset({name}))
            else:
                self.body = set_member(self.body, name, msgspec.json.encode(new))

    def _write_inside(self, member: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        if member in _WHOLE:
            if new:
                self.body = set_member(self.body, member, msgspec.json.encode(new))
            else:
                self._push_out(frozenset({member}))
            return
        for name in dict.fromkeys((*old, *new)):
            if old.get(name) != new.get(name):
                value = msgspec.json.encode(new[name]) if name in new else None
                self.body = set_inside(self.body, member, name, value)

    def _push_out(self, names: frozenset[str]) -> None:
        if any(name.encode() in self.body for name in names):
            self.body = without_members(self.body, lambda name, _: name in names)

    # -- what only some servers have

    def set_extras(self, wishes: Mapping[str, Any]) -> None:
        profile = self._profile
        for name, value in wishes.items():
            if name == "min_p":
                self._set_extra(name, value, taken=profile.min_p)
            elif name == "repeat_penalty":
                self._set_extra(name, value, taken=bool(profile.repeat_penalty))
            elif name.startswith(f"{TEMPLATE}."):
                self._set_extra(name, value, taken=profile.template_kwargs)

    def _set_extra(self, name: str, value: Any, *, taken: bool) -> None:
        if not taken:
            self.told.append(f"dropped:{name}")
            return
        made = msgspec.json.encode(value)
        spellings = self._spellings(name)
        if any(self._value(*one) not in (None, b"null", made) for one in spellings):
            self.told.append(f"changed:{name}")
        for member, inner in spellings:
            self.body = (
                set_inside(self.body, member, inner, made) if inner else set_member(self.body, member, made)
            )

    def set_system(self, text: str) -> None:
        changed = self._way.with_system(self.body, text, self._profile)
        if changed is None:
            self.told.append("dropped:system")
        else:
            self.body = changed

    def by_name(self, wishes: Mapping[str, Any]) -> None:
        """Of a protocol without a translation: what has a member of its name there."""
        takes = {
            "top_k": self._profile.top_k, "min_p": self._profile.min_p,
            "repeat_penalty": bool(self._profile.repeat_penalty),
        }  # fmt: skip
        for name, value in wishes.items():
            self._set_extra(name, value, taken=name in self._way.reads and takes.get(name, True))


def _is_drop_of(told: str, wanted: Mapping[str, Any]) -> bool:
    """The target does not take it, whoever says it."""
    code, _, name = told.partition(":")
    return code == "dropped" and name in wanted


_WHOLE = frozenset({"thinking"})
"""Members whose parts belong together."""


@dataclass(frozen=True, slots=True)
class _Fitted:
    """members: what a body would have of it. told: what was lost on the way."""

    members: Mapping[str, Any]
    told: list[str]

    def thinks_differently(self, other: _Fitted) -> bool:
        """Does the other have another member that speaks of thinking?"""
        return any(
            self.members.get(name) != other.members.get(name)
            for name in ("thinking", "output_config", "reasoning", "reasoning_effort", TEMPLATE)
        )


def _last(text: bytes, name: str) -> bytes | None:
    spans = find_values(text, name) if name.encode() in text else []
    return text[slice(*spans[-1])] if spans else None


def _read(body: bytes, way: Presetting, translation: Translation) -> Request | None:
    """What the body says of what can be set; None where nobody can read it."""
    members = {name: value for name in way.reads if (value := _last(body, name)) not in (None, b"null")}
    said = {name: msgspec.json.decode(value) for name, value in members.items() if value is not None}
    turn = [{"role": "user", "content": "x"}]
    try:
        whole = {"model": "m", "messages": turn, "input": turn, **said}
        return translation.parse_request(whole, Reading(Notes(), _NOBODYS))
    except PointsmanError:
        return None


def _forces(choice: bytes | None) -> bool:
    """Must the model call a tool?"""
    value = None if choice is None else msgspec.json.decode(choice)
    if isinstance(value, dict):
        kind, mode = value.get("type"), value.get("mode")
        return mode == "required" or kind in ("any", "tool", "function", "custom")
    return value in ("required", "any")
