"""Real engines that the gateway starts: clients are kept alive while one comes, it goes when nobody asks, comes back when it was
killed, and nothing of it is left whatever else is killed. Not here: the same with scripted ones, and more of it
(tests/e2e/test_engines.py, tests/warden)."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.gateway import Gateway, wait_until
from tests.e2e.test_engines import is_free, listening

from .engines import ENDLESS, SUNNY, WEATHER
from .on_demand import KINDS, OnDemand

EACH = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One that keeps a client alive from the first half second on."""
    with Gateway(
        tmp_path_factory.mktemp("on-demand") / "data", env={"POINTSMAN_HOLD_SECONDS": "0.5"}
    ) as found:
        yield found


def said(engine: OnDemand) -> str:
    body = {"model": engine.alias, "messages": [{"role": "user", "content": WEATHER}]}
    text: str = engine.ask(body).json()["choices"][0]["message"]["content"]
    return text


@pytest.mark.parametrize("kind", ["mlx", "llama"])
def test_clients_are_kept_alive_while_one_load_is_under_way_for_all_of_them(
    gateway: Gateway, kind: str, folder: Path, gguf: Path
) -> None:
    engine = OnDemand(gateway, kind, folder, gguf, shell=True)
    body: dict[str, Any] = {
        "model": engine.alias,
        "messages": [{"role": "user", "content": WEATHER}],
        "stream": True,
    }
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: engine.ask(body), range(8)))
    for answer in answers:
        assert answer.status == 200
        before, _, after = answer.body.partition(b"data: ")
        assert before.startswith(b":"), "a comment comes before the engine does"
        assert b'"delta"' in after
        assert answer.body.rstrip().endswith(b"data: [DONE]")
    assert gateway.cli("local", "logs", engine.name, "--lines", "1000").count("engine begins") == 1


@EACH
def test_it_stops_when_idle_and_comes_back_also_when_it_was_killed(
    gateway: Gateway, kind: str, folder: Path, gguf: Path
) -> None:
    engine = OnDemand(gateway, kind, folder, gguf, "--keep", "1")
    assert said(engine) == SUNNY
    first = engine.pids()
    assert first
    wait_until("it has stopped", lambda: not engine.pids(), 20)
    assert said(engine) == SUNNY
    second = engine.pids()
    for pid in second:
        os.kill(pid, signal.SIGKILL)
    wait_until("it has gone", lambda: not second & engine.pids(), 10)
    assert said(engine) == SUNNY
    assert not engine.pids() & (first | second)


def ports(pids: set[int]) -> set[int]:
    found: set[int] = set()
    for pid in pids:
        with suppress(OSError):
            found.update(listening(pid))
    return found


def sockets(pids: set[int]) -> set[str]:
    """Paths of Unix sockets on which they listen."""
    inodes = set()
    for pid in pids:
        with suppress(OSError):
            inodes |= {os.readlink(entry)[8:-1] for entry in Path(f"/proc/{pid}/fd").iterdir()}
    lines = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()[1:]]
    return {one[7] for one in lines if len(one) > 7 and one[6] in inodes and one[3] == "00010000"}


def answers_nobody(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(path) != 0


class Busy:
    """A client that reads an endless answer, until it or the gateway ends."""

    def __init__(self, engine: OnDemand) -> None:
        body = {
            "model": engine.alias,
            "stream": True,
            "max_tokens": 1_000_000,
            "messages": [{"role": "user", "content": "count"}],
            **ENDLESS,
        }
        self._left = threading.Event()
        begun = threading.Event()

        def done(got: bytes) -> bool:
            if b'"content"' in got:
                begun.set()
            return self._left.is_set()

        def read() -> None:
            with suppress(AssertionError, OSError):
                engine.leave_during(body, done)

        self._thread = threading.Thread(target=read)
        self._thread.start()
        assert begun.wait(60)

    def leave(self) -> None:
        self._left.set()
        self._thread.join(30)


KILLED = [
    ("llama", "the gateway", False),
    ("llama", "the gateway", True),
    ("llama", "the warden", True),
    ("llama", "all at once", True),
    ("mlx", "the gateway", True),
    ("mlx", "all at once", False),
    ("mlx_server", "all at once", False),
]


@pytest.mark.parametrize(("kind", "whom", "shell"), KILLED)
def test_kill_9_in_the_middle_of_an_answer_leaves_no_engine_and_nobody_who_listens(
    kind: str, whom: str, shell: bool, tmp_path: Path, folder: Path, gguf: Path
) -> None:
    with Gateway(tmp_path / "data", expect_clean_log=False) as gateway:
        engine = OnDemand(gateway, kind, folder, gguf, shell=shell)
        busy = Busy(engine)
        pids = engine.pids()
        heard, paths = ports(pids), sockets(pids)
        assert heard or paths
        gateway.kill_9(whom)
        busy.leave()
        if whom == "the warden":
            assert said(engine) == SUNNY
            assert engine.pids() == pids, "taken over, not started once more"
    wait_until("it has ended", lambda: not engine.pids(), 10)
    wait_until("nobody listens", lambda: all(map(is_free, heard)) and all(map(answers_nobody, paths)), 5)
