"""upstream.egress: the one way out. Which addresses it refuses, what it says when a connection fails, and TLS."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from pathlib import Path
from typing import Any

import pytest
import uvloop

from pointsman.routing.specs import BackendSpec
from pointsman.upstream.backend import Backend
from pointsman.upstream.connection import UpstreamConnection
from pointsman.upstream.egress import ConnectFailed, Egress, EgressRefused
from pointsman.upstream.pool import Pool

from .certificates import authority_file, server_context
from .raw import OK, Talker, ask, backend_of, open_files, says, serving, spec_of


def outside_address() -> str | None:
    """An address of this machine that is not loopback; no packet is sent to find it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("198.51.100.1", 9))
        except OSError:
            return None
        address = str(probe.getsockname()[0])
        return None if address.startswith("127.") else address


OUTSIDE = outside_address()
needs_outside = pytest.mark.skipif(OUTSIDE is None, reason="this machine has no address but loopback")


async def opened(
    backend: Backend, egress: Egress | None = None, *, local_only: bool = False
) -> UpstreamConnection:
    return await (egress or Egress(2.0)).open(backend, lambda conn: None, local_only=local_only)


def refusal(backend: Backend, egress: Egress | None = None, *, local_only: bool = False) -> str:
    async def main() -> str:
        with pytest.raises(EgressRefused) as caught:
            await opened(backend, egress, local_only=local_only)
        assert caught.value.status == 502
        return caught.value.public

    return uvloop.run(main())


def failure(backend: Backend, egress: Egress | None = None) -> ConnectFailed:
    async def main() -> ConnectFailed:
        with pytest.raises(ConnectFailed) as caught:
            await opened(backend, egress)
        return caught.value

    return uvloop.run(main())


# -- addresses


@pytest.mark.parametrize(
    ("key", "url", "more"),
    [
        ("openai", "https://169.254.169.254", {}),
        ("openai", "http://169.254.169.254", {"allow_http": True}),
        ("local/x", "http://169.254.169.254", {"allow_http": True}),
        ("local/x", "http://0.0.0.0:80", {"allow_http": True}),
        ("local/x", "http://[::]:80", {"allow_http": True}),
        ("local/x", "http://[fe80::1]", {"allow_http": True}),
        ("local/x", "http://[::ffff:169.254.169.254]", {"allow_http": True}),
        ("local/x", "http://[64:ff9b::a9fe:a9fe]", {"allow_http": True}),
        ("local/x", "http://224.0.0.1", {"allow_http": True}),
        ("local/x", "http://2852039166", {"allow_http": True}),
        ("openai", "http://10.0.0.1", {}),
        ("anthropic", "http://192.168.1.1", {}),
        ("local/x", "http://198.51.100.1", {}),
        ("openai", "http://198.51.100.1", {}),
    ],
)
def test_addresses_that_are_never_connected_to(key: str, url: str, more: dict[str, Any]) -> None:
    kind, _, name = key.partition("/")
    spec = spec_of(1, key=key).__class__(key=key, type=kind, name=name, base_url=url, **more)
    assert refusal(Backend(spec))


def test_this_gateway_is_never_called() -> None:
    async def main() -> None:
        async with serving(says(OK)) as server:
            egress = Egress(2.0, frozenset({("127.0.0.1", server.port)}))
            for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]"):
                with pytest.raises(EgressRefused, match="itself"):
                    await opened(backend_of(server.port, host=host), egress)
            assert server.accepted == 0

    uvloop.run(main())


# -- local_only is a wall


@pytest.mark.parametrize(
    ("key", "url"),
    [
        ("openai", "https://api.openai.com"),
        ("local/x", "http://10.1.2.3:8080"),
        ("local/x", "https://198.51.100.1"),
        ("openai", "https://[2001:db8::1]"),
    ],
)
def test_local_only_lets_nothing_out(key: str, url: str) -> None:
    """Also what would be allowed otherwise, and before a single packet is sent to it."""
    kind, _, name = key.partition("/")
    backend = Backend(spec_of(1).__class__(key=key, type=kind, name=name, base_url=url, allow_http=True))
    if backend.url is not None and backend.url.address is None:

        async def main() -> None:
            with pytest.raises(
                (EgressRefused, ConnectFailed)
            ):  # refused, or the name does not even resolve here
                await opened(backend, Egress(2.0), local_only=True)

        uvloop.run(main())
    else:
        assert "local-only" in refusal(backend, local_only=True)


@needs_outside
def test_local_only_judges_the_address_not_the_machine() -> None:
    """This very machine, by an address that others can reach: not loopback, so not local-only."""
    assert OUTSIDE is not None

    async def main() -> None:
        async with serving(says(OK), host=OUTSIDE or "") as server:
            backend = backend_of(server.port, host=OUTSIDE or "", allow_http=True)
            with pytest.raises(EgressRefused):
                await opened(backend, local_only=True)
            assert server.accepted == 0
            conn = await opened(backend)
            assert not conn.peer_local
            conn.close()

    uvloop.run(main())


@needs_outside
def test_a_kept_connection_to_outside_is_not_used_for_a_local_only_request() -> None:
    async def main() -> None:
        pool = Pool(Egress(2.0))
        async with serving(says(OK, close=False), host=OUTSIDE or "") as server:
            backend = backend_of(server.port, host=OUTSIDE or "", allow_http=True)
            sink, conn = await ask(pool, backend)
            assert await sink.result() == "end"
            assert conn.is_free()
            assert pool.take(backend, True) is None

    uvloop.run(main())


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1.2.3"])
def test_local_only_lets_loopback_through(host: str) -> None:
    async def main() -> None:
        async with serving(says(OK), host=host if host[0] == "1" else "127.0.0.1") as server:
            conn = await opened(backend_of(server.port, host=host), local_only=True)
            assert conn.peer_local
            conn.close()

    uvloop.run(main())


# -- failures, each with its step


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_nobody_listens() -> None:
    error = failure(backend_of(free_port()))
    assert error.step == "tcp"
    assert "refused" in error.public


def test_a_name_that_does_not_resolve() -> None:
    error = failure(backend_of(1, host="no-such-host.invalid"))
    assert error.step in ("dns", "tcp")  # tcp: the resolver itself did not answer in time
    assert "no-such-host.invalid" in error.public or "within" in error.public


def test_the_next_address_of_a_name_is_tried() -> None:
    async def main() -> None:
        async with serving(says(OK)) as server:  # on IPv4 alone; `localhost` may be IPv6 first
            conn = await opened(backend_of(server.port, host="localhost"))
            assert conn.peer_local
            conn.close()

    uvloop.run(main())


def test_connecting_has_a_limit() -> None:
    """A listener whose queue is full answers no further handshake."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
            fillers.append(filler)
        started = time.monotonic()
        try:
            error = failure(backend_of(port), Egress(0.3))
        finally:
            for filler in fillers:
                filler.close()
    assert (error.step, error.public) == ("tcp", "no connection within 0.3 s")
    assert time.monotonic() - started < 2.0


def test_a_tls_server_that_never_speaks_is_left_in_time() -> None:
    async def silent(talker: Talker) -> None:
        await talker.gone()

    async def main() -> None:
        async with serving(silent) as server:
            before = open_files()
            started = time.monotonic()
            with pytest.raises(ConnectFailed) as caught:
                await opened(backend_of(server.port, scheme="https"), Egress(0.3))
            assert (caught.value.step, caught.value.public) == ("tls", "no TLS handshake within 0.3 s")
            assert time.monotonic() - started < 2.0
            await asyncio.sleep(0.05)
            assert open_files() <= before + 1  # the server's own side may still close

    uvloop.run(main())


def test_a_missing_unix_socket(tmp_path: Path) -> None:
    spec = spec_of(1).__class__(key="local/x", type="local", name="x", base_url=f"unix:{tmp_path}/none")
    assert failure(Backend(spec)).step == "tcp"


def test_proxy_variables_are_not_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")

    async def main() -> None:
        async with serving(says(OK)) as server:
            conn = await opened(backend_of(server.port))
            assert conn.peer()[1] == server.port
            conn.close()

    uvloop.run(main())


def test_a_cancelled_open_leaves_no_socket() -> None:
    async def silent(talker: Talker) -> None:
        await talker.gone()

    async def main() -> None:
        async with serving(silent) as server:
            for _ in range(10):
                task = asyncio.ensure_future(opened(backend_of(server.port, scheme="https")))
                await asyncio.sleep(0.02)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task

    uvloop.run(main())  # `serving` fails when a connection is still open


# -- TLS


def tls_outcome(context: ssl.SSLContext, host: str = "localhost") -> str:
    """ "ok", or what was said; and a refused certificate must not have let a request through."""

    async def main() -> str:
        pool = Pool(Egress(3.0))
        async with serving(says(OK), tls=context) as server:
            try:
                sink, _ = await ask(pool, backend_of(server.port, key="openai", scheme="https", host=host))
            except ConnectFailed as error:
                assert error.step == "tls"
                assert server.heads == []
                return error.public
            assert await sink.result() == "end"
            return "ok"

    return uvloop.run(main())


def test_a_good_certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority_file(tmp_path)))
    assert tls_outcome(server_context(tmp_path)) == "ok"


@pytest.mark.parametrize(
    ("options", "host", "words"),
    [
        ({"signed": False}, "localhost", "self-signed"),
        ({"expired": True}, "localhost", "expired"),
        ({"name": "example.com"}, "localhost", "localhost"),
        ({}, "127.0.0.1", "127.0.0.1"),
    ],
)
def test_a_bad_certificate_is_refused_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], host: str, words: str
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority_file(tmp_path)))
    said = tls_outcome(server_context(tmp_path, **options), host)
    assert "certificate was refused" in said
    assert words in said.replace("self signed", "self-signed")


def test_an_unknown_authority_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    assert "certificate was refused" in tls_outcome(server_context(tmp_path))


def test_a_plain_server_is_not_spoken_to_in_clear() -> None:
    async def main() -> None:
        async with serving(says(OK)) as server:
            with pytest.raises(ConnectFailed) as caught:
                await opened(backend_of(server.port, scheme="https"), Egress(0.5))
            assert caught.value.step == "tls"

    uvloop.run(main())


def test_old_tls_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority_file(tmp_path)))
    context = server_context(tmp_path)
    try:
        with pytest.warns(DeprecationWarning):
            context.maximum_version = ssl.TLSVersion.TLSv1_1
            context.minimum_version = ssl.TLSVersion.TLSv1
    except ValueError:
        pytest.skip("this OpenSSL cannot even serve TLS 1.1")
    said = tls_outcome(context)
    assert "TLS failed" in said or "reset" in said


def test_a_connection_does_not_wait_to_fill_packets() -> None:
    async def main() -> None:
        async with serving(says(OK)) as server:
            conn = await opened(backend_of(server.port))
            sock = conn._transport.get_extra_info("socket")  # type: ignore[union-attr]
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            conn.close()

    uvloop.run(main())


def test_an_address_that_swallows_everything_leaves_time_for_the_next() -> None:
    """`localhost` as IPv6 has a listener whose queue is full, as IPv4 one that answers."""

    async def main() -> None:
        async with serving(says(OK)) as server:
            try:
                names = {
                    info[4][0]
                    for info in socket.getaddrinfo("localhost", server.port, type=socket.SOCK_STREAM)
                }
                full = socket.create_server(("::1", server.port), family=socket.AF_INET6, backlog=0)
            except OSError:
                pytest.skip("no IPv6 loopback here")
            with full:
                if names != {"::1", "127.0.0.1"}:
                    pytest.skip("localhost is not both here")
                fillers = [socket.socket(socket.AF_INET6) for _ in range(4)]
                for filler in fillers:
                    filler.setblocking(False)
                    filler.connect_ex(("::1", server.port))
                conn = await opened(backend_of(server.port, host="localhost"), Egress(1.0))
                assert conn.peer()[0] == "127.0.0.1"
                conn.close()
                for filler in fillers:
                    filler.close()

    uvloop.run(main())


def test_while_the_name_server_is_away_the_last_addresses_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        answers: list[Any] = [
            [(2, 1, 6, "", ("127.0.0.1", 8080))],
            OSError(-3, "try again"),
            OSError(-3, "try again"),
        ]

        async def getaddrinfo(*_: Any, **__: Any) -> Any:
            found = answers.pop(0)
            if isinstance(found, OSError):
                raise found
            return found

        monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo, raising=False)
        egress = Egress(1.0)
        backend = Backend(BackendSpec(key="local/b", type="local", name="b", base_url="http://box.test:8080"))
        assert await egress.resolve(backend) == ["127.0.0.1"]
        assert await egress.resolve(backend) == ["127.0.0.1"]
        other = Backend(BackendSpec(key="local/c", type="local", name="c", base_url="http://other.test:8080"))
        with pytest.raises(ConnectFailed):
            await egress.resolve(other)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("key", "host", "ip", "named", "good"),
    [
        ("local/x", "host.docker.internal", "192.168.65.254", "host.docker.internal", True),
        ("local/x", "host.docker.internal", "172.17.0.1", "host.docker.internal", True),
        ("local/x", "host.docker.internal", "fdc4:f303:9324::254", "host.docker.internal", True),
        ("local/x", "host.docker.internal", "192.168.65.254", "", False),
        ("local/x", "host.docker.internal", "192.168.65.254", "other.internal", False),
        ("local/x", "nas.lan", "192.168.65.254", "host.docker.internal", False),
        ("local/x", "192.168.65.254", "192.168.65.254", "host.docker.internal", False),
        ("local/x", "host.docker.internal", "203.0.113.9", "host.docker.internal", False),
        ("openai", "host.docker.internal", "192.168.65.254", "host.docker.internal", False),
        ("local/x", "localhost", "127.0.0.1", "host.docker.internal", True),
    ],
)
def test_a_container_s_host_is_behind_the_wall_only_where_the_setting_names_it(
    key: str, host: str, ip: str, named: str, good: bool
) -> None:
    kind, _, name = key.partition("/")
    url = f"http://{host}:11434" if kind == "local" else f"https://{host}:11434"
    backend = Backend(
        spec_of(1, key=key).__class__(key=key, type=kind, name=name, base_url=url, allow_http=True)
    )
    egress = Egress(1.0, local_host=named)
    egress.check(backend, ip, False)
    if good:
        egress.check(backend, ip, True)
        return
    with pytest.raises(EgressRefused, match="local-only"):
        egress.check(backend, ip, True)
