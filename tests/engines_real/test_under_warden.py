"""Real engines under the warden, by the commands that `local add --mlx` and `--gguf` write. Not here: the same with a gateway
(test_on_demand.py)."""

from __future__ import annotations

import importlib.util
import json
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pointsman.hosts.commands import HEALTH_PATH, HostCommand, gguf_command, mlx_command
from tests.e2e.web import fetch
from tests.warden.house import House, Talk

from .engines import SOURCE, SUNNY, WEATHER, need

ASKED: dict[str, Any] = {
    "model": "tiny",
    "temperature": 0,
    "messages": [{"role": "user", "content": WEATHER}],
}


@pytest.fixture(params=["mlx", "llama"])
def command(
    request: pytest.FixtureRequest, folder: Path, gguf: Path, monkeypatch: pytest.MonkeyPatch
) -> HostCommand:
    """As it is written by that Python which has the engine."""
    module, what = ("mlx_lm", "MLX") if request.param == "mlx" else ("xllamacpp", "LLAMA")
    python, find = need(module, what), importlib.util.find_spec
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", python)
        patch.setattr(
            importlib.util, "find_spec", lambda name, *more: name if name == module else find(name, *more)
        )
        if request.param == "mlx":
            return mlx_command(str(folder), context=2048)
        return gguf_command(str(gguf), context=2048, which=lambda _: None)


def recipe(house: House, command: HostCommand, argv: tuple[str, ...], **more: Any) -> Talk:
    ready = {"path": HEALTH_PATH, "ready": [200], "loading": [503], "dead": [500]}
    house.recipe(
        "tiny", list(argv), env={"PYTHONPATH": str(SOURCE)}, ready=ready, memory=command.memory.total, **more
    )
    talk = house.talk()
    talk.say(op="watch")
    assert not talk.ask(op="declare", engines=["tiny"])["problems"]
    return talk


def wanted(talk: Talk) -> str:
    talk.say(op="want", engine="tiny", count=1)
    found = talk.wait("tiny", "ready", "down", "refused")
    assert found.get("state") == "ready", found
    talk.say(op="want", engine="tiny", count=0)
    address: str = found["address"]
    return address


def said(address: str) -> str:
    if not address.startswith("unix:"):
        text: str = fetch(address, "POST", "/v1/chat/completions", ASKED).json()["choices"][0]["message"][
            "content"
        ]
        return text
    data = json.dumps(ASKED).encode()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(address.removeprefix("unix:").replace("//", "/", 1))
        connection.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (len(data), data)
        )
        got = b""
        while part := connection.recv(65536):
            got += part
    found: str = json.loads(got.partition(b"\r\n\r\n")[2])["choices"][0]["message"]["content"]
    return found


def test_on_a_socket_it_is_stopped_when_idle(
    command: HostCommand, tmp_path: Path, house: Callable[..., House]
) -> None:
    running = house()
    talk = recipe(running, command, command.on_socket, keep=1)
    assert said(wanted(talk)) == SUNNY
    talk.wait("tiny", "cold")
    assert not running.pids("tiny")
    assert said(wanted(talk)) == SUNNY
