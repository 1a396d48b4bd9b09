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


def plain_rows(head: bytes) -> Headers:
    """The header lines of a head that wire/scan.answer_head() has found plain, names in lower case."""
    rows: Headers = []
    for line in head.split(b"\r\n")[1:-2]:
        name, _, value = line.partition(b":")
        rows.append((name.lower(), value.strip(b" \t")))
    return rows
