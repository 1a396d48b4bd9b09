"""What a running gateway leaves for other users and other processes of this machine: its sockets and folders under
any umask, and the master key that it was started with."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

import pytest

from pointsman import native

from .gateway import Gateway, wait_until
from .wires import CHAT


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def runtime_folder(gateway: Gateway) -> Path:
    command = next(c for c in gateway.descendants().values() if "-m pointsman.admin" in c)
    return Path(command.partition("--runtime-dir ")[2].split()[0])


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o277])
def test_sockets_and_folders_are_the_users_alone_under_any_umask(tmp_path: Path, umask: int) -> None:
    gateway = Gateway(tmp_path / "data", "--workers", "2")
    before = os.umask(0o022)
    try:
        gateway.log.touch()
        gateway.stdout.touch()
        os.umask(umask)  # the child's, too
        gateway.start()
    finally:
        os.umask(before)
    with_sockets = runtime_folder(gateway)
    try:
        assert gateway.fetch("POST", CHAT.path, CHAT.ask("practice")).status == 200
        sockets = wait_until("both workers listen", lambda: _sockets(with_sockets, 6))
        assert {path.name: oct(mode(path)) for path in sockets if mode(path) != 0o600} == {}
        assert mode(with_sockets) == 0o700
        assert mode(gateway.data_dir) & 0o077 == 0
        for path in gateway.data_dir.rglob("*"):
            assert mode(path) & 0o077 == 0, path
    finally:
        gateway.stop()


def _sockets(folder: Path, count: int) -> list[Path]:
    """control, link, and of each worker its practice model's and its memory's."""
    found = [path for path in folder.iterdir() if stat.S_ISSOCK(path.stat().st_mode)]
    return found if len(found) >= count else []


def environment_of(pid: int) -> bytes:
    return Path(f"/proc/{pid}/environ").read_bytes()


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="a kernel without /proc")
@pytest.mark.parametrize("workers", ["1", "2"])
def test_no_process_of_the_gateway_shows_the_master_key_in_its_environment(
    tmp_path: Path, workers: str
) -> None:
    key = secrets.token_hex(32)
    with Gateway(tmp_path / "data", "--workers", workers, env={"POINTSMAN_MASTER_KEY": key}) as gateway:
        backend = gateway.backend("local", "http://127.0.0.1:9", key="sk-sealed-under-it-1")
        assert gateway.process is not None
        assert len(gateway.pids("pointsman.gateway")) == int(workers)
        for pid in (gateway.process.pid, *gateway.descendants()):
            assert key.encode() not in environment_of(pid), gateway.descendants().get(pid, "supervisor")
        (control,) = gateway.pids("pointsman.admin")
        assert key not in " ".join(gateway.descendants().values())
        # The key is the one that was given, also to a control plane that is started anew.
        gateway.expect_clean_log = False
        os.kill(control, 9)
        wait_until("a new control plane", lambda: gateway.pids("pointsman.admin") not in ([], [control]))
        (anew,) = gateway.pids("pointsman.admin")
        assert key.encode() not in environment_of(anew)
        wait_until("it answers", lambda: gateway.api_answer("GET", "/api/local").status == 200, seconds=30)
        shown = gateway.api_answer("GET", "/api/local").body.decode()
        assert backend.partition("/")[2] in shown
        runs = native.how()[0]
        assert gateway.fetch("GET", "/readyz").json() == {"status": "ready", "problems": [], "runs": runs}
    assert not (gateway.data_dir / "master.key").exists()
