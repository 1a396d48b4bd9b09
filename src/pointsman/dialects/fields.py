"""A client's body taken key by key: types checked, every wrong value named by its path, every key left over reported.

Shared by the dialects' request parsers. Not here: what any key means.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

import msgspec

from ..conversation.notes import Notes
from ..errors import PointsmanError
from ..kinds import ErrorKind
from ..wire.depth import depth_exceeds
from ..wire.splice import MAX_DEPTH
from ..wire.surrogates import mended

_decode = msgspec.json.Decoder().decode
_top_level = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_items = msgspec.json.Decoder(list[msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode
_before_colon = re.compile(rb'"[ \t\r\n]*+:').findall
_escaped_before_colon = re.compile(rb'\\"[ \t\r\n]*+:').findall
_backslash_before = re.compile(rb'\\\\"[ \t\r\n]*+:').search
_LARGE = 256 * 1024
"""Bytes from which a list is decoded item by item, so that a thread that does it lets the event loop in between."""


def bad(path: str, message: str, code: str | None = None) -> NoReturn:
    """A 400 about the field at `path`. message: a sentence that begins with what it must be. code: OpenAI's word."""
    where = f"'{path}' " if path else "The body "
    raise PointsmanError(ErrorKind.BAD_REQUEST, where + message, param=path or None, code=code)


def load(body: bytes, notes: Notes | None = None, *, peeked: bool = False) -> dict[str, Any]:
    """A request body as plain values. Half a character is no text: what stands there is U+FFFD, and told. peeked: it has
    passed wire.splice.peek(), which knows how deep it is. Raises PointsmanError 400: not a JSON object, deeper than
    MAX_DEPTH, a key twice."""
    try:
        value = _decode(body) if len(body) < _LARGE else _load_in_parts(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        sound = mended(body)
        if sound is not body:
            if notes is not None:
                notes.repair("body", "a character of it is only half there")
            return load(sound, notes, peeked=peeked)
        text = str(error).removeprefix("JSON is malformed: ")
        bad("", f"is not valid JSON: {text if text.isprintable() else 'malformed'}.")
    except RecursionError:
        bad("", f"is nested deeper than {MAX_DEPTH} levels.")
    if not isinstance(value, dict):
        bad("", "must be a JSON object.")
    if not peeked and len(body) > 2 * MAX_DEPTH and depth_exceeds(body, MAX_DEPTH):
        bad("", f"is nested deeper than {MAX_DEPTH} levels.")
    if not says_it_all(body, value):
        json.loads(body, object_pairs_hook=_no_twins)
    return value


def _load_in_parts(body: bytes) -> Any:
    parts = _top_level(body)
    value: dict[str, Any] = {}
    for key, raw in parts.items():
        if bytes(memoryview(raw)[:1]) == b"[":
            value[key] = [_decode(item) for item in _items(raw)]
        else:
            value[key] = _decode(raw)
    return value


def says_it_all(body: bytes, value: dict[str, Any] | list[Any]) -> bool:
    """Is every member of the text in the value? False where that is not sure. A key written twice means one thing to one
    parser and another to the next.

    What most clients write, without spaces and escapes that need not be, is what comes out again. Of the rest the keys
    are counted: each ends in a quote before a colon, with or without spaces, and that no escaped quote is. What is no key
    can only make them more, a twin makes the values fewer; so the same number proves it.
    """
    if len(body) < _LARGE:  # beyond it a thread does this, which must let the event loop in between
        try:
            if _encode(value) == body:
                return True
        except (OverflowError, TypeError, ValueError):  # a number beyond 64 bits
            pass
    if _backslash_before(body) is not None:
        return False  # a key that may end in a backslash looks like an escaped quote
    return len(_before_colon(body)) - len(_escaped_before_colon(body)) == _keys(value)


def _keys(value: dict[str, Any] | list[Any]) -> int:
    """Members of all objects in it."""
    total = 0
    left: list[Any] = [value]
    for one in left:
        if type(one) is dict:
            total += len(one)
            one = one.values()
        left += [inner for inner in one if type(inner) is dict or type(inner) is list]
    return total


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                bad(key, "stands twice in one object; send it once.")
            seen.add(key)
    return found


class Fields:
    """One JSON object on its way to a neutral value. Take keys; then close(), which reports what nobody took.

    A key that is absent or null gives the default. Paths look like `messages[0].content[1].text`.
    """

    __slots__ = ("_key", "_left", "_parent", "_path", "value")

    def __init__(self, value: Any, key: str = "", parent: Fields | None = None) -> None:
        if type(value) is not dict:
            bad(f"{parent.path}.{key}" if parent is not None and parent.path else key, "must be an object.")
        self.value: dict[str, Any] = value
        self._left = value.copy()
        self._key = key
        self._parent = parent
        self._path: str | None = None

    @property
    def path(self) -> str:
        """Where this object stands in the body, "" for the body itself."""
        if self._path is None:
            above = self._parent.path if self._parent is not None else ""
            self._path = f"{above}.{self._key}" if above and self._key else above or self._key
        return self._path

    def at(self, key: str) -> str:
        """The path of one of its keys."""
        path = self.path
        return f"{path}.{key}" if path else key

    @property
    def empty(self) -> bool:
        """Everything has been taken."""
        return not self._left

    def any(self, key: str) -> Any:
        """Any JSON value, None when absent."""
        return self._left.pop(key, None)

    def text(self, key: str, default: str = "") -> str:
        """A string."""
        value = self._left.pop(key, None)
        if value is None:
            return default
        if type(value) is not str:
            bad(self.at(key), "must be a string.")
        return value

    def maybe_text(self, key: str) -> str | None:
        """A string or None."""
        value = self._left.pop(key, None)
        if value is not None and type(value) is not str:
            bad(self.at(key), "must be a string.")
        return value

    def need_text(self, key: str) -> str:
        """A string that must be there and say something."""
        value = self._left.pop(key, None)
        if type(value) is not str or not value:
            bad(self.at(key), "must be a string that is not empty.")
        return value

    def integer(self, key: str, low: int | None = None, high: int | None = None) -> int | None:
        """A whole number within bounds, or None. 1.0 counts as whole."""
        value = self._left.pop(key, None)
        if value is None:
            return None
        if type(value) is float and value.is_integer():
            value = int(value)
        if type(value) is not int:
            bad(self.at(key), "must be a whole number.")
        _within(self, key, value, low, high)
        return value

    def number(self, key: str, low: float | None = None, high: float | None = None) -> float | None:
        """A number within bounds, or None; whole numbers stay whole."""
        value = self._left.pop(key, None)
        if value is None:
            return None
        if type(value) not in (int, float):
            bad(self.at(key), "must be a number.")
        _within(self, key, value, low, high)
        number: float = value
        return number

    def flag(self, key: str) -> bool | None:
        """True, false or None."""
        value = self._left.pop(key, None)
        if value is not None and type(value) is not bool:
            bad(self.at(key), "must be true or false.")
        return value

    def choice(self, key: str, allowed: tuple[str, ...]) -> str | None:
        """One of the words, or None."""
        if self._left.get(key) is None:
            self._left.pop(key, None)
            return None
        return self.need_choice(key, allowed)

    def need_choice(self, key: str, allowed: tuple[str, ...]) -> str:
        """One of the words, which must be there."""
        value = self._left.pop(key, None)
        if type(value) is not str or value not in allowed:
            bad(self.at(key), f"must be one of {', '.join(allowed)}.")
        return value

    def items(self, key: str) -> list[Any]:
        """A list, empty when absent."""
        value = self._left.pop(key, None)
        if value is None:
            return []
        if type(value) is not list:
            bad(self.at(key), "must be a list.")
        found: list[Any] = value
        return found

    def objects(self, key: str) -> list[Fields]:
        """A list of objects."""
        return [Fields(item, f"{key}[{index}]", self) for index, item in enumerate(self.items(key))]

    def object(self, key: str) -> Fields | None:
        """An object, or None."""
        value = self._left.pop(key, None)
        return None if value is None else Fields(value, key, self)

    def need_object(self, key: str) -> Fields:
        """An object that must be there."""
        return Fields(self._left.pop(key, None), key, self)

    def mapping(self, key: str) -> dict[str, Any] | None:
        """An object as it is, or None."""
        value = self._left.pop(key, None)
        if value is not None and type(value) is not dict:
            bad(self.at(key), "must be an object.")
        return value

    def ignore(self, *keys: str) -> None:
        """Keys that mean nothing to anybody but the sender."""
        for key in keys:
            self._left.pop(key, None)

    def rest(self) -> dict[str, Any]:
        """What nobody has taken yet; taken by this."""
        left, self._left = self._left, {}
        return left

    def close(self, notes: Notes) -> None:
        """Report what nobody took (docs/protocols/requests.md#unknown-fields: an unknown field is
        dropped with a warning)."""
        if self._left:
            for key, value in self._left.items():
                if value is not None:
                    notes.drop(self.at(key), "it is not a field that this gateway knows")


def _within(fields: Fields, key: str, value: float, low: float | None, high: float | None) -> None:
    if (low is not None and value < low) or (high is not None and value > high):
        text = (
            f"at least {low}"
            if high is None
            else f"at most {high}"
            if low is None
            else f"from {low} to {high}"
        )
        size = "below_min" if low is not None and value < low else "above_max"
        kind = "integer" if type(value) is int else "decimal"
        bad(fields.at(key), f"must be {text}.", f"{kind}_{size}_value")


def maybe(value: dict[str, Any]) -> dict[str, Any]:
    """The object without the keys whose value is None: a renderer never sends a null it was not given."""
    return {key: inner for key, inner in value.items() if inner is not None}
