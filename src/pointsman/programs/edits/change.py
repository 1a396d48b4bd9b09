"""What `pointsman connect` changes in a text, and how it is taken back.

A text that says nothing yet gets the snippet as the page shows it. In any other each value is put at its place, and the
whole is read again: what it says then must be what it said before and the values, or nothing is changed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any, NamedTuple

from ..program import SettingsFile, Writing
from . import json_text, toml_text, yaml_text
from .places import ABSENT, NotChangeable, Path, Put, Row, after, parts, puts, same, told, value_at


class _Language(NamedTuple):
    """How its texts are read and changed."""

    read: Callable[[str], Any]
    put: Callable[[str, Path, Any], str]
    drop: Callable[[str, Path], str]


_LANGUAGES = {
    Writing.JSON: _Language(json_text.read, json_text.put, json_text.drop),
    Writing.TOML: _Language(toml_text.read, toml_text.put, toml_text.drop),
    Writing.YAML: _Language(yaml_text.read, yaml_text.put, yaml_text.drop),
}


class Touched(NamedTuple):
    """A place that was changed, and the digest of what was put there: the value itself may be a key. parts: the places in it
    that are taken back one by one where there is more in it by now."""

    path: Path
    sha256: str
    parts: tuple[Touched, ...] = ()


class ChangedText(NamedTuple):
    """The text afterwards, and the places."""

    text: str
    touched: list[Touched]


def changed(text: str, snippet: str, writing: Writing, file: SettingsFile) -> ChangedText:
    """The text with all that the snippet says. Raises NotReadable, NotChangeable."""
    target = _LANGUAGES[writing].read(snippet)
    data = _LANGUAGES[writing].read(text)
    if data is ABSENT:
        ends = "\r\n" if "\r\n" in text else "\n"
        head = text.rstrip() + ends if text.strip() else ""
        whole = head + snippet.replace("\n", ends) + ends
        empty: Any = [] if isinstance(target, list) else {}
        places = puts(empty, target, file)
        if not same(_LANGUAGES[writing].read(whole), target):
            raise NotChangeable("it holds more than values")
        return ChangedText(whole, _touched(places, file))
    wanted = puts(data, target, file)
    return ChangedText(_put(text, data, wanted, writing), _touched(wanted, file))


def taken_back(
    text: str, before: str, touched: list[Touched], writing: Writing, file: SettingsFile
) -> tuple[str, list[Path]]:
    """The text with each place as `before` has it, and the places that say neither what was put there nor what they said
    before: those are as they were found. Raises NotReadable, NotChangeable."""
    language = _LANGUAGES[writing]
    old, now = language.read(before), language.read(text)
    others: list[Path] = []
    waiting = list(touched)
    while waiting:
        place = waiting.pop()
        stands, stood = value_at(now, place.path), value_at(old, place.path)
        if same(stands, stood) or (stands is ABSENT and stood is ABSENT):
            continue
        if stands is not ABSENT and _digest(stands, file) == place.sha256:
            text, now = _back(text, now, place.path, stood, language)
        elif place.parts and isinstance(stands, dict | list):
            waiting += place.parts
        else:
            others.append(place.path)
    if not others:
        for place in touched:
            text, now = _pruned(text, now, old, place, language)
    return text, others[::-1]


def _back(text: str, now: Any, path: Path, stood: Any, language: _Language) -> tuple[str, Any]:
    made = language.drop(text, path) if stood is ABSENT else language.put(text, path, stood)
    return _checked(made, after(now, path, stood), language)


def _pruned(text: str, now: Any, old: Any, place: Touched, language: _Language) -> tuple[str, Any]:
    """Without the groups that were made for what has been taken back and hold nothing now."""
    made = {part.path[:length] for part in place.parts for length in range(len(place.path), len(part.path))}
    for path in sorted(made, key=len, reverse=True):
        if value_at(now, path) in ({}, []) and value_at(old, path) is ABSENT:
            text, now = _back(text, now, path, ABSENT, language)
    return text, now


def _touched(places: list[Put], file: SettingsFile) -> list[Touched]:
    found = []
    for place in places:
        below = [
            Touched(one.path, _digest(one.value, file))
            for one in parts(place, file)
            if one.path != place.path
        ]
        stamped = place.path[-1] in file.stamps
        found += [] if stamped else [Touched(place.path, _digest(place.value, file), tuple(below))]
    return found


def _digest(value: Any, file: SettingsFile) -> str:
    """Of a value, whatever the order of its names, without what the program itself writes again and again."""
    text = json.dumps(_unstamped(value, file.stamps), ensure_ascii=True, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _unstamped(value: Any, stamps: tuple[str, ...]) -> Any:
    if isinstance(value, dict):
        return {key: _unstamped(one, stamps) for key, one in value.items() if key not in stamps}
    return [_unstamped(one, stamps) for one in value] if isinstance(value, list) else value


def says_nothing(text: str, writing: Writing) -> bool:
    """Is there no value in it?"""
    return _says_nothing(_LANGUAGES[writing].read(text))


def packed(touched: list[Touched]) -> list[Any]:
    """As JSON holds them."""
    return [
        {
            "path": [[one.field, one.value] if isinstance(one, Row) else one for one in place.path],
            "sha256": place.sha256,
            "parts": packed(list(place.parts)),
        }
        for place in touched
    ]


def unpacked(found: list[Any]) -> list[Touched]:
    """Of `packed`. Raises ValueError, KeyError or TypeError for what is not."""
    return [
        Touched(
            tuple(step if isinstance(step, str) else Row(*map(str, step)) for step in one["path"]),
            str(one["sha256"]),
            tuple(unpacked(one["parts"])),
        )
        for one in found
    ]


def _put(text: str, data: Any, wanted: list[Put], writing: Writing) -> str:
    language = _LANGUAGES[writing]
    for path, value in wanted:
        text, data = _checked(language.put(text, path, value), after(data, path, value), language)
    return text


def _checked(text: str, data: Any, language: _Language) -> tuple[str, Any]:
    """Both, if the text says that. Raises NotChangeable."""
    try:
        found = language.read(text)
    except ValueError as error:
        raise NotChangeable(f"the change would break it ({error})") from None
    if not same(found, data) and not (_says_nothing(found) and _says_nothing(data)):
        raise NotChangeable("the change would touch more than its places")
    return text, found


def _says_nothing(data: Any) -> bool:
    return data is ABSENT or data == {} or data == []


__all__ = [
    "ChangedText",
    "NotChangeable",
    "Touched",
    "changed",
    "packed",
    "says_nothing",
    "taken_back",
    "told",
    "unpacked",
]
