"""How many tokens a request will be, estimated where nobody can be asked
(docs/protocols/counting.md#the-estimate).

Always rounded up: clients use the number to decide when to compact. Not here: counting by a backend (gateway/count.py).
"""

from __future__ import annotations

import binascii
import math
import re
import struct
from collections.abc import Iterable
from typing import Any

import msgspec

from ..conversation.parts import Audio, Document, Foreign, Image, Part, ToolCall, ToolResult
from ..conversation.request import Request

_PROSE, _CODE = 3.6, 3.0
"""Bytes a token."""
_PER_MESSAGE = 4
_PER_TOOL = 12
_IMAGE_CAP = 4784
_PATCH = 28
"""Pixels a side of what counts as one token of an image."""
_PER_PAGE = 2000
_PAGES_CAP = 600
_PAGE_BYTES = 60_000
"""Of a PDF whose page objects are compressed: a page of text with some drawing."""
_SOUND_BYTES = 1500
"""Of an encoded recording, a token: about ten tokens a second."""

_HEADER_CHARS = 96 * 1024
"""Base64 read to find an image's size; in a JPEG it stands behind the metadata."""
_PDF_CHARS = 4 * 1024 * 1024
_PAGE = re.compile(rb"/Type\s*/Page(?![a-zA-Z])")
_COUNT = re.compile(rb"/Count\s+(\d{1,5})")

_SAMPLE = 2000
_CODE_MARKS = re.compile(r"[{}()\[\];=<>\\\"_|]")
_CODE_SHARE = 0.06
"""Share of such marks from which a text counts as code; prose has one to three in a hundred."""


def estimate_tokens(request: Request) -> int:
    """Tokens of system, messages, tools and the asked format together; at least 1."""
    total = float(_PER_MESSAGE * (len(request.messages) + bool(request.system)))
    total += sum(_text(part.text) for part in request.system)
    total += sum(_parts(message.parts) for message in request.messages)
    for tool in request.tools:
        total += _PER_TOOL + _text(tool.name) + _text(tool.description or "")
        total += _json(tool.schema) + _json(tool.grammar)
    for server_tool in request.server_tools:
        total += _PER_TOOL + _json(server_tool.value)
    total += _PER_TOOL * (request.web_search is not None)
    if request.format is not None:
        total += _json(request.format.schema)
    return max(1, math.ceil(total))


def estimate_longest(body: bytes) -> int:
    """Tokens of the longest text of a request that is no conversation: `prompt` or `input`, a text, texts, or tokens by
    their numbers; 0 where there is none."""
    try:
        said = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return 0
    if not isinstance(said, dict):
        return 0
    found = said.get("prompt", said.get("input"))
    texts = found if isinstance(found, list) and not all(isinstance(one, int) for one in found) else [found]
    return max((math.ceil(_tokens_in(text)) for text in texts), default=0)


def _tokens_in(text: Any) -> float:
    if isinstance(text, str):
        return _text(text)
    return len(text) if isinstance(text, list) else 0.0


_LONG_DATA = re.compile(rb"[A-Za-z0-9+/]{1024,}+={0,2}")
_PER_PICTURE = 1600


def estimate_body(body: bytes) -> int:
    """Tokens of a request as it stands, read by nobody: pictures and files in it are not text."""
    text, pictures = _LONG_DATA.subn(b"", body)
    return tokens_of(len(text)) + pictures * _PER_PICTURE


def tokens_of(characters: int) -> int:
    """Of an answer of so many characters."""
    return math.ceil(characters / _PROSE)


def _parts(parts: Iterable[Part]) -> float:
    return sum(_part(part) for part in parts)


def _part(part: Part) -> float:
    match part:
        case Image():
            return _image(part)
        case Document():
            return _document(part)
        case ToolCall():
            return _text(part.name) + _size(part.arguments) / _CODE + _PER_MESSAGE
        case ToolResult():
            return _parts(part.parts) + _PER_MESSAGE
        case Audio():
            return _bytes_of(part.data) / _SOUND_BYTES
        case Foreign():
            return _json(part.value)
    return _text(part.text)


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _text(text: str) -> float:
    """Prose or code, by its marks."""
    sample = text[:_SAMPLE]
    code = len(_CODE_MARKS.findall(sample)) > len(sample) * _CODE_SHARE
    return _size(text) / (_CODE if code else _PROSE)


def _json(value: Any) -> float:
    if value is None:
        return 0.0
    try:
        return len(msgspec.json.encode(value)) / _CODE
    except (TypeError, ValueError, OverflowError):
        return len(str(value)) / _CODE


def _bytes_of(data: str) -> int:
    """Of base64 text."""
    return len(data) * 3 // 4


def _decoded(text: str) -> bytes:
    """What can be decoded of base64 text; b"" when it is none."""
    try:
        return binascii.a2b_base64(text[: len(text) // 4 * 4].rstrip("\n"))
    except (binascii.Error, ValueError):
        return b""


# -- images


def _image(image: Image) -> int:
    if image.data is None:
        return _IMAGE_CAP
    size = _pixels(_decoded(image.data[:_HEADER_CHARS]))
    if size is None or not all(size):
        return _IMAGE_CAP
    return min(_IMAGE_CAP, math.ceil(size[0] / _PATCH) * math.ceil(size[1] / _PATCH))


def _pixels(data: bytes) -> tuple[int, int] | None:
    """Width and height as the file's own header says, None when it cannot be read."""
    try:
        if data.startswith(b"\x89PNG\r\n\x1a\n"):
            width, height = struct.unpack_from(">II", data, 16)
        elif data.startswith((b"GIF87a", b"GIF89a")):
            width, height = struct.unpack_from("<HH", data, 6)
        elif data.startswith(b"RIFF") and data[8:12] == b"WEBP":
            return _webp(data)
        elif data.startswith(b"\xff\xd8"):
            return _jpeg(data)
        else:
            return None
    except (struct.error, IndexError):
        return None
    return width, height


def _webp(data: bytes) -> tuple[int, int] | None:
    kind = data[12:16]
    if kind == b"VP8X" and len(data) >= 30:
        return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return None


_NO_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})
_NO_FRAME = frozenset({0xC4, 0xC8, 0xCC})


def _jpeg(data: bytes) -> tuple[int, int] | None:
    """From the first frame header (SOF0..SOF15), over the segments before it."""
    at = 2
    while at + 1 < len(data):
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        if marker in _NO_LENGTH:
            at += 2
            continue
        if 0xC0 <= marker <= 0xCF and marker not in _NO_FRAME:
            height, width = struct.unpack_from(">HH", data, at + 5)
            return width, height
        (length,) = struct.unpack_from(">H", data, at + 2)
        at += 2 + max(2, length)
    return None


# -- documents


def _document(document: Document) -> float:
    head = _text(document.title or "") + _text(document.context or "")
    if document.text is not None:
        return head + _text(document.text)
    if document.parts is not None:
        return head + _parts(document.parts)
    if document.data is None:
        return head + _PER_PAGE
    if (document.media_type or "").startswith("text/"):
        return head + _bytes_of(document.data) / _PROSE
    return head + _PER_PAGE * _pages(document.data)


def _pages(data: str) -> int:
    """Of a PDF: its page objects, or what its page tree says, or a guess from its size where both are compressed."""
    found = _decoded(data[:_PDF_CHARS])
    share = max(1.0, len(data) / _PDF_CHARS)
    objects = math.ceil(len(_PAGE.findall(found)) * share)
    told = max((int(count) for count in _COUNT.findall(found)), default=0)
    pages = objects or told or math.ceil(_bytes_of(data) / _PAGE_BYTES)
    return min(_PAGES_CAP, max(1, pages))
