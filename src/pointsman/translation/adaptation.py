"""What adapt() changed, and the way back: the answer's tool names and custom tools as the client declared them.

The maps derive from the request's own tools, so nothing is remembered between requests.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import Any

from ..conversation.events import Delta, Event, PartEnd, PartKind, PartStart
from ..conversation.parts import ToolKind
from ..conversation.profile import Profile
from ..wire.jsontext import StringReader

_ILLEGAL = re.compile(r"[^a-zA-Z0-9_-]")
_FITS = re.compile(r"[A-Za-z0-9_-]{1,64}").fullmatch
_FORTY = re.compile(r"[A-Za-z0-9_-]{1,40}").fullmatch
_NINE = re.compile(r"[A-Za-z0-9]{9}").fullmatch
_STYLES = {"short": _FITS, "forty": _FORTY, "nine": _NINE}
"""Profile.tool_id but `any`, which takes all."""
_SEPARATOR = "__"
_HASH = 8
"""Characters of a shortened name that tell it from its neighbours."""

Rewritten = dict[tuple[str, str | None], dict[str, Any]]
"""(name, namespace) of a client's tool -> its own schema, where the target got another one."""
ToolNames = tuple[dict[str, tuple[str, str | None]], dict[str, str], frozenset[str], Rewritten]


class Adaptation:
    """stop: sequences that the gateway enforces, because the upstream cannot take them all. rewritten: by what a call's
    arguments are checked."""

    __slots__ = ("_names", "_reserved", "_upstream", "_wrapped", "rewritten", "stop")

    def __init__(self) -> None:
        self.stop: tuple[str, ...] = ()
        self.rewritten: Rewritten = {}
        self._names: dict[str, tuple[str, str | None]] = {}  # upstream name -> (name, namespace)
        self._upstream: dict[str, str] = {}  # name as the client writes it -> upstream name
        self._wrapped: set[str] = set()
        self._reserved: set[str] = set()

    @property
    def identity(self) -> bool:
        """Nothing of an answer has to be changed back."""
        return not self._names and not self._wrapped

    def reserve(self, name: str) -> None:
        """A tool that the backend runs has this name: a function that is called so gets another."""
        self._reserved.add(name)

    def shorten(self, name: str, namespace: str | None, profile: Profile) -> str:
        """The tool's name upstream: its group in front where groups are unknown there, legal characters, short enough."""
        grouped = namespace is not None and not profile.namespaces
        full = f"{namespace}{_SEPARATOR}{name}" if grouped else name
        short = full
        if len(full) > profile.tool_name_max or _ILLEGAL.search(full) or full in self._reserved:
            digest = hashlib.sha256(full.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH]
            short = f"{_ILLEGAL.sub('_', full)[: profile.tool_name_max - _HASH - 1]}_{digest}"
        if short != name:
            self._names[short] = (name, namespace)
            self._upstream[name] = short
        return short

    def upstream_name(self, name: str) -> str:
        """A name that the client used elsewhere in its request (tool_choice)."""
        return self._upstream.get(name, name)

    def wrap(self, upstream_name: str) -> None:
        """This tool takes free text and was declared as a function with one string."""
        self._wrapped.add(upstream_name)

    def wraps(self, upstream_name: str) -> bool:
        """Was it declared so?"""
        return upstream_name in self._wrapped

    def name_of(self, name: str, namespace: str | None) -> str:
        """A tool's name upstream."""
        own = (name, namespace)
        return next((short for short, told in self._names.items() if told == own), name)

    def id_for(self, call_id: str, style: str) -> str:
        """A call id that the target takes; the same id always gives the same one."""
        fits = _STYLES.get(style)
        if fits is None or fits(call_id):
            return call_id
        digest = hashlib.sha256(call_id.encode("utf-8", "surrogatepass")).hexdigest()
        return digest[:9] if style == "nine" else f"call_{digest[:24]}"

    def of_tools(self) -> ToolNames:
        """What is known of the tools by now: their names, which are wrapped, and which have another schema."""
        return self._names.copy(), self._upstream.copy(), frozenset(self._wrapped), self.rewritten.copy()

    def take(self, found: ToolNames) -> None:
        """What was known of the same tools before."""
        names, upstream, wrapped, rewritten = found
        self._names |= names
        self._upstream |= upstream
        self._wrapped |= wrapped
        self.rewritten |= rewritten

    def start(self) -> Back:
        """The way back for one answer."""
        return Back(self._names, self._wrapped)


class Back:
    """One answer's events with the client's names. Custom tools' text is taken out of its JSON as it streams."""

    __slots__ = ("_names", "_readers", "_wrapped")

    def __init__(self, names: dict[str, tuple[str, str | None]], wrapped: Iterable[str]) -> None:
        self._names = names
        self._wrapped = wrapped
        self._readers: dict[int, StringReader] = {}

    def back(self, event: Event) -> Sequence[Event]:
        """One event of the upstream; those for the client."""
        if type(event) is Delta:
            reader = self._readers.get(event.index) if self._readers else None
            if reader is None:
                return (event,)
            text = reader.feed(event.text)
            return (Delta(event.index, text),) if text else ()
        if isinstance(event, PartStart) and event.kind is PartKind.TOOL:
            name, namespace = self._names.get(event.name, (event.name, event.namespace))
            kind = event.tool_kind
            if event.name in self._wrapped:
                kind = ToolKind.CUSTOM
                self._readers[event.index] = StringReader("input")
            return (PartStart(event.index, PartKind.TOOL, event.call_id, name, kind, namespace),)
        if isinstance(event, PartEnd) and event.index in self._readers:
            rest = self._readers.pop(event.index).finish()
            return (Delta(event.index, rest), event) if rest else (event,)
        return (event,)
