"""The inside of a call as Qwen3-Coder's models write it: a name, and parameters whose text is no JSON but where the tool's
schema wants more than a string. Pure. Not here: where such a call stands in a text (text_calls.py)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import msgspec

from ..jsonschema.fits import misfit

_OPEN, _END = "<parameter=", "</parameter>"
_WORDS = {"True": True, "False": False, "None": None}
"""As the family's template writes them in earlier calls."""
_OF_ALL = ("required", "anyOf", "oneOf", "allOf")
"""What a schema says of all members together."""


def call_of(text: str, tools: Mapping[str, Mapping[str, Any] | None]) -> tuple[str, str] | None:
    """(name, arguments) of what stands between `<function=` and `</function>`; None where it is not whole, names no tool, or
    does not fit."""
    name, mark, rest = text.partition(">")
    if not mark or name not in tools:
        return None
    schema = tools[name] or {}
    found: dict[str, Any] = {}
    rest = rest.strip()
    while rest:
        key, mark, value = rest.removeprefix(_OPEN).partition(">")
        if not rest.startswith(_OPEN) or not mark or key in found:
            return None
        at = _end_of(value)
        if at < 0:
            return None
        raw = value[:at].removeprefix("\n").removesuffix("\n")
        fits = next((one for one in _meant(raw, key, schema) if _fits(key, one, schema)), _NOTHING)
        if fits is _NOTHING:
            return None
        found[key] = fits
        rest = value[at + len(_END) :].strip()
    if misfit(found, schema) is not None:
        return None
    try:
        return name, msgspec.json.encode(found).decode()
    except UnicodeEncodeError:  # half a character
        return None


_NOTHING: Any = object()


def _end_of(value: str) -> int:
    """Of a parameter: the first closing tag with another parameter behind it, or nothing; the text may speak of one."""
    at = value.find(_END)
    while at >= 0:
        after = value[at + len(_END) :].lstrip()
        if not after or after.startswith(_OPEN):
            return at
        at = value.find(_END, at + 1)
    return -1


def _meant(raw: str, key: str, schema: Mapping[str, Any]) -> Iterator[Any]:
    """What the text may stand for, the likeliest first."""
    known = schema.get("properties")
    declared = known.get(key) if isinstance(known, Mapping) else None
    if isinstance(declared, Mapping) and declared.get("type") != "string":
        if raw in _WORDS:
            yield _WORDS[raw]
        with suppress(ValueError, RecursionError):
            yield msgspec.json.decode(raw)
    yield raw


def _fits(key: str, value: Any, schema: Mapping[str, Any]) -> bool:
    own = {word: said for word, said in schema.items() if word not in _OF_ALL}
    return misfit({key: value}, own) is None
