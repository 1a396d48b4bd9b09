"""By what a recording knows a request, and where the nearest differs from an unknown one: as a path, never a value. Pure.
Not here: which requests are equal (translation/)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from itertools import islice
from typing import Any

from ...dialects.capsule import Capsules
from ...dialects.paths import route
from ...errors import PointsmanError
from ...translation.crossing import Asked
from ...translation.same_meaning import meant
from ...translation.same_request import in_any_form
from ...wire.http1 import parse_head

_NOBODY = b"POST / HTTP/1.1\r\nhost: localhost\r\n\r\n"


def digest(data: bytes) -> bytes:
    """Of what two requests have in common."""
    return blake2b(data, digest_size=16).digest()


def same(path: str, asked: bytes) -> bytes:
    """Of equal requests. asked: as same_request.recorded_as() has it."""
    return digest(path.encode() + b"\0" + asked)


def form_of(path: str, asked: bytes) -> bytes:
    """Of those that are equal but for their form."""
    return same(path, in_any_form(asked))


def known_by(path: str, asked: bytes) -> tuple[bytes, bytes, bytes, int | None]:
    """same(), form_of(); the digest of what it means in any protocol, b"" where it has no neutral form; and the tokens that
    its answer may have."""
    half = route(path).half
    found = same(path, asked), form_of(path, asked)
    if half is None:
        return *found, b"", None
    try:
        told = Asked(half, asked, parse_head(_NOBODY, 10), "", Capsules(b"recorded")).request
    except PointsmanError:  # it refers to what only its own time knew
        return *found, b"", None
    return *found, digest(meant(told)), told.max_tokens


_MOST = 1000
"""Differences that are counted."""
_LONGEST = 200


def nearest(path: str, asked: bytes, recorded: Sequence[bytes], of_all: int) -> str:
    """asked, recorded: as same_request.recorded_as() has them, of that path. of_all: how many there are with those of other
    paths. A clause, or two."""
    if not of_all:
        return "nothing is recorded in it yet"
    if not recorded:
        return f"none of its {of_all} answers is of {path}, and none of a request that means the same"
    wanted = json.loads(asked)
    best: list[str] | None = None
    for one in recorded:
        found = list(islice(_differences(wanted, json.loads(one), ""), _MOST))
        if best is None or len(found) < len(best):
            best = found
    assert best, "a request that differs nowhere is the same"
    more = f" and {len(best) - 1} other places" if len(best) > 1 else ""
    return f"the nearest of its {of_all} differs at {_shown(best[0])}{more}"


def _differences(one: Any, other: Any, at: str) -> Iterator[str]:
    """Paths, those of the request first."""
    if isinstance(one, dict) and isinstance(other, dict):
        for name in dict.fromkeys((*one, *other)):
            inside = f"{at}.{name}" if at else name
            if name not in one or name not in other:
                yield inside
            else:
                yield from _differences(one[name], other[name], inside)
    elif isinstance(one, list) and isinstance(other, list):
        for number in range(max(len(one), len(other))):
            inside = f"{at}[{number}]"
            if number >= len(one) or number >= len(other):
                yield inside
            else:
                yield from _differences(one[number], other[number], inside)
    elif one != other or type(one) is not type(other):
        yield at


def _shown(path: str) -> str:
    """Names in it are the client's."""
    clean = "".join(char if char.isprintable() else "?" for char in path[:_LONGEST])
    return clean + ("..." if len(path) > _LONGEST else "")
