"""upstream.fetch: one small question, bounded in size and time, answered once."""

from __future__ import annotations

import asyncio
import gzip
import time

import pytest
import uvloop

from pointsman.kinds import FallbackReason
from pointsman.upstream.connection import UpstreamConnection
from pointsman.upstream.egress import ConnectFailed, Egress
from pointsman.upstream.fetch import Waited, fetch, model_names
from pointsman.upstream.pool import Pool

from .raw import OK, Talk, Talker, backend_of, says, serving


def sized(body: bytes, status: bytes = b"200 OK", headers: bytes = b"") -> bytes:
    return b"HTTP/1.1 " + status + b"\r\n" + headers + b"content-length: %d\r\n\r\n" % len(body) + body


def names_from(talk: Talk) -> tuple[int, list[str] | None]:
    async def main() -> tuple[int, list[str] | None]:
        pool = Pool(Egress(2.0))
        async with serving(talk) as server:
            answer, names = await model_names(pool, backend_of(server.port, api_key="k", auth="bearer"), 2.0)
            assert server.heads[0].startswith(b"GET /v1/models HTTP/1.1\r\n")
            assert b"authorization: Bearer k\r\n" in server.heads[0]
            pool.close()
            return answer.status, names

    return uvloop.run(main())


@pytest.mark.parametrize(
    ("raw", "names"),
    [
        (sized(b'{"object":"list","data":[{"id":"a","object":"model"},{"id":"b/c"}]}'), ["a", "b/c"]),
        (sized(b'{"data":[]}'), []),
        (sized(b'{"object":"list","data":null}'), []),  # Ollama without any model
        (sized(b'{"data":[{"id":"m\\u00e9"}],"has_more":false}'), ["m\u00e9"]),
        (sized(b'{"data":[{"id":""},{"id":"a"}]}'), ["a"]),  # nobody can ask for a model without a name
        (sized(b'{"data":[{"name":"a"}]}'), None),
        (sized(b"[]"), None),
        (sized(b"<html>"), None),
        (sized(b'{"data":[{"id":"\xff"}]}'), None),
        (sized(b"["  * 100_000), None),
        (sized(b"", b"404 Not Found"), None),
        (sized(b'{"data":[{"id":"a"}]}', b"401 No"), None),
        (sized(b"", b"302 Found", b"location: http://127.0.0.1:1/\r\n"), None),
        (b"HTTP/1.0 200 OK\r\n\r\n" + b'{"data":[{"id":"a"}]}', ["a"]),
    ],
    ids=lambda value: repr(value)[-40:],
)  # fmt: skip
def test_model_names(raw: bytes, names: list[str] | None) -> None:
    status, found = names_from(says(raw))
    assert found == names
    assert status == int(raw.split(b" ", 2)[1])


def test_a_list_that_comes_compressed_against_our_wish_is_read() -> None:
    packed = gzip.compress(b'{"data":[{"id":"qwen3"}]}')
    assert names_from(says(sized(packed, headers=b"content-encoding: gzip\r\n"))) == (200, ["qwen3"])
    with pytest.raises(ConnectFailed, match="compressed"):
        names_from(says(sized(packed[:-9], headers=b"content-encoding: gzip\r\n")))


def test_a_redirect_is_not_followed() -> None:
    async def main() -> None:
        pool = Pool(Egress(2.0))
        async with serving(says(OK)) as elsewhere:
            location = b"location: http://127.0.0.1:%d/v1/models\r\n" % elsewhere.port
            async with serving(says(sized(b"", b"307 Temporary Redirect", location))) as server:
                answer = await fetch(pool, backend_of(server.port), b"/v1/models", 2.0)
                assert (answer.status, elsewhere.accepted) == (307, 0)

    uvloop.run(main())


def test_a_stale_connection_is_replaced_once() -> None:
    async def main() -> None:
        pool = Pool(Egress(2.0))

        async def talk(talker: Talker) -> None:
            await talker.request()
            await talker.say(OK)
            if talker.number == 1:
                await talker.request()  # taken, then closed without a byte
            else:
                await talker.gone()

        async with serving(talk) as server:
            backend = backend_of(server.port)
            for _ in range(2):
                assert (await fetch(pool, backend, b"/", 2.0)).body == b"ok"
            assert server.accepted == 2
            pool.close()

    uvloop.run(main())


def test_what_fails_on_a_fresh_connection_is_not_tried_again() -> None:
    async def main() -> None:
        pool = Pool(Egress(2.0))
        async with serving(says(b"")) as server:
            with pytest.raises(ConnectFailed, match="without an answer"):
                await fetch(pool, backend_of(server.port), b"/", 2.0)
            assert server.accepted == 1

    uvloop.run(main())


class Small(Waited[None]):
    def failed(self, reason: FallbackReason, detail: str, received: bool) -> None:
        self.gone(ConnectFailed("http", detail), received)


def test_a_connection_that_was_closed_as_it_was_made_is_told() -> None:
    async def main() -> None:
        pool = Pool(Egress(2.0))

        async def once(conn: UpstreamConnection, kept: bool) -> None:
            while conn.is_free():
                await asyncio.sleep(0.001)
            await Small(conn, kept).ask(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n", b"")

        async def talk(_: Talker) -> None:
            return

        async with serving(talk) as server:
            with pytest.raises(ConnectFailed, match="closed the connection at once"):
                await pool.ask(backend_of(server.port), False, once)
            assert server.accepted == 1
        pool.close()

    uvloop.run(main())


@pytest.mark.parametrize("first", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhal"])
def test_it_does_not_wait_longer_than_told(first: bytes) -> None:
    async def stalls(talker: Talker) -> None:
        await talker.request()
        await talker.say(first)
        await talker.gone()

    async def main() -> None:
        pool = Pool(Egress(2.0))
        async with serving(stalls) as server:
            started = time.monotonic()
            with pytest.raises(ConnectFailed, match=r"within 0\.2 s"):
                await fetch(pool, backend_of(server.port), b"/", 0.2)
            assert time.monotonic() - started < 1.0

    uvloop.run(main())


def test_an_answer_too_large_is_left() -> None:
    async def endless(talker: Talker) -> None:
        await talker.request()
        await talker.say(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            await talker.say(b"y" * 262_144)

    async def main() -> None:
        pool = Pool(Egress(2.0))
        async with serving(endless) as server:
            with pytest.raises(ConnectFailed, match="too large"):
                await fetch(pool, backend_of(server.port), b"/", 10.0)

    uvloop.run(main())
