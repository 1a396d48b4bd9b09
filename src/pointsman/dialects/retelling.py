"""An answer that came whole where a stream was asked, and the other way round, in one and the same protocol: what every
dialect's retelling.py needs (docs/protocols/streams.md#a-whole-answer-for-a-stream). Unknown members stay where they
are: nothing passes through the neutral form.

Not here: whether it is an answer at all (each dialect's seen.py has judged that before).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from ..wire.sse import BOM, MAX_EVENT, EventSplitter, data_of
from ..wire.surrogates import Halves, readable
from .decoding import UNREADABLE, decode_object

encode = msgspec.json.Encoder().encode
DONE = b"data: [DONE]\n\n"


def object_of(body: bytes) -> dict[str, Any]:
    """A whole answer. Raises one of UNREADABLE."""
    try:
        return decode_object(body)
    except UNREADABLE:
        return decode_object(readable(body))


class TooLargeToRetell(ValueError):
    """An event of a stream that nobody may read in part."""


def objects_of(stream: bytes) -> Iterator[dict[str, Any]]:
    """What a stream's events hold, in order; what is no JSON object is left out. Raises TooLargeToRetell."""
    splitter, halves = EventSplitter(), Halves()
    events = splitter.feed(stream.removeprefix(BOM))
    events.append(splitter.finish())
    if splitter.cut or splitter.abridged:
        raise TooLargeToRetell(f"an event of its stream is larger than {MAX_EVENT >> 20} MiB")
    for event in events:
        data = data_of(event)
        try:
            yield decode_object(data)
        except UNREADABLE:
            try:
                yield decode_object(halves.mend(data))
            except UNREADABLE:
                continue


def objects_in(value: Any) -> list[dict[str, Any]]:
    """The objects of a list; whatever else stands there is passed over."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def members(value: Any) -> dict[str, Any]:
    """An object's, none of anything else."""
    return value if isinstance(value, dict) else {}


def text(value: Any) -> str:
    """What is to be a piece of text: JSON where it is something else."""
    if isinstance(value, str):
        return value
    return "" if value is None else encode(value).decode()


def joined(before: Any, more: Any) -> Any:
    """`logprobs` of two pieces: its lists grow."""
    if not isinstance(before, dict) or not isinstance(more, dict):
        return more if isinstance(more, dict) else before
    found = dict(before)
    for name, one in more.items():
        old = found.get(name)
        found[name] = [*old, *one] if isinstance(old, list) and isinstance(one, list) else (one or old)
    return found


def data(value: dict[str, Any]) -> bytes:
    """An event without a name."""
    return b"data: " + encode(value) + b"\n\n"


def named(value: dict[str, Any]) -> bytes:
    """An event that is named by its type."""
    return b"event: " + str(value["type"]).encode() + b"\n" + data(value)
