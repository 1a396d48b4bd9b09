"""A gateway as a container runs it, without the container: first process of its own process, mount and network
namespaces, bound to every address there, on a fresh volume. Nothing in there reaches this machine's network."""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml

from pointsman.config import Limits

from .gateway import POINTSMAN, START_SECONDS, clean_environment

ROOT = Path(__file__).resolve().parents[2]
KEY = secrets.token_hex(32)
HOST = "host.docker.internal"

STAGE = """
set -e
ip link set lo up
ip addr add 172.17.0.1/32 dev lo
mount --bind "$HOSTS" /etc/hosts
"$PYTHON" -m pointsman.practice --host 172.17.0.1 --port 8000 >"$WORK/upstream.out" 2>&1 &
exec "$POINTSMAN" serve --json --port 4480 >"$WORK/out" 2>"$WORK/err"
"""
"""The practice server plays a model server of the machine that the container runs on."""


class Container:
    """work: a folder for what it prints."""

    def __init__(self, work: Path) -> None:
        self.work = work
        self.pid = 0

    def start(self) -> None:
        (self.work / "secret").write_text(KEY + "\n")
        (self.work / "hosts").write_text(f"127.0.0.1 localhost\n172.17.0.1 {HOST}\n")
        own = {
            "POINTSMAN_HOST": "0.0.0.0",
            "POINTSMAN_DATA_DIR": str(self.work / "volume" / "pointsman"),
            "POINTSMAN_CLIENT_KEY_FILE": str(self.work / "secret"),
            "POINTSMAN_ALLOW_HOST": "gateway,gateway.internal",
            "POINTSMAN_LOCAL_HOST": HOST,
            "POINTSMAN": POINTSMAN,
            "PYTHON": str(Path(POINTSMAN).with_name("python")),
            "HOSTS": str(self.work / "hosts"),
            "WORK": str(self.work),
        }
        self.process = subprocess.Popen(
            ["unshare", "-rnpmf", "--mount-proc", "--kill-child", "bash", "-c", STAGE],
            env=clean_environment(own),
            stdin=subprocess.DEVNULL,
        )
        until = time.monotonic() + START_SECONDS
        out = self.work / "out"
        while not (out.exists() and out.read_text().endswith("\n")):
            assert self.process.poll() is None, (self.work / "err").read_text()
            assert time.monotonic() < until, (self.work / "err").read_text()
            time.sleep(0.05)
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        self.pid = int(children.split()[0])

    def inside(self, *words: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """As `docker exec`: the image's environment, not the shell's of whoever started it."""
        env = clean_environment({"POINTSMAN_DATA_DIR": str(self.work / "volume" / "pointsman")})
        enter = ["nsenter", "-t", str(self.pid), "-U", "-n", "-m", "-p", "--preserve-credentials"]
        return subprocess.run(
            [*enter, *words], env=env, input=stdin, capture_output=True, text=True, timeout=60, check=False
        )

    def ask(self, model: str = "practice", *headers: str, key: str = KEY) -> tuple[int, str]:
        body = json.dumps({"model": model, "messages": [{"role": "user", "content": "Hello"}]})
        lines = [f"authorization: Bearer {key}", "content-type: application/json", *headers]
        done = self.inside("curl", "-s", "-w", "\n%{http_code}", "http://127.0.0.1:4480/v1/chat/completions",
                           *(word for line in lines for word in ("-H", line)), "-d", body)  # fmt: skip
        text, _, status = done.stdout.rpartition("\n")
        return int(status or 0), text


@pytest.fixture(scope="module")
def container(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    alone = subprocess.run(["unshare", "-rnpmf", "--mount-proc", "true"], capture_output=True, check=False)
    if alone.returncode:
        pytest.skip("NO NAMESPACES here: a container cannot be played")
    running = Container(tmp_path_factory.mktemp("container"))
    running.start()
    yield running
    with suppress(ProcessLookupError):
        running.process.kill()
    running.process.wait(10)


def test_a_fresh_volume_serves_every_address_with_the_key_of_a_secret_file(container: Container) -> None:
    assert json.loads((container.work / "out").read_text())["pid"] == 1
    assert container.ask(key="wrong")[0] == 401
    status, text = container.ask()
    assert status == 200, text
    assert container.ask("practice", "host: gateway:4480")[0] == 200
    assert container.ask("practice", "host: other:4480")[0] == 403


def test_the_given_key_is_stored_and_shown_nowhere(container: Container) -> None:
    listed = json.loads(container.inside(POINTSMAN, "key", "list", "--json").stdout)
    assert [row["name"] for row in listed] == ["environment"]
    assert KEY not in str(listed)
    places = [container.work / "err", container.work / "out", *(container.work / "volume").rglob("*")]
    assert [path.name for path in places if path.is_file() and KEY.encode() in path.read_bytes()] == []
    for pid in container.inside("ps", "-eo", "pid=").stdout.split():
        shown = container.inside("cat", f"/proc/{pid}/environ", f"/proc/{pid}/cmdline").stdout
        assert KEY not in shown


def test_the_machine_below_is_a_local_server_and_behind_the_wall(container: Container) -> None:
    added = container.inside(POINTSMAN, "local", "add", "box", "--url", f"http://{HOST}:8000", "--json")
    assert added.returncode == 0, added.stderr
    container.inside(
        POINTSMAN, "mapping", "add", "mine", "--to", "local/box", "--model", "practice", "--local-only"
    )
    status, text = container.ask("mine")
    assert status == 200, text
    explained = container.inside(POINTSMAN, "explain", "mine")
    assert "judged when connecting" not in explained.stdout
    container.inside(POINTSMAN, "local", "add", "lan", "--url", "http://172.17.0.1:8000")
    container.inside(
        POINTSMAN, "mapping", "add", "other", "--to", "local/lan", "--model", "practice", "--local-only"
    )
    status, text = container.ask("other")
    assert status != 200, "the same machine by another name: only the name that the setting has is trusted"
    assert "local-only" in text


def test_the_images_health_check_says_that_it_serves(container: Container) -> None:
    text = (ROOT / "Containerfile").read_text()
    words = json.loads(re.findall(r"HEALTHCHECK.*\\\n\s*CMD (\[.*\])", text)[0])
    words[0] = str(Path(POINTSMAN).with_name("python"))
    assert container.inside(*words).returncode == 0
    words[-1] = words[-1].replace("'4480'", "'4481'")
    assert container.inside(*words).returncode != 0


def test_the_first_process_leaves_no_dead_ones_and_stops_when_told(container: Container) -> None:
    container.inside("bash", "-c", "for i in 1 2 3; do (sleep 0.1 &) ; done")
    until = time.monotonic() + 10.0
    while "Z" in (states := container.inside("ps", "-eo", "stat=,comm=").stdout) or "sleep" in states:
        assert time.monotonic() < until, states
        time.sleep(0.1)
    os.kill(container.pid, 15)
    assert container.process.wait(20) == 0, (container.work / "err").read_text()


def test_the_first_process_stops_when_told_so_while_it_still_starts(tmp_path: Path) -> None:
    """The kernel keeps from such a process what it has no handler for."""
    alone = subprocess.run(["unshare", "-rnpmf", "--mount-proc", "true"], capture_output=True, check=False)
    if alone.returncode:
        pytest.skip("NO NAMESPACES here: a container cannot be played")
    pipe = tmp_path / "key"
    os.mkfifo(pipe)
    own = {"POINTSMAN_CLIENT_KEY_FILE": str(pipe), "POINTSMAN_DATA_DIR": str(tmp_path / "data")}
    process = subprocess.Popen(
        ["unshare", "-rnpmf", "--mount-proc", "--kill-child", POINTSMAN, "serve", "--port", "0"],
        env=clean_environment(own),
        stdin=subprocess.DEVNULL,
    )
    try:
        with pipe.open("wb"):  # opens once the start waits for its end
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
            os.kill(int(children.split()[0]), 15)
            assert process.wait(5) == 128 + 15
    finally:
        process.kill()
        process.wait(10)


def test_the_images_last_stage_has_no_tools_and_the_compose_file_is_as_strict_as_the_docs_say() -> None:
    build, last = re.split(r"^FROM ", (ROOT / "Containerfile").read_text(), flags=re.MULTILINE)[1:]
    assert "--require-hashes -r requirements/run.lock" in build
    assert "'(compiled)'" in build, "an image in pure Python is no image"
    assert not re.search(r"\b(pip|apt-get|gcc|curl|cython)\b", last)
    assert "--from=build /app /app" in last
    assert "/build" not in last
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", build, re.MULTILINE)
    let_in = (ROOT / ".dockerignore").read_text().splitlines()
    for name in " ".join(copied).split():
        assert any(fnmatch(name, line[1:]) for line in let_in if line.startswith("!")), f"{name} is left out"
        assert (ROOT / name).exists()
    service = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["pointsman"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["tmpfs"] == ["/tmp"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert (ROOT / service["build"]["dockerfile"]).exists()
    assert int(service["stop_grace_period"].removesuffix("s")) > Limits().drain_seconds
