"""The process: what it opens, when it refuses, how it ends, and that the database may go away for a while."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from pointsman.admin.control.control_plane import ControlPlane

from .plane import Plane, Worker, ask, check_problem


def refused(plane: Plane) -> str:
    """Starts it and returns what it says when it does not start."""
    plane.start()
    assert plane.process is not None
    code = plane.process.wait(20)
    plane.process = None
    assert code == 3, plane.log()
    assert "Traceback" not in plane.log()
    return plane.log()


def prepared(data_dir: Path) -> Path:
    """A data folder as a control plane leaves it behind."""
    ControlPlane.open(data_dir, {}).close()
    return data_dir


def test_everything_it_makes_is_for_its_user_only(tmp_path: Path) -> None:
    with Plane(tmp_path / "data") as plane:
        assert stat.S_IMODE(plane.data_dir.stat().st_mode) == 0o700
        plane.good("GET", "/api/usage")
        for path in [*plane.data_dir.rglob("*"), plane.socket]:
            assert stat.S_IMODE(path.stat().st_mode) in (0o600, 0o700), path
        assert {"pointsman.db", "master.key", "admin-token"} <= set(os.listdir(plane.data_dir))


def test_it_stops_on_sigterm_and_leaves_no_socket(tmp_path: Path) -> None:
    plane = Plane(tmp_path / "data")
    with plane:
        assert plane.process is not None
        begun = time.monotonic()
        assert plane.stop() == 0
        assert time.monotonic() - begun < 5
        assert not plane.socket.exists()


def test_it_starts_over_the_socket_of_one_that_was_killed(tmp_path: Path) -> None:
    with Plane(tmp_path / "data") as plane:
        epoch = plane.good("POST", "/api/keys", {}, 201)
        plane.kill()
        assert plane.socket.exists()
        plane.start()
        plane.wait_ready()
        assert plane.good("GET", "/api/keys")[0]["id"] == epoch["id"]


def test_rules_are_served_before_http_is_up(tmp_path: Path) -> None:
    plane = Plane(prepared(tmp_path / "data"))
    plane.start()
    try:
        until = time.monotonic() + 20
        while not (plane.folder / "link.sock").exists() and time.monotonic() < until:
            time.sleep(0.002)
        with Worker(plane) as worker:
            assert worker.snapshot.version >= 1
            plane.wait_ready()
    finally:
        plane.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_what_a_first_start_and_the_admin_api_need_is_not_in_memory_while_nobody_asks(tmp_path: Path) -> None:
    """alembic comes with markupsafe, the HTTP side with httptools: both have files that are mapped."""
    plane = Plane(tmp_path / "data")
    plane.start()
    try:
        assert plane.process is not None
        maps = Path(f"/proc/{plane.process.pid}/maps")
        until = time.monotonic() + 60
        while not (plane.folder / "control.sock").exists() and time.monotonic() < until:
            time.sleep(0.01)
        loaded = maps.read_text()
        assert "libsqlite3" in loaded
        assert "markupsafe" not in loaded
        assert "httptools" not in loaded
        plane.wait_ready()
        assert "httptools" in maps.read_text()
        assert plane.good("GET", "/api/mappings") == []
    finally:
        plane.stop()


def test_a_new_start_is_a_new_epoch(tmp_path: Path) -> None:
    epochs = []
    for _ in range(2):
        with Plane(tmp_path / "data") as plane, Worker(plane) as worker:
            epochs.append(worker.snapshot.epoch)
    assert epochs[0] != epochs[1]


def test_a_killed_worker_does_not_hold_up_a_write(tmp_path: Path) -> None:
    with Plane(tmp_path / "data") as plane:
        with Worker(plane, deaf=True):
            pass
        plane.good("GET", "/api/keys")  # what answers there is loaded
        begun = time.monotonic()
        plane.good("POST", "/api/keys", {}, 201)
        assert time.monotonic() - begun < 1.5


@pytest.mark.parametrize(
    ("name", "mode", "fix"),
    [
        ("pointsman.db", 0o644, "600"),
        ("admin-token", 0o640, "600"),
        (".", 0o755, "700"),
    ],
)
def test_files_that_others_can_read_stop_the_start_with_the_fix(
    tmp_path: Path, name: str, mode: int, fix: str
) -> None:
    plane = Plane(prepared(tmp_path / "data"))
    (plane.data_dir / name).chmod(mode)
    assert f"chmod {fix}" in refused(plane)


def test_serving_others_without_any_client_key_is_refused(tmp_path: Path) -> None:
    assert "pointsman key create" in refused(Plane(tmp_path / "data", "--require-keys"))


def test_serving_others_needs_a_key_for_every_request_even_when_all_are_revoked(tmp_path: Path) -> None:
    with Plane(tmp_path / "data") as plane:
        made = plane.good("POST", "/api/keys", {}, 201)
        plane.good("DELETE", f"/api/keys/{made['id']}", status=204)
    with (
        Plane(tmp_path / "data", "--public-url", "http://0.0.0.0:4480", "--require-keys") as plane,
        Worker(plane) as worker,
    ):
        assert worker.snapshot.keys_required
        assert plane.call("GET", "/api/status", host="192.168.1.5:4480").status == 200


def test_it_ends_when_its_supervisor_is_gone(tmp_path: Path) -> None:
    runtime = Plane(tmp_path / "data")
    code = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-m', 'pointsman.admin', '--data-dir', sys.argv[1],"
        " '--runtime-dir', sys.argv[2]])\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "data"), str(runtime.folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        until = time.monotonic() + 20
        while not runtime.socket.exists() and time.monotonic() < until:
            time.sleep(0.02)
        assert runtime.socket.exists()
    finally:
        parent.kill()
        parent.wait(10)
        if parent.stdout is not None:
            parent.stdout.close()
    until = time.monotonic() + 10
    while time.monotonic() < until and _alive(child):
        time.sleep(0.05)
    if _alive(child):
        os.kill(child, signal.SIGKILL)
        raise AssertionError("it outlived its supervisor")


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat_file = Path(f"/proc/{pid}/stat")
    return not (stat_file.exists() and stat_file.read_text().rpartition(")")[2].split()[0] == "Z")


def test_a_locked_database_is_a_503_with_retry_after_and_comes_back_by_itself(tmp_path: Path) -> None:
    with Plane(tmp_path / "data") as plane:
        with closing(sqlite3.connect(plane.data_dir / "pointsman.db", isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            said = plane.call("POST", "/api/keys", {})
            problem = check_problem(said, 503)
            assert (problem["code"], int(said.headers["retry-after"]) > 0) == ("unavailable", True)
            assert plane.call("GET", "/api/status").status == 200, "what is in memory is still told"
            assert plane.call("GET", "/api/hello").status == 200
            other.execute("ROLLBACK")
        plane.good("POST", "/api/keys", {}, 201)
        assert "Traceback" not in plane.log()


def test_a_database_that_is_moved_away_is_a_503_until_it_is_back(tmp_path: Path) -> None:
    with Plane(tmp_path / "data") as plane:
        made = plane.good("POST", "/api/keys", {}, 201)
        away = tmp_path / "away"
        away.mkdir()
        for path in plane.data_dir.glob("pointsman.db*"):
            path.rename(away / path.name)
        check_problem(plane.call("GET", "/api/keys"), 503)
        check_problem(plane.call("POST", "/api/keys", {}), 503)
        for path in away.iterdir():
            path.rename(plane.data_dir / path.name)
        assert [row["id"] for row in plane.good("GET", "/api/keys")] == [made["id"]]


def test_an_unexpected_fault_is_a_problem_with_an_id_that_the_log_explains(tmp_path: Path) -> None:
    with Plane(tmp_path / "data") as plane:
        # a table that is gone is no trouble of SQLite's that we know words for
        with closing(sqlite3.connect(plane.data_dir / "pointsman.db")) as other:
            other.execute("DROP TABLE client_keys")
            other.commit()
        said = plane.call("GET", "/api/keys")
        problem = check_problem(said, 500)
        assert problem["code"] == "internal"
        assert "client_keys" not in said.body.decode()
        assert problem["request_id"] in plane.log()
        assert ask(plane.socket, "GET", "/api/hello").status == 200
