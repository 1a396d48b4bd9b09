"""What an error says, in whichever shape a server tells it (docs/protocols/errors.md#bodies-seen): its
words, its codes, and the object in which its numbers stand. Not here: what kind of error that is
(vendor_errors.py, anthropic_messages/errors.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from .decoding import UNREADABLE

TEXTS = ("message", "detail", "error_message", "error_msg", "errorMessage", "msg", "errors", "title")
"""Members that hold the words, most telling first."""
_CODES = ("code", "type")
_LONGEST = 2000
"""Characters kept of an error."""
_DEEPEST = 6
"""Objects within each other: each proxy on the way wraps the error of the one behind it."""


@dataclass(slots=True)
class Told:
    """text: "" when it says nothing. codes: its codes and types that are words, the innermost first.
    inside: its innermost object, {} for none. param: the field that it blames."""

    text: str = ""
    codes: list[str] = field(default_factory=list)
    inside: dict[str, Any] = field(default_factory=dict)
    param: str | None = None


def told(body: bytes) -> Told:
    """Of a whole body, parsed by content: some servers answer JSON with a wrong content type, some
    plain words, some a page, which is no sentence."""
    try:
        value = msgspec.json.decode(body)
    except UNREADABLE:
        text = body[:_LONGEST].decode("utf-8", "replace").strip()
        return Told("" if text.startswith("<") else text)
    return told_by(value)


def told_by(value: Any) -> Told:
    """Of a decoded body, or of the object under its `error`."""
    found = Told()
    text = _words(value, found, 0)
    if not text and isinstance(value, dict):
        left = value.get("error", value)
        text = "" if left in (None, "") else msgspec.json.encode(left).decode()
    found.text = text[:_LONGEST]
    return found


def _words(value: Any, found: Told, depth: int) -> str:
    if depth > _DEEPEST:
        return ""
    if isinstance(value, str):
        return _of_text(value, found, depth)
    if isinstance(value, list):
        said = (_words(one, found, depth + 1) for one in value)
        return "; ".join(filter(None, said))
    return _of_object(value, found, depth) if isinstance(value, dict) else ""


def _of_text(text: str, found: Told, depth: int) -> str:
    """Which may be the JSON of another's error."""
    text = text.strip()
    if text[:1] in ("{", "["):
        try:
            inner = msgspec.json.decode(text.encode("utf-8", "surrogatepass"))
        except UNREADABLE:
            return text
        return _words(inner, found, depth + 1) or text
    return text


def _of_object(value: dict[str, Any], found: Told, depth: int) -> str:
    found.inside = value
    if "loc" not in value:  # what is wrong with one field, in the words of a validator
        codes = (value.get(key) for key in _CODES)
        found.codes[:0] = [word for word in codes if isinstance(word, str) and word not in ("", "error")]
    if found.param is None and isinstance(value.get("param"), str):
        found.param = value["param"]
    inner = value.get("error")
    if isinstance(inner, (dict, list)) and inner:
        text = _words(inner, found, depth + 1)
    else:
        text = next(filter(None, (_words(value.get(key), found, depth + 1) for key in TEXTS)), "")
        text = text or _words(inner, found, depth + 1)
    return " ".join(filter(None, (_where(value), ": ".join([text, *_behind(value, text, found, depth)]))))


def _where(value: dict[str, Any]) -> str:
    """FastAPI's `{"loc": ["body", "messages"], "msg": "Field required"}`."""
    place = value.get("loc")
    if not isinstance(place, list) or not place or "msg" not in value:
        return ""
    return ".".join(str(one) for one in place) + ":"


def _behind(value: dict[str, Any], text: str, found: Told, depth: int) -> Iterator[str]:
    """OpenRouter says "Provider returned error", and what the provider said in `metadata.raw`."""
    beside = value.get("metadata")
    if isinstance(beside, dict):
        raw = _words(beside.get("raw"), found, depth + 1)
        if raw and raw not in text:
            yield raw
