"""`pointsman serve --unix PATH`: the gateway on a Unix socket, alone or beside its port."""

from __future__ import annotations

import grp
import os
import signal
import socket
import stat
import time
from collections.abc import Callable
from pathlib import Path

import anthropic
import httpx
import httpx2
import openai
import pytest

from tests.e2e.gateway import Gateway, run_cli

MESSAGES = [{"role": "user", "content": "hello"}]


def client(path: Path) -> httpx.Client:
    return httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), base_url="http://localhost")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.fixture
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose path leaves room for a socket's name."""
    return tmp_path_factory.mktemp("s")


def test_the_gateway_on_a_socket_alone(short: Path, own_gateway: Callable[..., Gateway]) -> None:
    """What a person does with it, from the socket that another one left behind to the end."""
    path = short / "p.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    before = os.umask(0)
    try:
        gateway = own_gateway("--unix", str(path), "--workers", "2", data_dir=short / "data")
    finally:
        os.umask(before)
    assert gateway.url == f"unix://{path}"
    assert mode(path) == 0o600
    with client(path) as http:
        assert [http.get("/livez").status_code for _ in range(8)] == [200] * 8
        asked = {"model": "practice", "messages": MESSAGES}
        assert http.post("/v1/chat/completions", json=asked).status_code == 200
        assert http.get("/v1/models", headers={"host": "evil.example"}).status_code == 403
        assert http.get("/v1/models", headers={"origin": "http://evil.example"}).status_code == 403
        sdk = openai.OpenAI(api_key="none", base_url="http://localhost/v1", http_client=http)
        told = sdk.chat.completions.create(model="practice", messages=[{"role": "user", "content": "hello"}])
        assert told.choices[0].message.content
        way = httpx2.Client(transport=httpx2.HTTPTransport(uds=str(path)))
        other = anthropic.Anthropic(api_key="none", base_url="http://localhost", http_client=way)
        stream = other.messages.create(
            model="practice", max_tokens=50, messages=[{"role": "user", "content": "hello"}], stream=True
        )
        assert [event.type for event in stream][-1] == "message_stop"
        other.close()

        assert gateway.cli("doctor").splitlines()[0].endswith(f"The gateway answers at unix://{path}.")
        gateway.cli("local", "add", "me", "--url", f"unix://{path}", "--no-try")
        gateway.cli("mapping", "add", "loop", "--to", "local/me")
        looped = http.post("/v1/chat/completions", json={**asked, "model": "loop"})
        assert looped.status_code == 502
        assert "this gateway itself" in looped.text
        secret = gateway.cli_json("key", "create")["secret"]
        assert http.post("/v1/chat/completions", json=asked).status_code == 401
        good = http.post("/v1/chat/completions", json=asked, headers={"x-api-key": secret})
        assert good.status_code == 200

    second = run_cli(short / "other", "serve", "--unix", str(path))
    assert second.returncode == 1
    assert second.stderr == (
        f"error: cannot listen on {path}: somebody else listens there; stop that, or choose another with --unix\n"
    )
    assert gateway.process is not None
    os.kill(gateway.process.pid, signal.SIGKILL)  # leaves the socket; its processes end in a moment
    gateway.process.wait(10)
    gateway.process = None
    gateway.start()
    with client(path) as http:
        assert http.get("/livez").status_code == 200
    assert gateway.stop() == 0
    assert not path.exists()


def test_a_socket_beside_the_port_and_for_a_group(short: Path, own_gateway: Callable[..., Gateway]) -> None:
    path = short / "both.sock"
    group = grp.getgrgid(os.getgid()).gr_name
    env = {"POINTSMAN_UNIX": str(path), "POINTSMAN_UNIX_GROUP": group}
    gateway = own_gateway("--port", "0", env=env, data_dir=short / "data")
    assert gateway.started["unix"] == str(path)
    assert gateway.fetch("GET", "/livez").status == 200
    assert mode(path) == 0o660
    with client(path) as http:
        assert http.get("/livez").status_code == 200
    path.unlink()
    with socket.socket(socket.AF_UNIX) as others:  # by now somebody else's
        others.bind(str(path))
        gateway.stop()
        assert path.exists()


def test_a_path_that_cannot_be_listened_on_is_one_line(short: Path) -> None:
    (short / "file").write_text("mine")
    for path, more, words in (
        (short / "file", [], "no socket"),
        (short / "none" / "p.sock", [], "no such file"),
        (short / ("x" * 120), [], "too long"),
        (short / "g.sock", ["--unix-group", "no-such-group"], "no such group"),
    ):
        started = time.monotonic()
        done = run_cli(short / "data", "serve", "--unix", str(path), *more)
        assert done.returncode == 1, (path, done.stderr)
        assert done.stderr.startswith(f"error: cannot listen on {path}: ")
        assert words in done.stderr
        assert done.stderr.count("\n") == 1
        assert time.monotonic() - started < 30
    assert (short / "file").read_text() == "mine"
    assert not (short / "g.sock").exists()


def test_the_first_screen_says_how_curl_reaches_a_socket(
    short: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from pointsman.cli.welcome import welcome

    welcome(short / "data", f"unix://{short}/p.sock")
    shown = capsys.readouterr().out
    assert f"curl --unix-socket {short}/p.sock http://localhost/v1/chat/completions" in shown
    assert "/ui" not in shown
