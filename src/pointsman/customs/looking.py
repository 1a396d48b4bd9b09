"""One pass over a body by a table: where may a word begin? Compiled it costs less than a nanosecond a byte; in Python nobody
calls it (hints.py).
"""

from __future__ import annotations


def looped(data: bytes, table: bytes) -> list[int]:
    """Where three bytes stand whose number in the table, of 65,536 bytes, is not 0."""
    found: list[int] = []
    text, rows = data, table
    last = len(data) - 2
    at = 0
    while at < last:
        if rows[(text[at] ^ (text[at + 1] << 4) ^ (text[at + 2] << 8)) & 0xFFFF]:
            found.append(at)
        at += 1
    return found
