"""Where one chunk of a chunked body stands (RFC 9112 section 7.1), so that plain ones pass in the frames they came in.

One-sided: what is anything but digits, the data and two line ends is odd, and for llhttp to judge. Not here: whole bodies
(wire/http1.py, upstream/connection.py).
"""

from __future__ import annotations

MORE, ODD = 0, -1
CHUNK_END = b"\r\n"
"""What stands behind the payload of each."""
MOST = 64 * 1024
"""Bytes of a chunk that is waited for: a larger one is passed on as it comes, by who judges the odd ones."""
_MOST_DIGITS = 5
"""Of a size: those of MOST."""
_VALUES = bytes(int(chr(c), 16) if chr(c) in "0123456789abcdefABCDEF" else 255 for c in range(256))


def _lines(most: int) -> tuple[bytes, ...]:
    """By how long a chunk of up to so many bytes is in all, its first line; where none is as long, something longer."""
    found = [bytes(most + 8)] * (most + 8)
    for size in range(1, most + 1):
        line = b"%x\r\n" % size
        found[len(line) + size + 2] = line
    return tuple(found)


_LINES = _lines(1024)
_LONGEST = len(_LINES)


def one_chunk(data: bytes) -> int:
    """Where the payload begins of a chunk that is as long as what is here, and not the last; 0 where this is none, or not
    looked for here. What most reads of a stream bring. That a line's end stands behind it is left to who looks there."""
    size = len(data)
    if size >= _LONGEST:
        return 0
    line = _LINES[size]
    return len(line) if data.startswith(line) else 0


def chunk_at(data: bytes, at: int) -> tuple[int, int]:
    """(where the payload of the chunk that begins at `at` begins, where the chunk ends); of the last one, which has no
    payload, where the body ends. The end is MORE where not all of it is there, ODD where it is not plain."""
    size, line, there = 0, at, len(data)
    last = min(at + _MOST_DIGITS, there)
    while line < last:
        value = _VALUES[data[line]]
        if value > 15:
            break
        size = size * 16 + value
        line += 1
    if line + 2 > there:
        return at, MORE if data[line:] in (b"", b"\r") and (line > at or at == there) else ODD
    if line == at or size > MOST or not data.startswith(b"\r\n", line):
        return at, ODD
    end = line + size + 4
    if end > there:
        return at, MORE
    return line + 2, end if data.startswith(b"\r\n", end - 2) else ODD
