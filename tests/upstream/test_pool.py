"""upstream.pool: connections are kept, found stale, aged and closed; never shared where they must not be."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import uvloop

from pointsman.kinds import FallbackReason
from pointsman.upstream import pool as pool_module
from pointsman.upstream.backend import Backend
from pointsman.upstream.egress import Egress
from pointsman.upstream.pool import IDLE_SECONDS, MAX_IDLE, Pool

from .certificates import authority_file, server_context
from .raw import GET, OK, Noted, Talker, ask, backend_of, says, serving


def test_one_connection_serves_many_requests() -> None:
    async def main() -> None:
        pool = Pool(Egress(2.0))
        async with serving(says(OK, close=False)) as server:
            backend = backend_of(server.port)
            used = set()
            for _ in range(20):
                sink, conn = await ask(pool, backend)
                assert await sink.result() == "end"
                used.add(conn)
            assert len(used) == server.accepted == 1
            pool.close()

    uvloop.run(main())


def test_two_at_once_need_two_and_the_newest_is_taken_first() -> None:
    async def main() -> None:
        pool = Pool(Egress(2.0))
        async with serving(says(OK, close=False)) as server:
            backend = backend_of(server.port)
            first, one = await ask(pool, backend)
            second, two = await ask(pool, backend)
            assert one is not two
            assert await first.result() == await second.result() == "end"
            assert server.accepted == 2
            newest = max((one, two), key=lambda conn: conn.idle_since)
            assert pool.take(backend, False) is newest
            assert pool.take(backend, False) is not None
            assert pool.take(backend, False) is None
            one.close()
            two.close()

    uvloop.run(main())


def test_a_connection_that_the_server_closed_is_not_taken() -> None:
    async def main() -> None:
        pool = Pool(Egress(2.0))
        async with serving(says(OK)) as server:
            backend = backend_of(server.port)
            sink, conn = await ask(pool, backend)
            assert await sink.result() == "end"
            await asyncio.sleep(0.05)
            assert not conn.is_free()
            assert pool.take(backend, False) is None

    uvloop.run(main())


def test_a_stale_connection_says_that_nothing_was_received() -> None:
    """The server closes just as the request is sent: the one case in which a request may be sent again."""

    async def main() -> None:
        pool = Pool(Egress(2.0))

        async def talk(talker: Talker) -> None:
            await talker.request()
            await talker.say(OK)
            await talker.request()
            talker.writer.close()

        async with serving(talk) as server:
            backend = backend_of(server.port)
            sink, conn = await ask(pool, backend)
            await sink.result()
            again = Noted()
            assert pool.take(backend, False) is conn
            conn.send(GET, b"", again)
            result = await again.result()
            assert isinstance(result, tuple)
            assert (result[0], result[2]) == (FallbackReason.CONNECT, False)
            fresh, other = await ask(pool, backend)
            await fresh.result()
            assert server.accepted == 2
            other.close()

    uvloop.run(main())


def test_idle_connections_are_closed_in_time() -> None:
    async def main() -> None:
        pool = Pool(Egress(2.0))
        async with serving(says(OK, close=False)) as server:
            backend = backend_of(server.port)
            sink, conn = await ask(pool, backend)
            await sink.result()
            pool.tick(conn.idle_since + IDLE_SECONDS - 1)
            assert conn.is_free()
            pool.tick(conn.idle_since + IDLE_SECONDS + 1)
            assert not conn.is_free()
            assert pool.take(backend, False) is None

    uvloop.run(main())


def test_an_old_connection_is_not_kept() -> None:
    async def main() -> None:
        pool = Pool(Egress(2.0))
        async with serving(says(OK, close=False)) as server:
            backend = backend_of(server.port)
            sink, conn = await ask(pool, backend)
            conn.created -= pool_module.MAX_AGE_SECONDS + 1
            assert await sink.result() == "end"
            assert not conn.is_free()
            assert pool.take(backend, False) is None

    uvloop.run(main())


def test_there_is_a_limit_of_idle_connections() -> None:
    async def main() -> None:
        pool = Pool(Egress(5.0))
        async with serving(says(OK, close=False)) as server:
            backend = backend_of(server.port)
            conns = [await pool.open(backend, False) for _ in range(MAX_IDLE + 5)]
            sinks = [Noted() for _ in conns]
            for conn, sink in zip(conns, sinks, strict=True):
                conn.send(GET, b"", sink)
            for sink in sinks:
                await sink.result()
            assert sum(conn.is_free() for conn in conns) == MAX_IDLE
            pool.close()
            assert not any(conn.is_free() for conn in conns)

    uvloop.run(main())


@pytest.mark.parametrize("change", ["key", "base_url"])
def test_connections_of_another_backend_or_address_are_not_shared(change: str) -> None:
    async def main() -> None:
        pool = Pool(Egress(2.0))
        async with serving(says(OK, close=False)) as server:
            backend = backend_of(server.port)
            sink, conn = await ask(pool, backend)
            await sink.result()
            other = backend_of(server.port, key="local/other")
            if change == "base_url":
                other = backend_of(server.port, host="localhost")
            assert pool.take(other, False) is None
            assert pool.take(Backend(backend.spec), False) is conn  # the same row, read anew
            conn.close()

    uvloop.run(main())


def test_a_unix_socket_is_local(tmp_path_factory: pytest.TempPathFactory) -> None:
    import tempfile

    async def main(path: str) -> None:
        pool = Pool(Egress(2.0))

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(OK)
            await reader.read()
            writer.close()

        server = await asyncio.start_unix_server(serve, path)
        backend = Backend(
            backend_of(1).spec.__class__(key="local/u", type="local", name="u", base_url=f"unix:{path}")
        )
        conn = await pool.open(backend, True)
        sink = Noted()
        conn.send(GET, b"", sink)
        assert await sink.result() == "end"
        assert conn.peer_local
        assert pool.take(backend, True) is conn
        conn.close()
        server.close()
        await asyncio.sleep(0.01)

    with tempfile.TemporaryDirectory(prefix="pm-") as folder:
        uvloop.run(main(f"{folder}/s"))


EARLY = {
    "413": b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno",
    "401": b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n",
    "200": OK,
    "an answer in chunks": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
}


REFUSALS = ("413", "401")
"""The kernel takes 300 kB: who answers 200 after that has read it, as far as anybody can tell."""


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize(
    ("size", "answer"),
    [(300_000, EARLY[name]) for name in REFUSALS] + [(12_000_000, answer) for answer in EARLY.values()],
)
def test_a_connection_whose_server_answered_before_it_read_the_request_is_not_used_again(
    answer: bytes, tls: bool, size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next request stood behind the unread body and waited out its limit, 600 s."""

    async def main() -> None:
        done = asyncio.Event()

        async def talk(talker: Talker) -> None:
            await talker.reader.readuntil(b"\r\n\r\n")  # and not the body
            await talker.say(answer)
            await done.wait()

        monkeypatch.setenv("SSL_CERT_FILE", str(authority_file(tmp_path)))
        pool = Pool(Egress(2.0))
        async with serving(talk, server_context(tmp_path) if tls else None) as server:
            more = {"key": "openai", "scheme": "https", "host": "localhost"} if tls else {}
            backend = backend_of(server.port, **more)
            first, conn = await ask(pool, backend, body=b"x" * size)
            assert await first.result() == "end"
            assert not conn.is_free()
            second, other = await ask(pool, backend)
            assert other is not conn
            assert await second.result() == "end"
            done.set()
            pool.close()

    uvloop.run(main())


@pytest.mark.parametrize("status", [b"200 OK", b"400 Bad Request", b"429 Busy"])
def test_a_small_request_s_connection_is_kept_whatever_the_answer(status: bytes) -> None:
    post = b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 60000\r\n\r\n"

    async def main() -> None:
        pool = Pool(Egress(2.0))
        whole = b"HTTP/1.1 " + status + b"\r\ncontent-length: 2\r\n\r\nok"
        async with serving(says(whole, close=False)) as server:
            backend = backend_of(server.port)
            for _ in range(3):
                sink, _ = await ask(pool, backend, body=b"x" * 60_000, data=post)
                assert await sink.result() == "end"
            assert server.accepted == 1
            pool.close()

    uvloop.run(main())
