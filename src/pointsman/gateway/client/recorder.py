"""Stands between a request and its client: what the client is told is kept, so that another client can be told the same,
from the beginning, and then goes on. Knows no meaning."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol as TypingProtocol

KEPT_BYTES = 8 * 1024 * 1024
"""Of one answer; a larger one cannot be told again."""


class Client(TypingProtocol):
    """What an answer is told to. See gateway/server.py."""

    closing: bool
    on_writable: Callable[[bool], None] | None

    @property
    def started(self) -> bool: ...

    def send(self, status: int, lines: bytes, body: bytes) -> None: ...

    def start(self, status: int, lines: bytes, length: int | None, first: bytes = b"") -> None: ...

    def write(self, data: bytes) -> None: ...

    def finish(self) -> None: ...

    def abort(self) -> None: ...


class Recorder:
    """A Client that passes on to another one, or to nobody. ids: the lines of the first client's own ids, which another
    client gets its own instead of. whole: all that was told is still here. size: bytes of it."""

    __slots__ = (
        "_client",
        "_clients_ids",
        "_closing",
        "_head",
        "_ids",
        "_on_writable",
        "_over",
        "_pieces",
        "size",
        "started",
        "whole",
    )  # fmt: skip

    def __init__(self, client: Client, ids: bytes) -> None:
        self._client: Client | None = client
        self._ids = self._clients_ids = ids
        self._head: tuple[int, bytes, int | None] | None = None
        self._pieces: list[bytes] = []
        self.size = 0
        self._over = False
        self._closing = client.closing
        self._on_writable: Callable[[bool], None] | None = None
        self.started = False
        self.whole = True

    @property
    def closing(self) -> bool:
        return self._closing

    @closing.setter
    def closing(self, value: bool) -> None:
        self._closing = value
        if self._client is not None:
            self._client.closing = value

    @property
    def on_writable(self) -> Callable[[bool], None] | None:
        return self._on_writable

    @on_writable.setter
    def on_writable(self, value: Callable[[bool], None] | None) -> None:
        self._on_writable = value
        if self._client is not None:
            self._client.on_writable = value

    def send(self, status: int, lines: bytes, body: bytes) -> None:
        self._begin(status, lines, len(body), body)
        self._over = True
        if self._client is not None:
            self._client.send(status, self._for(lines), body)

    def start(self, status: int, lines: bytes, length: int | None, first: bytes = b"") -> None:
        self._begin(status, lines, length, first)
        if self._client is not None:
            self._client.start(status, self._for(lines), length, first)

    def write(self, data: bytes) -> None:
        self._keep(data)
        if self._client is not None:
            self._client.write(data)

    def finish(self) -> None:
        self._over = True
        if self._client is not None:
            self._client.finish()

    def abort(self) -> None:
        self.whole = False
        if self._client is not None:
            self._client.abort()

    def give_to(self, client: Client | None, ids: bytes) -> None:
        """From now on this one is told, and first all that was told before. None: nobody is."""
        self._client = client
        self._clients_ids = ids
        if client is None:
            if self._on_writable is not None:
                self._on_writable(True)  # nobody is slow any more
            return
        client.on_writable = self._on_writable
        if self._head is None:
            return
        status, lines, length = self._head
        lines = self._for(lines)
        body = b"".join(self._pieces)
        if self._over and length == len(body):
            client.send(status, lines, body)
            return
        client.start(status, lines, length, body)
        if self._over:
            client.finish()

    def told(self) -> tuple[bytes, bytes] | None:
        """(header lines, body) of an answer that was told to its end; None of any other."""
        if self._head is None or not self._over or not self.whole or self._closing:
            return None
        return self._head[1], b"".join(self._pieces)

    def _for(self, lines: bytes) -> bytes:
        """With the ids of who is told now."""
        return self._clients_ids + lines.removeprefix(self._ids)

    def _begin(self, status: int, lines: bytes, length: int | None, first: bytes) -> None:
        self.started = True
        self._head = (status, lines, length)
        self._keep(first)

    def _keep(self, data: bytes) -> None:
        self.size += len(data)
        if self.size > KEPT_BYTES:
            self.whole = False
            self._pieces.clear()
        else:
            self._pieces.append(data)
