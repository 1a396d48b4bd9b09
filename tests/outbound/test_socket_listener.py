"""`pointsman serve --unix PATH`: the gateway on a Unix socket, alone or beside its port."""

from __future__ import annotations

import grp
import os
import signal
import socket
import stat
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import anthropic
import httpx
import httpx2
import openai
import pytest
from click.testing import CliRunner

from pointsman.cli.serve import command
from pointsman.errors import PointsmanError
from pointsman.process.listeners import Listeners
from pointsman.process.standing import Standing
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


def test_the_gateway_on_a_socket_alone_and_then_beside_its_port(
    short: Path, own_gateway: Callable[..., Gateway]
) -> None:
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
        _use(gateway, http, path)
    second = run_cli(short / "other", "serve", "--unix", str(path))
    assert second.returncode == 1
    assert second.stderr == (
        f"error: cannot listen on {path}: somebody else listens there; stop that, or choose another with --unix\n"
    )
    assert gateway.process is not None
    os.kill(gateway.process.pid, signal.SIGKILL)  # leaves the socket; its processes end in a moment
    gateway.process.wait(10)
    gateway.process = None
    gateway.options = ("--port", "0")
    group = grp.getgrgid(os.getgid()).gr_name
    gateway.env = {"POINTSMAN_UNIX": str(path), "POINTSMAN_UNIX_GROUP": group}
    gateway.start()
    assert gateway.started["unix"] == str(path)
    assert gateway.fetch("GET", "/livez").status == 200
    assert mode(path) == 0o660
    with client(path) as http:
        assert http.get("/livez").status_code == 200
    assert gateway.stop() == 0
    assert not path.exists()


def _use(gateway: Gateway, http: httpx.Client, path: Path) -> None:
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
    bearer = {"authorization": f"Bearer {(gateway.data_dir / 'admin-token').read_text().strip()}"}

    def change(noun: str, body: dict[str, object]) -> dict[str, object]:
        made = http.post(f"/api/{noun}", json=body, headers=bearer)
        assert made.status_code == 201, made.text
        return dict(made.json())

    hard = path.with_name("hard.sock")
    os.link(path, hard)
    for name, where in (("me", path), ("again", hard)):
        change("local", {"name": name, "base_url": f"unix://{where}"})
        change("mappings", {"model_pattern": name, "backend_type": "local", "backend_name": name})
        looped = http.post("/v1/chat/completions", json={**asked, "model": name})
        assert looped.status_code == 502
        assert "this gateway itself" in looped.text
    secret = str(change("keys", {"name": "one"})["secret"])
    assert http.post("/v1/chat/completions", json=asked).status_code == 401
    good = http.post("/v1/chat/completions", json=asked, headers={"x-api-key": secret})
    assert good.status_code == 200


def refusal(path: Path, group: str | None = None) -> str:
    with pytest.raises(PointsmanError) as caught:
        Listeners().unix(path, group, 0.0)
    return caught.value.public


def test_a_path_that_cannot_be_listened_on_is_one_line(short: Path) -> None:
    (short / "file").write_text("mine")
    (short / "link").symlink_to(short / "file")
    for path, group, words in (
        (short / "file", None, "no socket"),
        (short / "link", None, "no socket"),
        (short, None, "it is a folder"),
        (short / "none" / "p.sock", None, "no such file"),
        (short / ("x" * 120), None, "too long"),
        (short / "g.sock", "no-such-group", "no such group"),
        (short / "g.sock", "99999999999", "no such group"),
    ):
        said = refusal(path, group)
        assert said.startswith(f"cannot listen on {path}: "), said
        assert words in said
    assert (short / "file").read_text() == "mine"
    assert not (short / "g.sock").exists()
    for value, words in (("@name", "abstract"), ("unix:///run/p.sock", "without unix:")):
        said = CliRunner().invoke(command, ["--unix", value]).output
        assert words in said


def test_a_socket_that_is_somebody_elses_by_now_stays(short: Path) -> None:
    path = short / "p.sock"
    listeners = Listeners()
    listeners.unix(path, None, 0.0)
    path.unlink()
    with socket.socket(socket.AF_UNIX) as others:
        others.bind(str(path))
        listeners.close()
        assert path.exists()


def test_of_gateways_that_start_at_once_one_alone_takes_the_socket_over(short: Path) -> None:
    """A socket that is bound and does not listen yet looks like one that was left behind: each took it from the one before,
    which then served nobody."""
    for turn in range(20):
        path = short / f"{turn}.sock"
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(str(path))
        many = [Listeners() for _ in range(8)]
        start = threading.Barrier(len(many))

        def begin(one: Listeners, path: Path = path, start: threading.Barrier = start) -> bool:
            start.wait()
            with suppress(PointsmanError):
                one.unix(path, None, 0.0)
            return bool(one.descriptors)

        with ThreadPoolExecutor(len(many)) as pool:
            assert sum(pool.map(begin, many)) == 1
        for one in many:
            one.close()


def test_the_first_screen_says_how_curl_reaches_a_socket(
    short: Path,
) -> None:
    from pointsman.cli.welcome import welcome

    shown = welcome(short / "data", f"unix://{short}/p.sock", Standing(), "pointsman")
    assert f"curl --unix-socket {short}/p.sock http://localhost/v1/chat/completions" in shown
    assert "/ui" not in shown
