"""How much a request may take at most, read off its body without decoding it: what is reserved for it. Pure.

Rather too much than too little: what it did not take comes back when it is over. Not here: what it took
(gateway/request/meter.py).
"""

from __future__ import annotations

import math
import re

_BYTES = 3.0
"""A token, at most: prose has 3.6, code 3.0 (translation/estimate.py); and a body is more than its texts."""
_DATA = re.compile(rb"[A-Za-z0-9+/]{2000,}={0,2}")
"""Base64, of a picture or a document."""
_DATA_TOKENS = 4800
"""Of one: the most that a picture is counted as."""
_LONG = 4096
_MOST = re.compile(
    rb'"(?:max_tokens|max_completion_tokens|max_output_tokens|num_predict)"\s*:\s*(\d{1,9})(?!\d)'
)
_MANY = re.compile(rb'"n"\s*:\s*(\d{1,3})(?!\d)')
UNSAID = 4096
"""Tokens of an answer to a request that does not say how long it may be."""


def worst_case(body: bytes) -> tuple[int, int]:
    """(tokens of the input, of all answers)."""
    size, pictures = len(body), 0
    if size > _LONG:
        for found in _DATA.finditer(body):
            size -= len(found[0])
            pictures += 1
    asked = math.ceil(size / _BYTES) + pictures * _DATA_TOKENS
    most = [int(found) for found in _MOST.findall(body)]
    many = max((int(found) for found in _MANY.findall(body)), default=1)
    return asked, (max(most) if most else UNSAID) * max(1, many)
