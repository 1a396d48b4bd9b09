"""How our hosts begin and end: told by exit code, last line and health, whatever happens to them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pointsman.modelstore.hub import Hub
from pointsman.modelstore.pull import pull, wanted
from tests.e2e.gateway import wait_until
from tests.e2e.web import fetch
from tests.modelstore.hub_double import HubDouble

from .engines import ENDLESS, SUNNY, TOOL, WEATHER, Engine, free_port, llama_host, mlx_host, need
from .gguf_of import TINY

MLX_DIES = """
import ctypes, signal, sys, threading
from pointsman.hosts import mlx
def kill(*_):
    for one in threading.enumerate():
        if "_run_generate" in one.name or one.name.endswith("(_run_generate)"):
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(one.ident), ctypes.py_object(MemoryError))
signal.signal(signal.SIGUSR1, kill)
mlx.main()
"""
"""The host as it is, but for a signal that raises MemoryError in its generation thread, wherever that is."""


def last_line(engine: Engine) -> str:
    return engine.text().strip().splitlines()[-1]


def ends(engine: Engine) -> tuple[int, str]:
    """Exit code and last line of one that ends by itself."""
    engine.start()
    assert engine.process is not None
    try:
        return engine.process.wait(60), last_line(engine)
    finally:
        engine.stop()


def over_socket(path: Path, method: str, target: str, body: Any = None) -> bytes:
    data = b"" if body is None else json.dumps(body).encode()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(30)
        connection.connect(str(path))
        connection.sendall(
            f"{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {len(data)}\r\n\r\n".encode()
            + data
        )
        got = b""
        while part := connection.recv(65536):
            got += part
        return got


def test_a_dead_generation_thread_is_told_to_who_waits_and_ends_the_process(
    folder: Path, tmp_path: Path
) -> None:
    python, port = need("mlx_lm", "MLX"), free_port()
    argv = [python, "-c", MLX_DIES, "--model", str(folder), "--port", str(port)]
    engine = Engine(argv, tmp_path / "log", url=f"http://127.0.0.1:{port}")
    engine.start()
    try:
        seen: list[int] = []

        def ready() -> bool:
            seen.append(engine.health())
            return seen[-1] == 200

        wait_until("it is loaded", ready, 90)
        assert 503 in seen
        assert set(seen) <= {0, 503, 200}
        answers: list[Any] = []
        body = {"messages": [{"role": "user", "content": "count"}], **ENDLESS}
        waiting = threading.Thread(target=lambda: answers.append(engine.ask(body)))
        begun = engine.ticks()
        waiting.start()
        wait_until("it counts", lambda: engine.ticks() - begun > 0.3, 10)
        os.kill(engine.pid, signal.SIGUSR1)
        wait_until("health says dead", lambda: engine.health() == 500, 5, 0.01)
        assert engine.process is not None
        assert engine.process.wait(10) == 4
        waiting.join(10)
        assert answers[0].status == 500
        assert answers[0].json()["error"]["code"] == "engine_dead"
        assert last_line(engine).startswith("pointsman-host: fatal: generation thread died: MemoryError")
    finally:
        engine.stop()


def test_weights_that_do_not_fit_the_model_end_the_mlx_host(folder: Path, tmp_path: Path) -> None:
    place = tmp_path / "bad"
    shutil.copytree(folder, place)
    whole = (place / "model.safetensors").read_bytes()
    (place / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    code, line = ends(mlx_host(place, tmp_path / "log"))
    assert code == 3
    assert line.startswith(f"pointsman-host: fatal: cannot load {place}: ")


def test_a_gguf_file_that_is_cut_off_ends_the_llama_host(gguf: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(gguf.read_bytes()[:300_000])
    code, line = ends(llama_host(cut, tmp_path / "log"))
    assert code == 3
    assert line.startswith(f"pointsman-host: fatal: cannot load {cut}: ")


@pytest.mark.parametrize("make", [mlx_host, llama_host])
def test_no_model_and_a_taken_port_are_told_apart(
    make: Callable[..., Engine], folder: Path, tmp_path: Path, gguf: Path
) -> None:
    code, line = ends(make(tmp_path / "nowhere", tmp_path / "log"))
    assert (code, "nowhere" in line) == (3, True)
    with socket.create_server(("127.0.0.1", 0)) as other:
        engine = make(folder if make is mlx_host else gguf, tmp_path / "log2")
        engine.argv[engine.argv.index("--port") + 1] = str(other.getsockname()[1])
        code, line = ends(engine)
    assert code == 5
    assert line.startswith("pointsman-host: fatal: cannot listen on port ")


@pytest.mark.parametrize("name", ["mlx", "llama"])
def test_on_a_socket_of_its_user_and_gone_with_its_life_line(
    name: str, folder: Path, gguf: Path, tmp_path: Path
) -> None:
    """Also a socket that was left behind by one that was killed is taken over."""
    place = tmp_path / "s.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(place))
    make, model = (mlx_host, folder) if name == "mlx" else (llama_host, gguf)
    engine = make(model, tmp_path / "log", "--end-with-stdin", stdin=subprocess.PIPE)
    at = engine.argv.index("--port")
    engine.argv[at : at + 2] = ["--socket", str(place)]
    engine.start()
    try:

        def loaded() -> bool:
            assert engine.process is not None
            assert engine.process.poll() is None, engine.text()
            try:
                return b" 200 " in over_socket(place, "GET", "/health")
            except OSError:
                return False

        wait_until("it is loaded", loaded, 90)
        assert stat.S_IMODE(place.stat().st_mode) & 0o077 == 0
        body = {"model": "tiny", "temperature": 0, "messages": [{"role": "user", "content": WEATHER}]}
        assert SUNNY.encode() in over_socket(place, "POST", "/v1/chat/completions", body)
        assert engine.process is not None
        assert engine.process.stdin is not None
        engine.process.stdin.close()
        assert engine.process.wait(2) == -signal.SIGKILL
    finally:
        engine.stop()


def test_the_llama_host_sleeps_when_idle_and_wakes_when_asked(gguf: Path, tmp_path: Path) -> None:
    with llama_host(gguf, tmp_path / "log", "--sleep-idle-seconds", "1") as engine:
        wait_until("it sleeps", lambda: fetch(engine.url, "GET", "/props").json()["is_sleeping"], 10)
        assert engine.health() == 200
        assert engine.chat(WEATHER)["choices"][0]["message"]["content"] == SUNNY
        assert not fetch(engine.url, "GET", "/props").json()["is_sleeping"]


def test_the_llama_host_holds_a_model_to_a_schema(llama: Engine) -> None:
    schema = {
        "type": "object",
        "properties": {"city": {"enum": ["Paris"]}},
        "required": ["city"],
        "additionalProperties": False,
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "c", "schema": schema}}
    said = llama.chat(WEATHER, response_format=wanted, max_tokens=100)["choices"][0]
    assert json.loads(said["message"]["content"]) == {"city": "Paris"}


REFUSED: list[tuple[dict[str, Any], str]] = [
    (
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {}}}},
        "response_format",
    ),
    ({"response_format": {"type": "json_object"}}, "response_format"),
    ({"tools": [TOOL], "tool_choice": "required"}, "tool_choice"),
    ({"n": 2}, "n"),
    ({"logprobs": True}, "logprobs"),
    ({"logit_bias": {"99999": 5}}, "logit_bias"),
    (
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}]},
        "messages",
    ),
    ({"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]}, "messages"),
]


@pytest.mark.parametrize(("fields", "param"), REFUSED)
def test_the_mlx_host_refuses_by_name_what_it_cannot_do(
    mlx: Engine, fields: dict[str, Any], param: str
) -> None:
    answer = mlx.ask({"messages": [{"role": "user", "content": "hi"}], **fields})
    assert (answer.status, answer.json()["error"]["param"]) == (400, param)


def test_the_mlx_host_counts_as_it_reads(mlx: Engine) -> None:
    messages = [{"role": "user", "content": WEATHER}]
    counted = mlx.ask({"messages": messages, "tools": [TOOL]}, "/tokenize").json()
    usage = mlx.ask({"messages": messages, "tools": [TOOL], "max_tokens": 1}).json()["usage"]
    assert counted["count"] == usage["prompt_tokens"] == len(counted["tokens"])
    assert counted["max_model_len"] == 32_768


def test_the_mlx_host_goes_on_with_a_text(mlx: Engine) -> None:
    answer = mlx.ask({"prompt": "The weather in", "max_tokens": 3, "stream": False}, "/v1/completions")
    assert answer.json()["usage"]["completion_tokens"] == 3
    assert answer.json()["choices"][0]["text"]


def test_the_mlx_host_serves_the_model_it_was_started_with_whatever_is_named(mlx: Engine) -> None:
    """mlx-lm's own server would fetch the one that is named from the network."""
    answer = mlx.ask({"model": "somebody/else", "messages": [{"role": "user", "content": WEATHER}]})
    assert answer.json()["choices"][0]["message"]["content"] == SUNNY


@pytest.mark.parametrize("path", ["/v1/embeddings", "/v1/audio/speech", "/v1/messages", "/nowhere"])
def test_the_mlx_host_says_what_it_has_not(mlx: Engine, path: str) -> None:
    answer = mlx.ask({}, path)
    assert (answer.status, answer.json()["error"]["code"]) == (404, "unknown_url")


def test_no_web_page_asks_the_mlx_host(mlx: Engine) -> None:
    for headers in ({"Origin": "http://evil.example"}, {"Host": "evil.example:80"}):
        assert fetch(mlx.url, "GET", "/v1/models", None, headers).status == 403


def test_what_was_fetched_is_found_by_hugging_faces_own_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = need("huggingface_hub", "HUGGINGFACE_HUB")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    with HubDouble({"org/tiny": {one.name: one.read_bytes() for one in TINY.iterdir()}}) as double:
        monkeypatch.setenv("HF_ENDPOINT", double.url)
        hub = Hub()
        folder = pull(hub, wanted(hub, "org/tiny", None), lambda *_: None)
    code = (
        "from huggingface_hub import scan_cache_dir, snapshot_download as s;"
        "print(s('org/tiny', local_files_only=True), [one.repo_id for one in scan_cache_dir().repos])"
    )
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [python, "-c", code], capture_output=True, text=True, timeout=60, check=True, env=environment
    )
    assert done.stdout.strip() == f"{folder} ['org/tiny']"
