"""How deep JSON is nested, found without reading it twice: strings are cut out at their quotation marks, and what is left
of brackets is taken away from the inside, one level at a time.

Not here: whether it is JSON at all.
"""

from __future__ import annotations

import re

_AS_ONE = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS = bytes(c for c in range(256) if c not in b"{}[]")
_NO_BRACKETS_OR_QUOTES = bytes(c for c in range(256) if c not in b'{}[]"')
_strings = re.compile(rb'"[^"]*"')
_MANY = 50_000
"""Quotation marks from which cutting at each costs too much memory: then what is no mark goes first, which takes longer."""


def depth_exceeds(body: bytes, limit: int) -> bool:
    """Is valid JSON nested deeper than `limit`?"""
    if len(body) <= 2 * limit or body.count(b"{") + body.count(b"[") <= limit:
        return False
    if b"\\" in body:
        body = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    if body.count(b'"') > _MANY:
        body = _strings.sub(b"", body.translate(None, _NO_BRACKETS_OR_QUOTES))
    else:
        body = b"".join(body.split(b'"')[::2])
    marks = body.translate(_AS_ONE, _NO_BRACKETS)
    levels = 0
    while len(marks) > 2 * (limit - levels):  # that many brackets can be nested too deep
        if levels == limit:
            return True
        marks = marks.replace(b"[]", b"")
        levels += 1
    return False
