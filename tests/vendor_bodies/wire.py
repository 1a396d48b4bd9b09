"""JSON and server-sent events as bytes, and the two things that a model says: words, or a call."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise
from typing import Any


@dataclass(frozen=True)
class Call:
    """A tool's name and its arguments."""

    name: str
    arguments: dict[str, Any]
    id: str = "abc123"


Step = Call | str
"""One answer of a model: a call, or a text."""


def encoded(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def sse(*values: dict[str, Any] | bytes) -> bytes:
    """Events without names, as Chat has them. bytes: data that is no JSON, or not right."""
    return b"".join(b"data: " + (v if isinstance(v, bytes) else encoded(v)) + b"\n\n" for v in values)


def named(*events: dict[str, Any]) -> bytes:
    """Events named as their type, as Messages and Responses have them."""
    return b"".join(b"event: " + e["type"].encode() + b"\ndata: " + encoded(e) + b"\n\n" for e in events)


def pieces(text: str, count: int = 2) -> list[str]:
    """The text in so many pieces, none of them empty; [] of an empty one."""
    edges = [len(text) * at // count for at in range(count + 1)]
    return [text[a:b] for a, b in pairwise(edges) if a < b]
