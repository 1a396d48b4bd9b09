"""Where in a text, and in the strings of a JSON body, credentials stand. Pure; nothing is found twice, and of two that
overlap the one that begins first counts.

Strings are looked through as they decode, since an escape before a key, or within it, hides it; one that itself holds a
call's arguments as JSON is decoded once more. Not here: what they look like (rules.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import msgspec

from ..wire.surrogates import decode
from .hints import Hints
from .own_patterns import own_rule
from .rules import RULES, STORED, Rule

_Match = Callable[[bytes, int], re.Match[bytes] | None]
_WORD = re.compile(rb"[A-Za-z0-9]")
_HIDDEN = re.compile(rb"\\u00(?!2[267]|3[cCeE])[2-7]|\\/")
"""Escapes of plain characters, which nobody needs to write: a word may be spelled with them."""
_QUOTE, _BACKSLASH = 34, 92
_ARGUMENTS = re.compile(rb'"arguments"[ \t\r\n]*:[ \t\r\n]*$')
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_REPEATS = re.compile(rb"\]\{\d+,\d+\}")
_RULES = tuple(replace(rule, pattern=_REPEATS.sub(rb"\g<0>+", rule.pattern)) for rule in RULES)
"""See rules.py: said so that nothing is tried twice."""
_SHORTEST = 12
"""Bytes of a stored key: a local server's may be a word."""


class Found(NamedTuple):
    """A credential in a text: where it begins and ends. guess: see Rule."""

    start: int
    end: int
    kind: str
    guess: bool = False


class Carrier(NamedTuple):
    """A string of a body with credentials in it: where it stands, quotes included; how it decodes; where they are in that.
    nested: its own strings are the text, as it is JSON itself."""

    start: int
    end: int
    text: bytes
    found: tuple[Found, ...]
    nested: tuple[Carrier, ...] = ()

    def kinds(self) -> list[str]:
        """Of each that was found."""
        return [one.kind for one in self.found] + [kind for one in self.nested for kind in one.kinds()]


class Finder:
    """What looks for them. keys: the gateway's own, as they are stored; own: the user's patterns, by name."""

    def __init__(self, keys: Iterable[bytes] = (), own: Mapping[str, str] | None = None) -> None:
        rules = [*_RULES, *(own_rule(name, pattern) for name, pattern in (own or {}).items())]
        self._by_word: dict[bytes, list[tuple[Rule, _Match]]] = {}
        for rule in rules:
            match = re.compile(rule.pattern).match
            for word in rule.words:
                self._by_word.setdefault(word, []).append((rule, match))
        self._keys = {key for key in keys if len(key) >= _SHORTEST}
        self._hints = Hints([*self._by_word, *self._keys])

    def find(self, text: bytes) -> tuple[Found, ...]:
        """In plain text, as UTF-8."""
        found: list[Found] = []
        for at, word in self._hints.places(text):
            if word in self._keys:
                found.append(Found(at, at + len(word), STORED))
            for rule, match in self._by_word.get(word, ()):
                one = _tried(rule, match, text, at)
                if one is not None:
                    found.append(one)
        return _apart(found) if len(found) > 1 else tuple(found)

    def look(self, body: bytes) -> list[Carrier]:
        """In a JSON body, in order. Nothing of what is no JSON."""
        if (b"\\u00" in body or b"\\/" in body) and _HIDDEN.search(body):
            spans: Iterable[tuple[int, int]] = (one.span() for one in _STRING.finditer(body))
        else:
            spans = _around(body, [at for at, _ in self._hints.places(body)])
        return [one for start, end in spans if (one := self._held(body, start, end)) is not None]

    def _held(self, body: bytes, start: int, end: int, *, deeper: bool = True) -> Carrier | None:
        text = decoded(body[start:end])
        if text is None:
            return None
        if deeper and text.lstrip()[:1] == b"{" and _ARGUMENTS.search(body, max(0, start - 64), start):
            inner = [self._held(text, *one.span(), deeper=False) for one in _STRING.finditer(text)]
            nested = tuple(one for one in inner if one is not None)
            return Carrier(start, end, text, (), nested) if nested else None
        found = self.find(text)
        return Carrier(start, end, text, found) if found else None


def decoded(string: bytes) -> bytes | None:
    """A string's text; bytes that are no UTF-8, which a body may hold, hide nothing."""
    for way in (string, string.decode("utf-8", "replace").encode()):
        try:
            return str(decode(way)).encode()
        except (msgspec.DecodeError, UnicodeError):
            continue
    return None


def _tried(rule: Rule, match: _Match, text: bytes, at: int) -> Found | None:
    first = max(0, at - rule.behind)
    while at > first and text[at - 1] in rule.back:
        at -= 1
    if not rule.inside and at and _WORD.match(text, at - 1):
        return None
    hit = match(text, at)
    if hit is None:
        return None
    group = 1 if hit.re.groups and hit.start(1) >= 0 else 0
    if not rule.check(hit[0], hit[group]):
        return None
    start, end = hit.span(group)
    while start and _inside_character(text, start):
        start -= 1
    while _inside_character(text, end):
        end += 1
    return Found(start, end, rule.kind, rule.guess)


def _inside_character(text: bytes, at: int) -> bool:
    return at < len(text) and text[at] & 0xC0 == 0x80


def _apart(found: Sequence[Found]) -> tuple[Found, ...]:
    """Of those that overlap the one that is no guess, else the first, and of two that begin together the longer."""
    kept: list[Found] = []
    for one in sorted(found, key=lambda one: (one.guess, one.start, -one.end)):
        if all(one.start >= other.end or one.end <= other.start for other in kept):
            kept.append(one)
    return tuple(sorted(kept))


def _around(body: bytes, places: Sequence[int]) -> list[tuple[int, int]]:
    """The strings that these places stand in. In JSON the nearest quotation mark that is not escaped, before and behind, is
    the string's own."""
    spans: list[tuple[int, int]] = []
    for at in places:
        if spans and at < spans[-1][1]:
            continue
        start = at
        while (start := body.rfind(b'"', 0, start)) >= 0 and _escaped(body, start):
            pass
        if start < 0:
            continue
        whole = _STRING.match(body, start)
        if whole is not None and whole.end() > at:
            spans.append(whole.span())
    return spans


def _escaped(body: bytes, at: int) -> bool:
    before = at
    while before and body[before - 1] == _BACKSLASH:
        before -= 1
    return (at - before) % 2 == 1
