"""A whole HTTP answer as values: status, header lines, body. Not here: what it means, and when it is sent."""

from __future__ import annotations

Headers = list[tuple[bytes, bytes]]


class Answer:
    """An upstream's own answer, kept whole: told to the client when nobody else could serve."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: Headers, body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    def without(self, key: bytes) -> Answer:
        """The same less the key that we sent."""
        return Answer(self.status, self.headers, without_key(self.body, key))


def without_key(body: bytes, key: bytes) -> bytes:
    """An error that quotes the key we sent ("Incorrect API key provided: sk-...") must not give it away: the one thing
    in an answer that is changed."""
    return body.replace(key, b"***") if key and key in body else body
