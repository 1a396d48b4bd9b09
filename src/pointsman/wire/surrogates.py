"""Halves of characters in JSON: a surrogate without its other half, which JSON's grammar allows (RFC 8259, section 8.2)
and no text can hold, and a UTF-8 sequence that was cut. Clients cut strings by UTF-16 units, servers send one token a
time (docs/protocols/streams.md#halves-of-characters).

And control characters that a server wrote as they are (docs/protocols/streams.md#halves-of-characters).

Only called where a decoder has refused something. Not here: any other JSON that is none.
"""

from __future__ import annotations

import codecs
import json
import re
from typing import Any

import msgspec

_ESCAPES = re.compile(
    rb"(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})"  # both halves
    rb"|(\\u[dD][89a-fA-F][0-9a-fA-F]{2}|\xed[\xa0-\xbf][\x80-\xbf])"  # one
    rb"|\\.",
    re.DOTALL,
)
_CONTROL = re.compile(rb"[\x00-\x1f]")
_HALF = re.compile("[\ud800-\udfff]")
_HIGH = re.compile("[\ud800-\udbff]")
_PLACES = ("type", "index", "output_index", "content_index", "summary_index")
"""Members of an event that tell which of several texts it goes on with, in all protocols. What stands deeper says it by
its index; servers say the rest (a call's type, its id) with the first piece only."""


def mended(data: bytes) -> bytes:
    """The same JSON, of the same length, with U+FFFD in place of each lone half: what stands where does not change. The
    same object when there is none."""
    if b"\\u" not in data and b"\xed" not in data:
        return data
    found = _ESCAPES.sub(_whole, data)
    return data if found == data else found


def _whole(match: re.Match[bytes]) -> bytes:
    lone = match[2]
    if lone is None:
        return match[0]
    return b"\\ufffd" if lone[:1] == b"\\" else b"\xef\xbf\xbd"


def readable(data: bytes) -> bytes:
    """The same JSON, its lone halves as U+FFFD, its control characters escaped: some servers write them as they are. The
    same object when that is not why it could not be decoded."""
    sound = mended(data)
    if _CONTROL.search(sound) is None:
        return sound
    try:
        return json.dumps(json.loads(sound, strict=False), ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return sound


def decode(text: str | bytes) -> Any:
    """JSON as plain values, lone halves as U+FFFD. Raises msgspec.DecodeError, UnicodeError, RecursionError."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        data = text.encode() if isinstance(text, str) else text
        sound = mended(data)
        if sound is data:
            raise
        return msgspec.json.decode(sound)


class Halves:
    """The events of one stream whose texts were cut inside a character: halves that belong together are put together,
    by the place of their text. One whose other half does not come is U+FFFD before the text that follows it; nothing
    where none does."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held: dict[tuple[object, ...], str] = {}

    def mend(self, data: bytes) -> bytes:
        """One event's JSON; the same object where nothing of it is changed."""
        raw = False
        try:
            text = data.decode()
        except UnicodeDecodeError:
            raw = True
            text = mended(data).decode("utf-8", "surrogateescape")
        if not raw and not self._held and mended(data) is data and _CONTROL.search(data) is None:
            return data
        try:
            value = json.loads(text, strict=False)
        except (ValueError, RecursionError):
            return data
        event = value if isinstance(value, dict) else {}
        place = tuple((name, event[name]) for name in _PLACES if isinstance(event.get(name), str | int))
        if isinstance(event.get("item_id"), str) and "output_index" not in event:
            place += (("item_id", event["item_id"]),)
        return json.dumps(self._mended(value, place, raw), ensure_ascii=False).encode()

    def _mended(self, value: Any, place: tuple[object, ...], raw: bool) -> Any:
        if isinstance(value, str):
            return self._text(value, place, raw)
        if isinstance(value, list):
            return [self._mended(one, (*place, _number(at, one)), raw) for at, one in enumerate(value)]
        if isinstance(value, dict):
            return {
                _HALF.sub("\ufffd", key): self._mended(one, (*place, key), raw) for key, one in value.items()
            }
        return value

    def _text(self, text: str, place: tuple[object, ...], raw: bool) -> str:
        if not text:
            return text  # many events hold empty texts beside the one that goes on
        held = self._held.pop(place, "")
        text = held + text
        if _HALF.search(text) is None:
            return text
        if raw or held >= "\udc00":  # the bytes that are no UTF-8 stand as surrogates U+DC80 to U+DCFF
            decoder = codecs.getincrementaldecoder("utf-8")("replace")
            out = decoder.decode(_HIGH.sub("\ufffd", text).encode("utf-8", "surrogateescape"))
            rest = decoder.getstate()[0].decode("utf-8", "surrogateescape")
        else:
            rest = text[-1] if _HIGH.match(text[-1]) else ""
            out = text[: len(text) - len(rest)].encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        if rest:
            self._held[place] = rest
        return out


def _number(at: int, one: Any) -> int:
    """An item's own index, else where it stands in the list."""
    index = one.get("index") if isinstance(one, dict) else None
    return index if isinstance(index, int) else at
