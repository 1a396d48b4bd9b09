"""A screenshot as a small PNG: 256 colours, which is all that a page of text and lines has to the eye. Pure Python, for a
picture library would be installed for this alone. Reads what Chromium writes: 8 bits, RGB or RGBA, not interlaced."""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from collections.abc import Iterator

_MARK = b"\x89PNG\r\n\x1a\n"
COLOURS = 256


def small(png: bytes) -> bytes:
    """The same picture; colours that are few and near to others are taken for those."""
    width, height, size, data = _read(png)
    rows = _unfiltered(data, width * size, height, size)
    pixels = [[bytes(row[at : at + 3]) for at in range(0, len(row), size)] for row in rows]
    counted: Counter[bytes] = Counter()
    for row in pixels:
        counted.update(row)
    palette = _chosen(counted)
    places = {colour: place for place, colour in enumerate(palette)}
    for colour in counted:
        if colour not in places:
            places[colour] = min(range(len(palette)), key=lambda place: _far(palette[place], colour))
    body = b"".join(b"\0" + bytes([places[pixel] for pixel in row]) for row in pixels)
    head = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    chunks = (
        (b"IHDR", head),
        (b"PLTE", b"".join(palette)),
        (b"IDAT", zlib.compress(body, 9)),
        (b"IEND", b""),
    )
    return _MARK + b"".join(_chunk(kind, content) for kind, content in chunks)


def _chosen(counted: Counter[bytes]) -> list[bytes]:
    """The most used colours, of which none is all but another one, so that a rare but far one has a place."""
    palette: list[bytes] = []
    for near in (24, 8, 0):
        for colour, _ in counted.most_common():
            if len(palette) == COLOURS:
                return palette
            if colour not in palette and all(_far(colour, one) > near for one in palette):
                palette.append(colour)
    return palette


def _far(one: bytes, other: bytes) -> int:
    return abs(one[0] - other[0]) + abs(one[1] - other[1]) + abs(one[2] - other[2])


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(_MARK)
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        yield png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        at += length + 12


def _read(png: bytes) -> tuple[int, int, int, bytes]:
    """(width, height, bytes a pixel, rows with their filters)"""
    if not png.startswith(_MARK):
        raise ValueError("this is no PNG")
    data = b""
    shape = (0, 0, 0)
    for kind, content in _chunks(png):
        if kind == b"IHDR":
            width, height, depth, colours, _, _, interlaced = struct.unpack(">IIBBBBB", content)
            if depth != 8 or colours not in (2, 6) or interlaced:
                raise ValueError(f"a PNG of {depth} bits and kind {colours} is not read here")
            shape = (width, height, 3 if colours == 2 else 4)
        elif kind == b"IDAT":
            data += content
    return *shape, zlib.decompress(data)


def _unfiltered(data: bytes, width: int, height: int, size: int) -> Iterator[bytearray]:
    """Rows as they were before their filters (PNG, third edition, 9.2)."""
    above = bytearray(width)
    for number in range(height):
        start = number * (width + 1)
        how, row = data[start], bytearray(data[start + 1 : start + 1 + width])
        if how == 1:
            for at in range(size, width):
                row[at] = (row[at] + row[at - size]) & 255
        elif how == 2:
            row = bytearray([(one + up) & 255 for one, up in zip(row, above, strict=True)])
        elif how == 3:
            for at in range(width):
                left = row[at - size] if at >= size else 0
                row[at] = (row[at] + (left + above[at]) // 2) & 255
        elif how == 4:
            for at in range(width):
                left, corner = (row[at - size], above[at - size]) if at >= size else (0, 0)
                row[at] = (row[at] + _nearest(left, above[at], corner)) & 255
        yield row
        above = row


def _nearest(left: int, up: int, corner: int) -> int:
    """Paeth."""
    guess = left + up - corner
    by_left, by_up, by_corner = abs(guess - left), abs(guess - up), abs(guess - corner)
    if by_left <= by_up and by_left <= by_corner:
        return left
    return up if by_up <= by_corner else corner
