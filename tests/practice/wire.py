"""A client that hides nothing: bytes out, bytes in, over a plain socket."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from typing import Any

from pointsman.practice import ScriptedUpstream

PATHS = {
    "chat": "/v1/chat/completions",
    "responses": "/v1/responses",
    "messages": "/v1/messages",
    "completions": "/v1/completions",
}


def question(protocol: str, model: str = "practice", text: str = "hi", **extra: Any) -> dict[str, Any]:
    said = [{"role": "user", "content": text}]
    bodies: dict[str, dict[str, Any]] = {
        "chat": {"messages": said},
        "responses": {"input": text},
        "messages": {"messages": said, "max_tokens": 500},
        "completions": {"prompt": text},
    }
    return {"model": model, **bodies[protocol], **extra}


@dataclass
class Got:
    """status and headers of the head; body: what follows, de-chunked; whole: the framing's end was seen."""

    status: int
    headers: dict[str, str]
    body: bytes
    whole: bool

    def json(self) -> Any:
        return json.loads(self.body)

    def events(self) -> list[dict[str, Any]]:
        """The JSON of each event; checks that an event line, where there is one, names the type."""
        events = []
        for block in self.body.decode().split("\n\n"):
            lines = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
            if not lines or lines["data"] == "[DONE]":
                continue
            data = json.loads(lines["data"])
            assert lines.get("event", data.get("type")) == data.get("type")
            events.append(data)
        return events


def connect(upstream: ScriptedUpstream, timeout: float = 5.0) -> socket.socket:
    return socket.create_connection(("127.0.0.1", upstream.port), timeout=timeout)


def receive(sock: socket.socket) -> bytes:
    """Everything until the other side closes."""
    data = b""
    while piece := sock.recv(65536):
        data += piece
    return data


def exchange(upstream: ScriptedUpstream, data: bytes, timeout: float = 5.0) -> bytes:
    with connect(upstream, timeout) as sock:
        sock.sendall(data)
        return receive(sock)


def request(
    path: str, body: bytes | dict[str, Any] | None = None, method: str = "POST", *lines: str
) -> bytes:
    data = json.dumps(body).encode() if isinstance(body, dict) else body or b""
    head = [
        f"{method} {path} HTTP/1.1",
        "host: x",
        f"content-length: {len(data)}",
        "connection: close",
        *lines,
    ]
    return "\r\n".join([*head, "", ""]).encode() + data


def ask(upstream: ScriptedUpstream, protocol: str, model: str = "practice", **extra: Any) -> Got:
    return parse(exchange(upstream, request(PATHS[protocol], question(protocol, model, **extra))))


def parse(raw: bytes) -> Got:
    head, _, rest = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    if headers.get("transfer-encoding") == "chunked":
        body, whole = _dechunked(rest)
    else:
        body, whole = rest, len(rest) == int(headers.get("content-length", len(rest)))
    return Got(int(first.split(" ")[1]), headers, body, whole)


def _dechunked(rest: bytes) -> tuple[bytes, bool]:
    body = b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        if int(size, 16) == 0:
            return body, rest == b"\r\n"
        body, rest = body + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
    return body, False
