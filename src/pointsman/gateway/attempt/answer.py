"""What surrounds an upstream's answer: header lines, and failures put into words.

Not here: when something may be sent (exchange.py).
"""

from __future__ import annotations

from ...errors import PointsmanError
from ...kinds import ErrorKind, FallbackReason
from ...statuses import is_final
from ...wire.answer import Answer, Headers
from ...wire.http1 import NEVER_CLIENT, NEVER_CLIENT_PREFIXES

_RETRY = b"x-should-retry"
NO_RETRY = _RETRY + b": false\r\n"
_IDS = (b"x-request-id", b"request-id")


def client_lines(headers: Headers) -> bytes:
    """The upstream's headers that may reach the client, as lines; its request id under a name of its own."""
    lines = []
    upstream_id: bytes | None = None
    also_hidden: set[bytes] | None = None
    for name, value in headers:
        if name not in NEVER_CLIENT:
            if not name.startswith(NEVER_CLIENT_PREFIXES):
                lines.append(name + b": " + value + b"\r\n")
        elif name in _IDS:
            upstream_id = upstream_id or value
        elif name == b"connection" and value.lower() not in (b"keep-alive", b"close"):
            also_hidden = {token.strip().lower() for token in value.split(b",")}
    if also_hidden:
        lines = [line for line in lines if line.partition(b":")[0] not in also_hidden]
    if upstream_id is not None:
        lines.append(b"x-upstream-request-id: " + upstream_id + b"\r\n")
    return b"".join(lines)


def stream_lines(headers: Headers) -> bytes:
    """The same of a stream, which nobody on the way may keep back: nginx and those like it buffer answers unless told
    not to."""
    named = [name for name, _ in headers]
    if b"x-accel-buffering" in named:
        headers = [one for one in headers if one[0] != b"x-accel-buffering"]
    lines = client_lines(headers) + b"x-accel-buffering: no\r\n"
    return lines if b"cache-control" in named else lines + b"cache-control: no-cache\r\n"


def final_line(answer: Answer, *, surely: bool = False) -> bytes:
    """The header line that keeps a client from repeating what would end the same way, where the upstream has not said
    itself whether to repeat it. surely: whatever its status is."""
    if not surely and not is_final(answer.status):
        return b""
    return b"" if any(name == _RETRY for name, _ in answer.headers) else NO_RETRY


def excerpt(body: bytes) -> str:
    """A short, printable piece of an upstream's error, for our own error text."""
    text = body[:300].decode("utf-8", "replace")
    return "".join(c if c.isprintable() else " " for c in text).strip() or "no body"


def content_of(headers: Headers) -> tuple[bool, bytes]:
    """(it says that it is a stream of events, the codings it was compressed with against our wish)."""
    stream, coded = False, b""
    for name, value in headers:
        if name == b"content-type":
            stream = stream or value.lower().startswith(b"text/event-stream")
        elif name == b"content-encoding" and value.strip().lower() not in (b"", b"identity"):
            coded = value if not coded else coded + b"," + value
    return stream, coded


def without_coding(headers: Headers) -> Headers:
    """The headers of an answer that has been decoded."""
    return [one for one in headers if one[0] not in (b"content-encoding", b"content-length")]


_STREAMS = (b"text/event-stream", b"application/x-ndjson")


def is_event_stream(headers: Headers) -> bool:
    """Is it a stream that the client gets, whichever its framing?"""
    return any(name == b"content-type" and value.lower().startswith(_STREAMS) for name, value in headers)


def labelled_as(kind: bytes, headers: Headers) -> Headers:
    """The headers of an answer that says it is something else."""
    return [(b"content-type", kind), *(one for one in headers if one[0] != b"content-type")]


def as_json(headers: Headers) -> Headers:
    """The upstream's headers with a JSON body of ours."""
    return labelled_as(b"application/json", without_coding(headers))


def label_of(headers: Headers) -> str:
    """What an answer says it is, for a person."""
    found = next((value for name, value in headers if name == b"content-type"), b"")
    return found.decode("latin-1")


def is_framed(headers: Headers, length: int | None) -> bool:
    """Would a cut be seen? Where only the connection's end says that an answer is whole, all of it is judged."""
    return length is not None or any(name == b"transfer-encoding" for name, _ in headers)


_KINDS = {
    FallbackReason.CONNECT: ErrorKind.UPSTREAM_UNREACHABLE,
    FallbackReason.TIMEOUT: ErrorKind.UPSTREAM_TIMEOUT,
}


FAILED = "The backend failed: "


def failure(reason: FallbackReason, detail: str) -> PointsmanError:
    """Why a target could not serve, for the client. detail: a clause about the backend, e.g. `it gave no output`."""
    return PointsmanError(_KINDS.get(reason, ErrorKind.UPSTREAM_ERROR), f"{FAILED}{detail}.")
