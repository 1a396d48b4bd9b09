"""The JSON text of an object that comes in pieces and was written by a model: passed on as far as it is certain, with
what only one thing can be meant by made JSON (docs/protocols/tools.md#calls-of-weak-models).

Made JSON: control characters inside strings, escapes that JSON does not have, a comma before an end, the words of other
languages for true, false and null. Left out: what stands behind the object, and an empty object before it. Anything else
that is no JSON ends it: `broken`. Not here: what becomes of a text that is no object at all (translation/usable_calls.py).
"""

from __future__ import annotations

import re

_SPECIAL = re.compile(r'["\\\x00-\x1f]')
_WORD = re.compile(r'[^\s{}\[\]:,"]+')
_VALUE = re.compile(r"(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)")
_WORDS = {
    "True": "true", "False": "false", "None": "null", "undefined": "null", "NaN": "null", "Infinity": "null",
    "-Infinity": "null",
}  # fmt: skip
_ESCAPES = frozenset('"\\/bfnrtu')
_SPACE = " \t\r\n"
_CONTROLS = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_KEY, _COLON, _VALUE_NEXT, _AFTER = range(4)
"""What may come next: a key or the end, a colon, a value (or the end of a list), a comma or an end."""


class ObjectText:
    """feed(text) -> what of it may be passed on. closed: the object is whole. broken: it is no JSON, from here on nothing
    is passed. mended: something was made JSON, or left out behind it."""

    __slots__ = ("_comma", "_escaped", "_next", "_quoted", "_stack", "_word", "broken", "closed", "mended")

    def __init__(self) -> None:
        self._stack: list[str] = []
        self._next = _VALUE_NEXT
        self._quoted = False
        self._escaped = False
        self._comma = ""  # with the white space behind it, held until something follows
        self._word = ""
        self.closed = False
        self.broken = False
        self.mended = False

    def feed(self, text: str) -> str:
        """More of the text. Its first character but white space is the object's brace."""
        out: list[str] = []
        at = 0
        while at < len(text) and not self.broken:
            if self.closed:
                self.mended = self.mended or bool(text[at:].strip())
                break
            at = self._string(text, at, out) if self._quoted else self._outside(text, at, out)
        return "".join(out)

    def _string(self, text: str, at: int, out: list[str]) -> int:
        if self._escaped:
            self._escaped = False
            known = text[at] in _ESCAPES
            self.mended = self.mended or not known
            out.append("\\" + text[at] if known else "" if text[at] == "'" else "\\\\")
            return at + 1 if known else at
        found = _SPECIAL.search(text, at)
        if found is None:
            out.append(text[at:])
            return len(text)
        mark = found[0]
        out.append(text[at : found.start()])
        if mark == "\\":
            self._escaped = True
        elif mark == '"':
            out.append(mark)
            self._quoted = False
            self._next = _COLON if self._next == _KEY else _AFTER
        else:
            self.mended = True
            out.append(_CONTROLS.get(mark) or f"\\u{ord(mark):04x}")
        return found.end()

    def _outside(self, text: str, at: int, out: list[str]) -> int:
        word = _WORD.match(text, at)
        if word is not None:
            self._word += word[0]
            return word.end()
        if self._word:
            self._end_word(out)
            return at
        mark = text[at]
        if mark in _SPACE:
            if self._comma:
                self._comma += mark
            else:
                out.append(mark)
        else:
            self._mark(mark, out)
        return at + 1

    def _end_word(self, out: list[str]) -> None:
        word, self._word = self._word, ""
        if not _VALUE.fullmatch(word):
            word, self.mended = _WORDS.get(word, ""), True
        if not word or self._next != _VALUE_NEXT:
            self.broken = True
            return
        self._pass(word, out)
        self._next = _AFTER

    def _pass(self, text: str, out: list[str]) -> None:
        out.append(self._comma + text)
        self._comma = ""

    def _mark(self, mark: str, out: list[str]) -> None:
        match mark:
            case '"' if self._next in (_KEY, _VALUE_NEXT):
                self._quoted = True
                self._pass(mark, out)
            case "{" | "[" if self._next == _VALUE_NEXT:
                self._pass(mark, out)
                self._stack.append("}" if mark == "{" else "]")
                self._next = _KEY if mark == "{" else _VALUE_NEXT
            case ":" if self._next == _COLON:
                out.append(mark)
                self._next = _VALUE_NEXT
            case "," if self._next == _AFTER:
                self._comma = mark
                self._next = _KEY if self._stack[-1] == "}" else _VALUE_NEXT
            case "}" | "]" if self._stack and self._stack[-1] == mark and self._may_end(mark):
                self.mended, self._comma = self.mended or bool(self._comma), ""
                out.append(self._stack.pop())
                self._next = _AFTER
                self.closed = not self._stack
            case _:
                self.broken = True

    def _may_end(self, mark: str) -> bool:
        if self._next == _VALUE_NEXT:
            return mark == "]"
        return self._next in (_KEY, _AFTER)
