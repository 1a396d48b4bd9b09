"""Pictures as Ollama's clients send them: base64 text that does not say what it is. Pure."""

from __future__ import annotations

import base64
import binascii
import re

from ...conversation.parts import Image
from ..fields import Fields, bad

_KINDS = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"BM", "image/bmp"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
)
_DATA_URL = re.compile(r"data:[^,]{0,100};base64,")
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_WEBP = re.compile(rb"RIFF.{4}WEBP", re.DOTALL)


def read_images(holder: Fields) -> list[Image]:
    """Of a message, or of a prompt. Raises PointsmanError 400 for what is no picture that is known."""
    found = []
    for index, one in enumerate(holder.items("images")):
        path = f"{holder.at('images')}[{index}]"
        if not isinstance(one, str):
            bad(path, "must be a picture as base64 text.")
        data = "".join(_DATA_URL.sub("", one, count=1).split())  # Go's decoder passes over ends of lines
        if not _BASE64.fullmatch(data):
            bad(path, "must be a picture as base64 text.")
        found.append(Image(_kind_of(data, path), data, path=path))
    return found


def _kind_of(data: str, path: str) -> str:
    try:
        begun = base64.b64decode(data[:64], validate=True)
    except (binascii.Error, ValueError):
        bad(path, "must be a picture as base64 text.")
    if _WEBP.match(begun):
        return "image/webp"
    for mark, kind in _KINDS:
        if begun.startswith(mark):
            return kind
    raise bad(path, "is not of a kind that is known; send PNG, JPEG, GIF or WebP.")
