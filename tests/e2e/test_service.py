"""`pointsman install-service` under a real systemd of one user, in namespaces of its own; and with what plays launchctl."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from .gateway import POINTSMAN, START_SECONDS, clean_environment

ROOT = Path(__file__).resolve().parents[2]
ENGINE = str(Path(__file__).with_name("small_engine.py"))
SYSTEMD = Path("/lib/systemd/systemd")
GROUPS = Path("/sys/fs/cgroup/systemd")
SECRET = 'canary "$HOME` \\ 5%h'

STAGE = """
set -e
echo $$ >"$GROUP/cgroup.procs"
exec unshare -npmf --cgroup --mount-proc --kill-child bash -c '
set -e
mount -t tmpfs tmpfs /run
umount /sys/fs/cgroup/systemd
mount -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/systemd
ip link set lo up
mkdir -p -m 700 /run/systemd/system /run/user/0
"$SYSTEMD" --user &
wait
'
"""
"""The manager of one user, who is root in here; its groups are below one that goes again."""


class Machine:
    """One on which a user's systemd runs. home: that user's."""

    def __init__(self, work: Path) -> None:
        self.home = work / "home"
        self.data = work / "da ta%h"
        self.home.mkdir()
        self.group = GROUPS / f"pointsman-test-{os.getpid()}"
        self.group.mkdir()
        own = {"GROUP": str(self.group), "SYSTEMD": str(SYSTEMD)}
        with (work / "err").open("wb") as err:
            self.process = subprocess.Popen(
                ["bash", "-c", STAGE],
                env=self._environment(own),
                stdin=subprocess.DEVNULL,
                stdout=err,
                stderr=err,
            )
        self.pid = 0
        self.until = time.monotonic() + START_SECONDS

    def up(self) -> bool:
        """Does it answer?"""
        while time.monotonic() < self.until and self.process.poll() is None:
            children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
            if children:
                self.pid = int(children[0])
                if self.inside("systemctl", "--user", "show-environment").returncode == 0:
                    return True
            time.sleep(0.1)
        return False

    def end(self) -> None:
        self.process.kill()
        self.process.wait(10)
        until = time.monotonic() + 10
        while self.group.exists() and time.monotonic() < until:
            for folder in sorted(self.group.rglob("*/"), reverse=True):
                with suppress(OSError):
                    folder.rmdir()
            with suppress(OSError):
                self.group.rmdir()
            time.sleep(0.05)

    def _environment(self, extra: dict[str, str]) -> dict[str, str]:
        env = clean_environment({"HOME": str(self.home), "XDG_RUNTIME_DIR": "/run/user/0", **extra})
        for name in ("DBUS_SESSION_BUS_ADDRESS", "XDG_CONFIG_HOME"):
            env.pop(name, None)
        return env

    def inside(self, *words: str, **extra: str) -> subprocess.CompletedProcess[str]:
        enter = ["nsenter", "-t", str(self.pid), "-n", "-m", "-p", "-C"]
        return subprocess.run(
            [*enter, *words],
            env=self._environment(extra),
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )

    def install(self, *words: str, **extra: str) -> subprocess.CompletedProcess[str]:
        return self.inside(POINTSMAN, "install-service", *words, "--data-dir", str(self.data), **extra)

    def shown(self, name: str) -> str:
        return self.inside("systemctl", "--user", "show", "pointsman", "-p", name, "--value").stdout.strip()

    def answers(self, port: int, model: str = "practice") -> bool:
        body = json.dumps({"model": model, "messages": [{"role": "user", "content": "Hello"}]})
        url = f"http://127.0.0.1:{port}/v1/chat/completions"
        done = self.inside("curl", "-s", "-H", "content-type: application/json", url, "-d", body)
        return '"assistant"' in done.stdout


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    if os.geteuid() or not SYSTEMD.exists() or not os.access(GROUPS, os.W_OK) or not shutil.which("nsenter"):
        pytest.skip("NO SYSTEMD can be started here: the service was not tried under a real one")
    made = Machine(tmp_path_factory.mktemp("machine"))
    try:
        if not made.up():
            pytest.skip(
                "SYSTEMD DOES NOT START in a namespace here: the service was not tried under a real one"
            )
        yield made
    finally:
        made.end()


def test_installed_asked_restarted_changed_and_removed(machine: Machine) -> None:
    words = ("--port", "5017", "--no-discover")
    assert machine.install("--status").returncode == 1
    done = machine.install(*words, POINTSMAN_CANARY=SECRET)
    assert done.returncode == 0, done.stderr
    assert "ExecStart=" in done.stdout, "what was written is shown"
    assert machine.answers(5017), "it serves as soon as the command has ended"
    assert machine.install("--status").returncode == 0
    variables = machine.data / "service.env"
    assert variables.stat().st_mode & 0o777 == 0o600
    unit = machine.home / ".config/systemd/user/pointsman.service"
    assert "canary" not in unit.read_text() + done.stdout + done.stderr
    first = machine.shown("MainPID")
    held = machine.inside("cat", f"/proc/{first}/environ").stdout.split("\0")
    assert f"POINTSMAN_CANARY={SECRET}" in held, "systemd reads the value as it was"

    again = json.loads(machine.install(*words, "--json").stdout)
    assert (again["changed"], again["running"], again["at_sign_in"]) == (False, True, True)
    assert str(again["pid"]) == first, "nothing to change: it serves on"

    machine.inside("kill", "-9", first)
    until = time.monotonic() + START_SECONDS
    # whom it left behind may answer for a moment still
    while machine.shown("NRestarts") != "1" or not machine.answers(5017):
        assert time.monotonic() < until, machine.inside("systemctl", "--user", "status", "pointsman").stdout
        time.sleep(0.2)

    changed = machine.install("--port", "5018", "--no-discover")
    assert changed.returncode == 0, changed.stderr
    assert '+ExecStart="' in changed.stdout
    assert "keeps: POINTSMAN_CANARY" in changed.stderr
    assert machine.answers(5018)
    assert not machine.answers(5017)

    line = shlex.join(
        ["env", f"PYTHONPATH={ROOT}", sys.executable, ENGINE, "--port", "PORT", "--name", "m-one"]
    )
    words = ("local", "add", "one", "--command", line.replace("PORT", "{port}"), "--serves", "m-one")
    added = machine.inside(POINTSMAN, *words, "--data-dir", str(machine.data))
    assert added.returncode == 0, added.stderr
    assert machine.answers(5018, "m-one"), "an engine is started on demand under all that the unit forbids"
    assert "small_engine.py" in machine.inside("ps", "-eo", "args=").stdout

    removed = machine.install("--remove")
    assert removed.returncode == 0, removed.stderr
    assert "small_engine.py" not in machine.inside("ps", "-eo", "args=").stdout
    assert list(unit.parent.rglob("*.service*")) == [], "nor the link that starts it at sign-in"
    assert not machine.answers(5018)
    assert variables.exists()
    assert "stays" in removed.stderr
    assert machine.install("--remove").returncode == 0, "what is gone is no failure"


def test_a_gateway_that_refuses_to_start_is_told_with_its_own_words_and_one_by_hand_is_left_alone(
    machine: Machine,
) -> None:
    refused = machine.install("--port", "5019", "--no-discover", POINTSMAN_LOCAL_HOST="not a name")
    assert refused.returncode == 1
    assert "pointsman.service" in refused.stderr
    machine.install("--remove")
    machine.data.joinpath("service.env").unlink()
    held = subprocess.Popen(
        ["nsenter", "-t", str(machine.pid), "-n", "-m", POINTSMAN, "serve", "--port", "5020", "--json", "--no-discover",
         "--data-dir", str(machine.data)],
        stdout=subprocess.PIPE, text=True, env=clean_environment({"HOME": str(machine.home)}),
    )  # fmt: skip
    try:
        assert held.stdout is not None
        held.stdout.readline()
        done = machine.install("--port", "5020")
        assert done.returncode == 1
        assert "is using" in done.stderr
        assert not (machine.home / ".config/systemd/user/pointsman.service").exists()
    finally:
        held.terminate()
        held.communicate(timeout=60)


def test_a_unit_that_somebody_else_wrote_is_left_alone(machine: Machine) -> None:
    unit = machine.home / ".config/systemd/user/pointsman.service"
    unit.parent.mkdir(parents=True, exist_ok=True)
    unit.write_text("[Service]\nExecStart=/bin/true\n")
    try:
        for words in ((), ("--remove",)):
            done = machine.install(*words)
            assert done.returncode == 1
            assert "not from this command" in done.stderr
        assert unit.read_text() == "[Service]\nExecStart=/bin/true\n"
    finally:
        unit.unlink()


LAUNCHCTL = '''#!{python}
"""Plays launchctl for one agent: what it was asked is in `asked`, the agent's pid in `pid`."""
import os, pathlib, plistlib, signal, subprocess, sys, time
here = pathlib.Path(__file__).parent
word, *rest = sys.argv[1:]
with (here / "asked").open("a") as file:
    file.write(" ".join(sys.argv[1:]) + "\\n")
pid = here / "pid"
domain = "gui/" + str(os.getuid())
if word == "print" and rest == [domain]:
    sys.exit(0)
if word == "bootstrap":
    keys = plistlib.loads(pathlib.Path(rest[1]).read_bytes())
    assert rest[0] == domain and not pid.exists()
    log = open(keys["StandardOutPath"], "ab")
    started = subprocess.Popen(keys["ProgramArguments"], stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                               env={{"HOME": os.environ["HOME"], **keys["EnvironmentVariables"]}},
                               cwd=keys["WorkingDirectory"], start_new_session=True)
    pid.write_text(str(started.pid))
elif word in ("print", "bootout"):
    if not pid.exists():
        print("Could not find service", file=sys.stderr)
        sys.exit(113)
    if word == "bootout":
        os.kill(int(pid.read_text()), signal.SIGTERM)
        pid.unlink()
    else:
        print(domain + "/local.pointsman = {{\\n\\tstate = running\\n\\tpid = " + pid.read_text() + "\\n}}")
'''


def test_launchd_is_asked_to_start_it_with_its_variables_and_to_forget_it(tmp_path: Path) -> None:
    """Only the file and the calls: there is no launchd here."""
    tool = tmp_path / "bin" / "launchctl"
    tool.parent.mkdir()
    (tmp_path / "Library" / "Logs").mkdir(parents=True)
    tool.write_text(LAUNCHCTL.format(python=sys.executable))
    tool.chmod(0o700)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    own = {"HOME": str(tmp_path), "PATH": f"{tool.parent}:{os.environ['PATH']}", "POINTSMAN_CANARY": SECRET}

    def install(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [POINTSMAN, "install-service", "--manager", "launchd", *words, "--data-dir", str(tmp_path / "data")],
            env=clean_environment(own), capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    started = json.loads(install("--port", port, "--no-discover", "--json").stdout)
    try:
        assert (started["changed"], started["running"], started["at_sign_in"]) == (True, True, True)
        until = time.monotonic() + START_SECONDS
        while not (tmp_path / "data" / "serve.json").exists():
            assert time.monotonic() < until, (tmp_path / "Library/Logs/pointsman.log").read_text()
            time.sleep(0.05)
        assert json.loads((tmp_path / "data" / "serve.json").read_text())["pid"] == started["pid"]
        if sys.platform == "linux":
            held = Path(f"/proc/{started['pid']}/environ").read_bytes().decode().split("\0")
            assert f"POINTSMAN_CANARY={SECRET}" in held
        assert json.loads(install("--port", port, "--no-discover", "--json").stdout)["changed"] is False
    finally:
        removed = install("--remove")
    assert removed.returncode == 0, removed.stderr
    asked = (tool.parent / "asked").read_text().splitlines()
    writes = [line.split()[0] for line in asked if not line.startswith("print")]
    assert writes == ["enable", "bootstrap", "bootout"]
    assert not (tmp_path / "Library/LaunchAgents/local.pointsman.plist").exists()
    until = time.monotonic() + START_SECONDS
    while (tmp_path / "data" / "serve.json").exists():
        assert time.monotonic() < until
        time.sleep(0.05)
