"""What a fault does to an answer: the answers that stand instead of the backend's, and changes to its body. Pure.

Not here: connections and clocks (proxy.py).
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

from .plan import Fault


class Act(Enum):
    """What happens instead of bytes."""

    CUT = "cut"
    STALL = "stall"


class Canned(NamedTuple):
    """An answer in place of the backend's: its status, its text (None = no error object), and the words of both vendors
    for it."""

    status: int
    text: str | None = None
    openai: tuple[str, str | None] = ("server_error", None)
    anthropic: str = "api_error"


_TOO_LONG = (
    "This model's maximum context length is 4096 tokens. However, your messages resulted in 9000 tokens."
)
_INVALID = "invalid_request_error"
_SAID = {
    "401": Canned(401, "chaos: this key is refused", (_INVALID, "invalid_api_key"), "authentication_error"),
    "404": Canned(404, "chaos: there is no such model", (_INVALID, "model_not_found"), "not_found_error"),
    "429": Canned(429, "chaos: too many requests", ("requests", "rate_limit_exceeded"), "rate_limit_error"),
    "500": Canned(500, "chaos: it broke"),
    "503": Canned(503, "chaos: not available", anthropic="overloaded_error"),
    "529": Canned(529, "chaos: overloaded", anthropic="overloaded_error"),
    "loading": Canned(503, "Loading model"),
    "too-long": Canned(400, _TOO_LONG, (_INVALID, "context_length_exceeded"), _INVALID),
    "error-body": Canned(200, "chaos: it broke"),
    "redirect": Canned(302),
    "empty": Canned(200),
    "garbage": Canned(200),
}


def instead(fault: Fault, path: str) -> bytes:
    """A whole HTTP answer, in the wording of who the path belongs to."""
    said = _SAID[fault.word]
    lines = [f"HTTP/1.1 {said.status} chaos", "content-type: application/json", "connection: close"]
    body = b""
    if said.text is not None:
        body = json.dumps(_error(said, path)).encode()
    elif fault.word == "garbage":
        body = b'{"this is": not JSON, \xff\xfe<html>'
    elif fault.word == "redirect":
        lines.append("location: http://127.0.0.1:9/elsewhere")
    if fault.word in ("429", "503"):
        lines.append(f"retry-after: {fault.number}")
    lines.append(f"content-length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def _error(said: Canned, path: str) -> dict[str, object]:
    if path.startswith("/v1/messages"):
        return {"type": "error", "error": {"type": said.anthropic, "message": said.text}}
    kind, code = said.openai
    return {"error": {"message": said.text, "type": kind, "param": None, "code": code}}


class Changed:
    """An answer's body on its way: feed() pieces, then end(). Gives bytes, and an Act last where it ends early."""

    def __init__(self, fault: Fault, path: str) -> None:
        self._fault = fault
        self._path = path
        self._rest = b""
        self._events = 0
        self._held = b""
        self._zip: list[bytes] = []
        self._over = False

    def feed(self, data: bytes) -> Iterator[bytes | Act]:
        """A piece of the body."""
        if self._over:
            return
        if self._fault.word == "gzip":
            self._zip.append(data)
            return
        *events, self._rest = (self._rest + data).replace(b"\r\n\r\n", b"\n\n").split(b"\n\n")
        for event in events:
            if not self._over:
                yield from self._event(event + b"\n\n")

    def end(self) -> Iterator[bytes | Act]:
        """The body is over."""
        if self._over:
            return
        if self._fault.word == "gzip":
            yield gzip.compress(b"".join(self._zip))
        elif self._fault.word != "no-end":
            yield self._held + self._rest

    def _event(self, event: bytes) -> Iterator[bytes | Act]:
        word = self._fault.word
        if word == "no-end":  # the one before it is known not to be the last
            if _is_end(event):
                return
            held, self._held = self._held, b""
            yield held + event
            return
        here = self._events == self._fault.number
        self._events += 1
        if here:
            self._over = word != "garbage-event"
            yield from self._at_its_place(word)
        if not (here and self._over):
            yield event

    def _at_its_place(self, word: str) -> Iterator[bytes | Act]:
        if word == "error-event":
            yield self._error_event()
        elif word == "garbage-event":
            yield b'data: {"this is": not JSON\n\n'
        elif word == "cut-event":
            yield Act.CUT
        elif word == "stall-event":
            yield Act.STALL

    def _error_event(self) -> bytes:
        said = _SAID["500"]
        body = json.dumps(_error(said, self._path))
        if self._path.startswith("/v1/messages"):
            return f"event: error\ndata: {body}\n\n".encode()
        if self._path.startswith("/v1/responses"):
            inside = {"code": "server_error", "message": said.text, "param": None, "sequence_number": 99}
            return f"event: error\ndata: {json.dumps({'type': 'error', **inside})}\n\n".encode()
        return f"data: {body}\n\n".encode()


_ENDS = (
    b"[DONE]", b"message_stop", b"response.completed", b'finish_reason":"', b'finish_reason": "',
    b"message_delta",
)  # fmt: skip


def _is_end(event: bytes) -> bool:
    """Does it say, in any of the protocols, that the answer is whole?"""
    return any(word in event for word in _ENDS)
