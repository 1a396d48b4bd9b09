"""What a scripted upstream is told to answer, in a word."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from pointsman.practice import CUT, RESET, STALL, Pause, Received, Reply

from .wires import Wire

SSE = {"content-type": "text/event-stream"}
JSON = {"content-type": "application/json"}


def says(wire: Wire, text: str) -> Reply:
    """A whole answer, not streamed."""
    return Reply(200, JSON, body=json.dumps(wire.answer(text)).encode())


def streams(wire: Wire, text: str, *, pace: float = 0.0, pieces: int = 3) -> Reply:
    """A whole legal stream, one piece a packet."""
    parts: list[Any] = []
    for frame in wire.frames(text, pieces):
        parts += [frame, Pause(pace)] if pace else [frame]
    return Reply(200, SSE, parts=parts, framing="chunked")


def either(wire: Wire, text: str) -> Callable[[Received], Reply]:
    """A stream to who asks for one, else a whole answer."""

    def answer(received: Received) -> Reply:
        if received.method == "GET":  # the gateway asks local servers for their model list
            return Reply(404, JSON, body=b"{}")
        return streams(wire, text) if received.json().get("stream") else says(wire, text)

    return answer


def fails(wire: Wire, status: int, message: str = "the backend is unwell", **headers: str) -> Reply:
    """An error in the protocol's own shape; header names are written with `_` for `-`."""
    extra = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, {**JSON, **extra}, body=json.dumps(wire.error_body(message)).encode())


def begins(wire: Wire, *then: Any, text: str = "") -> Reply:
    """The frames before any output (and a piece of text, if given), then what follows (CUT, STALL, bytes)."""
    parts = [*wire.start(), *([wire.piece(text)] if text else []), *then]
    return Reply(200, SSE, parts=parts, framing="chunked")


__all__ = [
    "CUT",
    "JSON",
    "RESET",
    "SSE",
    "STALL",
    "Pause",
    "Received",
    "Reply",
    "begins",
    "either",
    "fails",
    "says",
    "streams",
]
