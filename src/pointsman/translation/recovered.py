"""Calls that come as text become calls, where the rule says `recover_calls`
(docs/protocols/tools.md#calls-that-come-as-text). Only such rules load it. Not here: what is a call
(dialects/text_calls.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from ..conversation.events import (
    Cited,
    Delta,
    Ended,
    Event,
    Failed,
    Finished,
    PartEnd,
    PartKind,
    PartStart,
    Stop,
)
from ..conversation.parts import ToolKind
from ..conversation.request import Request
from ..dialects.text_calls import CallSplitter, Schemas, TextCall
from .adaptation import Adaptation
from .fit_tools import WRAPPED
from .stream import Stages

_FRESH = 1 << 20
"""Indices of parts that the reader does not know of begin here."""


def callable_tools(request: Request, adaptation: Adaptation) -> Schemas:
    """Those that an answer may call, by the names that the target knows. request: the client's."""
    choice = request.tool_choice
    if choice is not None and choice.mode == "none":
        return {}
    found: dict[str, Any] = {}
    for tool in request.tools:
        if choice is not None and choice.allowed is not None and tool.name not in choice.allowed:
            continue
        name = adaptation.name_of(tool.name, tool.namespace)
        if tool.kind is not ToolKind.CUSTOM:
            found[name] = tool.schema
        elif adaptation.wraps(name):
            found[name] = WRAPPED
    return found


class _Text:
    """One text part. splitter: None once nothing more is looked for in it. out: the part that its words go to now,
    -1 = none is open; said: something of it was told."""

    __slots__ = ("index", "out", "said", "splitter")

    def __init__(self, index: int, tools: Schemas) -> None:
        self.index = index
        self.splitter: CallSplitter | None = CallSplitter(tools)
        self.out = -1
        self.said = False


class RecoveringStages(Stages):
    """Before all other stages: texts are looked through, and a call in one ends it, as if its server had told it so. told:
    is called with the name of each."""

    def __init__(
        self,
        adaptation: Adaptation,
        request: Request,
        request_id: str,
        kept: Any,
        told: Callable[[str], None],
        *,
        whole: bool,
    ) -> None:
        super().__init__(adaptation, request, request_id, kept, whole=whole)
        self._tools = callable_tools(request, adaptation)
        self._id = request_id
        self._on_call = told
        self._texts: dict[int, _Text] = {}
        self._fresh = _FRESH
        self._calls_found = 0

    def passes(self, part: int) -> bool:
        """See Stages: every text is looked through."""
        return False

    def add(self, event: Event) -> Iterable[Event]:
        """See Stages."""
        found: list[Event] = []
        for one in self._looked_through(event):
            found += super().add(one)
        return found

    def _looked_through(self, event: Event) -> Sequence[Event]:
        if type(event) is Delta:
            text = self._texts.get(event.index)
            return (event,) if text is None else self._more(text, event.text)
        if type(event) is PartStart:
            before = self._all_over()  # what follows stands behind it
            if event.kind is not PartKind.TEXT or not self._tools:
                return [*before, event]
            self._texts[event.index] = _Text(event.index, self._tools)
            return before
        if type(event) is PartEnd and event.index in self._texts:
            return self._ended(self._texts.pop(event.index), event)
        if type(event) is Cited and event.index in self._texts:
            return self._cited(self._texts[event.index], event)
        if type(event) in (Finished, Ended, Failed):
            before = self._all_over(calls=type(event) is not Failed)
            if type(event) is Finished and event.stop is Stop.END and self._calls_found:
                event = msgspec.structs.replace(event, stop=Stop.TOOL_USE)
            return [*before, event]
        return (event,)

    def _more(self, text: _Text, words: str) -> list[Event]:
        return self._told_of(text, [words] if text.splitter is None else text.splitter.feed(words))

    def _told_of(self, text: _Text, found: list[str | TextCall]) -> list[Event]:
        out: list[Event] = []
        for one in found:
            if isinstance(one, str):
                self._open(text, out)
                out.append(Delta(text.out, one))
            else:
                if text.out >= 0:
                    out.append(PartEnd(text.out))
                    text.out = -1
                out += self._call(one)
            text.said = True
        return out

    def _open(self, text: _Text, out: list[Event]) -> None:
        if text.out < 0:
            text.out = self._next() if text.said else text.index
            out.append(PartStart(text.out, PartKind.TEXT))

    def _call(self, call: TextCall) -> list[Event]:
        index = self._next()
        self._calls_found += 1
        signs = hashlib.sha256(f"{self._id} {self._calls_found}".encode()).hexdigest()[:16]
        self._on_call(call.name)
        return [
            PartStart(index, PartKind.TOOL, f"call_{signs}", call.name),
            Delta(index, call.arguments),
            PartEnd(index),
        ]

    def _next(self) -> int:
        self._fresh += 1
        return self._fresh

    def _over(self, text: _Text, *, calls: bool = True) -> list[Event]:
        """Nothing more is looked for in it."""
        splitter, text.splitter = text.splitter, None
        if splitter is None:
            return []
        return self._told_of(text, splitter.finish() if calls else splitter.given_up())

    def _all_over(self, *, calls: bool = True) -> list[Event]:
        return [event for text in self._texts.values() for event in self._over(text, calls=calls)]

    def _ended(self, text: _Text, event: PartEnd) -> list[Event]:
        out = self._over(text)
        if not text.said:  # an empty one
            self._open(text, out)
        if text.out >= 0:
            out.append(msgspec.structs.replace(event, index=text.out))
        return out

    def _cited(self, text: _Text, event: Cited) -> list[Event]:
        """Its places are counted in the text as it came: no call is taken out of such a one."""
        out = self._over(text, calls=False)
        self._open(text, out)
        return [*out, msgspec.structs.replace(event, index=text.out)]
