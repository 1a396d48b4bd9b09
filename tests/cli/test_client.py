"""The two ways of reaching the admin API, and the lock between them. Real processes, sockets and locks."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from pointsman.cli.client import open_client
from pointsman.errors import PointsmanError
from tests.admin.control.plane import Plane
from tests.e2e.warm import run_warm

POINTSMAN = str(Path(sys.executable).with_name("pointsman"))


@contextmanager
def lock(data_dir: Path) -> Iterator[None]:
    data_dir.mkdir(mode=0o700, exist_ok=True)
    held = os.open(data_dir / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)


def serve_json(data_dir: Path, path: Path | str) -> None:
    (data_dir / "serve.json").write_text(
        json.dumps({"pid": 1, "url": "http://127.0.0.1:1", "socket": str(path)})
    )


def run(data_dir: Path, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [POINTSMAN, *words, "--data-dir", str(data_dir)],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={k: v for k, v in os.environ.items() if not k.startswith("POINTSMAN_")},
    )


def test_with_a_gateway_the_answer_is_the_control_planes(tmp_path: Path) -> None:
    with lock(tmp_path / "data"), Plane(tmp_path / "data") as plane:
        serve_json(plane.data_dir, plane.socket)
        with open_client(plane.data_dir) as client:
            made = client.request("POST", "/api/mappings", {"model_pattern": "a b", "backend_type": "local"})
            assert made.status == 201
            assert made.json() in plane.good("GET", "/api/mappings")
            assert client.request("GET", "/api/nothing").status == 404, "the connection is used again"
        done = run(plane.data_dir, "mapping", "list", "--json")
        assert done.stdout.encode() == plane.call("GET", "/api/mappings").body + b"\n"


def test_without_one_the_same_answer_comes_from_this_process(tmp_path: Path) -> None:
    with open_client(tmp_path / "data") as client:
        client.request("POST", "/api/mappings", {"model_pattern": "ä*", "backend_type": "openai"})
        direct = client.request("GET", "/api/mappings")
        assert client.request("GET", "/api/explain?model=%C3%A4x").json()["pattern"] == "ä*"
        assert client.request("GET", "/api/nothing").status == 404
        assert client.request("POST", "/api/mappings", {}).status == 422
    with Plane(tmp_path / "data") as plane:
        said = plane.call("GET", "/api/mappings")
        assert (said.status, said.body) == (direct.status, direct.body)


def test_one_that_is_starting_is_waited_for(tmp_path: Path) -> None:
    data = tmp_path / "data"
    plane = Plane(data)

    def later() -> None:
        time.sleep(0.7)
        plane.start()
        plane.wait_ready()
        serve_json(data, plane.socket)

    with lock(data):
        thread = threading.Thread(target=later)
        thread.start()
        try:
            with open_client(data, wait_seconds=60.0) as client:
                assert client.request("GET", "/api/mappings").json() == []
        finally:
            thread.join()
            plane.stop()


def test_a_queue_of_commands_that_moves_on_is_waited_for(tmp_path: Path) -> None:
    """Each of them may take its time; all together may take longer than one."""
    data, begun = tmp_path / "data", threading.Event()

    def others() -> None:
        for _ in range(3):
            with open_client(data):
                begun.set()
                time.sleep(0.8)

    thread = threading.Thread(target=others)
    thread.start()
    try:
        assert begun.wait(60)
        with open_client(data, wait_seconds=2.0) as client:
            assert client.request("GET", "/api/mappings").json() == []
    finally:
        thread.join()


def test_a_lock_that_is_held_for_good_is_told_after_ten_seconds(tmp_path: Path) -> None:
    with lock(tmp_path / "data"):
        begun = time.monotonic()
        with pytest.raises(PointsmanError, match="holds this data folder"), open_client(tmp_path / "data"):
            pass
        assert 9 < time.monotonic() - begun < 15
        done = run(tmp_path / "data", "doctor")
        assert done.returncode == 1
        assert "gateway: It cannot be asked" in done.stdout


def test_a_stale_serve_json_is_in_nobodys_way(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    for text in ("", "{", "[]", '{"socket": 7}', json.dumps({"socket": str(tmp_path / "gone.sock")})):
        (data / "serve.json").write_text(text)
        with open_client(data) as client:
            assert client.request("GET", "/api/mappings").status == 200
        assert not (data / "serve.json").exists()


def test_a_socket_that_stays_silent_after_it_took_a_request_is_not_asked_twice(tmp_path: Path) -> None:
    """A change must not be made twice."""
    data = tmp_path / "data"
    with open_client(data) as client:
        client.request("GET", "/api/mappings")
    path = f"/tmp/pm-test-{os.getpid()}.sock"
    asked: list[bytes] = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()

        def drop() -> None:
            peer, _ = listener.accept()
            with peer:
                asked.append(peer.recv(65536))

        thread = threading.Thread(target=drop)
        thread.start()
        serve_json(data, path)
        try:
            with pytest.raises(PointsmanError, match="went away"), open_client(data) as client:
                client.request("POST", "/api/keys", {})
        finally:
            thread.join()
            os.unlink(path)
    assert len(asked) == 1


def test_a_gateway_whose_token_file_is_gone_is_told(tmp_path: Path) -> None:
    with lock(tmp_path / "data"), Plane(tmp_path / "data") as plane:
        serve_json(plane.data_dir, plane.socket)
        (plane.data_dir / "admin-token").unlink()
        done = run(plane.data_dir, "mapping", "list")
        assert done.returncode == 1
        assert "admin-token" in done.stderr


def test_many_commands_at_once_take_turns(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert run_warm(data, "mapping", "list").returncode == 0
    words = ("mapping", "add", "m", "--to", "local/practice", "--json")
    with ThreadPoolExecutor(5) as people:
        done = list(people.map(lambda _: run_warm(data, *words, timeout=300), range(5)))
    assert [one.returncode for one in done] == [0] * 5, [one.stderr for one in done]
    assert len({json.loads(one.stdout)["id"] for one in done}) == 5


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run(tmp_path / "file" / "data", "mapping", "list")
    assert done.returncode == 1
    assert "--data-dir" in done.stderr
    assert "Traceback" not in done.stderr


def on_terminal(data_dir: Path, *words: str, typed: str = "", env: dict[str, str] | None = None) -> str:
    """Runs a command on a terminal of 100 columns and returns what appeared on it."""
    master, slave = pty.openpty()
    kept = {k: v for k, v in os.environ.items() if not k.startswith("POINTSMAN_") and k != "NO_COLOR"}
    process = subprocess.Popen(
        [POINTSMAN, *words, "--data-dir", str(data_dir)],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env={**kept, "TERM": "xterm-256color", "COLUMNS": "100", **(env or {})},
        start_new_session=True,
    )
    os.close(slave)
    shown, sent = b"", False
    while True:
        try:
            piece = os.read(master, 65536)
        except OSError:
            break
        if not piece:
            break
        shown += piece
        if typed and not sent and b":" in shown:
            sent = True
            time.sleep(0.2)  # until the echo is off
            os.write(master, typed.encode())
    process.wait(30)
    os.close(master)
    return shown.decode()


def test_on_a_terminal_there_are_colours_unless_unwanted_and_tables(tmp_path: Path) -> None:
    data = tmp_path / "data"
    run_warm(data, "mapping", "add", "[red]*", "--to", "local/practice")
    shown = on_terminal(data, "mapping", "list")
    assert "\x1b[" in shown
    assert "[red]*" in shown, "a name is never markup"
    assert "\x1b[3" not in on_terminal(data, "mapping", "list", env={"NO_COLOR": "1"})


def test_on_a_terminal_a_key_is_asked_for_without_an_echo(tmp_path: Path) -> None:
    data = tmp_path / "data"
    shown = on_terminal(data, "credential", "set", "openai", typed="sk-typed-canary\n")
    assert "Key for openai" in shown
    assert "sk-typed-canary" not in shown
    assert json.loads(run_warm(data, "credential", "list", "--json").stdout)[0]["key_fingerprint"]
