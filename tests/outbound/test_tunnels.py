"""A connection through a proxy: CONNECT and SOCKS 5, TLS to the backend inside, and every way in which a proxy fails. The
backend's name is one that nobody resolves (`.invalid`): who opened a way to it was the proxy."""

from __future__ import annotations

import time
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest

from pointsman.kinds import ErrorKind
from pointsman.practice import ScriptedUpstream
from pointsman.providers.proxies import Proxies
from pointsman.routing.specs import BackendSpec
from pointsman.secret import Secret
from pointsman.upstream.backend import Backend
from pointsman.upstream.egress import ConnectFailed, Egress, EgressRefused
from pointsman.upstream.fetch import fetch
from pointsman.upstream.pool import Pool
from tests.upstream.certificates import authority_file, server_context

from .resolver import without_dns
from .scripted_proxy import ScriptedProxy

HOST = "api.invalid"
SECONDS = 2.0


@pytest.fixture(autouse=True)
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority_file(tmp_path)))


def backend(scheme: str = "https", host: str = HOST, **more: Any) -> Backend:
    key = Secret("sk-of-the-backend")
    return Backend(
        BackendSpec("openai/x", "openai", "x", f"{scheme}://{host}", auth="bearer", api_key=key, **more)
    )


def asked(
    environ: dict[str, str], one: Backend, *, local_only: bool = False, seconds: float = SECONDS
) -> int | ConnectFailed | EgressRefused:
    """The status of its model list, or why there is none."""

    async def main() -> int | ConnectFailed | EgressRefused:
        pool = Pool(Egress(seconds, proxies=Proxies.from_environment(environ)))
        try:
            return (await fetch(pool, one, b"/v1/models", 5.0, local_only=local_only)).status
        except (ConnectFailed, EgressRefused) as error:
            return error
        finally:
            pool.close()

    return without_dns(main())


def failed(environ: dict[str, str], one: Backend, seconds: float = SECONDS) -> ConnectFailed:
    found = asked(environ, one, seconds=seconds)
    assert isinstance(found, ConnectFailed), found
    assert found.kind is ErrorKind.UPSTREAM_UNREACHABLE
    return found


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_tls_to_the_backend_goes_inside_and_the_proxy_never_sees_the_key(tmp_path: Path, scheme: str) -> None:
    with ScriptedUpstream(ssl_context=server_context(tmp_path, name=HOST)) as server:
        tls = server_context(tmp_path) if scheme == "https" else None
        with ScriptedProxy({f"{HOST}:443": server.port}, tls=tls) as proxy:
            environ = {"HTTPS_PROXY": f"{scheme}://localhost:{proxy.port}"}
            assert asked(environ, backend()) == 200
        assert proxy.targets == [f"{HOST}:443"]
        assert b"sk-of-the-backend" not in b"".join(proxy.heads)
        assert server.requests[0].headers["authorization"] == "Bearer sk-of-the-backend"


def test_plain_http_goes_by_connect_too(tmp_path: Path) -> None:
    with ScriptedUpstream() as server, ScriptedProxy({f"{HOST}:80": server.port}) as proxy:
        environ = {"http_proxy": f"127.0.0.1:{proxy.port}"}
        assert asked(environ, backend("http", allow_http=True)) == 200
        assert proxy.targets == [f"{HOST}:80"]
        refused = asked(environ, backend("http"))
        assert isinstance(refused, EgressRefused)
        assert f"NO_PROXY={HOST}" in refused.public
        assert len(proxy.heads) == 1


@pytest.mark.parametrize("scheme", ["socks5h", "socks"])
def test_socks_with_a_login(tmp_path: Path, scheme: str) -> None:
    with ScriptedUpstream(ssl_context=server_context(tmp_path, name=HOST)) as server:
        with ScriptedProxy({f"{HOST}:443": server.port}, socks=True, login=b"me:p@ss") as proxy:
            at = f"127.0.0.1:{proxy.port}"
            assert asked({"ALL_PROXY": f"{scheme}://me:p%40ss@{at}"}, backend()) == 200
            wrong = failed({"ALL_PROXY": f"{scheme}://me:other@{at}"}, backend())
            none = failed({"ALL_PROXY": f"{scheme}://{at}"}, backend())
    assert (wrong.step, none.step) == ("proxy", "proxy")
    assert "refused the login" in wrong.public
    assert "other" not in wrong.public
    assert "wants a login" in none.public


def test_socks_says_what_became_of_the_connection() -> None:
    with ScriptedProxy(socks=True, reply=5) as proxy:
        error = failed({"all_proxy": f"socks5h://127.0.0.1:{proxy.port}"}, backend())
    assert f"connecting to {HOST}:443 failed: the connection was refused" in error.public


@pytest.mark.parametrize("login", ["me:secret-word", "me%40corp:secret-word", "me:secret-word%2Fa@b"])
def test_the_login_of_the_proxys_url(tmp_path: Path, login: str) -> None:
    with ScriptedUpstream(ssl_context=server_context(tmp_path, name=HOST)) as server:
        with ScriptedProxy({f"{HOST}:443": server.port}, login=b"any") as proxy:
            assert asked({"HTTPS_PROXY": f"http://{login}@127.0.0.1:{proxy.port}"}, backend()) == 200
    user, _, password = b64decode(proxy.logins[0].partition(b" ")[2]).decode().partition(":")
    assert user in ("me", "me@corp")
    assert password in ("secret-word", "secret-word/a@b")
    assert "proxy-authorization" not in server.requests[0].headers


NO_LOGIN = b"HTTP/1.1 407 Auth\r\nProxy-Authenticate: %b\r\nContent-Length: 2\r\n\r\nno"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (NO_LOGIN % b"Basic realm=corp", "refused the login (407)"),
        (NO_LOGIN % b"NTLM\r\nProxy-Authenticate: Negotiate", "negotiate, ntlm"),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", "many allow port 443 alone"),
        (b"HTTP/1.0 401 Unauthorized\r\n\r\n", "the login (401)"),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", f"could not reach {HOST}:443 (502)"),
        (b"HTTP/1.1 504 Timeout\r\nContent-Type: text/html\r\n\r\n<html>x</html>", "could not reach"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://login/\r\n\r\n", "with 302"),
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>log in</html>", "a page"),
        (b"HTTP/1.1 200 OK\r\n\r\nSSH-2.0-OpenSSH\r\n", "something of its own"),
        (b"<html>hello</html>", "did not answer in HTTP"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "did not answer in HTTP"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000, "without end"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 40, "without end"),
        (b"HTTP/1.1 200 OK\r\nX: y", "closed the connection"),
        (b"", "closed the connection"),
    ],
)  # fmt: skip
def test_a_proxy_that_opens_no_way_is_named_and_its_status_is_not_the_backends(
    answer: bytes, words: str
) -> None:
    with ScriptedProxy(answer=answer) as proxy:
        url = f"http://me:secret-word@127.0.0.1:{proxy.port}"
        error = failed({"https_proxy": url}, backend())
    assert error.step == "proxy"
    assert words in error.public
    assert f"the proxy http://127.0.0.1:{proxy.port} (https_proxy)" in error.public
    assert "secret-word" not in f"{error.public} {error!r}"
    assert "me:" not in error.public


def test_a_large_but_whole_head_opens_the_way(tmp_path: Path) -> None:
    with ScriptedUpstream(ssl_context=server_context(tmp_path, name=HOST)) as server:
        with ScriptedProxy({f"{HOST}:443": server.port}) as proxy:
            from . import scripted_proxy

            big = scripted_proxy.OPENED.replace(b"\r\n\r\n", b"\r\nVia: " + b"v" * 30_000 + b"\r\n\r\n")
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(scripted_proxy, "OPENED", big)
                assert asked({"HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}"}, backend()) == 200


def test_a_proxy_that_says_nothing_is_left_in_time() -> None:
    with ScriptedProxy(answer=b"HTTP/1.1 200", hold=True) as proxy:
        started = time.monotonic()
        error = failed({"HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}"}, backend(), seconds=0.3)
    assert (error.step, time.monotonic() - started < 2.0) == ("proxy", True)
    assert (
        error.public == f"the proxy http://127.0.0.1:{proxy.port} (HTTPS_PROXY) gave no answer within 0.3 s"
    )


def test_a_proxy_that_is_not_there() -> None:
    with ScriptedProxy() as proxy:
        port = proxy.port
    error = failed({"ALL_PROXY": f"http://localhost:{port}"}, backend())
    assert (
        error.public == f"the proxy http://localhost:{port} (ALL_PROXY) cannot be reached: connection refused"
    )
    error = failed({"ALL_PROXY": "http://no-such-proxy.invalid:1"}, backend())
    assert "no-such-proxy.invalid" in error.public
    assert error.step == "proxy"


def test_a_proxy_that_opens_a_way_and_closes_it_is_named_in_plain_words() -> None:
    with ScriptedProxy(answer=b"HTTP/1.1 200 OK\r\n\r\n") as proxy:
        error = failed({"HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}"}, backend())
    assert f"(through the proxy http://127.0.0.1:{proxy.port} (HTTPS_PROXY))" in error.public
    assert "connection" in error.public
    assert "error" not in error.public


def test_an_https_proxy_whose_certificate_is_refused_or_that_speaks_no_tls(tmp_path: Path) -> None:
    with ScriptedProxy(tls=server_context(tmp_path, name="other.invalid")) as proxy:
        error = failed({"HTTPS_PROXY": f"https://localhost:{proxy.port}"}, backend())
    assert error.step == "proxy"
    assert "showed a certificate that was refused" in error.public
    with ScriptedProxy(answer=b"x") as proxy:
        error = failed({"HTTPS_PROXY": f"https://localhost:{proxy.port}"}, backend(), seconds=0.5)
    assert error.step == "proxy"


def test_the_certificate_inside_must_be_the_backends_own(tmp_path: Path) -> None:
    """A proxy that opens TLS, or leads elsewhere, gets no key."""
    with ScriptedUpstream(ssl_context=server_context(tmp_path, name="elsewhere.invalid")) as server:
        with ScriptedProxy({f"{HOST}:443": server.port}) as proxy:
            error = failed({"HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}"}, backend())
        assert server.requests == []
    assert error.step == "tls"
    assert f"{HOST}: its certificate was refused" in error.public
    with ScriptedUpstream(ssl_context=server_context(tmp_path, name=HOST, signed=False)) as server:
        with ScriptedProxy({f"{HOST}:443": server.port}) as proxy:
            error = failed({"HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}"}, backend())
    assert "(HTTPS_PROXY) opens TLS, or a CA of your own signed it" in error.public
    assert "pointsman credential set openai/x --ca-file PATH" in error.public


def test_behind_a_wall_no_proxy_is_used(tmp_path: Path) -> None:
    """Even one on this machine: what comes out at its end is elsewhere."""
    with ScriptedProxy({f"{HOST}:443": 1}) as proxy:
        found = asked({"ALL_PROXY": f"http://127.0.0.1:{proxy.port}"}, backend(), local_only=True)
    assert isinstance(found, (ConnectFailed, EgressRefused))
    assert proxy.heads == []


def test_a_kept_connection_through_a_proxy_of_this_machine_is_not_local(tmp_path: Path) -> None:
    async def main(port: int) -> None:
        pool = Pool(Egress(SECONDS, proxies=Proxies.from_environment({"ALL_PROXY": f"127.0.0.1:{port}"})))
        one = backend()
        assert (await fetch(pool, one, b"/v1/models", 5.0)).status == 200
        assert pool.take(one, True) is None
        pool.close()

    with ScriptedUpstream(ssl_context=server_context(tmp_path, name=HOST)) as server:
        with ScriptedProxy({f"{HOST}:443": server.port}) as proxy:
            without_dns(main(proxy.port))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.9.9.9"])
def test_this_machine_is_never_reached_by_a_proxy(host: str) -> None:
    with ScriptedUpstream() as server, ScriptedProxy() as proxy:
        environ = {"ALL_PROXY": f"127.0.0.1:{proxy.port}", "NO_PROXY": ""}
        one = Backend(BackendSpec("local/x", "local", "x", f"http://{host}:{server.port}"))
        assert isinstance(asked(environ, one), (int, ConnectFailed))
    assert proxy.heads == []


@pytest.mark.parametrize("scheme", ["http", "socks5", "socks5h"])
@pytest.mark.parametrize("address", ["169.254.169.254", "[fe80::1]", "100.100.100.200"])
def test_addresses_that_nothing_is_sent_to_are_no_proxys_either(scheme: str, address: str) -> None:
    with ScriptedProxy(socks=scheme != "http") as proxy:
        found = asked({"ALL_PROXY": f"{scheme}://127.0.0.1:{proxy.port}"}, backend(host=address))
    assert isinstance(found, EgressRefused), found
    assert proxy.heads == []


def test_the_gateway_is_not_its_own_proxy() -> None:
    async def main() -> str:
        with ScriptedProxy() as proxy:
            proxies = Proxies.from_environment({"ALL_PROXY": f"http://127.0.0.1:{proxy.port}"})
            egress = Egress(SECONDS, frozenset({("127.0.0.1", proxy.port)}), proxies)
            with pytest.raises(EgressRefused) as caught:
                await egress.open(backend(), lambda conn: None)
            assert proxy.heads == []
            return caught.value.public

    assert "this gateway itself" in without_dns(main())
