"""A model server that listens on a Unix socket, as llama-server, vLLM and uvicorn do."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvloop

from pointsman.kinds import BackendType
from pointsman.practice import PracticeServer
from pointsman.providers.urls import check_base_url, parse_base_url
from pointsman.routing.specs import BackendSpec
from pointsman.upstream.backend import Backend
from pointsman.upstream.egress import ConnectFailed, Egress, EgressRefused
from pointsman.upstream.fetch import fetch
from pointsman.upstream.pool import Pool
from tests.e2e.gateway import Gateway

FORMS = [
    ("unix:///run/llama.sock", "unix:///run/llama.sock", "unix:///run/llama.sock:/v1/models"),
    ("unix:/run/llama.sock", "unix:///run/llama.sock", "unix:///run/llama.sock:/v1/models"),
    ("UNIX:///run/llama.sock:/v1", "unix:///run/llama.sock", "unix:///run/llama.sock:/v1/models"),
    ("unix:///run/x.sock:/api/v3", "unix:///run/x.sock:/api/v3", "unix:///run/x.sock:/api/v3/models"),
    ("http+unix://%2Frun%2Fx.sock/v1", "unix:///run/x.sock", "unix:///run/x.sock:/v1/models"),
    ("http+unix://%2Frun%2Fx.sock", "unix:///run/x.sock", "unix:///run/x.sock:/v1/models"),
    ("http://unix:/run/x.sock:/openai", "unix:///run/x.sock:/openai", "unix:///run/x.sock:/openai/models"),
    ("http://unix:/run/x.sock:", "unix:///run/x.sock", "unix:///run/x.sock:/v1/models"),
    ("unix:///run/a%20b%3Ac.sock", "unix:///run/a%20b%3Ac.sock", "unix:///run/a%20b%3Ac.sock:/v1/models"),
    ("unix:///run/a:b.sock", "unix:///run/a%3Ab.sock", "unix:///run/a%3Ab.sock:/v1/models"),
]


@pytest.mark.parametrize(("given", "stored", "asked"), FORMS)
def test_how_a_socket_is_written(given: str, stored: str, asked: str) -> None:
    url = parse_base_url(given)
    assert url.text == stored
    assert parse_base_url(stored) == url
    for kind in (BackendType.LOCAL, BackendType.OPENAI):
        check_base_url(kind, url, allow_http=False)
    assert Backend(BackendSpec("local/x", "local", "x", stored)).url_of("/v1/models") == asked


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("unix://run/llama.sock", "unix:///run/llama.sock"),
        ("unix:llama.sock", "whole path"),
        ("unix:", "whole path"),
        ("unix:///run/", "whole path"),
        ("unix:@abstract", "whole path"),
        ("http+unix://run/x.sock", "whole path"),
        ("unix:///run/../x.sock", "'..'"),
        ("unix:///run/%00x", "control"),
        ("https://unix:/run/x.sock:/v1", "TLS is not spoken"),
        (f"unix:///{'a' * 108}", "bytes"),
        (f"unix:///{'%C3%BC' * 54}", "bytes"),
    ],
)
def test_what_is_no_socket_is_told_with_what_to_write(given: str, words: str) -> None:
    with pytest.raises(ValueError, match=words.replace(".", r"\.")):
        parse_base_url(given)


def test_two_sockets_are_two_origins() -> None:
    """A stored key goes to one of them only."""
    assert parse_base_url("unix:///run/a.sock").origin != parse_base_url("unix:///run/b.sock").origin
    assert parse_base_url("unix:///run/a.sock").origin != parse_base_url("http://localhost").origin


@contextmanager
def served(path: Path) -> Iterator[None]:
    """The practice model on a Unix socket, in a thread of its own."""
    ready, loop = threading.Event(), asyncio.new_event_loop()

    async def main() -> None:
        server = PracticeServer(path=str(path))
        await server.start()
        ready.set()
        await stop.wait()
        await server.stop()

    stop = asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(main()))
    thread.start()
    assert ready.wait(10)
    try:
        yield
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()


def asked(path: Path, egress: Egress | None = None) -> int:
    async def main() -> int:
        pool = Pool(egress or Egress(1.0))
        one = Backend(BackendSpec("local/x", "local", "x", f"unix://{path}"))
        try:
            return (await fetch(pool, one, b"/v1/models", 5.0, local_only=True)).status
        finally:
            pool.close()

    return uvloop.run(main())


def test_a_socket_is_of_this_machine(tmp_path: Path) -> None:
    with served(tmp_path / "x.sock"):
        assert asked(tmp_path / "x.sock") == 200


def test_the_gateways_own_socket_is_no_backend(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(EgressRefused, match="itself"):
        asked(tmp_path / "link" / "x.sock", Egress(1.0, own_socket=str(tmp_path / "x.sock")))


def test_what_is_wrong_with_a_socket_is_told_with_its_path(tmp_path: Path) -> None:
    path = tmp_path / "x.sock"
    with pytest.raises(ConnectFailed) as caught:
        asked(path)
    assert caught.value.public == f"there is no socket {path}; is the server running?"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    with pytest.raises(ConnectFailed) as caught:
        asked(path)
    assert caught.value.public == f"nobody listens on the socket {path}; is the server running?"
    with pytest.raises(ConnectFailed, match=r"unix:///run/x\.sock:/path"):
        asked(path / "v1")
    if os.geteuid():
        path.chmod(0)
        with pytest.raises(ConnectFailed, match="this user may not connect"):
            asked(path)


def test_a_gateway_asks_a_server_on_a_socket(tmp_path: Path, gateway: Gateway) -> None:
    path = tmp_path / "llama.sock"
    backend = gateway.backend("local", f"http+unix://{str(path).replace('/', '%2F')}/v1")
    assert gateway.api("GET", f"/api/local/{backend.partition('/')[2]}")["base_url"] == f"unix://{path}"
    model = gateway.fresh()
    gateway.rule(model, f"{backend}=practice", local_only=True)
    body = {"model": model, "messages": [{"role": "user", "content": "hello"}]}
    told = gateway.fetch("POST", "/v1/chat/completions", body)
    assert told.status == 502
    assert f"there is no socket {path}" in told.body.decode()
    with served(path):
        tested = gateway.api("POST", f"/api/local/{backend.partition('/')[2]}/test")
        assert tested["ok"], tested
        answer = gateway.fetch("POST", "/v1/chat/completions", body)
        assert answer.status == 200, answer.body
        found = gateway.api("GET", f"/api/explain?model={model}")["targets"][0]
        assert (found["leaves_machine"], found["proxy"]) == (False, None)
        assert found["urls"]["openai_chat"] == f"unix://{path}:/v1/chat/completions"
