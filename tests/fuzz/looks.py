"""The two looks of wire/scan.py, in C and in Python, against each other and against the careful way: whatever they take, a
JSON parser, splice's careful peek and llhttp take, and read alike. Run as a program it does nothing else, so that a build
with sanitizers can be given to it (test_sanitized.py).
"""

from __future__ import annotations

import json
import random
import sys
from typing import Any

import httptools

from pointsman.errors import PointsmanError
from pointsman.gateway.attempt.answer import client_lines, content_of, is_event_stream, stream_lines
from pointsman.wire import scan, scan_pure
from pointsman.wire.splice import MAX_DEPTH, MAX_MODEL, peek_carefully

WORDS = (b"pm1.", b"encrypted_index", b"m", b"mod")
_CHARACTERS = [
    "a", "b", " ", '"', "\\", "\n", "\t", "{", "}", "[", "]", ":", ",", "\u00e9", "\U0001f600", "\u2028", "\x7f", "/",
    "pm1.", '"pm1.', "u0041",
]  # fmt: skip
_BODY_PIECES = [
    b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b" ", b"\n", b"\x00", b"\x1f", b"\xff", b"0", b"-", b".", b"e", b"E", b"u",
    b"t", b"null", b"true", b'"model":"x",', b'"stream":1,', b"\\u0041", b"\\ud800", b"\\ud83d\\ude00", b"\x7f", b"01", b"1.", b"NaN",
    b'"a":1,', b"1e999", b'\\"',
]  # fmt: skip


def body(chance: random.Random) -> None:
    """Who takes a body reads of it what the others read."""
    data = _body(chance)
    depth = MAX_DEPTH if chance.random() < 0.8 else chance.randint(1, 5)
    found = scan_pure.body_look(data, depth, MAX_MODEL, WORDS)
    assert scan.body_look(data, depth, MAX_MODEL, WORDS) == found, f"C and Python differ: {data!r}"
    if found is None:
        return
    model, stream, start, end, marks = found
    try:
        careful = peek_carefully(data)
    except PointsmanError as error:
        raise AssertionError(f"taken, though refused: {data!r}") from error
    assert (careful.model, careful.stream) == (model, stream)
    twins: list[str] = []

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        twins[:] = sorted({key for key in keys if keys.count(key) > 1})  # at last those of the top level
        return dict(pairs)

    value = json.loads(data.decode("utf-8", "surrogateescape"), object_pairs_hook=once)
    assert twins == []
    assert (value["model"], value.get("stream")) == (model, stream)
    assert json.loads(data[start:end]) == model
    assert _depth(value) <= depth
    assert bool(marks & scan.NULLS) == any(one is None for one in value.values())
    assert marks & ~scan.NULLS == sum(1 << i for i, word in enumerate(WORDS) if b'"' + word in data)


def _depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    return 1 + max(map(_depth, value), default=0) if isinstance(value, list) else 0


def _text(chance: random.Random) -> str:
    if chance.random() < 0.3:
        return chance.choice(
            ["model", "stream", "a", "messages", "b", "encrypted_index", "x" * chance.randrange(130)]
        )
    return "".join(chance.choices(_CHARACTERS, k=chance.choice([0, 1, 3, 20, 62, 63, 64, 65, 127, 128, 200])))


def _value(chance: random.Random, levels: int) -> Any:
    kind = chance.random()
    if levels and kind < 0.3:
        return {_text(chance): _value(chance, levels - 1) for _ in range(chance.randrange(4))}
    if levels and kind < 0.55:
        return [_value(chance, levels - 1) for _ in range(chance.randrange(4))]
    if kind < 0.8:
        return _text(chance)
    return chance.choice([0, -1, 1.5, 1e10, True, False, None, 12345678901234567890, -0.0, 1e-7])


def _deep(chance: random.Random, levels: int) -> Any:
    value: Any = "x"
    for _ in range(levels):
        value = [value] if chance.random() < 0.5 else {"k": value}
    return value


def _body(chance: random.Random) -> bytes:
    value = {_text(chance): _value(chance, 3) for _ in range(chance.randrange(4))}
    if chance.random() < 0.9:
        value["model"] = chance.choice(
            ["gpt-4o-mini", "x", "\u00e9\U0001f600", _text(chance), "y" * chance.choice([1023, 1024, 1025])]
        )
    if chance.random() < 0.6:
        value["stream"] = chance.choice([True, False, None, True, False, None, 1, "true"])
    if chance.random() < 0.1:
        value["d"] = _deep(chance, chance.choice([2, 5, 125, 126, 127, 128, 129, 200, 300]))
    if chance.random() < 0.05:
        value |= {f"k{i}": None for i in range(chance.choice([60, 61, 62, 63, 64, 65]))}
    items = list(value.items())
    chance.shuffle(items)
    spacing = chance.choice([(",", ":"), (", ", ": "), (" ,\n", ":\t")])
    indent = chance.choice([None, None, 2, "\t"])
    data = json.dumps(
        dict(items), ensure_ascii=chance.random() < 0.5, separators=spacing, indent=indent
    ).encode()
    if chance.random() < 0.15:
        data = data.replace(
            b"{", chance.choice([b'{"model":"y",', b'{"mod\\u0065l":"y",', b'{"a":1,', b'{"a":"\\"",']), 1
        )
    return _cut_and_put(chance, data, _BODY_PIECES)


def _cut_and_put(chance: random.Random, data: bytes, pieces: list[bytes]) -> bytes:
    for _ in range(chance.choice([0, 0, 1, 1, 2, 5])):
        at = chance.randrange(len(data) + 1)
        match chance.randrange(10):
            case 0 | 1 | 2 | 3:
                data = data[:at] + chance.choice(pieces) + data[at:]
            case 4 | 5 | 6:
                data = data[:at] + data[at + chance.randrange(1, 4) :]
            case 7 | 8:
                data = data[:at] + chance.choice(pieces) + data[at + 1 :]
            case _:
                data = data[:at]
    return data


_NAMES = [
    b"content-type", b"Content-Type", b"content-length", b"Content-Length", b"transfer-encoding", b"connection", b"x-request-id",
    b"request-id", b"X-Foo", b"set-cookie", b"alt-svc", b"access-control-allow-origin", b"x-pointsman-target", b"keep-alive",
    b"upgrade", b"te", b"trailer", b"strict-transport-security", b"retry-after", b"content-encoding", b"x_y", b"proxy-connection",
    b"date", b"server", b"a", b"clear-site-data", b"proxy-authenticate", b"x-should-retry", b"X-Accel-Buffering",
    b"Cache-Control", b"set-cookie2", b"public-key-pins", b"http2-settings", b"access-control", b"x~!#$%&'*+.^`|",
]  # fmt: skip
_VALUES = [
    b"application/json", b"text/event-stream; charset=utf-8", b"text/Event-Stream", b"5", b"0", b"005", b"-1", b"chunked",
    b"Chunked", b"gzip, chunked", b"close", b"Close", b"keep-alive", b"x, close", b"identity", b"gzip", b"abc", b"", b"a b", b"\xe9",
    b"a\tb", b" pad ", b"a,b", b"h2c", b"12345678901234567", b"application/x-ndjson", b"no", b"x" * 300, b"false", b"text/event-strea",
]  # fmt: skip
_HEAD_PIECES = [b"\r", b"\n", b":", b" ", b"\x00", b"\x7f", b"\xff", b"", b"\r\n", b"a", b"\t"]


class _Heard:
    """What llhttp calls back into; see upstream.connection.UpstreamConnection."""

    def __init__(self) -> None:
        self.headers: list[tuple[bytes, bytes]] = []
        self.parser: Any = None
        self.keeps: bool | None = None

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        assert self.parser is not None
        self.keeps = self.parser.should_keep_alive()


def answer(chance: random.Random) -> None:
    """Who takes a head reads of it what llhttp and the header rules read."""
    head = _head(chance)
    data = head + chance.choice([b"", b"hello", b"5\r\nhello\r\n"])
    found = scan_pure.answer_head(data)
    assert scan.answer_head(data) == found, f"C and Python differ: {data!r}"
    if found is None:
        return
    status, size, length, flags, lines = found
    heard = _Heard()
    parser = heard.parser = httptools.HttpResponseParser(heard)
    parser.feed_data(data[:size])
    assert parser.get_status_code() == status
    assert heard.keeps is not bool(flags & scan.CLOSES)
    given = dict(heard.headers)
    events, coded = content_of(heard.headers)
    assert coded == b""
    assert events == bool(flags & scan.EVENTS) == is_event_stream(heard.headers)
    assert lines == (stream_lines if events else client_lines)(heard.headers), data
    assert length == int(given.get(b"content-length", b"-1"))
    assert (
        bool(flags & scan.CHUNKED)
        == (given.get(b"transfer-encoding", b"").lower() == b"chunked")
        == (length < 0)
    )
    assert bool(flags & scan.RETRY_SAID) == (b"x-should-retry" in given)


def _head(chance: random.Random) -> bytes:
    status = chance.choice(
        [
            b"200",
            b"200",
            b"200",
            b"201",
            b"404",
            b"500",
            b"999",
            b"100",
            b"304",
            b"204",
            b"99",
            b"2x0",
            b"2000",
        ]
    )
    rows = [b"HTTP/1.1 " + status + chance.choice([b" OK", b" OK", b" ", b"", b" N\xe4me"])]
    for _ in range(
        chance.choice(
            [0, 1, 2, 3, 4, 5, 5, 5, 97, 98, 99, 100, 101] if chance.random() < 0.1 else [0, 1, 2, 3, 4, 5]
        )
    ):
        name = chance.choice(_NAMES)
        rows.append(name + b":" + chance.choice([b" ", b" ", b"", b"  ", b"\t"]) + chance.choice(_VALUES))
    if chance.random() < 0.8:
        rows.insert(
            chance.randint(1, len(rows)), chance.choice([b"content-length: 5", b"transfer-encoding: chunked"])
        )
    if chance.random() < 0.3:
        rows.append(b"content-type: text/event-stream")
    if chance.random() < 0.02:
        rows.append(b"x: " + b"y" * (8192 - len(b"\r\n".join(rows)) - 9 + chance.randint(-3, 3)))
    data = b"\r\n".join(rows) + b"\r\n\r\n"
    for _ in range(chance.choice([0, 0, 1, 2])):
        at = chance.randrange(len(data))
        data = data[:at] + chance.choice(_HEAD_PIECES) + data[at + chance.randrange(2) :]
    return data


def main(inputs: int, seed: str) -> None:
    """Only the C file, as often as wanted."""
    assert scan.COMPILED
    for number in range(inputs):
        body(random.Random(f"body {seed} {number}"))
        answer(random.Random(f"answer {seed} {number}"))
    sys.stdout.write(f"{inputs} inputs\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
