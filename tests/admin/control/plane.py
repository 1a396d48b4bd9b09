"""A running control plane and a stand-in for the data plane's end of its link, both over real sockets."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pointsman.link.frames import encode, unpack
from pointsman.link.messages import Applied, Asking, Down, Hello, Snapshot, Up, UsageAck

START_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Said:
    """An answer. headers: lower-case names."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class UnixHttp(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=30)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        try:
            self.sock.connect(str(self._path))
        except OSError:
            self.close()
            raise


def ask(
    path: Path, method: str, target: str, body: Any = None, headers: dict[str, str] | None = None
) -> Said:
    """One request on a connection of its own. A dict or list is sent as JSON, bytes as they are."""
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    sent = dict(headers or {})
    if data is not None:
        sent.setdefault("content-type", "application/json")
    connection = UnixHttp(path)
    try:
        connection.request(method, target, data, sent)
        answer = connection.getresponse()
        return Said(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
    finally:
        connection.close()


class Plane:
    """`with Plane(data_dir) as plane:` runs `python -m pointsman.admin` as the supervisor does."""

    def __init__(self, data_dir: Path, *options: str, env: dict[str, str] | None = None) -> None:
        self.data_dir = data_dir
        self.options = options
        self.env = env or {}
        self.folder = Path(tempfile.mkdtemp(prefix="pm-test-"))
        self.process: subprocess.Popen[bytes] | None = None
        self._log = self.folder / "log"

    def __enter__(self) -> Self:
        try:
            self.start()
            self.wait_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        code = self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
        if kind is None:
            assert code in (0, -signal.SIGKILL), code

    def start(self) -> None:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("POINTSMAN_")}
        command = [
            sys.executable,
            "-W",
            "error",
            "-m",
            "pointsman.admin",
            "--data-dir",
            str(self.data_dir),
        ]
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--runtime-dir", str(self.folder), *self.options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**kept, **self.env},
            )

    def wait_ready(self) -> None:
        until = time.monotonic() + START_SECONDS
        while True:
            assert self.process is not None
            assert self.process.poll() is None, f"ended with {self.process.returncode}:\n{self.log()}"
            assert time.monotonic() < until, self.log()
            with contextlib.suppress(OSError):
                if ask(self.socket, "GET", "/api/hello").status == 200:
                    return
            time.sleep(0.02)

    def stop(self) -> int:
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.terminate()
        code = self.process.wait(15)
        self.process = None
        return code

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    @property
    def socket(self) -> Path:
        return self.folder / "control.sock"

    @property
    def token(self) -> str:
        return (self.data_dir / "admin-token").read_text().strip()

    def log(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def call(self, method: str, target: str, body: Any = None, **headers: str) -> Said:
        """With the admin token."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return ask(self.socket, method, target, body, {"authorization": f"Bearer {self.token}", **given})

    def good(self, method: str, target: str, body: Any = None, status: int | None = None) -> Any:
        """The JSON of an answer that must be a success (or this status)."""
        said = self.call(method, target, body)
        wanted = (status,) if status else (200, 201, 204)
        assert said.status in wanted, (said.status, said.body, self.log()[-2000:])
        return said.json() if said.body else None

    def problem(self, method: str, target: str, body: Any = None, status: int = 422) -> dict[str, Any]:
        """A refusal, checked to be one problem+json."""
        return check_problem(self.call(method, target, body), status)


def check_problem(said: Said, status: int) -> dict[str, Any]:
    assert said.status == status, (said.status, said.body)
    assert said.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = said.json()
    assert found["status"] == status
    assert found["type"]
    assert found["title"]
    assert found["code"].replace("_", "").isalpha()
    assert len(found["detail"]) > 8
    assert found["request_id"] == said.headers["x-request-id"]
    return found


def connected(path: str) -> socket.socket:
    """A connection to a socket whose file may be there a moment before anybody listens."""
    until = time.monotonic() + 5
    while True:
        one = socket.socket(socket.AF_UNIX)
        try:
            one.connect(path)
            return one
        except ConnectionRefusedError:
            one.close()
            if time.monotonic() > until:
                raise
            time.sleep(0.002)


class Worker:
    """A data-plane process' end of the link: takes snapshots, says `Applied` (unless deaf), sends what it is told."""

    def __init__(self, plane: Plane, number: int = 0, pid: int = 4711, *, deaf: bool = False) -> None:
        self.snapshots: list[Snapshot] = []
        self.acks: list[int] = []
        self.answers: dict[int, Down] = {}  # by the question's number
        self.number, self.pid, self.deaf = number, pid, deaf
        self._news = threading.Condition()
        self._socket = connected(str(plane.folder / "link.sock"))
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self.send(Hello(pid=pid, worker=number))
        self._thread.start()
        self.wait(lambda: bool(self.snapshots))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        self._socket.close()

    @property
    def snapshot(self) -> Snapshot:
        return self.snapshots[-1]

    def send(self, message: Up) -> None:
        self._socket.sendall(encode(message))

    def ask(self, question: Asking) -> Down:
        """The answer of that number."""
        self.send(question)
        self.wait(lambda: question.number in self.answers)
        return self.answers.pop(question.number)

    def wait(self, check: Callable[[], bool], seconds: float = 60.0) -> None:
        with self._news:
            assert self._news.wait_for(check, seconds)

    def _listen(self) -> None:
        with contextlib.suppress(OSError, EOFError):
            while True:
                size = int.from_bytes(self._exactly(4), "big")
                message = unpack(self._exactly(size))
                with self._news:
                    if isinstance(message, UsageAck):
                        self.acks.append(message.batch)
                    elif isinstance(message, Snapshot):
                        self.snapshots.append(message)
                    else:
                        self.answers[message.number] = message
                    self._news.notify_all()
                if isinstance(message, Snapshot) and not self.deaf:
                    self.send(Applied(message.epoch, message.version))

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = self._socket.recv(size - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data
