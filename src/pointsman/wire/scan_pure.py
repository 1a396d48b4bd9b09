"""The twin of _scan.c in Python: the same answers, where no compiler was and in every test of the two (scan.py says what
they are). Read this one to know what the other does.
"""

from __future__ import annotations

import re

import msgspec

from .depth import depth_exceeds
from .http1 import NEVER_CLIENT, NEVER_CLIENT_PREFIXES

CHUNKED, EVENTS, CLOSES, RETRY_SAID = 1, 2, 4, 8
NULLS = 1 << 30
MAX_KEYS = 64
MAX_HEAD = 8192
MAX_HEADERS = 100

_top_level = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_key_at = re.compile(rb'[ \t\r\n]*+"([^"\\]*+)"[ \t\r\n]*+:[ \t\r\n]*+').match
_comma_at = re.compile(rb"[ \t\r\n]*+,").match
_end_at = re.compile(rb"[ \t\r\n]*+}[ \t\r\n]*+").fullmatch
_FLAGS = {b"true": True, b"false": False, b"null": None}
_NULL = b"null"


def body_look(
    body: bytes, depth: int, longest: int, words: tuple[bytes, ...]
) -> tuple[str, bool | None, int, int, int] | None:
    """See scan.py."""
    try:
        members = _top_level(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if "model" not in members or len(members) > MAX_KEYS:
        return None
    named = bytes(members["model"])
    if len(named) < 3 or named[:1] != b'"' or b"\\" in named:
        return None
    try:
        model = named[1:-1].decode()
    except UnicodeDecodeError:
        return None
    if len(model) > longest:
        return None
    stream = None
    if "stream" in members:
        said = bytes(members["stream"])
        if said not in _FLAGS:
            return None
        stream = _FLAGS[said]
    start, marks = _place(body, members)
    if start < 0 or depth_exceeds(body, depth):
        return None
    for number, word in enumerate(words):
        if body.find(b'"' + word) >= 0:
            marks |= 1 << number
    return model, stream, start, start + len(named), marks


def _place(body: bytes, members: dict[str, msgspec.Raw]) -> tuple[int, int]:
    """(where the model's value begins, NULLS or 0); -1 where a key is written twice, escaped or not ASCII.

    A decoded object plus its punctuation is as long as its text only where nothing was left out: no space, no escape in
    a key and no key written twice, of which the decoder keeps the last. Where it is not, the keys are walked.
    """
    at, start, nulls = 1, -1, 0
    for key, raw in members.items():
        size = memoryview(raw).nbytes
        at += len(key) + 3
        if key == "model":
            start = at
        if size == 4 and bytes(raw) == _NULL:
            nulls = NULLS
        at += size + 1
    return (start if at == len(body) else _walk(body, members)), nulls


def _walk(body: bytes, members: dict[str, msgspec.Raw]) -> int:
    at, start = body.index(b"{") + 1, -1
    left = len(members)
    for key, raw in members.items():
        found = _key_at(body, at)
        if found is None or not key.isascii() or found[1] != key.encode():
            return -1
        value = bytes(raw)
        if key == "model":
            start = found.end()
        at = found.end() + len(value)
        if not body.startswith(value, found.end()):
            return -1  # the value of a later twin
        left -= 1
        if left:
            comma = _comma_at(body, at)
            if comma is None:
                return -1
            at = comma.end()
    return start if _end_at(body, at) is not None else -1


_STATUS = re.compile(rb"HTTP/1\.1 ([2-9][0-9]{2}) [^\x00-\x1f\x7f]*").fullmatch
_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+").fullmatch
_LENGTH = re.compile(rb"[0-9]{1,15}").fullmatch
_PLAIN = bytes(c for c in range(256) if (c >= 0x20 and c != 0x7F) or c == 0x09)

(
    _PASS,
    _HIDE,
    _ID,
    _CONTENT_LENGTH,
    _CODING,
    _CONNECTION,
    _ENCODING,
    _TYPE,
    _RETRY,
    _BUFFERING,
    _CACHE,
    _ODD,
) = range(12)
_MEANINGS = {
    b"x-request-id": _ID, b"request-id": _ID, b"content-length": _CONTENT_LENGTH, b"transfer-encoding": _CODING,
    b"connection": _CONNECTION, b"content-encoding": _ENCODING, b"content-type": _TYPE, b"x-should-retry": _RETRY,
    b"x-accel-buffering": _BUFFERING, b"cache-control": _CACHE, b"upgrade": _ODD, b"proxy-connection": _ODD,
}  # fmt: skip
_ALWAYS_SAID = b"x-accel-buffering: no\r\n"
_NOT_SAID = b"cache-control: no-cache\r\n"
_names: dict[bytes, tuple[bytes, int]] = {}
"""A header's name as it came: (the beginning of its line, what it means here). Servers send the same ones each time."""
_MOST_NAMES = 1000


def _known(name: bytes) -> tuple[bytes, int]:
    found = _names.get(name)
    if found is None:
        if _TOKEN(name) is None:
            return b"", _ODD
        low = name.lower()
        hidden = low in NEVER_CLIENT or low.startswith(NEVER_CLIENT_PREFIXES)
        found = (low + b": ", _MEANINGS.get(low, _HIDE if hidden else _PASS))
        if len(_names) >= _MOST_NAMES:
            _names.clear()
        _names[name] = found
    return found


def answer_head(data: bytes) -> tuple[int, int, int, int, bytes] | None:
    """See scan.py."""
    end = data.find(b"\r\n\r\n", 0, MAX_HEAD)
    if end < 0:
        return None
    head = data[:end]
    rows = head.split(b"\r\n")
    began = _STATUS(rows[0])
    if began is None or len(rows) > MAX_HEADERS + 1:
        return None
    if head.translate(None, _PLAIN) != b"\r\n" * (len(rows) - 1):
        return None
    status = int(began[1])
    if status == 204 or status == 304:
        return None
    told = _read(rows)
    if told is None:
        return None
    length, flags, lines = told
    return status, end + 4, length, flags, lines


def _read(rows: list[bytes]) -> tuple[int, int, bytes] | None:
    """(length, flags, lines) of the header lines behind the first row."""
    lines: list[bytes] = []
    length, flags, request_id, buffering, cached = -1, 0, b"", -1, False
    for row in rows[1:]:
        name, _, value = row.partition(b":")
        begin, meaning = _names.get(name) or _known(name)
        value = value.lstrip(b" \t")
        if len(name) == len(row) or value.endswith((b" ", b"\t")):
            return None
        if meaning == _PASS:
            lines.append(begin + value)
            continue
        if meaning == _HIDE:
            continue
        if meaning == _ID:
            if not value:
                return None
            request_id = request_id or value
            continue
        if meaning == _CONTENT_LENGTH:
            if length >= 0 or _LENGTH(value) is None:
                return None
            length = int(value)
            continue
        flag = _flag(meaning, value.lower(), flags)
        if flag < 0:
            return None
        flags |= flag
        if meaning in (_CODING, _CONNECTION):
            continue
        if meaning == _BUFFERING:
            if buffering >= 0:
                return None
            buffering = len(lines)
        cached = cached or meaning == _CACHE
        lines.append(begin + value)
    if (length >= 0) == bool(flags & CHUNKED):
        return None  # both, or neither: until the connection ends
    events = flags & EVENTS
    if events and buffering >= 0:
        del lines[buffering]
    if request_id:
        lines.append(b"x-upstream-request-id: " + request_id)
    lines.append(b"")
    said = b"\r\n".join(lines)
    if events:
        said += _ALWAYS_SAID if cached else _ALWAYS_SAID + _NOT_SAID
    return length, flags, said


def _flag(meaning: int, value: bytes, flags: int) -> int:
    """What one header adds to the flags; -1 where the careful way must look. value: in lower case."""
    if meaning == _TYPE:
        if value.startswith(b"application/x-ndjson"):
            return -1
        return EVENTS if value.startswith(b"text/event-stream") else 0
    if meaning == _CODING:
        return CHUNKED if value == b"chunked" and not flags & CHUNKED else -1
    if meaning == _CONNECTION:
        return CLOSES if value == b"close" else 0 if value == b"keep-alive" else -1
    if meaning == _ENCODING:
        return 0 if value == b"identity" else -1
    if meaning == _RETRY:
        return RETRY_SAID
    return -1 if meaning == _ODD else 0
