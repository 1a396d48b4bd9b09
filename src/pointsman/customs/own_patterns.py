"""The user's own patterns: expressions of the usual kind, of which only those are taken that cannot take long, whatever they
are tried on. The data plane serves everybody while one is tried.

Such a pattern begins with three plain characters, by which it is found, says of all that repeats how often at most, and
leaves no choice: what may follow a repetition cannot be one more of it, and alternatives begin differently. Then each step
of a match is the only one, and none is taken back. Not here: where they are kept (admin/store/customs.py).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from .rules import Rule

MOST = 100
"""Patterns."""
LONGEST = 500
"""Characters of one."""
MOST_TIMES = 1000
MOST_BYTES = 8000
"""That one may match."""
NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_WORD = 3
_parser: Any = import_module("re._parser")
_ALL = frozenset(range(256))
_DIGITS = frozenset(b"0123456789")
_SPACE = frozenset(b" \t\n\r\f\v")
_LETTERS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")
_CATEGORIES = {
    "CATEGORY_DIGIT": _DIGITS,
    "CATEGORY_NOT_DIGIT": _ALL - _DIGITS,
    "CATEGORY_SPACE": _SPACE,
    "CATEGORY_NOT_SPACE": _ALL - _SPACE,
    "CATEGORY_WORD": _LETTERS,
    "CATEGORY_NOT_WORD": _ALL - _LETTERS,
}
_SINGLE = ("LITERAL", "NOT_LITERAL", "IN", "ANY")


class Unfit(ValueError):
    """A pattern that is not taken: a clause that says why, and how to say it."""


def own_rule(name: str, pattern: str) -> Rule:
    """Raises Unfit."""
    return Rule(name, (_begins(pattern),), pattern.encode(), check=_any, inside=True)


def _any(found: bytes, credential: bytes) -> bool:
    return bool(credential)


def _begins(pattern: str) -> bytes:
    """The plain characters that it begins with. Raises Unfit."""
    if not pattern.isascii() or len(pattern) > LONGEST:
        raise Unfit(f"must be at most {LONGEST} characters of ASCII")
    try:
        parsed = _parser.parse(pattern.encode())
        re.compile(pattern.encode())
    except (re.error, RecursionError, OverflowError) as error:
        raise Unfit(f"is no expression: {error}") from None
    if parsed.state.flags & (re.IGNORECASE | re.DOTALL | re.MULTILINE | re.VERBOSE):
        raise Unfit("must have no flags: write [Aa] for a letter of either case")
    items = list(parsed)
    word = bytearray()
    for kind, value in items:
        if str(kind) != "LITERAL":
            break
        word.append(value)
    if len(word) < _WORD:
        raise Unfit(f"must begin with {_WORD} plain characters, by which it is found: acme_[a-z0-9]{{32}}")
    _firsts(items, frozenset(), repeats=False)
    if parsed.getwidth()[1] > MOST_BYTES:
        raise Unfit(f"may match at most {MOST_BYTES} characters")
    return bytes(word)


def _firsts(items: Sequence[Any], follow: frozenset[int], *, repeats: bool) -> frozenset[int]:
    """The bytes that a match of these may begin with, where `follow` may stand behind them. Raises Unfit where one would
    have a choice."""
    for kind, value in reversed(items):
        follow = _first(str(kind), value, follow, repeats=repeats)
    return follow


def _first(kind: str, value: Any, follow: frozenset[int], *, repeats: bool) -> frozenset[int]:
    if kind in _SINGLE:
        return _bytes_of(kind, value)
    if kind == "AT":
        return follow
    if kind == "SUBPATTERN":
        if value[1] or value[2]:
            raise Unfit("must have no flags")
        return _firsts(list(value[3]), follow, repeats=repeats)
    if kind == "BRANCH":
        return _branch(value[1], follow, repeats=repeats)
    if kind == "MAX_REPEAT":
        return _repeat(value, follow)
    raise Unfit("has something that may take long: only characters, classes, groups, | and {n,m} are taken")


def _branch(ways: Sequence[Any], follow: frozenset[int], *, repeats: bool) -> frozenset[int]:
    found: frozenset[int] = frozenset()
    plain = all(str(kind) == "LITERAL" for way in ways for kind, _ in way)
    for way in ways:
        first = _firsts(list(way), follow, repeats=repeats)
        if first & found and not (plain and not repeats):
            raise Unfit("has alternatives that begin alike: let each begin with another character")
        found |= first
    return found


def _repeat(value: tuple[int, Any, Any], follow: frozenset[int]) -> frozenset[int]:
    least, most, inner = value
    if most == _parser.MAXREPEAT or most > MOST_TIMES:
        raise Unfit(f"must say how often at most, up to {MOST_TIMES}: {{8,200}} for +")
    items = list(inner)
    if least == most:
        _firsts(items, frozenset(), repeats=True)
        return _firsts(items, _firsts(items, follow, repeats=True), repeats=True)
    if len(items) != 1 or str(items[0][0]) not in _SINGLE:
        raise Unfit("repeats a group {n,m} times: repeat single characters, or a group exactly {n} times")
    own = _bytes_of(str(items[0][0]), items[0][1])
    if own & follow:
        raise Unfit("has a repetition and behind it what may be one more of it: say {n} for exactly so many")
    return own if least else own | follow


def _bytes_of(kind: str, value: Any) -> frozenset[int]:
    if kind == "LITERAL":
        return frozenset((value,))
    if kind == "NOT_LITERAL":
        return _ALL - {value}
    if kind == "ANY":
        return _ALL - {10}
    found: set[int] = set()
    negated = False
    for one, what in value:
        match str(one):
            case "NEGATE":
                negated = True
            case "LITERAL":
                found.add(what)
            case "RANGE":
                found.update(range(what[0], what[1] + 1))
            case _:
                found |= _CATEGORIES[str(what)]
    return frozenset(_ALL - found if negated else found)
