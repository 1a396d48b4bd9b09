"""A client that is answered before its body is whole, over raw sockets: what comes after is never read as a request. Either
the body is taken to its end first, or the connection is closed and says so."""

from __future__ import annotations

import asyncio

import pytest
import uvloop

from .plane import Plane, plane

SMUGGLED = b"GET /livez HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"
HOST = b"host: 127.0.0.1\r\ncontent-type: application/json\r\n"


async def said(found: Plane, *pieces: bytes) -> bytes:
    """Everything until the gateway closes, or says nothing for long."""
    reader, writer = await asyncio.open_connection("127.0.0.1", found.port)
    answer = b""
    try:
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(0.05)
        while True:
            async with asyncio.timeout(0.8):
                piece = await reader.read(65536)
            if not piece:
                return answer + b"<closed>"
            answer += piece
    except TimeoutError:
        return answer
    except ConnectionError:
        return answer + b"<closed>"
    finally:
        writer.close()


def statuses(answer: bytes) -> list[bytes]:
    return [part.split(b" ", 1)[0] for part in answer.split(b"HTTP/1.1 ")[1:]]


REFUSED = {
    "a length beyond the limit": b"content-length: 9999\r\n\r\n" + SMUGGLED,
    "a length beyond the limit, expecting to go on": b"content-length: 9999\r\nexpect: 100-continue\r\n\r\n"
    + SMUGGLED,
    "a chunk beyond the limit": b"transfer-encoding: chunked\r\n\r\n270f\r\n" + SMUGGLED,
    "a chunk that is none": b"transfer-encoding: chunked\r\n\r\nxyz\r\n" + SMUGGLED,
    "chunks, then no chunk": b"transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n" + SMUGGLED,
    "a chunk longer than it says": b"transfer-encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n" + SMUGGLED,
    "a length and chunks": b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n{}" + SMUGGLED,
    "two lengths": b"content-length: 2\r\ncontent-length: 41\r\n\r\n{}" + SMUGGLED,
    "an expectation nobody knows": b"content-length: 41\r\nexpect: 200-ok\r\n\r\n" + SMUGGLED,
}
PATHS = [b"/v1/chat/completions", b"/v1/messages", b"/api/mappings", b"/nowhere"]


@pytest.mark.parametrize("how", REFUSED)
def test_what_follows_a_refused_body_is_no_request(how: str) -> None:
    async def main() -> None:
        async with plane(body_bytes=1000) as found:
            for path in PATHS:
                answer = await said(found, b"POST " + path + b" HTTP/1.1\r\n" + HOST + REFUSED[how])
                (status,) = statuses(answer)
                assert status in (b"400", b"413", b"417"), (path, answer)
                assert b"connection: close" in answer
                assert answer.endswith(b"<closed>")
                problem = path in PATHS[2:] and status == b"413"
                assert (b"application/problem+json" in answer) or not problem, (path, answer)

    uvloop.run(main())


WAITS = {
    "half of its length": b"content-length: 90\r\n\r\n" + SMUGGLED,
    "half of its length, expecting to go on": b"content-length: 90\r\nexpect: 100-continue\r\n\r\n"
    + SMUGGLED,
    "a chunk without an end": b"transfer-encoding: chunked\r\n\r\n40\r\n" + SMUGGLED,
    "chunks without the last one": b"transfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n"
    % (len(SMUGGLED), SMUGGLED),
}


@pytest.mark.parametrize("how", WAITS)
@pytest.mark.parametrize("who", [b"", b"authorization: Bearer nobody\r\n"], ids=["", "a wrong key"])
def test_an_early_no_waits_for_the_body_or_closes(how: str, who: bytes) -> None:
    """401, 404 and 405 could be said at once; said then, the rest of the body would be the next request."""

    async def main() -> None:
        async with plane(body_idle_seconds=0.3) as found:
            heads = [b"POST " + path + b" HTTP/1.1\r\n" + HOST + who for path in PATHS]
            answers = await asyncio.gather(*(said(found, head + WAITS[how]) for head in heads))
            for path, answer in zip(PATHS, answers, strict=True):
                assert [one for one in statuses(answer) if one != b"100"] == [b"408"], (path, answer)
                assert b"connection: close" in answer
                assert b"alive" not in answer

    uvloop.run(main())


def test_a_whole_body_after_an_early_no_leaves_the_connection_usable() -> None:
    async def main() -> None:
        async with plane() as found:
            found.rules(backends=[])
            body = b"[" * 50_000
            head = b"POST /v1/nowhere HTTP/1.1\r\n" + HOST + b"content-length: 50000\r\n\r\n"
            answer = await said(found, head, body[:20_000], body[20_000:] + SMUGGLED)
            first, second = statuses(answer)
            assert first.startswith(b"4")
            assert second == b"200"
            assert b'{"status":"alive"}' in answer

    uvloop.run(main())


def test_a_head_that_cannot_be_read_is_not_answered_in_the_words_of_the_request_before() -> None:
    async def main() -> None:
        async with plane() as found:
            good = b"POST /v1/messages HTTP/1.1\r\n" + HOST + b"content-length: 2\r\n\r\n{}"
            answer = await said(found, good, b"GET / HTTP/9.9\r\n\r\n")
            last = answer.rpartition(b"HTTP/1.1 ")[2]
            assert b'"type":"error"' not in last
            assert answer.endswith(b"<closed>")

    uvloop.run(main())
