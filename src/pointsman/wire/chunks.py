"""Where one chunk of a chunked body stands (RFC 9112 section 7.1), so that plain ones pass in the frames they came in.

One-sided: what is anything but digits, the data and two line ends is odd, and for llhttp to judge. Not here: whole bodies
(wire/http1.py, upstream/connection.py).
"""

from __future__ import annotations

MORE, ODD = 0, -1
MOST = 64 * 1024
"""Bytes of a chunk that is waited for: a larger one is passed on as it comes, by who judges the odd ones."""
_LINE = 7
"""Bytes of a size line at most: the digits of MOST, and its end."""
_SIZES = {form % size: size for size in range(2048) for form in (b"%x", b"%X")}
"""Of nearly all chunks: to look a size up costs a third of reading it."""
_HEX = frozenset(b"0123456789abcdefABCDEF")


def chunk_at(data: bytes, at: int) -> tuple[int, int]:
    """(where the payload of the chunk that begins at `at` begins, where the chunk ends); of the last one, which has no
    payload, where the body ends. The end is MORE where not all of it is there, ODD where it is not plain."""
    line = data.find(b"\r\n", at, at + _LINE)
    if line < 0:
        digits = data[at : at + _LINE]
        short = len(digits) < _LINE and _HEX.issuperset(digits.removesuffix(b"\r"))
        return at, MORE if short else ODD
    size = _SIZES.get(data[at:line], -1)
    if size < 0:
        digits = data[at:line]
        if not digits or not _HEX.issuperset(digits) or (size := int(digits, 16)) > MOST:
            return at, ODD
    end = line + size + 4
    if end > len(data):
        return at, MORE
    return line + 2, end if data.startswith(b"\r\n", end - 2) else ODD
