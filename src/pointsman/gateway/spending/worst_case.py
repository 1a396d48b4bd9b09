"""How much a request may take at most, read off its body without decoding it: what is reserved for it. Pure.

Rather too much than too little: what it did not take comes back when it is over. Not here: what it took
(gateway/request/meter.py).
"""

from __future__ import annotations

import math
import re

from ...dialects.paths import Route
from ...wire.splice import find_values

_BYTES = 3.0
"""A token, at most: prose has 3.6, code 3.0 (translation/estimate.py); and a body is more than its texts."""
_DATA = re.compile(rb"[A-Za-z0-9+/]{2000,}={0,2}")
"""Base64, of a picture or a document."""
_DATA_TOKENS = 4800
"""Of one: the most that a picture is counted as."""
_LONG = 4096
_ENDS = ("max_tokens", "max_completion_tokens", "max_output_tokens")
_NUMBERS = re.compile(
    rb'"(max_tokens|max_completion_tokens|max_output_tokens|num_predict|n)"\s*:\s*(\d{1,9})(?!\d)'
)
"""Ollama's `num_predict` stands among its options. Any other counts at the top level alone: a tool's arguments have names of
their own."""
_SURELY = 65_536
"""A number up to which nobody looks where it stands, while it is the only one."""
UNSAID = 4096
"""Tokens of an answer to a request that does not say how long it may be."""


def worst_case(where: Route, body: bytes) -> tuple[int, int]:
    """(tokens of the input, of all answers). where: whose answers may hold none. A body that is no JSON is a form with a
    file, whose bytes are no tokens."""
    size, pictures = len(body) if body[:64].lstrip().startswith(b"{") else 0, 0
    if size > _LONG:
        for found in _DATA.finditer(body):
            size -= len(found[0])
            pictures += 1
    asked = math.ceil(size / _BYTES) + pictures * _DATA_TOKENS
    if not where.dialect.endpoint.writes:
        return asked, 0
    said: list[tuple[bytes, bytes]] = _NUMBERS.findall(body)
    if not said:
        return asked, UNSAID
    first, number = said[0]
    if len(said) == 1 and first != b"n" and int(number) <= _SURELY:
        return asked, int(number)
    most = [number for name in _ENDS for number in _numbers(body, name)]
    most += [int(number) for name, number in said if name == b"num_predict"]
    many = max(_numbers(body, "n"), default=1)
    return asked, (max(most) if most else UNSAID) * max(1, many)


def _numbers(body: bytes, name: str) -> list[int]:
    """What the body itself has under that name."""
    values = [body[start:end] for start, end in find_values(body, name)]
    return [int(value) for value in values if value.isdigit() and len(value) < 10]
