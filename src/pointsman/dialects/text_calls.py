"""Calls that stand in a text as each family's models write them, where a server has not read them
(docs/protocols/tools.md#calls-that-come-as-text).

A form is a call only where it is whole, names a tool of the request and its arguments fit that tool; all else is the text
that it is. Tags may be cut anywhere; how a text is cut never changes what comes out. Not here: what becomes of a call
(translation/recovered.py), and the arguments of Qwen3-Coder's form (text_parameters.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple

import msgspec

from ..jsonschema.fits import misfit
from .text_parameters import call_of

Schemas = Mapping[str, Mapping[str, Any] | None]
"""Name of a tool -> the schema of its arguments, None takes any."""

_HERMES, _CODER, _MISTRAL, _LLAMA = "<tool_call>", "<function=", "[TOOL_CALLS]", "<|python_tag|>"
_STARTS = (_HERMES, _CODER, _MISTRAL, _LLAMA)
_START = re.compile("|".join(map(re.escape, _STARTS)))
_FIRSTS = frozenset(start[0] for start in _STARTS)
_CLOSE, _CODER_END = "</tool_call>", "</function>"
_SPACES = 16
"""White space around a call that is its template's: so much at most."""
_TAIL = re.compile(rf"\s{{0,{_SPACES}}}\Z")
_QUOTES = frozenset("`'\"")
_RUNS = re.compile(r"`+|[^`]+")
_MARKS = re.compile(r'["\\{}\[\]]')
_NAME = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
_ARGS = "[ARGS]"
PATIENCE = 256 * 1024
"""Characters held for the end of a call at most."""
_MOST_TRIES = 32
"""Starts in one text that turn out to be no calls; then it is all text."""
_MOST_ENDS = 8


class TextCall(NamedTuple):
    """arguments: JSON text of an object."""

    name: str
    arguments: str


_NONE = msgspec.Raw()


class _Named(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    arguments: msgspec.Raw = _NONE
    parameters: msgspec.Raw = _NONE
    id: Any = None
    type: Any = None


_one, _several = msgspec.json.Decoder(_Named), msgspec.json.Decoder(list[_Named])


class CallSplitter:
    """feed(text) -> texts and calls in their order; finish() -> what was held back. tools: of the request."""

    __slots__ = ("_after", "_body", "_fenced", "_held", "_last", "_lead", "_run", "_tools", "_tries")

    def __init__(self, tools: Schemas) -> None:
        self._tools = tools
        self._held = ""  # where a start may have begun
        self._body: _Body | None = None  # of a form that has begun
        self._lead = ""  # white space and start of it
        self._after = False  # of white space behind a call
        self._tries = 0
        self._last = ""  # character that was let through
        self._run = 0  # of backticks at its end
        self._fenced = False  # in a block of code

    def feed(self, text: str) -> list[str | TextCall]:
        """More of the text."""
        out: list[str | TextCall] = []
        rest = text
        while rest:
            rest = self._search(rest, out) if self._body is None else self._inside(self._body, rest, out)
        return out

    def finish(self) -> list[str | TextCall]:
        """The text is over. What never became a call is what it was."""
        out: list[str | TextCall] = []
        while self._body is not None:
            body, self._body = self._body, None
            if body.over():
                out += body.calls
                return out
            rest = self._given_back(body, out)
            while rest:
                rest = self._search(rest, out) if self._body is None else self._inside(self._body, rest, out)
        held, self._held = self._held, ""
        self._let(held, out)
        return out

    def given_up(self) -> list[str | TextCall]:
        """What was held back, as text: no call is looked for any more."""
        body, self._body = self._body, None
        held, self._held = self._held, ""
        out: list[str | TextCall] = []
        self._let(held if body is None else self._lead + "".join(body.raw), out)
        return out

    def _search(self, text: str, out: list[str | TextCall]) -> str:
        """What stands behind a start that was found."""
        if self._after:
            text = text.lstrip()
            self._after = not text
        text, self._held = self._held + text, ""
        if self._tries > _MOST_TRIES:
            self._let(text, out)
            return ""
        found = _START.search(text)
        if found is None:
            cut = _possible_tail(text)
            self._let(text[:cut], out)
            self._held = text[cut:]
            return ""
        before = text[: found.start()]
        spaces = _TAIL.search(before)
        at = len(before) if spaces is None else spaces.start()
        self._let(before[:at], out)
        if self._spoken_of(before[at:]):
            self._let(text[at : found.end()], out)
        else:
            self._lead, self._body = text[at : found.end()], _Body(found[0], self._tools)
        return text[found.end() :]

    def _inside(self, body: _Body, text: str, out: list[str | TextCall]) -> str:
        rest = body.feed(text)
        if rest is None:
            return ""
        self._body = None
        if not body.calls:
            return self._given_back(body, out)
        out += body.calls
        self._after, self._last = True, ""
        return rest

    def _given_back(self, body: _Body, out: list[str | TextCall]) -> str:
        """It was no call; what stands behind its start may be one."""
        self._tries += 1
        self._let(self._lead, out)
        return "".join(body.raw)

    def _spoken_of(self, spaces: str) -> bool:
        """In quotes, or in a block of code. spaces: between what was let through and the start."""
        if not spaces:
            return self._last in _QUOTES or self._fenced
        return self._fenced != (self._run >= 3)

    def _let(self, text: str, out: list[str | TextCall]) -> None:
        if not text:
            return
        for run in _RUNS.findall(text):
            if run[0] == "`":
                self._run += len(run)
            else:
                self._fenced = self._fenced != (self._run >= 3)
                self._run = 0
        self._last = text[-1]
        if out and isinstance(out[-1], str):
            out[-1] += text
        else:
            out.append(text)


def _possible_tail(text: str) -> int:
    """From where on it could be the beginning of a start, with the white space before it."""
    at = len(text)
    for size in range(min(len(text), max(map(len, _STARTS)) - 1), 0, -1):
        if text[-size] in _FIRSTS and any(start.startswith(text[-size:]) for start in _STARTS):
            at = len(text) - size
            break
    spaces = _TAIL.search(text[:at])
    return at if spaces is None else spaces.start()


class _Body:
    """What stands behind one start. calls: once it is whole; none where it is no call. raw: as it came."""

    __slots__ = ("_close", "_depth", "_ends", "_name", "_pieces", "_rest", "_size", "_start", "_step", "_string", "_tools",
                 "_window", "calls", "raw")  # fmt: skip

    def __init__(self, start: str, tools: Schemas) -> None:
        self._start = start
        self._tools = tools
        self.raw: list[str] = []
        self.calls: list[TextCall] = []
        self._step = self._parameters if start == _CODER else self._lead
        self._close = _CLOSE if start == _HERMES else ""
        self._rest = ""  # not looked at yet
        self._pieces: list[str] = []
        self._size = 0
        self._depth, self._string = 0, False
        self._name = ""  # where it stands before its arguments
        self._window, self._ends = "", 0

    def feed(self, text: str) -> str | None:
        """None where more is needed; else what stands behind it, with `calls` or without."""
        self.raw.append(text)
        self._size += len(text)
        text, self._rest = self._rest + text, ""
        rest = self._step(text)
        if rest is not None:
            if self._size - len(rest) > PATIENCE:
                self.calls = []
            return rest
        return self._no() if self._size > PATIENCE else None

    def over(self) -> bool:
        """No more follows. Is it whole, but for its closing tag?"""
        return bool(self.calls) and not self._rest.strip()

    def _no(self) -> str:
        self.calls = []
        return ""

    def _lead(self, text: str) -> str | None:
        """Up to the first sign of what it holds."""
        begun = text.lstrip()
        if len(text) - len(begun) > _SPACES:
            return self._no()
        self._rest = text
        if self._start == _HERMES and _CODER.startswith(begun[: len(_CODER)]):
            if len(begun) < len(_CODER):
                return None
            self._rest, self._step = "", self._parameters
            return self._step(begun[len(_CODER) :])
        if self._start == _MISTRAL and begun[:1] != "[":
            return self._named(begun)
        if not begun:
            return None
        opens, inside = ("[", "{") if self._start == _MISTRAL else ("{", '"')
        follows = begun[1:].lstrip()
        far = len(begun) - 1 - len(follows) > _SPACES
        if begun[0] != opens or far or follows[:1] not in ("", inside):
            return self._no()
        if not follows:
            return None
        self._rest, self._step = "", self._json
        return self._step(begun)

    def _named(self, begun: str) -> str | None:
        """Mistral's newer form: a name, `[ARGS]`, an object."""
        name, mark, rest = begun.partition("[")
        follows = mark + rest
        if name and (not _NAME.fullmatch(name) or not _ARGS.startswith(follows[: len(_ARGS)])):
            return self._no()
        after = follows[len(_ARGS) :]
        opened = after.lstrip()
        if len(after) - len(opened) > _SPACES or (opened and (opened[0] != "{" or name not in self._tools)):
            return self._no()
        if not opened:
            return None
        self._rest, self._step, self._name = "", self._json, name
        return self._step(opened)

    def _json(self, text: str) -> str | None:
        """Up to the end of the value, by its brackets outside strings."""
        at = 0
        while (found := _MARKS.search(text, at)) is not None:
            at, mark = found.end(), found[0]
            if mark == "\\":
                if at == len(text):  # what it escapes has not come
                    self._rest, text = mark, text[:-1]
                    break
                at += 1
            elif mark == '"':
                self._string = not self._string
            elif not self._string:
                self._depth += 1 if mark in "{[" else -1
                if not self._depth:
                    self._pieces.append(text[:at])
                    return self._read("".join(self._pieces), text[at:])
        self._pieces.append(text)
        return None

    def _read(self, value: str, rest: str) -> str | None:
        named: list[_Named] = []
        with suppress(ValueError, RecursionError):  # msgspec's, and a half of a character
            data = value.encode()
            if self._name:
                named = [_Named(self._name, msgspec.Raw(data))]
            else:
                named = [_one.decode(data)] if value[0] == "{" else _several.decode(data)
        return self._closing(rest, [_fitting(one, self._tools) for one in named])

    def _parameters(self, text: str) -> str | None:
        """Qwen3-Coder's form, up to an end that makes it whole: the text of a parameter may hold one."""
        self._pieces.append(text)
        window, before = self._window + text, len(self._window)
        self._window = window[-(len(_CODER_END) - 1) :]
        at = window.find(_CODER_END)
        if not self._name:
            begun = "".join(self._pieces)
            if not self._may_be_named(begun):
                return self._no()
            self._name = begun.partition(">")[0] if ">" in begun else ""
        if at < 0:
            return None
        whole = "".join(self._pieces)
        offset = len(whole) - len(text) - before
        while at >= 0:
            end = offset + at
            call = call_of(whole[:end], self._tools)
            if call is not None:
                return self._closing(whole[end + len(_CODER_END) :], [TextCall(*call)])
            self._ends += 1
            if self._ends > _MOST_ENDS:
                return self._no()
            at = window.find(_CODER_END, at + 1)
        return None

    def _may_be_named(self, text: str) -> bool:
        """Does it begin as a name of a tool does?"""
        name, mark, _ = text.partition(">")
        return name in self._tools if mark else any(one.startswith(name) for one in self._tools)

    def _closing(self, rest: str, calls: list[TextCall | None]) -> str | None:
        found = [one for one in calls if one is not None]
        if not found or len(found) < len(calls):
            return self._no()
        self.calls = found
        self._step = self._closed
        return self._closed(rest)

    def _closed(self, text: str) -> str | None:
        """Behind its value: the closing tag, where it has one."""
        if not self._close and self._start != _CODER:
            return text
        begun = text.lstrip()
        if len(text) - len(begun) <= _SPACES:
            if begun.startswith(_CLOSE):
                return begun[len(_CLOSE) :]
            if _CLOSE.startswith(begun):
                self._rest = text
                return None
        return text if not self._close else self._no()


def _fitting(one: _Named, tools: Schemas) -> TextCall | None:
    arguments, parameters = bytes(one.arguments), bytes(one.parameters)
    if one.name not in tools or (arguments and parameters):
        return None
    text = (arguments or parameters or b"{}").decode()
    with suppress(ValueError, RecursionError):
        value = msgspec.json.decode(text)
        if isinstance(value, str):  # written out twice
            text, value = value, msgspec.json.decode(value)
        if isinstance(value, dict) and misfit(value, tools[one.name]) is None:
            return TextCall(one.name, text)
    return None
