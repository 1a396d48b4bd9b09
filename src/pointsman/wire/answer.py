"""A whole HTTP answer as values: status, header lines, body. Not here: what it means, and when it is sent."""

from __future__ import annotations

from dataclasses import dataclass

Headers = list[tuple[bytes, bytes]]


@dataclass(slots=True)
class Answer:
    """A whole answer: the upstream's own, or what the client gets instead."""

    status: int
    headers: Headers
    body: bytes
