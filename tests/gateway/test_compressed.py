"""Answers that come compressed against our wish: read, judged and passed on like any other, or left for the next target.

A server that compresses whatever is asked of it, or a proxy before it, is not rare; a gzip stream that ends by a clean
close is half an answer in every SDK, without an error.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import resource
import zlib
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
import uvloop

from pointsman.practice import CUT, Pause, Reply, ScriptedUpstream
from tests.agents.model import CHAT, JSON, MESSAGES, RESPONSES, SSE, STREAM, WHOLE
from tests.nobody import asks_nobody

from .plane import Got, plane, rule
from .sdks import both_sdks_read
from .test_translation import CLEAN, PATHS, ask, one, spec, text_of

EVERY = [(client, upstream) for client in PATHS for upstream in PATHS]
all_pairs = pytest.mark.parametrize(("client", "upstream"), EVERY)
WAYS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "GZIP, x-gzip": lambda data: gzip.compress(gzip.compress(data)),
}
ways = pytest.mark.parametrize("way", list(WAYS))


def coded(way: str, data: bytes, headers: dict[str, str], status: int = 200, **more: Any) -> Reply:
    return Reply(status, {**headers, "content-encoding": way}, body=WAYS[way](data), **more)


def in_pieces(data: bytes, **more: Any) -> Reply:
    """A gzip stream, flushed after each event as servers do."""
    press = zlib.compressobj(wbits=16 + zlib.MAX_WBITS)
    parts: list[Any] = []
    for event in data.split(b"\n\n")[:-1]:
        parts.append(press.compress(event + b"\n\n") + press.flush(zlib.Z_SYNC_FLUSH))
    parts.append(press.flush())
    return Reply(200, {**SSE, "content-encoding": "gzip"}, parts=parts, framing="chunked", **more)


def rescued(client: str, upstream: str, first: Reply, *, stream: bool, **limits: Any) -> Got:
    """What the client gets where another target stands after the one that compresses."""

    async def main() -> Got:
        with ScriptedUpstream() as bad, ScriptedUpstream() as good:
            bad.always(first)
            said = STREAM[upstream]("rescued text") if stream else WHOLE[upstream]("rescued text")
            good.always(Reply(200, SSE if stream else JSON, body=said))
            async with plane(**limits) as found:
                backends = [spec(bad, upstream), spec(good, upstream, "spare")]
                found.rules(rule("*", "local/box", "local/spare"), backends=backends)
                return await found.ask(PATHS[client], ask(client, stream=stream))

    return uvloop.run(main())


def plain(got: Got) -> None:
    assert "content-encoding" not in got.headers
    assert got.complete


@all_pairs
@ways
def test_a_compressed_answer_reaches_the_client_plain(client: str, upstream: str, way: str) -> None:
    got, _ = one(client, upstream, coded(way, WHOLE[upstream]("hello there"), JSON))
    plain(got)
    assert int(got.headers["content-length"]) == len(got.body)
    assert text_of(client, got.json()) == "hello there"
    if client == upstream:
        assert got.body == WHOLE[upstream]("hello there")


@all_pairs
def test_a_compressed_stream_reaches_the_client_plain(client: str, upstream: str) -> None:
    for reply in (
        coded("gzip", STREAM[upstream]("hello there"), SSE),
        in_pieces(STREAM[upstream]("hello there")),
    ):
        got, _ = one(client, upstream, reply, ask(client, stream=True))
        plain(got)
        assert CLEAN[client] in got.body
        assert b"hello" in got.body


@pytest.mark.parametrize("client", list(PATHS))
def test_events_of_a_compressed_stream_are_not_held_until_its_end(client: str) -> None:
    whole = in_pieces(STREAM[client]("hello there")).parts
    assert whole is not None
    parts = list(whole)

    async def main() -> None:
        with ScriptedUpstream() as server:
            headers = {**SSE, "content-encoding": "gzip"}
            server.always(
                Reply(200, headers, parts=[*parts[:-2], Pause(1.5), *parts[-2:]], framing="chunked")
            )
            async with plane() as found:
                found.rules(rule("*", "local/box"), backends=[spec(server, client)])
                reader, writer = await found.connect()
                raw = json.dumps(ask(client, stream=True)).encode()
                head = (
                    f"POST {PATHS[client]} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(raw)}\r\n\r\n"
                )
                writer.write(head.encode() + raw)
                async with asyncio.timeout(1.2):
                    await reader.readuntil(b"hello")
                writer.close()

    uvloop.run(main())


@pytest.mark.parametrize("client", list(PATHS))
@pytest.mark.parametrize("framing", ["close", "chunked", "length"])
def test_half_a_gzip_stream_ended_by_a_clean_close_is_no_answer(client: str, framing: Any) -> None:
    """Passed on as it came it was half an answer without an error, in all three SDKs."""
    raw = STREAM[client]("hello there")
    packed = gzip.compress(raw[: raw.index(b"there")] + b"more " * 3000, 0)[:-2000]
    reply = Reply(200, {**SSE, "content-encoding": "gzip"}, parts=[packed], framing=framing)
    got, _ = one(client, client, reply, ask(client, stream=True))
    assert CLEAN[client] not in got.body
    assert b"error" in got.body


@pytest.mark.parametrize("client", list(PATHS))
def test_a_gzip_stream_cut_after_its_last_word_is_whole(client: str) -> None:
    """Only its checksum is missing: nothing of the answer is."""
    packed = gzip.compress(STREAM[client]("hello there"))[:-4]
    got, _ = one(
        client,
        client,
        Reply(200, {**SSE, "content-encoding": "gzip"}, parts=[packed]),
        ask(client, stream=True),
    )
    assert got.status == 200
    assert CLEAN[client] in got.body
    assert b"error" not in got.body.replace(b'"error":null', b"")


@all_pairs
def test_half_a_compressed_answer_goes_to_the_next_target(client: str, upstream: str) -> None:
    packed = gzip.compress(WHOLE[upstream]("hello there"))
    for framing in ("close", "chunked", "length"):
        first = Reply(200, {**JSON, "content-encoding": "gzip"}, parts=[packed[:-12]], framing=framing)  # type: ignore[arg-type]
        got = rescued(client, upstream, first, stream=False)
        assert text_of(client, got.json()) == "rescued text"
        assert got.headers["x-pointsman-target"] == "local/spare:m"


@all_pairs
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("way", "data"),
    [("compress", b"\x1f\x9d nobody reads this"), ("gzip", b"not gzip at all"), ("gzip, dcz", b"x"), ("deflate", b"\xff\xff")],
)  # fmt: skip
def test_what_cannot_be_decoded_goes_to_the_next_target(
    client: str, upstream: str, stream: bool, way: str, data: bytes
) -> None:
    first = Reply(200, {**(SSE if stream else JSON), "content-encoding": way}, body=data)
    got = rescued(client, upstream, first, stream=stream)
    assert got.headers["x-pointsman-fallback"] == "malformed"
    assert got.headers["x-pointsman-target"] == "local/spare:m"
    plain(got)


@pytest.mark.parametrize("client", list(PATHS))
@pytest.mark.parametrize("way", ["br2", "compress"])
def test_what_cannot_be_decoded_is_told_as_an_error_that_names_the_coding(client: str, way: str) -> None:
    reply = Reply(200, {**JSON, "content-encoding": way}, body=b"\x00\x01 nobody reads this")
    got, _ = one(client, client, reply)
    assert got.status == 502
    assert way in got.json()["error"]["message"]
    plain(got)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("client", list(PATHS))
def test_once_keep_alives_have_gone_out_a_compressed_answer_still_comes_plain(
    client: str, stream: bool
) -> None:
    """Its raw bytes landed in the plain stream."""

    async def main() -> Got:
        with ScriptedUpstream() as server:
            reply = in_pieces(STREAM[client]("hello there"), before=[Pause(0.6)])
            server.always(reply)
            async with plane(hold_seconds=0.2) as found:
                found.rules(rule("*", "local/box"), backends=[spec(server, client)])
                return await found.ask(PATHS[client], ask(client, stream=True))

    got = uvloop.run(main())
    assert b"\x1f\x8b" not in got.body
    assert CLEAN[client] in got.body
    assert b"hello" in got.body


@all_pairs
@pytest.mark.parametrize(
    ("status", "words"),
    [(400, "no such parameter: seed"), (503, "out of memory")],
)
def test_the_words_of_a_compressed_error_are_read(
    client: str, upstream: str, status: int, words: str
) -> None:
    said = {"error": {"type": "invalid_request_error", "message": words}}
    body = json.dumps({"type": "error", **said} if upstream == MESSAGES else said).encode()
    for way in ("gzip", "deflate"):
        got, _ = one(client, upstream, coded(way, body, JSON, status))
        assert got.status in (status, 529)  # Messages' own word for a server that cannot now
        assert words in got.json()["error"]["message"]
        plain(got)


@pytest.mark.parametrize("status", [400, 500])
def test_an_error_that_cannot_be_decoded_keeps_its_status(status: int) -> None:
    for client in PATHS:
        got, _ = one(
            client, client, Reply(status, {**JSON, "content-encoding": "dcb"}, body=b"\xff\x00 binary")
        )
        assert got.status == status
        assert str(status) in got.json()["error"]["message"]
        plain(got)


def test_a_large_compressed_answer_reaches_a_slow_client_whole() -> None:
    """More than is held, to a client that reads slower than it is decoded."""
    body = WHOLE[CHAT]("x" * 20_000_000)

    async def main() -> bytes:
        with ScriptedUpstream() as server:
            server.always(coded("gzip", body, JSON))
            async with plane() as found:
                found.rules(rule("*", "local/box"), backends=[spec(server, CHAT)])
                reader, writer = await found.connect()
                raw = json.dumps(ask(CHAT)).encode()
                head = f"POST {PATHS[CHAT]} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {len(raw)}\r\n\r\n"
                writer.write(head.encode() + raw)
                await asyncio.sleep(0.3)
                got = await reader.read(-1)
                writer.close()
                return got

    answer = uvloop.run(main())
    assert answer.count(b"x") >= 20_000_000
    assert answer.endswith(b"0\r\n\r\n")


def test_a_path_of_no_known_protocol_passes_as_it_came() -> None:
    packed = gzip.compress(b"an archive")

    async def main() -> Got:
        with ScriptedUpstream() as server:
            server.always(
                Reply(200, {"content-type": "application/x-tar", "content-encoding": "gzip"}, body=packed)
            )
            async with plane() as found:
                found.rules(rule("*", "local/box"), backends=[spec(server, CHAT)])
                return await found.ask("/v1/archives", {"model": "m", "query": "x"})

    got = uvloop.run(main())
    assert (got.body, got.headers["content-encoding"]) == (packed, "gzip")


def test_its_usage_is_counted() -> None:
    async def main(client: str, reply: Reply, stream: bool) -> Any:
        with ScriptedUpstream() as server:
            server.always(reply)
            async with plane() as found:
                found.rules(rule("*", "local/box"), backends=[spec(server, client)])
                await found.ask(PATHS[client], ask(client, stream=stream))
                (record,) = await found.recorded()
                return record

    for client in PATHS:
        for stream in (True, False):
            reply = in_pieces(STREAM[client]("hi")) if stream else coded("gzip", WHOLE[client]("hi"), JSON)
            record = uvloop.run(main(client, reply, stream))
            assert (record.outcome, record.output_tokens) == ("ok", 20)


def test_a_connection_that_compresses_serves_again() -> None:
    async def main() -> tuple[list[Got], int]:
        with ScriptedUpstream() as server:
            replies = iter((coded("gzip", WHOLE[CHAT]("one"), JSON), in_pieces(STREAM[CHAT]("two"))))
            last = Reply(200, JSON, body=WHOLE[CHAT]("three"))
            server.always(lambda received: next(replies, last) if received.method == "POST" else Reply(404))
            async with plane() as found:
                asks_nobody(found.plane)
                found.rules(rule("*", "local/box"), backends=[spec(server, CHAT)])
                streams = (False, True, False)
                return [
                    await found.ask(PATHS[CHAT], ask(CHAT, stream=stream)) for stream in streams
                ], server.connections

    gots, connections = uvloop.run(main())
    assert [b"one" in gots[0].body, b"[DONE]" in gots[1].body, b"three" in gots[2].body] == [True] * 3
    assert connections <= 2  # the second stream may still be drained when the third request comes


def test_a_cut_connection_in_the_middle_of_a_compressed_stream_is_told() -> None:
    raw = STREAM[CHAT]("hello there")
    press = zlib.compressobj(wbits=16 + zlib.MAX_WBITS)
    first = press.compress(raw[: raw.index(b"there")]) + press.flush(zlib.Z_SYNC_FLUSH)
    reply = Reply(200, {**SSE, "content-encoding": "gzip"}, parts=[first, CUT], framing="chunked")
    got, _ = one(CHAT, CHAT, reply, ask(CHAT, stream=True))
    assert CLEAN[CHAT] not in got.body
    assert b'"error"' in got.body


def test_the_sdks_read_what_comes_of_it() -> None:
    async def main() -> None:
        with ScriptedUpstream() as server:
            async with plane() as found:
                found.rules(rule("*", "local/box"), backends=[spec(server, None)])

                def answer(received: Any) -> Reply:
                    if received.method == "GET":
                        return Reply(404)
                    by_path = {path: protocol for protocol, path in PATHS.items()}
                    return in_pieces(STREAM[by_path[received.path]]("hello there"))

                server.always(answer)
                await asyncio.to_thread(both_sdks_read, found, "hello there")

    uvloop.run(main())


@cache
def bomb() -> bytes:
    return gzip.compress(b" " * 200_000_000, 9)


@pytest.mark.parametrize(("client", "upstream"), [(CHAT, CHAT), (MESSAGES, CHAT), (RESPONSES, RESPONSES)])
@pytest.mark.parametrize("stream", [True, False])
def test_a_bomb_takes_no_memory_and_goes_to_the_next_target(client: str, upstream: str, stream: bool) -> None:
    packed = bomb()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    first = Reply(200, {**(SSE if stream else JSON), "content-encoding": "gzip"}, body=packed)
    got = rescued(client, upstream, first, stream=stream)
    assert got.headers["x-pointsman-target"] == "local/spare:m"
    assert (
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 250_000
    )  # KiB: a whole answer may be 64 MiB
