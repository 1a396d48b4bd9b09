"""TOML, by tomlkit, which keeps what it does not change; read by the standard library, which decides what it says."""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from .places import ABSENT, NotChangeable, NotReadable, Path

_lone = re.compile(r"(?<!\r)\n")
_bare = re.compile(r"[A-Za-z0-9_-]+")


def read(text: str) -> Any:
    """Its values; ABSENT of one that has none. Raises NotReadable."""
    try:
        return tomllib.loads(text.replace("\r\n", "\n")) or ABSENT
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise NotReadable(str(error)) from None


def put(text: str, path: Path, value: Any) -> str:
    """With `value` at `path`. A group of values becomes tables at the end."""
    if isinstance(value, dict):
        return _appended(text, path, value)
    document, holder, key = _held(text, path)
    holder[key] = value
    return _ended(tomlkit.dumps(document), text)


def drop(text: str, path: Path) -> str:
    """Without what stands at `path`."""
    document, holder, key = _held(text, path)
    del holder[key]
    made, ends = _ended(tomlkit.dumps(document), text), _line_end(text)
    if made.endswith(ends * 2) and not text.endswith(
        ends * 2
    ):  # what stood between a table and the one before it
        made = made.removesuffix(ends)
    return made


def _line_end(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _ended(made: str, text: str) -> str:
    """With the line ends of `text`, where they are of one kind: tomlkit's own are another."""
    return made if _lone.search(text) or "\r\n" not in text else _lone.sub("\r\n", made)


def _held(text: str, path: Path) -> tuple[tomlkit.TOMLDocument, Any, str]:
    """The document, what holds the place in it, and the place's name there."""
    try:
        document = tomlkit.parse(text)
    except (TOMLKitError, ValueError) as error:
        raise NotChangeable(str(error)) from None
    holder: Any = document
    for step in path[:-1]:
        holder = holder[step]
    return document, holder, str(path[-1])


def _appended(text: str, path: Path, value: dict[str, Any]) -> str:
    ends = _line_end(text)
    lines = _tables([str(step) for step in path], value)
    head = text if not text or text.endswith("\n") else text + ends
    return head + (ends if head.strip() else "") + ends.join(lines) + ends


def _tables(name: list[str], value: dict[str, Any]) -> list[str]:
    """A table, and those in it; the heading of one that holds tables alone is left out."""
    own = {key: one for key, one in value.items() if not isinstance(one, dict)}
    lines = []
    if own or not value:
        lines += [
            f"[{'.'.join(map(_name, name))}]",
            *(f"{_name(key)} = {_value(one)}" for key, one in own.items()),
        ]
    for key, one in value.items():
        if isinstance(one, dict):
            lines += [*([""] if lines else []), *_tables([*name, key], one)]
    return lines


def _name(key: str) -> str:
    return key if _bare.fullmatch(key) else json.dumps(key, ensure_ascii=False)


def _value(value: Any) -> str:
    """Strings, numbers, truth and lists of them, which TOML writes as JSON does."""
    return json.dumps(value, ensure_ascii=False)
