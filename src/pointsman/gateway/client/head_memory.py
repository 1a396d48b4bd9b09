"""The last request head of a connection, so that the next one, which repeats it but for a few values, is not parsed anew.

What may vary: Content-Length, and names that mean nothing here and travel as they are (request ids, traces). Not here: what
a head must be (wire/http1.py).
"""

from __future__ import annotations

import re

from ...wire.http1 import RequestHead

_VARYING = (
    b"traceparent", b"tracestate", b"baggage", b"x-request-id", b"x-client-request-id", b"x-correlation-id",
    b"x-stainless-retry-count", b"x-amzn-trace-id", b"x-cloud-trace-context", b"sentry-trace", b"x-datadog-trace-id",
    b"x-datadog-parent-id",
)  # fmt: skip
_LENGTH = b"content-length"
_NAMES = {name: name for name in (_LENGTH, *_VARYING)}
_values = re.compile(
    rb"\r\n(%b):[ \t]*([!-~](?:[ -~]*[!-~])?)(?=\r\n)" % b"|".join((_LENGTH, *_VARYING)), re.IGNORECASE
).finditer
_PRINTABLE = bytes(range(0x20, 0x7F))
_NOTHING: list[bytes] = []
_NO_PLACES: list[int] = []
_NO_NAMES: dict[bytes, bytes] = {}
_MOST = 512
"""Bytes of a value."""


class HeadMemory:
    """remember() what was parsed, then recall() of the next. end: behind the head that was recalled."""

    __slots__ = ("_by_name", "_head", "_last", "_literals", "_names", "_places", "end")

    def __init__(self) -> None:
        self._head: RequestHead | None = None
        self._literals: list[bytes] = []  # what stands before each value, and behind the last
        self._names: list[bytes] = []
        self._last: list[bytes] = []
        self._places: list[int] = []  # of the names among the headers
        self._by_name: dict[bytes, bytes] = {}
        self.end = 0

    def remember(self, head: RequestHead, raw: bytes) -> None:
        """Kept only where it has a Content-Length, and nothing that may vary twice."""
        self._head = None
        if head.content_length is None:
            return
        found = list(_values(raw))
        names = [_NAMES[match[1].lower()] for match in found]
        if len(set(names)) < len(names) or _LENGTH not in names:
            return
        hop_by_hop = (head.get(b"connection") or b"").lower()
        if any(name in hop_by_hop for name in names):
            return
        edges = [0, *(edge for match in found for edge in match.span(2)), len(raw)]
        self._literals = [raw[a:b] for a, b in zip(edges[::2], edges[1::2], strict=True)]
        self._names, self._last = names, [match[2] for match in found]
        sent = [name for name, _ in head.headers]
        self._places = [sent.index(name) for name in names]
        self._by_name = dict(head.headers)
        head.get = self._by_name.get
        self._head = head
        head.varying = tuple(name for name in names if name != _LENGTH)

    def forget(self) -> None:
        """Until there is another."""
        self._head = None
        self._literals = self._names = self._last = _NOTHING
        self._places, self._by_name = _NO_PLACES, _NO_NAMES

    def recall(self, raw: bytes) -> RequestHead | None:
        """The same head with these values, where that is what stands at the beginning; None where it is another."""
        head, lasts = self._head, self._last
        if head is None:
            return None
        literals = self._literals
        values: list[bytes] = []
        at = 0
        for place, last in enumerate(lasts):
            literal = literals[place]
            if not raw.startswith(literal, at):
                return None
            at += len(literal)
            end = at + len(last)  # by far the commonest
            if not raw.startswith(b"\r\n", end):
                end = raw.find(b"\r\n", at, at + _MOST)
                if end < 0:
                    return None
            values.append(raw[at:end])
            at = end
        literal = literals[len(lasts)]
        if not raw.startswith(literal, at):
            return None
        self.end = at + len(literal)
        return head if values == lasts else self._changed(head, values)

    def _changed(self, head: RequestHead, values: list[bytes]) -> RequestHead | None:
        lasts = self._last
        varies = False
        for at, name in enumerate(self._names):
            value = values[at]
            if name is _LENGTH:
                if not value.isdigit() or len(value) > 15:
                    return None
                head.content_length = int(value)
            elif value != lasts[at]:
                # As traces and ids nearly always are; to look at any character costs twice that.
                plain = value.replace(b"-", b"").isalnum()
                if not plain and (not value or value.translate(None, _PRINTABLE) or value != value.strip()):
                    return None
                varies = True
        self._last = values
        if varies:
            for at, name in enumerate(self._names):
                value = values[at]
                if value != lasts[at]:
                    head.headers[self._places[at]] = (name, value)
                    self._by_name[name] = value
            head.forward = head.across = None
        return head
