"""What is fuzzed, and what must hold for every input. Each target gets a seeded chance and makes its own inputs, from
whole good ones by mutation, so that most of them get past the first check.

A target returns when all is well and raises AssertionError (or whatever it did not expect) when not.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from typing import Any

from pointsman.errors import PointsmanError
from pointsman.kinds import FallbackReason
from pointsman.upstream.connection import UpstreamConnection
from pointsman.wire.http1 import BadHead, ChunkedBody, parse_head
from pointsman.wire.splice import peek, replace_model, set_flag
from pointsman.wire.sse import EventSplitter, data_of

from . import looks

Target = Callable[[random.Random], None]

_HEADS = [
    b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\ncontent-type: application/json\r\n\r\n",
    b"GET /v1/models?limit=1000 HTTP/1.1\r\nhost: [::1]:4480\r\nauthorization: Bearer pm-x\r\nconnection: close\r\n\r\n",
    b"POST /v1/messages?beta=true HTTP/1.1\r\nhost: 127.0.0.1\r\ntransfer-encoding: chunked\r\nexpect: 100-continue\r\n\r\n",
]
_PIECES = [
    b"\r\n", b"\n", b"\r", b":", b" ", b"\t", b"\0", b"\xff", b"content-length: 5\r\n", b"content-length: +5\r\n",
    b"transfer-encoding: chunked\r\n", b"host: a\r\n", b"HTTP/1.1", b"0", b"-1", b"99999999999999999999", b"\r\n\r\n",
    b"%2e%2e/", b"{", b"}", b"[", b"]", b'"', b"\\", b",", b"data: ", b"event: x\n", b": c\n", b'"model":"m"', b"null", b"\xef\xbb\xbf",
    b"1\r\na\r\n", b"0\r\n\r\n", b";x=y", b"\xed\xa0\x80", b"1e999",
]  # fmt: skip


def mutated(chance: random.Random, data: bytes, most: int = 4) -> bytes:
    """Some bytes taken out, put in, doubled or changed."""
    out = bytearray(data)
    for _ in range(chance.randint(0, most)):
        at = chance.randint(0, len(out))
        match chance.randint(0, 4):
            case 0:
                out[at:at] = chance.choice(_PIECES)
            case 1:
                del out[at : at + chance.randint(1, 6)]
            case 2 if at < len(out):
                out[at] = chance.randrange(256)
            case 3:
                out[at:at] = out[at : at + chance.randint(1, 12)]
            case _:
                out[at : at + chance.randint(0, 3)] = chance.choice(_PIECES)
    return bytes(out)


def pieces(chance: random.Random, data: bytes) -> list[bytes]:
    """The same bytes, cut somehow."""
    places = sorted({0, len(data), *[chance.randint(0, len(data)) for _ in range(chance.randint(0, 5))]})
    return [data[a:b] for a, b in zip(places, places[1:], strict=False)]


def head(chance: random.Random) -> None:
    """A head is refused with a status of ours, or its framing is one that cannot be read in two ways."""
    raw = mutated(chance, chance.choice(_HEADS))
    raw = raw[: raw.find(b"\r\n\r\n") + 4] if b"\r\n\r\n" in raw else raw + b"\r\n\r\n"
    try:
        found = parse_head(raw, 100)
    except BadHead as bad:
        assert 400 <= bad.status < 600
        assert bad.text
        return
    lowered = raw.lower()
    assert not (found.content_length is not None and found.chunked), "two framings"
    assert lowered.count(b"\ncontent-length:") <= 1
    assert lowered.count(b"\nhost:") == 1 or not found.http11  # HTTP/1.0 may do without
    assert b"\0" not in raw
    assert found.path.startswith("/") or found.path == "*"


def chunked(chance: random.Random) -> None:
    """A chunked body gives the same bytes however it is cut, and what follows it is not lost."""
    body = b"".join(chance.choice([b"a", b"\r\n", b"{}", b"x" * 300]) for _ in range(chance.randint(0, 5)))
    framed = b"".join(b"%x\r\n%b\r\n" % (len(p), p) for p in pieces(chance, body) if p) + b"0\r\n\r\n"
    rest = chance.choice([b"", b"GET / HTTP/1.1\r\n"])
    data = framed + rest
    good = chance.random() < 0.3
    if not good:
        data = mutated(chance, data)
    results = {
        _unchunked(pieces(chance, data)),
        _unchunked([data]),
        _unchunked([data[i : i + 1] for i in range(len(data))]),
    }
    assert len(results) == 1, f"cut differently, read differently: {results}"
    if good:
        assert results == {(body, rest)}


def _unchunked(cut: list[bytes]) -> tuple[bytes, bytes] | str:
    reading = ChunkedBody(100_000)
    for number, piece in enumerate(cut):
        if not piece:
            continue
        try:
            done = reading.feed(piece)
        except BadHead as bad:
            return f"refused {bad.status}"
        if done is not None:
            return done[0], done[1] + b"".join(cut[number + 1 :])
    return "unfinished"


_EVENTS = [
    b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"hi"}}]}\n\n',
    b'event: content_block_delta\ndata: {"type":"content_block_delta","delta":{"text":"x"}}\n\n',
    b": a comment\n\n", b"data: [DONE]\n\n", b"event: ping\r\ndata: {}\r\n\r\n", b"data: a\ndata: b\n\n", b"id: 7\rdata: c\r\r",
]  # fmt: skip


def sse(chance: random.Random) -> None:
    """Any cutting of the same bytes gives the same events (docs/reliability-promises.md#r15)."""
    data = mutated(chance, b"".join(chance.choice(_EVENTS) for _ in range(chance.randint(1, 6))))
    results = []
    for cut in ([data], pieces(chance, data), [data[i : i + 1] for i in range(len(data))]):
        splitter = EventSplitter()
        events = [event for piece in cut for event in splitter.feed(piece)]
        results.append([*events, splitter.finish()])
    assert results[0] == results[1] == results[2], results
    for event in results[0]:
        if event:
            data_of(event)


def splice(chance: random.Random) -> None:
    """What peek() reads is what a JSON parser reads, and replace_model() changes that and nothing else."""
    body = mutated(chance, json.dumps(_request(chance), ensure_ascii=chance.random() < 0.5).encode(), 3)
    try:
        seen = peek(body)
    except PointsmanError as error:
        assert error.status == 400
        return
    value = _parsed(body)
    assert value is not None, f"taken, though it is no JSON: {body!r}"
    assert _HALVES.sub("\ufffd", value["model"]) == seen.model
    try:
        changed = _parsed(replace_model(body, "another"))
        asked = set_flag(body, "stream_options", "include_usage")
    except PointsmanError as error:  # stray bytes in a top-level name: these two do read it
        assert error.status == 400
        return
    assert changed == {**value, "model": "another"}
    if asked is not None:
        found = _parsed(asked)
        assert found is not None
        assert found["stream_options"]["include_usage"] is True
        found.pop("stream_options")
        value.pop("stream_options", None)
        assert found == value


_HALVES = re.compile("\udced[\udca0-\udcbf][\udc80-\udcbf]|[\ud800-\udbff]|[\udc00-\udc7f\udd00-\udfff]")
"""A surrogate without its other half, as an escape or as bytes (which _parsed() escapes)."""


def _parsed(body: bytes) -> dict[str, Any] | None:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        return dict(pairs)

    try:
        # What is not read is not judged: stray bytes in another member's text pass as they came.
        value = json.loads(body.decode("utf-8", "surrogateescape"), object_pairs_hook=once)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _request(chance: random.Random) -> dict[str, Any]:
    value: dict[str, Any] = {"model": chance.choice(["m", "gpt-4o", 'a"b\\c', "日本", "x" * 50])}
    for key in chance.sample(
        ["stream", "messages", "model2", "stream_options", "nested", "n"], chance.randint(0, 5)
    ):
        value[key] = chance.choice(
            [
                True,
                False,
                None,
                1.5,
                "model",
                {"model": "inner", "include_usage": False},
                [{"model": [1, "}"]}],
                "\u2028\\u0000",
            ]
        )
    if chance.random() < 0.5:
        value = dict(reversed(list(value.items())))
    return value


_ANSWERS = [
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 13\r\n\r\n{\"a\":\"hello\"}",
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n3\r\nabc\r\n0\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 429 Busy\r\nretry-after: 1\r\ncontent-length: 2\r\n\r\n{}",
    b"HTTP/1.0 200 OK\r\n\r\nuntil the end",
]  # fmt: skip


class _Transport:
    """Of a connection that is only fed."""

    def __init__(self) -> None:
        self.closed = False

    def write(self, data: bytes) -> None: ...

    def is_closing(self) -> bool:
        return self.closed

    def is_reading(self) -> bool:
        return True

    def abort(self) -> None:
        self.closed = True


class _Sink:
    """Checks the promise of upstream.connection.Sink: head, body..., and exactly one end."""

    def __init__(self) -> None:
        self.heads = 0
        self.data = b""
        self.ends = 0
        self.outcome = ""

    def head(self, status: int, headers: list[tuple[bytes, bytes]], length: int | None) -> None:
        assert self.ends == 0
        assert 200 <= status <= 999
        self.heads += 1
        assert self.heads == 1
        self.outcome = f"{status}"

    def body(self, data: bytes) -> None:
        assert self.heads == 1
        assert self.ends == 0
        self.data += data

    def end(self) -> None:
        assert self.heads == 1
        self.ends += 1
        self.outcome += " end"

    def failed(self, reason: FallbackReason, detail: str, received: bool) -> None:
        self.ends += 1
        self.outcome += f" failed {reason.value}"

    def broke(self, error: Exception) -> None:
        raise error


def upstream(chance: random.Random) -> None:
    """A sink is told one story, the same however the bytes are cut."""
    data = mutated(chance, chance.choice(_ANSWERS))
    stories = {
        _story(cut) for cut in ([data], pieces(chance, data), [data[i : i + 1] for i in range(len(data))])
    }
    assert len(stories) == 1, f"cut differently, told differently: {stories}"


def _story(cut: list[bytes]) -> tuple[str, bytes]:
    conn = UpstreamConnection(lambda _: None)
    transport, sink = _Transport(), _Sink()
    conn.connection_made(transport)  # type: ignore[arg-type]
    conn.send(b"GET / HTTP/1.1\r\n\r\n", b"", sink)
    for piece in cut:
        if transport.closed:
            break
        conn.data_received(piece)
    conn.connection_lost(None)
    assert sink.ends == 1, "a request was never told how it ended"
    word = sink.outcome
    return (word, sink.data) if word.endswith(" end") else ("failed", b"")


TARGETS: dict[str, Target] = {
    "head": head, "chunked": chunked, "sse": sse, "splice": splice, "upstream": upstream, "body": looks.body,
    "answer": looks.answer,
}  # fmt: skip
