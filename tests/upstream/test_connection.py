"""upstream.connection on real sockets: every way an answer can be framed, and every way it can go wrong."""

from __future__ import annotations

import asyncio
import socket
import struct

import pytest
import uvloop

from pointsman.gateway.client.server import ClientConnection
from pointsman.kinds import FallbackReason
from pointsman.upstream.connection import MAX_HEADER_BYTES, MAX_HEADERS, MAX_INTERIM, UpstreamConnection
from pointsman.upstream.egress import Egress
from pointsman.upstream.pool import Pool

from .raw import GET, OK, Noted, Talker, ask, backend_of, open_files, says, serving

CONNECT, ERROR, MALFORMED = FallbackReason.CONNECT, FallbackReason.UPSTREAM_ERROR, FallbackReason.MALFORMED


def answer(
    *pieces: bytes, close: bool = True, pause: float = 0.0, no_body: bool = False
) -> tuple[Noted, object, bool]:
    """(the sink, its result, is the connection kept?) of one request answered with these bytes."""

    async def main() -> tuple[Noted, object, bool]:
        pool = Pool(Egress(2.0))
        async with serving(says(*pieces, close=close, pause=pause)) as server:
            sink, conn = await ask(pool, backend_of(server.port), no_body=no_body)
            result = await sink.result()
            kept = conn.is_free()
            conn.close()
            pool.close()
            return sink, result, kept

    return uvloop.run(main())


H = b"HTTP/1.1 200 OK\r\n"
CHUNKED = H + b"transfer-encoding: chunked\r\n\r\n"
GOOD: dict[str, tuple[bytes, int, bytes, int | None, bool]] = {  # bytes, status, body, length, kept
    "sized": (OK, 200, b"ok", 2, True),
    "empty": (H + b"content-length: 0\r\n\r\n", 200, b"", 0, True),
    "chunked": (CHUNKED + b"2\r\nok\r\n1\r\n!\r\n0\r\n\r\n", 200, b"ok!", None, True),
    "chunk extensions": (CHUNKED + b"2;a=b\r\nok\r\n0;c\r\n\r\n", 200, b"ok", None, True),
    "trailers": (CHUNKED + b"2\r\nok\r\n0\r\nx-trailer: 1\r\nset-cookie: a\r\n\r\n", 200, b"ok", None, True),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", None, True),
    "not modified": (b"HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n", 304, b"", 9, True),
    "error": (b"HTTP/1.1 503 Busy\r\ncontent-length: 4\r\n\r\nbusy", 503, b"busy", 4, True),
    "redirect": (b"HTTP/1.1 302 Found\r\nlocation: /x\r\ncontent-length: 0\r\n\r\n", 302, b"", 0, True),
    "unknown status": (b"HTTP/1.1 529 \r\ncontent-length: 0\r\n\r\n", 529, b"", 0, True),
    "no reason": (b"HTTP/1.1 200\r\ncontent-length: 2\r\n\r\nok", 200, b"ok", 2, True),
    "continue first": (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, 200, b"ok", 2, True),
    "hints first": (b"HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n" * 3 + OK, 200, b"ok", 2, True),
    "as many interim answers as allowed": (
        b"HTTP/1.1 102 Processing\r\n\r\n" * MAX_INTERIM + OK,
        200,
        b"ok",
        2,
        True,
    ),
    "asked to close": (H + b"connection: close\r\ncontent-length: 2\r\n\r\nok", 200, b"ok", 2, False),
    "1.0 sized": (b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok", 200, b"ok", 2, False),
    "1.0 kept": (
        b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok",
        200,
        b"ok",
        2,
        True,
    ),
    "blank line after": (OK + b"\r\n", 200, b"ok", 2, True),
}
UNTIL_CLOSE: dict[str, tuple[bytes, bytes]] = {
    "1.0": (b"HTTP/1.0 200 OK\r\ncontent-type: x\r\n\r\n", b"all of it"),
    "1.1": (H + b"\r\n", b"all of it"),
    "1.1 that says so": (H + b"connection: close\r\n\r\n", b"all of it"),
    "empty": (b"HTTP/1.0 200 OK\r\n\r\n", b""),
    "1.0 that claims keep-alive": (b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\n\r\n", b"all of it"),
}


@pytest.mark.parametrize(("raw", "status", "body", "length", "kept"), GOOD.values(), ids=GOOD.keys())
def test_good_answers(raw: bytes, status: int, body: bytes, length: int | None, kept: bool) -> None:
    sink, result, was_kept = answer(raw, close=False)
    assert (result, sink.status, sink.data, sink.length, was_kept) == ("end", status, body, length, kept)
    assert not any(name in (b"x-trailer", b"set-cookie", b"link") for name, _ in sink.headers)


@pytest.mark.parametrize(("raw", "status", "body", "length", "kept"), GOOD.values(), ids=GOOD.keys())
def test_good_answers_byte_by_byte(
    raw: bytes, status: int, body: bytes, length: int | None, kept: bool
) -> None:
    sink, result, _ = answer(*(raw[i : i + 1] for i in range(len(raw))), close=False)
    assert (result, sink.status, sink.data, sink.length) == ("end", status, body, length)


@pytest.mark.parametrize(("head", "body"), UNTIL_CLOSE.values(), ids=UNTIL_CLOSE.keys())
def test_an_answer_that_ends_with_its_connection(head: bytes, body: bytes) -> None:
    for pieces in ([head + body], [head, body], [bytes([byte]) for byte in head + body]):
        sink, result, kept = answer(*pieces)
        assert (result, sink.status, sink.data, sink.length, kept) == ("end", 200, body, None, False)


@pytest.mark.parametrize(
    ("ours", "loops"),
    [(UpstreamConnection, asyncio.BufferedProtocol), (ClientConnection, asyncio.Protocol)],
    ids=["upstream", "client"],
)
def test_a_connection_has_all_that_an_event_loop_calls(ours: type, loops: type) -> None:
    """They are no subclasses: a large request to a slow backend left `has no attribute 'pause_writing'` in the log."""
    assert {name for name in dir(loops) if not name.startswith("_")} <= set(dir(ours))


def test_headers_are_given_as_they_came_in_lower_case() -> None:
    sink, _, _ = answer(H + b"X-One: A\r\nx-one: b\r\nContent-Length: 0\r\nX-Empty:\r\n\r\n")
    assert sink.headers == [(b"x-one", b"A"), (b"x-one", b"b"), (b"content-length", b"0"), (b"x-empty", b"")]


def test_an_answer_to_head_has_no_body_and_its_connection_is_not_kept() -> None:
    sink, result, kept = answer(H + b"content-length: 5\r\n\r\n", close=False, no_body=True)
    assert (result, sink.status, sink.length, sink.data, kept) == ("end", 200, 5, b"", False)


BAD: dict[str, tuple[bytes, FallbackReason]] = {
    "nothing": (b"", CONNECT),
    "not http": (b"SSH-2.0-OpenSSH_9\r\n", MALFORMED),
    "http 0.9": (b"<html>hello", MALFORMED),
    "http 2": (b"HTTP/2 200 OK\r\n\r\n", MALFORMED),
    "bare lf": (b"HTTP/1.1 200 OK\ncontent-length: 2\n\nok", MALFORMED),
    "status text": (b"HTTP/1.1 OK\r\n\r\n", MALFORMED),
    "status 0": (b"HTTP/1.1 000 X\r\ncontent-length: 2\r\n\r\nok", MALFORMED),
    "status 99": (b"HTTP/1.1 099 X\r\ncontent-length: 2\r\n\r\nok", MALFORMED),
    "status of four digits": (b"HTTP/1.1 2000 OK\r\n\r\n", MALFORMED),
    "switching protocols": (
        b"HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
        MALFORMED,
    ),
    "interim flood": (b"HTTP/1.1 100 Continue\r\n\r\n" * (MAX_INTERIM + 1) + OK, MALFORMED),
    "space before colon": (H + b"x : y\r\n\r\n", MALFORMED),
    "null in a header": (H + b"x: a\x00b\r\ncontent-length: 0\r\n\r\n", MALFORMED),
    "length and chunked": (
        H + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        MALFORMED,
    ),
    "chunked and length": (
        H + b"transfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        MALFORMED,
    ),
    "two lengths": (H + b"content-length: 2\r\ncontent-length: 3\r\n\r\nokk", MALFORMED),
    "length text": (H + b"content-length: two\r\n\r\nok", MALFORMED),
    "length negative": (H + b"content-length: -2\r\n\r\nok", MALFORMED),
    "gzip coding": (H + b"transfer-encoding: gzip\r\n\r\nok", MALFORMED),
    "gzip and chunked": (H + b"transfer-encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", MALFORMED),
    "chunk size text": (CHUNKED + b"zz\r\nok\r\n", MALFORMED),
    "chunk longer than its size": (CHUNKED + b"2\r\nokk\r\n0\r\n\r\n", MALFORMED),
    "chunk without its end": (CHUNKED + b"2\r\nok0\r\n\r\n", MALFORMED),
    "length in a trailer": (CHUNKED + b"2\r\nok\r\n0\r\ncontent-length: 5\r\n\r\n", MALFORMED),
    "too many headers": (H + b"a: b\r\n" * (MAX_HEADERS + 1) + b"\r\n", MALFORMED),
    "headers too large": (H + b"a: " + b"b" * MAX_HEADER_BYTES + b"\r\n\r\n", MALFORMED),
    "cut in the status line": (b"HTTP/1.1 20", ERROR),
    "cut in the head": (H + b"content-le", ERROR),
    "cut before the body": (H + b"content-length: 5\r\n\r\n", ERROR),
    "cut in the body": (H + b"content-length: 5\r\n\r\nhel", ERROR),
    "cut in a chunk": (CHUNKED + b"5\r\nhel", ERROR),
    "cut between chunks": (CHUNKED + b"2\r\nok\r\n", ERROR),
    "cut in the last chunk": (CHUNKED + b"2\r\nok\r\n0\r\n", ERROR),
    "only interim answers": (b"HTTP/1.1 100 Continue\r\n\r\n", ERROR),
}


@pytest.mark.parametrize(("raw", "reason"), BAD.values(), ids=BAD.keys())
def test_bad_answers(raw: bytes, reason: FallbackReason) -> None:
    _, result, kept = answer(raw)
    assert isinstance(result, tuple)
    assert (result[0], result[2], kept) == (reason, bool(raw), False)
    assert result[1].isprintable()


@pytest.mark.parametrize(
    "name", ["interim flood", "gzip coding", "chunk longer than its size", "status 99", "cut in a chunk"]
)
def test_bad_answers_byte_by_byte(name: str) -> None:
    raw, reason = BAD[name]
    _, result, _ = answer(*(raw[i : i + 1] for i in range(len(raw))))
    assert isinstance(result, tuple)
    assert result[0] is reason


def test_every_cut_of_a_sized_and_of_a_chunked_answer_is_a_failure() -> None:
    """Never a clean-looking end, wherever the connection breaks
    (docs/protocols/streams.md#a-stream-that-was-cut)."""

    async def main() -> None:
        pool = Pool(Egress(2.0))
        for raw in (OK, CHUNKED + b"2\r\nok\r\n0\r\n\r\n"):

            async def talk(talker: Talker, raw: bytes = raw) -> None:
                await talker.request()
                await talker.say(raw[: talker.number - 1])

            async with serving(talk) as server:
                backend = backend_of(server.port)
                for _ in range(len(raw)):
                    sink, _ = await ask(pool, backend)
                    result = await sink.result()
                    assert result != "end"
                sink, _ = await ask(pool, backend)
                assert await sink.result() == "end"
            pool.close()

    uvloop.run(main())


@pytest.mark.parametrize("after", ["head", "half", "nothing"])
def test_a_reset_is_a_failure_also_where_a_close_would_be_an_end(after: str) -> None:
    async def main() -> None:
        pool = Pool(Egress(2.0))

        async def talk(talker: Talker) -> None:
            await talker.request()
            if after != "nothing":
                await talker.say(
                    b"HTTP/1.0 200 OK\r\n\r\n" + (b"half" if after == "half" else b""), pause=0.05
                )
            await talker.say(pause=0.02)
            sock = talker.writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            talker.reset()

        async with serving(talk) as server:
            sink, _ = await ask(pool, backend_of(server.port))
            result = await sink.result()
            assert isinstance(result, tuple)
            assert result[0] is (CONNECT if after == "nothing" else ERROR)
            assert result[2] is (after != "nothing")

    uvloop.run(main())


# -- bombs: nothing may be collected without limit


def bomb(first: bytes, piece: bytes, most: int) -> tuple[object, int]:
    """(result, bytes that were taken) of a server that sends `piece` again and again after `first`."""

    async def main() -> tuple[object, int]:
        pool = Pool(Egress(2.0))
        sent = 0

        async def talk(talker: Talker) -> None:
            nonlocal sent
            await talker.request()
            await talker.say(first)
            while sent < most:
                await talker.say(piece)
                sent += len(piece)

        async with serving(talk) as server:
            sink, conn = await ask(pool, backend_of(server.port))
            result = await sink.result(10.0)
            conn.close()
        return result, sent

    return uvloop.run(main())


@pytest.mark.parametrize(
    ("first", "piece"),
    [
        pytest.param(H + b"x: ", b"y" * 8192, id="one endless header"),
        pytest.param(H + b"x", b"y" * 8192, id="one endless name"),
        pytest.param(H, b"x: y\r\n" * 500, id="endless headers"),
        pytest.param(b"HTTP/1.1 200 ", b"y" * 8192, id="endless reason"),
        pytest.param(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100, id="endless interim answers"),
        pytest.param(b"HTTP/1.1 100 Continue\r\nx: ", b"y" * 8192, id="endless interim header"),
        pytest.param(CHUNKED + b"2;", b"y" * 8192, id="endless chunk extension"),
        pytest.param(CHUNKED + b"0\r\nx: ", b"y" * 8192, id="endless trailer"),
        pytest.param(CHUNKED + b"0\r\n", b"x: y\r\n" * 500, id="endless trailers"),
    ],
)
def test_bombs_are_left_early(first: bytes, piece: bytes) -> None:
    most = 64 * 1024 * 1024
    result, taken = bomb(first, piece, most)
    assert isinstance(result, tuple)
    assert result[0] is MALFORMED
    assert taken < 8 * 1024 * 1024  # what the kernel's own buffers hold, not what was collected


def test_a_body_of_any_size_passes_and_slows_when_paused() -> None:
    async def main() -> None:
        pool = Pool(Egress(2.0))
        sent = 0

        async def talk(talker: Talker) -> None:
            nonlocal sent
            await talker.request()
            await talker.say(H + b"connection: close\r\n\r\n")
            for _ in range(400):
                await talker.say(b"y" * 65536)
                sent += 65536

        async with serving(talk) as server:
            sink, conn = await ask(pool, backend_of(server.port))
            while not sink.data:
                await asyncio.sleep(0.001)
            conn.pause()
            await asyncio.sleep(0.1)
            held = sent
            await asyncio.sleep(0.1)
            assert sent == held < 400 * 65536  # the sender stands still
            conn.pause()
            conn.resume()
            conn.resume()
            assert await sink.result(10.0) == "end"
            assert len(sink.data) == 400 * 65536
            conn.resume()
            conn.pause()

    uvloop.run(main())


def test_a_large_request_arrives_whole_at_a_server_that_reads_late() -> None:
    async def main() -> None:
        pool = Pool(Egress(2.0))
        body = b"x" * 8_000_000
        arrived = bytearray()

        async def talk(talker: Talker) -> None:
            await asyncio.sleep(0.05)
            arrived.extend(await talker.reader.readuntil(b"\r\n\r\n"))
            arrived.extend(await talker.reader.readexactly(len(body)))
            await talker.say(OK)

        async with serving(talk) as server:
            data = b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: %d\r\n\r\n" % len(body)
            sink, conn = await ask(pool, backend_of(server.port), data=data, body=body)
            assert await sink.result() == "end"
            assert bytes(arrived) == data + body
            conn.close()

    uvloop.run(main())


# -- bytes nobody asked for


EXTRA: dict[str, bytes] = {
    "a second answer": OK,
    "half a second answer": b"HTTP/1.1 418 Teapot\r\ncontent-length: 9\r\n\r\nevil",
    "one byte": b"H",
    "garbage": b"garbage",
    "a body longer than its length": b" and more",
    "an interim answer": b"HTTP/1.1 100 Continue\r\n\r\n",
}


@pytest.mark.parametrize("framing", ["sized", "chunked"])
@pytest.mark.parametrize("extra", EXTRA.values(), ids=EXTRA.keys())
def test_bytes_glued_to_an_answer_never_mix_with_it_nor_answer_the_next(extra: bytes, framing: str) -> None:
    first = OK if framing == "sized" else CHUNKED + b"2\r\nok\r\n0\r\n\r\n"

    async def main() -> None:
        pool = Pool(Egress(2.0))

        async def talk(talker: Talker) -> None:
            await talker.request()
            await talker.say(first + extra if talker.number == 1 else OK)
            await talker.gone()

        async with serving(talk) as server:
            backend = backend_of(server.port)
            sink, _ = await ask(pool, backend)
            assert await sink.result() == "end"
            assert (sink.status, sink.data) == (200, b"ok")
            assert len(sink.headers) == 1
            sink, _ = await ask(pool, backend)
            assert await sink.result() == "end"
            assert (sink.status, sink.data, server.accepted) == (200, b"ok", 2)
            pool.close()

    uvloop.run(main())


def test_bytes_on_an_idle_connection_close_it() -> None:
    async def main() -> None:
        pool = Pool(Egress(2.0))

        async def talk(talker: Talker) -> None:
            await talker.request()
            await talker.say(OK, pause=0.03)
            await talker.say(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil")
            await talker.gone()

        async with serving(talk) as server:
            backend = backend_of(server.port)
            sink, conn = await ask(pool, backend)
            assert await sink.result() == "end"
            assert conn.is_free()
            await asyncio.sleep(0.1)
            assert not conn.is_free()
            assert pool.take(backend, False) is None

    uvloop.run(main())


# -- leaving


def test_closing_tells_the_sink_nothing_and_the_server_at_once() -> None:
    async def main() -> None:
        pool = Pool(Egress(2.0))
        left = asyncio.Event()

        async def talk(talker: Talker) -> None:
            await talker.request()
            await talker.say(H + b"content-length: 5\r\n\r\nhel")
            await talker.gone()
            left.set()

        async with serving(talk) as server:
            sink, conn = await ask(pool, backend_of(server.port))
            while not sink.data:
                await asyncio.sleep(0.001)
            conn.close()
            await asyncio.wait_for(left.wait(), 0.25)
            await asyncio.sleep(0.01)
            assert sink.calls == ["head", "body"]
            assert conn.peer() is None
            conn.close()

    uvloop.run(main())


def test_no_socket_is_left_after_many_failures() -> None:
    async def main() -> None:
        pool = Pool(Egress(2.0))
        for raw in (b"", b"nonsense", H + b"content-length: 5\r\n\r\nhel", CHUNKED + b"zz", OK + OK):
            async with serving(says(raw)) as server:
                backend = backend_of(server.port)
                before = open_files()
                for _ in range(10):
                    sink, conn = await ask(pool, backend, data=GET)
                    await sink.result()
                    conn.close()
                for _ in range(200):
                    if open_files() <= before:
                        break
                    await asyncio.sleep(0.005)
                assert open_files() <= before

    uvloop.run(main())
