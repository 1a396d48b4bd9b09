"""Calls that a client can use, and that it can send back: with a name, and with arguments that are an object
(docs/protocols/tools.md#calls-of-weak-models).

Applied to answers on their way to the client; histories are healed with the same rule (heal.py). Where the target got
another schema than the client's, arguments are held against the client's: told, never changed. Not here: which pieces
are one call (dialects/openai_chat/calls.py), and what of an object's text is certain (wire/objecttext.py).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import msgspec

from ..conversation.events import Delta, Event, Failed, PartEnd, PartKind, PartStart
from ..conversation.parts import ToolKind
from ..conversation.request import Request
from ..errors import PointsmanError
from ..jsonschema.fits import misfit
from ..kinds import ErrorKind
from ..wire.objecttext import ObjectText
from ..wire.surrogates import mended
from .adaptation import Rewritten

NAMELESS = "unnamed_tool"
"""Of a call without a name where several tools could be meant: the client answers that it has no such tool."""
_EMPTY = re.compile(r"\s*\{\s*\}\s*(?=\{)")
"""Placeholders that some servers put before the pieces of an object."""
_FENCE = re.compile(r"\s*```(?:json)?\s*(.*?)\s*```\s*", re.DOTALL)
_MAY_BE_LITERAL = 64 * 1024
"""Characters of a text that is read as a literal of Python at most."""
_BEGUN = re.compile(r'\s*\{\s*"')
"""What begins an object with a member: from here on it streams."""


def as_object(text: str) -> str:
    """Arguments as the JSON text of an object: as they are, halves of characters as U+FFFD; out of a string that holds
    one; made JSON where only one thing can be meant; else kept as they came under `INVALID_JSON`. White space alone is
    none."""
    if not text.strip():
        return ""
    if text.startswith("{") and text.isascii() and "\\u" not in text:  # nothing in it can be half a character
        with suppress(msgspec.DecodeError, RecursionError):
            msgspec.json.decode(text)
            return text
    given = text.encode("utf-8", "replace")
    sound = mended(given)
    if sound is not given:
        text = sound.decode()
    for _ in range(2):
        try:
            value = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
            found = _repaired(text)
            if found:
                return found
            break
        if isinstance(value, dict):
            return text
        if not isinstance(value, str):
            break
        text = value  # encoded twice
    return msgspec.json.encode({"INVALID_JSON": given.decode()}).decode()


def _repaired(text: str) -> str:
    """The object that is meant, "" where that is not certain."""
    fenced = _FENCE.fullmatch(text)
    begun = _without_empty(fenced[1] if fenced else text).lstrip()
    if not begun.startswith("{"):
        return ""
    reader = ObjectText()
    found = reader.feed(begun)
    if reader.closed and not reader.broken:
        with suppress(msgspec.DecodeError, RecursionError):
            if isinstance(msgspec.json.decode(found), dict):
                return found
    if len(begun) <= _MAY_BE_LITERAL:
        with suppress(ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            value = ast.literal_eval(begun.strip())
            if isinstance(value, dict) and all(isinstance(key, str) for key in value):
                return msgspec.json.encode(value).decode()
    return ""


def _without_empty(text: str) -> str:
    while (found := _EMPTY.match(text)) is not None:
        text = text[found.end() :]
    return text


class UsableCalls:
    """add(event) -> the events that may go out. Events come in writer's order. Arguments that begin an object stream on,
    as far as they are JSON; others are held until their part ends. whole: all are, for a client that wants it whole.
    mended: the tool whose arguments are told otherwise than they came. misfits: (tool, where and why) of the calls that do
    not fit the schema that the target did not get."""

    __slots__ = (
        "_failed", "_held", "_index", "_name", "_pieces", "_reader", "_rewritten", "_schema", "_told_name", "_whole",
        "mended", "misfits",
    )  # fmt: skip

    def __init__(self, request: Request, rewritten: Rewritten, *, whole: bool = False) -> None:
        self._index = -1  # of the open call
        self._held = ""
        self._reader: ObjectText | None = None  # of arguments that have begun an object
        self._failed = False
        self._told_name = ""
        self._whole = whole
        self._rewritten = rewritten
        self._schema: dict[str, Any] | None = None  # of the open call, where it is checked
        self._pieces: list[str] = []  # its arguments then
        self.mended = ""
        self.misfits: list[tuple[str, str]] = []
        names = {tool.name for tool in request.tools}
        self._name = names.pop() if len(names) == 1 else NAMELESS

    @property
    def waits(self) -> bool:
        """Is a call open?"""
        return self._index >= 0

    def add(self, event: Event) -> Sequence[Event]:
        """One event."""
        if type(event) is PartStart:
            return (self._begin(event),)
        if self._index < 0:
            return (event,)
        if type(event) is Delta and event.index == self._index:
            return self._more(event)
        if type(event) is PartEnd and event.index == self._index:
            self._index = -1
            text = as_object(self._held)
            if text not in ("", self._held) or (self._reader is not None and self._reader.mended):
                self.mended = self._told_name
            if self._schema is not None:
                self._check(self._schema, "".join((*self._pieces, text)))
            return (Delta(event.index, text), event) if text else (event,)
        return (event,)

    def _begin(self, event: PartStart) -> PartStart:
        if event.kind is not PartKind.TOOL:
            return event
        if not event.name:
            event = msgspec.structs.replace(event, name=self._name)
        if event.tool_kind is ToolKind.FUNCTION:
            self._index, self._held, self._reader = event.index, "", None
            self._told_name = event.name
            self._pieces, self._schema = [], self._rewritten.get((event.name, event.namespace))
        return event

    def _more(self, event: Delta) -> Sequence[Event]:
        if self._failed:
            return ()
        text = event.text
        if self._reader is None:
            self._held += text
            if self._whole or not _BEGUN.match(_without_empty(self._held)):
                return ()
            text, self._held = _without_empty(self._held), ""
            self._reader = ObjectText()
        passed = self._reader.feed(text)
        if self._reader.broken:
            self._failed = True
            return (Failed(self._error()),)
        if self._schema is not None:
            self._pieces.append(passed)
        return (Delta(event.index, passed),) if passed else ()

    def _check(self, schema: dict[str, Any], arguments: str) -> None:
        with suppress(ValueError, RecursionError):  # what was cut was told as cut
            found = misfit(msgspec.json.decode(arguments or "{}"), schema)
            if found is not None:
                self.misfits.append((self._told_name, found))

    def _error(self) -> PointsmanError:
        """What was told cannot be taken back, and the client would run another call than the model meant."""
        return PointsmanError(
            ErrorKind.UPSTREAM_ERROR,
            f"The backend's arguments for the tool {self._told_name!r} are not JSON.",
        )
