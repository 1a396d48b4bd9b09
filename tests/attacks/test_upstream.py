"""What a broken or hostile backend may answer, byte by byte, and what the client of the gateway then gets. The next
request, on whatever connection, must not be touched by it.
"""

from __future__ import annotations

import gzip
import json
import time
from dataclasses import dataclass

import pytest
import uvloop

from pointsman.practice import CUT, STALL, Reply, ScriptedUpstream
from tests.e2e.wires import CHAT, MESSAGES
from tests.gateway.plane import plane, rule
from tests.gateway.test_failures import cloud

WHOLE = json.dumps(CHAT.answer("hello")).encode()
OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
GOOD = OK + b"content-length: %d\r\n\r\n" % len(WHOLE) + WHOLE
EVIL = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsmuggl"


@dataclass(frozen=True)
class Answer:
    """data: what the backend writes; then it stays on the line unless `cut`. ends: `served`, or the word of
    `x-pointsman-fallback` with which the next target serves. translated: the client speaks another protocol."""

    name: str
    data: bytes | list[bytes]
    ends: str
    cut: bool = False
    translated: bool = False


ANSWERS = [
    # -- heads
    Answer("a header bomb", OK + b"".join(b"x-%d: %b\r\n" % (n, b"y" * 1000) for n in range(100)) + b"\r\n", "malformed"),
    Answer("a thousand headers", OK + b"".join(b"x-%d: y\r\n" % n for n in range(1000)) + b"\r\n", "malformed"),
    Answer("an endless header", [OK + b"x: ", *[b"y" * 60_000] * 10], "malformed"),
    Answer("no status line", b"content-length: 5\r\n\r\nhello", "malformed"),
    Answer("an unknown version", b"HTTP/9.9 200 OK\r\n\r\n", "malformed"),
    Answer("status 0", b"HTTP/1.1 000 OK\r\ncontent-length: 0\r\n\r\n", "malformed"),
    Answer("status 99", b"HTTP/1.1 99 OK\r\n\r\n", "malformed"),
    Answer("a NUL in a header", OK + b"x: a\0b\r\ncontent-length: 2\r\n\r\n{}", "malformed"),
    Answer("a folded header", OK + b"x: a\r\n b\r\ncontent-length: %d\r\n\r\n" % len(WHOLE) + WHOLE, "any"),
    Answer("a space before the colon", OK + b"content-length : 2\r\n\r\n{}", "malformed"),
    # -- lengths
    Answer("two lengths", OK + b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}", "malformed"),
    Answer("a negative length", OK + b"content-length: -1\r\n\r\n{}", "malformed"),
    Answer("a length beyond 64 bits", OK + b"content-length: 99999999999999999999\r\n\r\n{}", "malformed"),
    Answer("both framings", OK + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", "malformed"),
    Answer("a length that promises more", OK + b"content-length: 99999\r\n\r\n" + WHOLE, "upstream_error", cut=True),
    Answer("a length that promises less", OK + b"content-length: 5\r\n\r\n" + WHOLE, "malformed"),
    Answer("two answers to one request", GOOD + EVIL, "served"),
    Answer("nonsense behind a whole answer", GOOD + b"\xff\xfe<html>", "served"),
    # -- chunks
    Answer("an endless chunk extension", [OK + b"transfer-encoding: chunked\r\n\r\n5;", *[b"a" * 60_000] * 10], "malformed"),
    Answer("a chunk of 2^60 bytes", OK + b"transfer-encoding: chunked\r\n\r\n1000000000000000\r\nhello", "upstream_error", cut=True),
    Answer("a negative chunk", OK + b"transfer-encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n", "malformed"),
    Answer("a chunk size that is no number", OK + b"transfer-encoding: chunked\r\n\r\nzz\r\n", "malformed"),
    Answer("a trailer bomb", [OK + b"transfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n" % (len(WHOLE), WHOLE), *[b"t: " + b"y" * 60_000 + b"\r\n"] * 10], "malformed"),
    Answer("a coding nobody asked for", OK + b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "malformed"),
    # -- interim and other statuses
    Answer("an interim answer first", b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + GOOD, "served", cut=True),
    Answer("a flood of interim answers", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, "malformed"),
    Answer("101 switches protocols", b"HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nhello", "malformed"),
    Answer("204 with a body", b"HTTP/1.1 204 No\r\ncontent-length: 5\r\n\r\nhello", "empty"),
    *[Answer(f"{code} elsewhere", b"HTTP/1.1 %d x\r\nlocation: http://127.0.0.1:9/\r\ncontent-length: 0\r\n\r\n" % code, "upstream_error")
      for code in (300, 301, 302, 303, 307, 308)],
    # -- compressed
    Answer("a gzip bomb, translated", OK + b"content-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n" + (
        lambda z: b"%x\r\n%b\r\n0\r\n\r\n" % (len(z), z))(gzip.compress(b"\0" * 50_000_000)), "malformed", translated=True),
    # -- ended by closing
    Answer("http/1.0, ended by closing", b"HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n" + WHOLE, "served", cut=True),
    Answer("bare line feeds", GOOD.replace(b"\r\n", b"\n"), "any"),
    Answer("closes in the head", OK[:30], "upstream_error", cut=True),
]  # fmt: skip


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: answer.name)
def test_ends_as_it_should_and_touches_no_other_request(answer: Answer) -> None:
    wire = MESSAGES if answer.translated else CHAT
    pieces = answer.data if isinstance(answer.data, list) else [answer.data]

    async def main() -> None:
        with ScriptedUpstream() as first, ScriptedUpstream() as second:
            first.always(Reply(framing="raw", parts=[*pieces, CUT if answer.cut else STALL]))
            second.always(
                Reply(200, {"content-type": "application/json"}, body=CHAT.answer("from the second"))
            )
            async with plane(between_chunks_seconds=1.0, first_output_cloud_seconds=1.0) as found:
                found.rules(
                    rule("*", "openai/a", "openai/b"), backends=[cloud(first, "a"), cloud(second, "b")]
                )
                began = time.monotonic()
                got = await found.ask(wire.path, wire.ask("m"))
                assert time.monotonic() - began < 0.9, "it waited for a time-out"
                assert (got.status, got.complete) == (200, True), got
                said = wire.text(got.json())
                reason = got.headers.get("x-pointsman-fallback", "served")
                assert said == ("hello" if reason == "served" else "from the second")
                assert answer.ends in (reason, "any"), reason
                assert b"smuggl" not in got.body
                # Whatever was left on the connection answers nobody.
                first.always(Reply(200, {"content-type": "application/json"}, body=CHAT.answer("clean")))
                found.plane.board.targets.clear()
                for _ in range(2):
                    after = await found.ask(CHAT.path, CHAT.ask("m"))
                    assert CHAT.text(after.json()) == "clean"

    uvloop.run(main())
