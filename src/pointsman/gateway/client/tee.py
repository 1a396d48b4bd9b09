"""Stands between a request and its client, and keeps the beginning of what the client is told. Not here: for whom
(request/capturing.py)."""

from __future__ import annotations

from collections.abc import Callable

from .recorder import Client


class Tee:
    """A Client that passes everything on to another one, and keeps the first bytes of the body. most: so many."""

    __slots__ = ("_client", "_pieces", "kept", "most", "size", "status")

    def __init__(self, client: Client, most: int) -> None:
        self._client = client
        self._pieces: list[bytes] = []
        self.most = most
        self.kept = self.size = self.status = 0

    @property
    def body(self) -> bytes:
        """What was kept."""
        return b"".join(self._pieces)

    @property
    def started(self) -> bool:
        return self._client.started

    @property
    def closing(self) -> bool:
        return self._client.closing

    @closing.setter
    def closing(self, value: bool) -> None:
        self._client.closing = value

    @property
    def on_writable(self) -> Callable[[bool], None] | None:
        return self._client.on_writable

    @on_writable.setter
    def on_writable(self, value: Callable[[bool], None] | None) -> None:
        self._client.on_writable = value

    def send(self, status: int, lines: bytes, body: bytes) -> None:
        self.status = status
        self._keep(body)
        self._client.send(status, lines, body)

    def start(self, status: int, lines: bytes, length: int | None, first: bytes = b"") -> None:
        self.status = status
        self._keep(first)
        self._client.start(status, lines, length, first)

    def write(self, data: bytes) -> None:
        self._keep(data)
        self._client.write(data)

    def finish(self) -> None:
        self._client.finish()

    def abort(self) -> None:
        self._client.abort()

    def _keep(self, data: bytes) -> None:
        self.size += len(data)
        if self.kept < self.most:
            piece = data[: self.most - self.kept]
            self._pieces.append(piece)
            self.kept += len(piece)
