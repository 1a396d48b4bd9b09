"""What is asked of the system: processes, ports, one HTTP answer."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pointsman.process.machine import memory_bytes
from pointsman.warden import memory, ports
from pointsman.warden.guard import start_of
from pointsman.warden.probe import Probe
from pointsman.warden.processes import from_ps, is_the_one, members, table
from pointsman.warden.recipe import ReadyRow
from tests.children import child

from .house import until


def test_ps_tells_the_same_as_proc() -> None:
    if shutil.which("ps") is None:
        pytest.skip("no ps here")
    me, also = table()[os.getpid()], from_ps()[os.getpid()]
    assert me[:3] == also[:3]
    assert abs(me.cpu - also.cpu) < 2
    assert abs(me.rss - also.rss) < 2**24


def test_a_process_is_known_by_the_second_of_its_start_where_there_is_only_ps() -> None:
    if shutil.which("ps") is None:
        pytest.skip("no ps here")
    began = time.time()
    with child(["sleep", "30"]) as sleeper:
        assert is_the_one(sleeper.pid, "-", began)
        assert not is_the_one(sleeper.pid, "-", began - 60)
        assert not is_the_one(sleeper.pid, "-")


def test_a_process_is_known_by_its_start() -> None:
    start = start_of(os.getpid())
    assert is_the_one(os.getpid(), start)
    assert not is_the_one(os.getpid(), str(int(start) - 1))
    assert not is_the_one(2**22 + 1, start)
    assert start_of(2**22 + 1) == "-"


def test_members_are_all_below_the_guard_and_its_session() -> None:
    with child(["sh", "-c", "sleep 30 & wait"], start_new_session=True) as shell:
        try:
            found = until(lambda: (now := members(table(), shell.pid, 2**22 + 1)) and now)
            assert members(table(), 2**22 + 1, shell.pid) == found | {shell.pid}
        finally:
            os.killpg(shell.pid, 9)


def test_whose_listener_it_is() -> None:
    with socket.socket() as mine:
        mine.bind(("127.0.0.1", 0))
        port = mine.getsockname()[1]
        assert ports.listener_is_of(port, [os.getpid()]) is False  # nobody listens yet
        mine.listen()
        assert ports.listener_is_of(port, [os.getpid()]) is True
        assert ports.listener_is_of(port, [1]) is False
        assert ports.is_taken(port)
    assert not ports.is_taken(port)
    assert not ports.is_taken(ports.free_port())


@pytest.mark.parametrize(
    ("said", "meaning"),
    [
        (b'HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{"status":"ok"}', "ready"),
        (b'HTTP/1.1 200 OK\r\n\r\n{"status":"ok"}', "ready"),
        (b'HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{"status":"bad"}', "loading"),
        (b"HTTP/1.1 200 OK\r\n\r\nok", "loading"),
        (b"HTTP/1.1 200 OK\r\n\r\n[1]", "loading"),
        (b"HTTP/1.1 503 No\r\n\r\n", "loading"),
        (b"HTTP/1.1 404 No\r\n\r\n", "loading"),
        (b"HTTP/1.1 500 No\r\n\r\n", "dead"),
        (b"rubbish", "absent"),
        (b"HTTP/1.1 abc\r\n\r\n", "absent"),
        (b"", "absent"),
    ],
)
@pytest.mark.parametrize("pieces", [1, 7])
def test_what_an_answer_means(tmp_path: Path, said: bytes, meaning: str, pieces: int) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                assert b"GET /health HTTP/1.0\r\n" in connection.recv(4096)
                step = max(1, len(said) // pieces)
                for start in range(0, len(said), step):
                    connection.sendall(said[start : start + step])

        thread = threading.Thread(target=serve)
        thread.start()
        probe = Probe(None, path, "/health")
        until(probe.step)
        thread.join()
        probe.close()
    assert probe.meaning(ReadyRow(dead=(500,), body={"status": "ok"})) == meaning


def test_nobody_there_is_absent() -> None:
    probe = Probe(ports.free_port(), "", "/health")
    until(probe.step)
    probe.close()
    assert probe.meaning(ReadyRow()) == "absent"


def test_memory_is_told_and_readable() -> None:
    found = memory_bytes()
    assert found is not None
    assert 2**28 < found < 2**50
    assert memory.readable(3 * 2**30) == "3.0 GiB"
    assert memory.readable(850 * 2**20) == "850 MiB"


def test_a_guard_alone_imports_nothing_heavy() -> None:
    code = "import sys; exec(open(sys.argv[1]).read(), {'__name__': 'x'}); print('typing' in sys.modules)"
    guard = Path(sys.modules["pointsman.warden.guard"].__file__ or "")
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, guard], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
