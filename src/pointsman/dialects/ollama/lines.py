"""A stream of Ollama's: one JSON object a line, and nothing else in between
(docs/protocols/ollama.md#streams)."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from typing import Any

import msgspec

from ..framing import Framing

encode = msgspec.json.Encoder().encode


def told_time(seconds: float) -> str:
    """Unix seconds as Go's `time.Time` reads them (RFC 3339)."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


_ENDS = {
    b"\n": b" ",
    b"\r": b" ",
    "\x85".encode(): b"\\u0085",
    "\u2028".encode(): b"\\u2028",
    "\u2029".encode(): b"\\u2029",
}
"""What ends a line for some client -> what says the same in JSON. The first two stand between tokens only, in arguments
as a model wrote them; the others in strings only, and httpx's `iter_lines`, by which the official package reads, ends
lines as `str.splitlines` does (docs/protocols/ollama.md#streams)."""
_ENDING = re.compile(b"|".join(_ENDS))


def line(value: dict[str, Any]) -> bytes:
    """One object, and the end of its line."""
    return _ENDING.sub(lambda found: _ENDS[found[0]], encode(value)) + b"\n"


def _remark(text: bytes) -> bytes:
    """A piece of an answer that adds nothing to it, on either path; the words stand in a member that no client knows."""
    value = {
        "model": "",
        "created_at": told_time(time.time()),
        "message": {"role": "assistant", "content": ""},
        "response": "",
        "done": False,
        "pointsman": text.decode("latin-1").strip(),
    }
    return line(value)


LINES = Framing(b"application/x-ndjson", _remark)
PING = b" "
"""White space may stand before any JSON value (RFC 8259, section 2); a blank line is an error to the official clients."""
