"""One small HTTP request that never blocks, and what its answer means by an engine's row. HTTP/1.0 with a length bound:
enough for a health path; model requests go by the data plane. Not here: when to ask (run.py).
"""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from typing import Any, Literal

from .recipe import ReadyRow

Meaning = Literal["ready", "loading", "dead", "absent"]
_MOST_BYTES = 1024 * 1024
_CHUNK = 65536


class Probe:
    """Asked as soon as it is made; `step` until it says something. port: of 127.0.0.1, None = the socket at path."""

    def __init__(self, port: int | None, path: str, target: str, body: Any = None) -> None:
        self.status = 0
        self.data = b""
        self._out = _request(target, body)
        self._socket = socket.socket(
            socket.AF_INET if port is not None else socket.AF_UNIX, socket.SOCK_STREAM
        )
        self._socket.setblocking(False)
        self.failed = False
        try:
            self._socket.connect(("127.0.0.1", port) if port is not None else path)
        except BlockingIOError:
            pass
        except OSError:
            self.failed = True

    def step(self) -> bool:
        """Send and read what can be. True when there is an answer, or there will be none (`failed`)."""
        if self.failed:
            return True
        try:
            while self._out:
                self._out = self._out[self._socket.send(self._out) :]
            while len(self.data) < _MOST_BYTES:
                piece = self._socket.recv(_CHUNK)
                if not piece:
                    return self._answered()
                self.data += piece
                if self._whole():
                    return self._answered()
        except BlockingIOError:
            return False
        except OSError:
            if not self._answered():
                self.failed = True
            return True
        return self._answered()

    def _whole(self) -> bool:
        """Is the body there, of an answer that says how long it is?"""
        head, found, body = self.data.partition(b"\r\n\r\n")
        if found:
            for line in head.lower().split(b"\r\n")[1:]:
                name, _, value = line.partition(b":")
                if name == b"content-length" and value.strip().isdigit():
                    return len(body) >= int(value)
        return False

    def _answered(self) -> bool:
        words = self.data.split(b"\r\n", 1)[0].split()
        if len(words) > 1 and words[0].startswith(b"HTTP/") and words[1].isdigit():
            self.status = int(words[1])
        else:
            self.failed = True
        return True

    def close(self) -> None:
        self._socket.close()

    def meaning(self, row: ReadyRow) -> Meaning:
        """By the row; `absent` when nothing answered."""
        if self.failed:
            return "absent"
        if self.status in row.dead:
            return "dead"
        if self.status not in row.ready:
            return "loading"
        if row.body is not None:
            try:
                said = json.loads(self.data.partition(b"\r\n\r\n")[2])
            except ValueError:
                return "loading"
            return "ready" if _has(said, row.body) else "loading"
        return "ready"


def _has(said: Any, wanted: Mapping[str, Any]) -> bool:
    """Every field that is wanted, objects in objects alike."""
    if not isinstance(said, dict):
        return False
    return all(
        _has(said.get(name), value) if isinstance(value, dict) else said.get(name) == value
        for name, value in wanted.items()
    )


def _request(target: str, body: Any) -> bytes:
    lines = [f"{'GET' if body is None else 'POST'} {target} HTTP/1.0", "Host: localhost", "Connection: close"]
    data = b"" if body is None else json.dumps(body).encode()
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(data)}"]
    return "\r\n".join([*lines, "", ""]).encode() + data
