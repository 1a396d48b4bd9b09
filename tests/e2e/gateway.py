"""A running `pointsman serve` and what a person does with it: commands, the admin API, a look at it."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pointsman.kinds import parse_backend_key
from tests.crowding import within

from .web import Answer, Connection, fetch

POINTSMAN = str(Path(sys.executable).with_name("pointsman"))
START_SECONDS = 60.0  # a loaded machine; the product's own budget is measured by tests/bench

PROC = Path("/proc/self/stat")
MANY_ROWS = 60
"""Each write makes all rules anew: from here on that is dearer than to begin with none."""
SHARED: list[Gateway] = []
"""Those of tests/conftest.py that run in this process."""
_numbers = itertools.count(1)


def clean_environment(extra: dict[str, str] | None = None) -> dict[str, str]:
    """This process's environment without anybody's proxies, provider keys or gateway settings."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.upper().startswith(("POINTSMAN_", "OPENAI_", "ANTHROPIC_"))
        and not name.lower().endswith("_proxy")
    }
    return {**kept, "NO_COLOR": "1", "COLUMNS": "200", **(extra or {})}


def run_cli(
    data_dir: Path, *words: str, stdin: str = "", env: dict[str, str] | None = None, timeout: float = 60
) -> subprocess.CompletedProcess[str]:
    """Runs one command on a data folder, as a person would, and waits for it."""
    return subprocess.run(
        [POINTSMAN, *words, "--data-dir", str(data_dir)],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=timeout,
        env=clean_environment(env),
        check=False,
    )


def _processes() -> list[tuple[int, int]]:
    """(pid, its parent's) of every process; by /proc where there is one, for `ps` costs 20 ms, and who waits asks
    twenty times a second."""
    found: list[tuple[int, int]] = []
    if not PROC.exists():
        done = subprocess.run(["ps", "-ax", "-o", "pid=,ppid="], capture_output=True, text=True, check=True)
        return [(int(pid), int(parent)) for pid, parent in map(str.split, done.stdout.splitlines())]
    for entry in os.listdir("/proc"):
        if entry.isdecimal():
            try:
                stat = Path("/proc", entry, "stat").read_text(errors="replace")
            except OSError:  # it has just ended
                continue
            found.append((int(entry), int(stat.rpartition(")")[2].split()[1])))
    return found


def _command(pid: int) -> str:
    """Its command line; "" of one that has ended."""
    if PROC.exists():
        try:
            return (
                Path(f"/proc/{pid}/cmdline")
                .read_bytes()
                .replace(b"\0", b" ")
                .decode(errors="replace")
                .strip()
            )
        except OSError:
            return ""
    words = ["ps", "-ww", "-o", "command=", "-p", str(pid)]
    said = subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()
    return "" if "<defunct>" in said else said


class Gateway:
    """`with Gateway(data_dir) as gateway:` serves on a free port until the block ends."""

    def __init__(
        self,
        data_dir: Path,
        *options: str,
        env: dict[str, str] | None = None,
        expect_clean_log: bool = True,
        cwd: Path | None = None,
    ) -> None:
        self.data_dir = data_dir
        self.cwd = cwd
        self.options = options
        self.env = env or {}
        self.expect_clean_log = expect_clean_log
        self.log = data_dir.with_name(data_dir.name + ".log")
        self.stdout = data_dir.with_name(data_dir.name + ".out")
        self.process: subprocess.Popen[bytes] | None = None
        self.url = ""
        self.rows = 0  # that were made by what is said under "setting up"
        self._admin: Connection | None = None

    # -- life --------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if kind is None and self.expect_clean_log:
            self.check_log()

    def start(self) -> None:
        """Starts it and returns when it says that it answers."""
        if self._admin is not None:  # it knew the port of an earlier life
            self._admin.close()
            self._admin = None
        command = [POINTSMAN, "serve", "--data-dir", str(self.data_dir), "--json"]
        if not {"--port", "--unix"} & {*self.options}:
            command += ["--port", "0"]
        if "--discover" not in self.options:  # what else runs on this machine is nobody's affair
            command += ["--no-discover"]
        with self.log.open("ab") as log, self.stdout.open("wb") as out:
            self.process = subprocess.Popen(
                [*command, *self.options],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=log,
                env=clean_environment(self.env),
                cwd=self.cwd,
                start_new_session=True,
            )
        until = time.monotonic() + START_SECONDS
        while not (line := self.stdout.read_bytes()).endswith(b"\n"):
            if self.process.poll() is not None:
                raise AssertionError(f"serve ended with {self.process.returncode}:\n{self.read_log()}")
            if time.monotonic() > until:
                self.kill()
                raise AssertionError(f"serve did not answer in {START_SECONDS} s:\n{self.read_log()}")
            time.sleep(0.02)
        self.started = json.loads(line)
        self._close_admin()  # a restarted one has another port
        self.url = self.started["url"].rstrip("/")

    def renew(self) -> None:
        """Begins with an empty data folder, at another port."""
        self.stop()
        shutil.rmtree(self.data_dir)
        self.rows = 0
        self.start()

    def terminate(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)

    def stop(self, timeout: float = 15) -> int:
        """SIGTERM, then wait. Returns the exit code."""
        self._close_admin()
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"serve did not stop within {timeout} s:\n{self.read_log()}") from None
        finally:
            self.process = None

    def _close_admin(self) -> None:
        if self._admin is not None:
            self._admin.close()
            self._admin = None

    def kill(self) -> None:
        """SIGKILL to everything this gateway started."""
        assert self.process is not None
        pids = self.descendants()
        for pid in [self.process.pid, *pids]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait(10)
        self.process = None

    def kill_9(self, whom: str) -> None:
        """SIGKILL to `the warden` (returns when there is another), to `the gateway`'s first process, or to `all at once`."""
        assert self.process is not None
        if whom == "the warden":
            (warden,) = self.pids("pointsman.warden")
            os.kill(warden, signal.SIGKILL)
            wait_until(
                "another one is there", lambda: self.pids("pointsman.warden") not in ([], [warden]), 10
            )
        elif whom == "the gateway":
            self.process.kill()
            self.process.wait(10)
            self.process = None
        else:
            assert whom == "all at once"
            self.kill()

    # -- looking at it -----------------------------------------------------------------------------

    @property
    def host(self) -> str:
        return self.url.removeprefix("http://").rsplit(":", 1)[0]

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])

    @property
    def admin_token(self) -> str:
        return (self.data_dir / "admin-token").read_text().strip()

    def read_log(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def check_log(self) -> None:
        """No crash, no forgotten task and no warning of the interpreter went to the log."""
        text = self.read_log()
        for sign in (
            "Traceback (most recent call last)",
            "was never retrieved",
            "never awaited",
            "ResourceWarning",
        ):
            assert sign not in text, f"{sign!r} in the gateway's log:\n{text[-6000:]}"

    def descendants(self) -> dict[int, str]:
        """pid -> command line of every process below the supervisor."""
        assert self.process is not None
        rows = _processes()
        known = {self.process.pid}
        found: dict[int, str] = {}
        grew = True
        while grew:
            grew = False
            for pid, parent in rows:
                if parent in known and pid not in known:
                    known.add(pid)
                    if command := _command(pid):
                        found[pid] = command
                    grew = True
        return found

    def pids(self, module: str) -> list[int]:
        """Processes that run `python -m MODULE`: `pointsman.admin`, `pointsman.gateway`."""
        return sorted(pid for pid, command in self.descendants().items() if f"-m {module}" in command)

    # -- commands and the admin API ----------------------------------------------------------------

    def cli(self, *words: str, stdin: str = "", code: int = 0) -> str:
        """Runs a command, checks its exit code and returns what it printed."""
        done = run_cli(self.data_dir, *words, stdin=stdin, env=self.env)
        assert done.returncode == code, (
            f"pointsman {' '.join(words)}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        )
        return done.stdout

    def cli_json(self, *words: str, stdin: str = "") -> Any:
        return json.loads(self.cli(*words, "--json", stdin=stdin))

    def api(self, method: str, path: str, body: Any = None, *, status: int | None = None) -> Any:
        """An admin call; checks the status (default: any success) and returns the JSON, None for no body."""
        answer = self.api_answer(method, path, body)
        if status is None:
            assert 200 <= answer.status < 300, f"{method} {path}: {answer.status} {answer.body[:600]!r}"
        else:
            assert answer.status == status, f"{method} {path}: {answer.status} {answer.body[:600]!r}"
        return answer.json() if answer.body else None

    def api_answer(self, method: str, path: str, body: Any = None) -> Answer:
        if self._admin is None:
            self._admin = Connection(self.url)
        headers = {"authorization": f"Bearer {self.admin_token}"}
        if body is not None:
            headers["content-type"] = "application/json"
        return self._admin.request(method, path, None if body is None else json.dumps(body).encode(), headers)

    def fetch(
        self, method: str, path: str, body: bytes | dict[str, Any] | None = None, **headers: str
    ) -> Answer:
        """One request on a connection of its own; header names are written with `_` for `-`."""
        return fetch(self.url, method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})

    # -- setting up --------------------------------------------------------------------------------

    def fresh(self, word: str = "m") -> str:
        """A name nobody else uses."""
        return f"{word}-{os.getpid()}-{next(_numbers)}"

    def backend(self, kind: str, url: str, *, key: str | None = None, **fields: Any) -> str:
        """Adds a backend of a type under a fresh name and returns how it is written: `openai/b-1-2`."""
        name = self.fresh("b")
        self.rows += 1
        if kind == "local":
            body = {"name": name, "base_url": url, **({"api_key": key} if key else {}), **fields}
            self.api("POST", "/api/local", body, status=201)
        else:
            body = {"api_key": key or f"sk-{name}", "base_url": url, **fields}
            self.api("PUT", f"/api/credentials/{kind}/{name}", {"backend_type": kind, "name": name, **body})
        return f"{kind}/{name}"

    def rule(self, pattern: str, *targets: str, **fields: Any) -> dict[str, Any]:
        """Adds a mapping. A target is `type/name` or `type/name=model`; the first is the primary one."""
        self.rows += 1
        (kind, name, model), *others = [split_target(target) for target in targets]
        body: dict[str, Any] = {"model_pattern": pattern, "backend_type": kind, "backend_name": name}
        if model:
            body["backend_model"] = model
        if others:
            body["fallbacks"] = [
                {"backend_type": kind, "backend_name": name, "model": model} for kind, name, model in others
            ]
        made: dict[str, Any] = self.api("POST", "/api/mappings", {**body, **fields}, status=201)
        return made

    def route(self, kind: str, *urls: str, model: str | None = None, **fields: Any) -> tuple[str, list[str]]:
        """A fresh model name whose targets are new backends of that type at the URLs, in order."""
        pattern = model or self.fresh()
        backends = [self.backend(kind, url) for url in urls]
        self.rule(pattern, *backends, **fields)
        return pattern, backends


def split_target(text: str) -> tuple[str, str, str | None]:
    backend, _, model = text.partition("=")
    kind, name = parse_backend_key(backend)
    return kind.value, name, model or None


def wait_until(what: str, check: Any, seconds: float = 10.0, pause: float = 0.05) -> Any:
    """Waits for `check()` to be true and returns it. seconds: of a machine that is not crowded."""
    begun = time.monotonic()
    while True:
        value = check()
        if value:
            return value
        if not within(time.monotonic() - begun, seconds):
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(pause)
