"""A process that is stopped or hangs, a supervisor that is killed, descriptors that are used up: by signals and limits
of the operating system, on a real gateway."""

from __future__ import annotations

import os
import resource
import signal
import socket
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.gateway import Gateway, wait_until

CHAT = {"model": "practice:fast", "messages": [{"role": "user", "content": "hi"}]}
MODULES = {"data plane 0": "pointsman.gateway", "control plane": "pointsman.admin"}


def answers(gateway: Gateway) -> bool:
    return gateway.fetch("POST", "/v1/chat/completions", CHAT).status == 200


@pytest.mark.parametrize("name", MODULES)
def test_a_stopped_process_is_noticed_replaced_and_told(name: str, tmp_path: Path) -> None:
    """SIGSTOP: the port took connections, and nobody answered them, for ever."""
    with Gateway(tmp_path / "data", "--workers", "1", expect_clean_log=False) as gateway:
        (pid,) = gateway.pids(MODULES[name])
        wait_until("it gave signs of life", lambda: answers(gateway), 10)
        time.sleep(1.0)
        os.kill(pid, signal.SIGSTOP)
        started = time.monotonic()
        wait_until(
            "it is in the log", lambda: f"the {name} (pid {pid}) is stopped or hangs" in gateway.read_log(), 6
        )
        assert time.monotonic() - started > 2.0, "a moment's silence is none"
        wait_until("another one is there", lambda: gateway.pids(MODULES[name]) not in ([], [pid]), 10)
        assert answers(gateway)
        wait_until("changes are taken", lambda: gateway.api_answer("GET", "/api/status").status == 200, 15)
        ready = gateway.fetch("GET", "/readyz").json()
        assert ready["status"] == "degraded"
        assert any(f"The {name} did not answer and was replaced" in one for one in ready["problems"])


def test_a_supervisor_that_was_stopped_itself_blames_nobody(tmp_path: Path) -> None:
    """As in a container that is paused: all of it stands still, and goes on."""
    with Gateway(tmp_path / "data") as gateway:
        assert answers(gateway)
        assert gateway.process is not None
        pids = [*gateway.pids("pointsman.gateway"), *gateway.pids("pointsman.admin")]
        everybody = [gateway.process.pid, *pids]
        for pid in everybody:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(6.0)
        for pid in everybody:
            os.kill(pid, signal.SIGCONT)
        time.sleep(2.0)
        assert answers(gateway)
        assert [*gateway.pids("pointsman.gateway"), *gateway.pids("pointsman.admin")] == pids


@pytest.mark.parametrize(
    "stopped", [(), ("pointsman.admin",), ("pointsman.gateway",)], ids=["all", "admin", "plane"]
)
def test_after_kill_9_of_the_supervisor_a_second_start_works_at_once(
    stopped: tuple[str, ...], tmp_path: Path
) -> None:
    """Children that were stopped held the lock and the port for ever, and the sockets' folder stayed behind."""
    temporary = tempfile.mkdtemp(prefix="pm-")  # a short path, as sockets need
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    env = {"TMPDIR": temporary, "XDG_RUNTIME_DIR": ""}
    gateway = Gateway(tmp_path / "data", "--port", str(port), env=env, expect_clean_log=False)
    gateway.start()
    assert gateway.process is not None
    children = gateway.descendants()
    for module in stopped:
        for pid in gateway.pids(module):
            os.kill(pid, signal.SIGSTOP)
    os.kill(gateway.process.pid, signal.SIGKILL)
    gateway.process.wait(10)
    started = time.monotonic()
    gateway.start()
    try:
        assert time.monotonic() - started < 20.0
        assert answers(gateway)
    finally:
        assert gateway.stop() == 0
    wait_until("the orphans are gone", lambda: not any(alive(pid) for pid in children), 20)
    assert os.listdir(temporary) == []
    os.rmdir(temporary)


def alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_used_up_descriptors_are_told_and_it_serves_when_there_are_some(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path / "data", expect_clean_log=False)
    gateway.start()
    (pid,) = gateway.pids("pointsman.gateway")
    _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)  # what it has taken: all that there are
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (128, hard))
    with gateway_ended(gateway):
        assert answers(gateway)
        held = []
        try:
            for _ in range(200):
                held.append(socket.create_connection(("127.0.0.1", gateway.port), 5))
            wait_until("it is told", lambda: "file descriptors are used up" in gateway.read_log(), 10)
        finally:
            for one in held:
                one.close()
        wait_until("it serves again", lambda: served(lambda: answers(gateway)), 10)
        wait_until("it is told", lambda: "free file descriptors again" in gateway.read_log(), 10)
        assert gateway.read_log().count("file descriptors are used up") < 10


def served(ask: Callable[[], bool]) -> bool:
    try:
        return ask()
    except OSError:
        return False


class gateway_ended:
    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self._gateway.stop()
