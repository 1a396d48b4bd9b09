"""JSON of a backend, read however it comes: what a decoder refuses, and what of a refused answer can still be read.

Not here: any protocol's types (each dialect's frames.py), and halves of characters (wire/surrogates.py).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

import msgspec

from ..wire.surrogates import readable

T = TypeVar("T")

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What a decoder raises for JSON that it cannot read."""
decode_object = msgspec.json.Decoder(dict[str, Any]).decode
"""Raises one of UNREADABLE."""


def without(value: dict[str, Any], beside: tuple[str, ...], inside: str) -> bytes:
    """JSON that a decoder refused, less what stands beside the answer, in the object itself and in its member `inside`: a
    usage of another shape costs no answer."""
    kept = {name: one for name, one in value.items() if name not in beside}
    if isinstance(kept.get(inside), dict):
        kept[inside] = {name: one for name, one in kept[inside].items() if name not in beside}
    return msgspec.json.encode(kept)


def read_whole(
    decode: Callable[[bytes], T], bare: Callable[[dict[str, Any]], bytes], body: bytes
) -> T | None:
    """A whole answer: as it is, else with its characters made whole, else also less what stands beside it (bare: see
    without()). None where none of that can be read."""
    try:
        return decode(body)
    except UNREADABLE:
        body = readable(body)
    with suppress(*UNREADABLE):
        return decode(body)
    with suppress(*UNREADABLE):
        return decode(bare(decode_object(body)))
    return None
