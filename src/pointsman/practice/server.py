"""The practice model behind a real socket, as the data plane and `python -m pointsman.practice` run it."""

from __future__ import annotations

import os
import socket

from .answers import reply_to
from .exchange import Received, Reply
from .http import HttpServer

_PACE_VARIABLE = "POINTSMAN_PRACTICE_PACE_MS"
"""Milliseconds between the events that the practice model streams, a whole number. Default: 5."""
_DEFAULT_PACE_MS = "5"


def _pace_from_environment() -> float:
    text = os.environ.get(_PACE_VARIABLE, _DEFAULT_PACE_MS)
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"{_PACE_VARIABLE} must be a whole number of milliseconds")
    return int(text) / 1000


class PracticeServer(HttpServer):
    """Serves the practice model on a Unix socket (path, or listener) or a TCP port, inside the running loop.

    pace: seconds between streamed events; default POINTSMAN_PRACTICE_PACE_MS (5). A request may choose
    another with the header `x-practice-pace: <milliseconds>` or a model name like `practice:20ms`.
    """

    def __init__(
        self,
        path: str | None = None,
        host: str | None = None,
        port: int = 0,
        *,
        pace: float | None = None,
        listener: socket.socket | None = None,
    ) -> None:
        super().__init__(self._answer, path=path, host=host, port=port, listener=listener)
        self.pace = _pace_from_environment() if pace is None else pace

    def _answer(self, received: Received) -> Reply:
        return reply_to(received, self.pace)
