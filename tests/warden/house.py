"""A warden as the supervisor starts one, with a data folder and a folder of sockets of its own; leaves nothing behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from pointsman.warden.keeping import mark_of
from pointsman.warden.processes import marked
from pointsman.warden.recipe import FOLDER, write_recipe

ENGINE = str(Path(__file__).with_name("engine.py"))
QUICK = {"settle": 0.05, "min_stay": 0.3, "max_wait": 1.0, "patience": 20.0, "drain": 2.0}
Found = TypeVar("Found")


def until(what: Callable[[], Found], seconds: float = 15.0) -> Found:
    """What it returns, once that is something."""
    end = time.monotonic() + seconds
    while True:
        if found := what():
            return found
        assert time.monotonic() < end, f"did not come within {seconds} s"
        time.sleep(0.02)


def command(*options: str) -> list[str]:
    return [sys.executable, "-I", "-S", ENGINE, "--port={port}", *options]


def listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Talk:
    """One connection to the warden, blocking."""

    def __init__(self, path: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        try:
            self.socket.connect(path)
        except OSError:
            self.socket.close()
            raise
        self._lines = self.socket.makefile("rb")
        self._number = 0

    def say(self, **order: Any) -> None:
        self.socket.sendall(json.dumps(order).encode() + b"\n")

    def hear(self) -> dict[str, Any]:
        line = self._lines.readline()
        assert line, "the warden hung up"
        found: dict[str, Any] = json.loads(line)
        return found

    def ask(self, **order: Any) -> dict[str, Any]:
        """The answer to this order; what else comes before it is thrown away."""
        self._number += 1
        self.say(**order, id=self._number)
        while (found := self.hear()).get("id") != self._number:
            pass
        return found

    def wait(self, engine: str, *states: str) -> dict[str, Any]:
        """The next push that says one of these states, or `refused`."""
        while True:
            found = self.hear()
            if found.get("engine") == engine and (
                found.get("state") in states or ("refused" in states and "refused" in found)
            ):
                return found

    def close(self) -> None:
        self._lines.close()
        self.socket.close()


class House:
    """options: of the warden. `with House(...) as house`."""

    def __init__(self, folder: Path, *options: str, pass_fds: tuple[int, ...] = (), **terms: float) -> None:
        self.data_dir = folder / "data"
        self._fds = pass_fds
        (self.data_dir / FOLDER).mkdir(parents=True, mode=0o700)
        self.runtime_dir = tempfile.mkdtemp(prefix="pm-w-", dir="/tmp")
        self._options = [*options, *(f"--term={name}={value}" for name, value in {**QUICK, **terms}.items())]
        self.life, self.alive = os.pipe()  # the second end is the supervisor's
        self.process: subprocess.Popen[bytes] | None = None
        self._talks: list[Talk] = []

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self._leave()
            raise
        return self

    def start(self) -> None:
        argv = [sys.executable, "-m", "pointsman.warden", "--data-dir", str(self.data_dir)]
        argv += ["--runtime-dir", self.runtime_dir, "--life-fd", str(self.life), *self._options]
        self.process = subprocess.Popen(argv, pass_fds=(self.life, *self._fds), stdin=subprocess.DEVNULL)
        before = time.monotonic()
        path = os.path.join(self.runtime_dir, "warden.sock")
        while True:
            with suppress(OSError):
                Talk(path).close()
                return
            assert self.process.poll() is None, "the warden ended at once"
            assert time.monotonic() < before + 20
            time.sleep(0.02)

    def recipe(self, name: str, said: list[str], **more: Any) -> None:
        write_recipe(self.data_dir, name, {"command": said, **more})

    def talk(self) -> Talk:
        made = Talk(os.path.join(self.runtime_dir, "warden.sock"))
        self._talks.append(made)
        return made

    def pids(self, name: str) -> set[int]:
        """Of all that the engine is, without its guard."""
        return marked(mark_of(self.data_dir, name))

    def facts(self, name: str) -> dict[str, list[str]]:
        """The engine's run file: word -> what it says."""
        text = (self.data_dir / FOLDER / f"{name}.run").read_text()
        return {line.split()[0]: line.split()[1:] for line in text.splitlines() if line}

    def log(self, name: str) -> str:
        return (self.data_dir / FOLDER / f"{name}.log").read_text()

    def kill_warden(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def abandon(self) -> None:
        """As if the supervisor were killed."""
        if self.alive >= 0:
            os.close(self.alive)
            self.alive = -1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()

    def _leave(self) -> None:
        for talk in self._talks:
            talk.close()
        self.abandon()
        if self.process is not None:
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(5)
            self.process.kill()
            self.process.wait()
        os.close(self.life)
        left = list(self._left_over(10.0))
        for pid in left:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.runtime_dir, ignore_errors=True)
        assert not left, f"left behind: {left}"

    def _left_over(self, seconds: float) -> Iterator[int]:
        prefix = mark_of(self.data_dir, "")
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = [
                pid for path in (self.data_dir / FOLDER).glob("*.run") for pid in marked(prefix + path.stem)
            ]
            if not found:
                return
            time.sleep(0.05)
        yield from found
