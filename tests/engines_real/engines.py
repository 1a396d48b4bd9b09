"""Starting a real engine for tests: a process, its health, its CPU time, a request to it. Not here: what it must answer."""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from tests.crowding import within
from tests.e2e.gateway import wait_until
from tests.e2e.web import Answer, fetch

SOURCE = Path(__file__).resolve().parents[2] / "src"
VARIABLE = "POINTSMAN_ENGINES_PYTHON"
WEATHER = "What is the weather in Paris?"
SUNNY = "The weather in Paris is sunny and warm today."
FINE = "It is a fine day in Paris."
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather of a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}
ENDLESS = {"logit_bias": {"514": -100}}
"""Without its end token the model counts until the window is full."""
_TICK = os.sysconf("SC_CLK_TCK")


@cache
def python_with(module: str) -> str | None:
    """A Python that has the module: the one that a variable names, else this one; None where neither has."""
    named = os.environ.get(VARIABLE)
    if (
        named
        and not subprocess.run([named, "-c", f"import {module}"], capture_output=True, timeout=60).returncode
    ):
        return named
    return sys.executable if importlib.util.find_spec(module) is not None else None


def need(module: str, what: str) -> str:
    found = python_with(module)
    if found is None:
        pytest.skip(f"NO {what}: {module} is in no Python here; {VARIABLE} names one that has it")
    return found


def cpu_seconds(pid: int) -> float:
    """Of all threads of a process; 0 of one that has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICK


class Engine:
    """A process that serves: `with Engine(argv) as engine`. url: without a path."""

    def __init__(
        self, argv: list[str], log: Path, *, url: str | None = None, stdin: int = subprocess.DEVNULL
    ) -> None:
        self.argv = argv
        self.log = log
        self.said = log.with_name(log.name + ".out")
        self.url = url or ""
        self.stdin = stdin
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        try:
            self.until_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        environment = {
            **os.environ,
            "PYTHONPATH": str(SOURCE),
            "HF_HUB_OFFLINE": "1",
            "PYTHONUNBUFFERED": "1",
        }
        with self.log.open("wb") as log, self.said.open("wb") as said:
            self.process = subprocess.Popen(
                self.argv, stdin=self.stdin, stdout=said, stderr=log, env=environment, start_new_session=True
            )

    def until_ready(self) -> None:
        assert self.process is not None

        def ready() -> bool:
            assert self.process is not None
            assert self.process.poll() is None, f"it ended with {self.process.returncode}:\n{self.text()}"
            if not self.url:
                self.url = self.said.read_text().strip().removeprefix("listening on ")
            return bool(self.url) and self.health() == 200

        wait_until("the engine is ready", ready, 90)

    def stop(self) -> int:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait(10)

    def text(self) -> str:
        return self.log.read_text(errors="replace")

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def ticks(self) -> float:
        """CPU seconds of all its threads."""
        return cpu_seconds(self.pid)

    def idle(self, seconds: float = 1.0) -> None:
        """It has stopped working: within so many seconds of a client's leaving no CPU time is used any more."""
        begun = time.monotonic()
        while True:
            taken, before = time.monotonic() - begun, self.ticks()
            time.sleep(0.25)
            used = self.ticks() - before
            if used < 0.1:
                return
            assert within(taken, seconds), (
                f"{used:.2f} s of CPU in a quarter of a second, {taken:.2f} s later"
            )

    def health(self) -> int:
        try:
            return fetch(self.url, "GET", "/health").status
        except OSError:
            return 0

    def ask(self, body: dict[str, Any], path: str = "/v1/chat/completions") -> Answer:
        return fetch(self.url, "POST", path, {"model": "tiny", "temperature": 0, **body})

    def chat(self, content: Any, **fields: Any) -> dict[str, Any]:
        answer = self.ask({"messages": [{"role": "user", "content": content}], **fields})
        assert answer.status == 200, answer.body
        found: dict[str, Any] = answer.json()
        return found

    def leave_during(self, body: dict[str, Any], when: Callable[[bytes], bool], url: str = "") -> bytes:
        """Asks (somewhere before it, by url), closes the connection as soon as `when` says so of the bytes that came, and
        returns them."""
        host, _, port = (url or self.url).removeprefix("http://").rpartition(":")
        data = json.dumps({"model": "tiny", "temperature": 0, **body}).encode()
        got = b""
        with socket.create_connection((host, int(port))) as connection:
            connection.settimeout(0.05)
            connection.sendall(
                b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                b"Content-Length: %d\r\n\r\n%b" % (len(data), data)
            )
            while not when(got):
                try:
                    came = connection.recv(65536)
                    assert came, f"it was over before the client left: {got[-300:]!r}"
                    got += came
                except TimeoutError:
                    pass
        return got


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def mlx_host(folder: Path, log: Path, *options: str, stdin: int = subprocess.DEVNULL) -> Engine:
    python = need("mlx_lm", "MLX")
    argv = [
        python,
        "-m",
        "pointsman.hosts.mlx",
        "--model",
        str(folder),
        "--port",
        "0",
        "--name",
        "tiny",
        *options,
    ]
    return Engine(argv, log, stdin=stdin)


def llama_host(file: Path, log: Path, *options: str, stdin: int = subprocess.DEVNULL) -> Engine:
    python = need("xllamacpp", "LLAMA")
    argv = [
        python,
        "-m",
        "pointsman.hosts.llama",
        "--gguf",
        str(file),
        "--port",
        "0",
        "--name",
        "tiny",
        *options,
    ]
    return Engine(argv, log, stdin=stdin)


def mlx_lm_server(folder: Path, log: Path) -> Engine:
    python, port = need("mlx_lm", "MLX"), free_port()
    argv = [python, "-m", "mlx_lm", "server", "--model", str(folder), "--port", str(port)]
    return Engine(argv, log, url=f"http://127.0.0.1:{port}")
