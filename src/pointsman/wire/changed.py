"""Where a body begins to differ from one before it, and what stands there. Pure; of what is no JSON object nothing is said.

A path has names of the protocol's own members and numbers (`messages[3].content[0].text`), never a value, nor a name out of
a tool's arguments. Not here: which body is the one before (gateway/prompts.py).
"""

from __future__ import annotations

import re

import msgspec

from ..errors import PointsmanError
from .splice import members_of

_STEP = 65536
_MOST_STEPS = 5
"""Names and numbers of a path."""
_OWN = frozenset({"arguments", "input_schema", "metadata", "parameters", "properties", "schema"})
"""Members whose names are the client's own: the path ends there."""
_NAME = re.compile(r"[a-z][a-z_]{0,39}")
_any = msgspec.json.Decoder(msgspec.Raw).decode
_items = msgspec.json.Decoder(list[msgspec.Raw]).decode


def alike_until(before: bytes, now: bytes) -> int:
    """How many bytes are the same at their beginning."""
    at, step, most = 0, _STEP, min(len(before), len(now))
    while step:
        while at < most and before[at : at + step] == now[at : at + step]:
            at += step
        step //= 16
    return min(at, most)


def grew(before: bytes, now: bytes, at: int) -> bool:
    """Do they differ at `at` first because a list of the body goes on there that had ended: a conversation by its next
    turns?"""
    if not before[at : at + 64].lstrip().startswith(b"]") or not now[at : at + 64].lstrip().startswith(b","):
        return False
    try:  # what follows would be no JSON if that stood within a text
        _any(b'{"":[' + before[at:])
    except (ValueError, msgspec.DecodeError):
        return False
    return True


def place_of(body: bytes, at: int, steps: int = _MOST_STEPS) -> str:
    """The path of what stands at `at`, of so many steps at the most; empty where that cannot be told."""
    path, value = "", body
    try:
        for _ in range(steps):
            opening = value[:1]
            found = _member(value, at) if opening == b"{" else _item(value, at) if opening == b"[" else None
            if found is None:
                break
            name, start, end = found
            if isinstance(name, str) and not _NAME.fullmatch(name):
                break
            path += f"[{name}]" if isinstance(name, int) else f".{name}" if path else name
            if name in _OWN or at < start:  # it is the member's own name that differs
                break
            value, at = value[start:end], at - start
    except (PointsmanError, ValueError, msgspec.DecodeError):
        pass
    return path


def _member(value: bytes, at: int) -> tuple[str, int, int] | None:
    return next(((name, start, end) for name, _, start, end in members_of(value) if at < end), None)


def _item(value: bytes, at: int) -> tuple[int, int, int] | None:
    position = 1
    for number, raw in enumerate(_items(value)):
        text = bytes(raw)
        start = value.index(text, position)
        position = start + len(text)
        if at < position:
            return number, start, position
    return None
