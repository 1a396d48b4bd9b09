"""Pictures for the documentation are made small without being changed to the eye."""

from __future__ import annotations

import struct
import zlib

import pytest

from .small_png import small

MARK = b"\x89PNG\r\n\x1a\n"


def png(rows: list[list[tuple[int, int, int]]], filters: list[int]) -> bytes:
    """RGB, each row by the filter of that number, written down plainly (PNG, third edition, 9.2)."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    width, data, above = len(rows[0]), b"", bytes(3 * len(rows[0]))
    for row, how in zip(rows, filters, strict=True):
        plain = bytes(one for pixel in row for one in pixel)
        guesses = []
        for at, up in enumerate(above):
            left, corner = (plain[at - 3], above[at - 3]) if at >= 3 else (0, 0)
            paeth = min((left, up, corner), key=lambda one: abs(left + up - corner - one))
            guesses.append((0, left, up, (left + up) // 2, paeth)[how])
        data += bytes([how]) + bytes((one - guess) % 256 for one, guess in zip(plain, guesses, strict=True))
        above = plain
    head = struct.pack(">IIBBBBB", width, len(rows), 8, 2, 0, 0, 0)
    return MARK + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def read_back(data: bytes) -> list[list[tuple[int, ...]]]:
    """Of a palette, no filter."""
    parts, at = {}, len(MARK)
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        parts[data[at + 4 : at + 8]] = data[at + 8 : at + 8 + length]
        at += length + 12
    width, height = struct.unpack(">II", parts[b"IHDR"][:8])
    palette, body = parts[b"PLTE"], zlib.decompress(parts[b"IDAT"])
    lines = [body[row * (width + 1) + 1 : (row + 1) * (width + 1)] for row in range(height)]
    return [[tuple(palette[3 * one : 3 * one + 3]) for one in line] for line in lines]


def test_few_colours_stay_what_they_are_by_every_filter() -> None:
    colours = [(0, 0, 0), (255, 255, 255), (36, 86, 184), (176, 37, 28), (200, 201, 199)]
    rows = [[colours[(x * y + x + y) % 5] for x in range(40)] for y in range(25)]
    found = read_back(small(png(rows, [y % 5 for y in range(25)])))
    assert found == [[tuple(pixel) for pixel in row] for row in rows]


def test_many_colours_become_near_ones() -> None:
    rows = [[(x * 4, y * 4, 128) for x in range(64)] for y in range(64)]
    found = read_back(small(png(rows, [4] * 64)))
    assert len({pixel for row in found for pixel in row}) <= 256
    far = max(
        sum(abs(a - b) for a, b in zip(one, other, strict=True))
        for row, line in zip(rows, found, strict=True)
        for one, other in zip(row, line, strict=True)
    )
    assert far < 60


def test_what_is_no_png_is_told() -> None:
    with pytest.raises(ValueError, match="no PNG"):
        small(b"GIF89a")
