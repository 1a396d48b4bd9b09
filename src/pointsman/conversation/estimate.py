"""How many tokens a request will be, estimated where nobody can be asked (PROTOCOLS.md 13.2, point 5). Always rounded up:
clients use the number to decide when to compact.
"""

from __future__ import annotations

import base64
import binascii
import math
import struct

import msgspec

from .parts import Audio, Document, Foreign, Image, Part, ToolCall, ToolResult
from .request import Request

_PROSE, _CODE = 3.6, 3.0
"""Bytes a token."""
_PER_MESSAGE, _PER_TOOL = 4, 12
_IMAGE_CAP = 4784
_PER_PAGE = 2000
_HEADER = 64 * 1024
"""Base64 characters of an image that are decoded to find its size; a JPEG's stands behind its metadata."""
_CODE_MARKS = frozenset("{}[]();=<>_\\")


def estimate_tokens(request: Request) -> int:
    """Tokens of system, messages and tools."""
    total = sum(_text(part.text) for part in request.system)
    total += _PER_MESSAGE * (len(request.messages) + bool(request.system))
    for message in request.messages:
        total += sum(_part(part) for part in message.parts)
    for tool in request.tools:
        total += _PER_TOOL + _json(tool.schema or {}) + _text(tool.description or "") + _text(tool.name)
    for server_tool in request.server_tools:
        total += _PER_TOOL + _json(server_tool.value)
    if request.format is not None and request.format.schema is not None:
        total += _json(request.format.schema)
    return total


def _text(text: str) -> int:
    size = len(text.encode("utf-8", "surrogatepass"))
    sample = text[:2000]
    marks = sum(c in _CODE_MARKS for c in sample)
    return math.ceil(size / (_CODE if marks * 25 > len(sample) else _PROSE))


def _json(value: object) -> int:
    return math.ceil(len(msgspec.json.encode(value)) / _CODE)


def _part(part: Part) -> int:
    match part:
        case Image():
            return _image(part)
        case Document():
            return _document(part)
        case ToolCall():
            return (
                _text(part.name)
                + math.ceil(len(part.arguments.encode("utf-8", "surrogatepass")) / _CODE)
                + _PER_MESSAGE
            )
        case ToolResult():
            return sum(_part(inner) for inner in part.parts) + _PER_MESSAGE
        case Audio():
            return math.ceil(len(part.data) / 100)
        case Foreign():
            return _json(part.value)
    return _text(part.text)


def _image(image: Image) -> int:
    if image.data is None:
        return _IMAGE_CAP
    try:
        size = _pixels(base64.b64decode(image.data[:_HEADER] + "=" * (-len(image.data[:_HEADER]) % 4)))
    except (binascii.Error, struct.error, ValueError):
        size = None
    if size is None:
        return _IMAGE_CAP
    return min(_IMAGE_CAP, math.ceil(size[0] / 28) * math.ceil(size[1] / 28))


def _pixels(data: bytes) -> tuple[int, int] | None:
    """Width and height, from the file's own header."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        width, height = struct.unpack(">II", data[16:24])
        return width, height
    if data.startswith((b"GIF87a", b"GIF89a")):
        width, height = struct.unpack("<HH", data[6:10])
        return width, height
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return _webp(data)
    return _jpeg(data) if data.startswith(b"\xff\xd8") else None


def _webp(data: bytes) -> tuple[int, int] | None:
    kind = data[12:16]
    if kind == b"VP8X":
        return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    if kind == b"VP8 ":
        width, height = struct.unpack("<HH", data[26:30])
        return width & 0x3FFF, height & 0x3FFF
    if kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return None


def _jpeg(data: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 < len(data) and data[at] == 0xFF:
        marker, size = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return width, height
        at += 2 + size
    return None


def _document(document: Document) -> int:
    head = _text(f"{document.title or ''}{document.context or ''}")
    if document.text is not None:
        return head + _text(document.text)
    if document.parts is not None:
        return head + sum(_part(part) for part in document.parts)
    pages = 1
    if document.data is not None:
        try:
            data = base64.b64decode(document.data)
        except binascii.Error:
            data = b""
        pages = max(
            1,
            data.count(b"/Type /Page") - data.count(b"/Type /Pages"),
            data.count(b"/Type/Page") - data.count(b"/Type/Pages"),
        )
    return head + pages * _PER_PAGE
