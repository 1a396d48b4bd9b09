"""SIGHUP, and processes that are killed: what is read again, what goes on, and what comes back."""

from __future__ import annotations

import os
import pty
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from pointsman.admin.vault import MasterKey
from tests.e2e.gateway import POINTSMAN, Gateway, clean_environment, wait_until
from tests.e2e.replies import streams
from tests.e2e.test_chaos import open_streams
from tests.e2e.wires import CHAT, WIRES

from .load import Load

if TYPE_CHECKING:
    from pointsman.practice.scripted import ScriptedUpstream

Make = Callable[..., Gateway]
Upstreams = Callable[..., "ScriptedUpstream"]


def hang_up(gateway: Gateway) -> None:
    assert gateway.process is not None
    gateway.process.send_signal(signal.SIGHUP)


def test_sighup_reads_the_database_again_and_no_stream_notices(
    own_gateway: Make, upstream: Upstreams
) -> None:
    gateway, server = own_gateway("--workers", "2"), upstream()
    gateway.rule("m", "local/practice=practice:fast")
    running = []
    for wire in WIRES:
        server.script(*[streams(wire, "0123456789", pace=0.2, pieces=10)] * 3)
        name, _ = gateway.route(wire.kind, server.url)
        running += open_streams(gateway, wire, name, 3)
    before, control = gateway.pids("pointsman.gateway"), gateway.pids("pointsman.admin")
    with Load(gateway, "m") as load:
        # another program changed the database: no publish of ours told anybody
        with closing(sqlite3.connect(gateway.data_dir / "pointsman.db")) as database:
            database.execute(
                "UPDATE backend_mappings SET model_pattern = 'renamed' WHERE model_pattern = 'm'"
            )
            database.commit()
        hang_up(gateway)
        wait_until(
            "the new rules", lambda: gateway.fetch("POST", CHAT.path, CHAT.ask("renamed")).status == 200, 5
        )
        load.stop()
    assert {failure[:3] for failure in load.failures} <= {"404"}, load.failures[:3]
    for stream in running:
        stream.join(20)
        assert stream.whole, stream.seen[-200:]
        assert stream.wire.stream_text(stream.seen) == "0123456789"
    assert gateway.pids("pointsman.admin") == control
    wait_until("old processes have ended", lambda: len(gateway.pids("pointsman.gateway")) == 2, 10)
    assert not {*gateway.pids("pointsman.gateway")} & {*before}
    wait_until("it is told", lambda: "reloaded" in gateway.read_log(), 10)


def test_sighup_takes_the_right_master_key_and_refuses_a_wrong_one(
    own_gateway: Make, upstream: Upstreams
) -> None:
    gateway, server = own_gateway(), upstream()
    server.always(streams(CHAT, "abc"))
    name, _ = gateway.route("openai", server.url)
    key = gateway.data_dir / "master.key"
    right = key.read_text()

    def served() -> int:
        return gateway.fetch("POST", CHAT.path, CHAT.ask(name, stream=True)).status

    key.write_text(MasterKey.new().text() + "\n")
    hang_up(gateway)
    wait_until("it was refused", lambda: "not reloaded" in gateway.read_log(), 5)
    assert served() == 200
    assert gateway.api("GET", "/api/status")["problems"] == []

    gateway.stop()  # with the wrong key it starts, and says what is wrong
    gateway.start()
    assert "master key" in gateway.api("GET", "/api/status")["problems"][0]
    assert served() != 200
    key.write_text(right)
    hang_up(gateway)
    wait_until("the right key is used", lambda: gateway.api("GET", "/api/status")["problems"] == [], 5)
    assert served() == 200


def test_sighup_while_the_database_is_gone_changes_nothing(own_gateway: Make) -> None:
    gateway = own_gateway()
    gateway.rule("m", "local/practice=practice:fast")
    away = gateway.data_dir / "away.db"
    for path in gateway.data_dir.glob("pointsman.db*"):
        path.rename(away.with_name(path.name.replace("pointsman", "away")))
    hang_up(gateway)
    wait_until("it was refused", lambda: "not reloaded" in gateway.read_log(), 10)
    assert gateway.fetch("POST", CHAT.path, CHAT.ask("m")).status == 200
    for path in gateway.data_dir.glob("away.db*"):
        path.rename(path.with_name(path.name.replace("away", "pointsman")))
    hang_up(gateway)
    wait_until("it is read", lambda: "reloaded: " in gateway.read_log(), 10)
    assert gateway.fetch("POST", CHAT.path, CHAT.ask("m")).status == 200


def test_closing_the_terminal_stops_it(tmp_path: Path) -> None:
    """The signal is SIGHUP, too, but nobody is there any more who wants it to run."""
    pid, terminal = pty.fork()
    if pid == 0:
        command = [POINTSMAN, "serve", "--data-dir", str(tmp_path / "data"), "--port", "0", "--json"]
        os.execve(POINTSMAN, command, clean_environment())
    try:
        seen = b""
        while b'"pid"' not in seen:
            seen += os.read(terminal, 1000)
    finally:
        os.close(terminal)
    until = time.monotonic() + 15
    while os.waitpid(pid, os.WNOHANG) == (0, 0):
        if time.monotonic() > until:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise AssertionError("it went on without its terminal")
        time.sleep(0.05)


def test_one_of_two_workers_and_the_control_plane_are_killed_at_once_and_all_come_back(
    own_gateway: Make,
) -> None:
    gateway = own_gateway("--workers", "2")
    gateway.rule("m", "local/practice=practice:fast")
    with Load(gateway, "m", forgiven=True) as load:
        wait_until("requests", lambda: len(load.answered) > 50, 10)
        old = gateway.pids("pointsman.")
        (control,), workers = gateway.pids("pointsman.admin"), gateway.pids("pointsman.gateway")
        for pid in (control, workers[0]):
            os.kill(pid, signal.SIGKILL)
        answered = len(load.answered)
        wait_until("the other one answers", lambda: len(load.answered) > answered + 50, 5)

        def back() -> bool:
            now = gateway.pids("pointsman.gateway")
            return len(now) == 2 and workers[0] not in now

        wait_until("both are back", back, 20)
        wait_until("the control plane is back", lambda: len(_workers(gateway)) == 2, 20)
    assert load.failures == [], load.failures[:3]
    assert load.cut <= load.clients, "only what ran in the killed one"
    assert len(set(gateway.pids("pointsman.")) & set(old)) >= 1
    assert "data plane" in gateway.read_log()
    assert "code -9" in gateway.read_log()


def _workers(gateway: Gateway) -> list[int]:
    try:
        return [one["pid"] for one in gateway.api("GET", "/api/status")["workers"]]
    except (OSError, AssertionError):
        return []


def test_the_only_worker_dies_together_with_the_control_plane_and_requests_wait_for_both(
    own_gateway: Make,
) -> None:
    """A data plane that starts has its rules from the control plane, which is started again, or stands by with the
    last good ones; connections wait in the listener's queue meanwhile."""
    gateway = own_gateway()
    gateway.rule("m", "local/practice=practice:fast")
    for pid in [*gateway.pids("pointsman.admin"), *gateway.pids("pointsman.gateway")]:
        os.kill(pid, signal.SIGKILL)
    begun = time.monotonic()
    assert gateway.fetch("POST", CHAT.path, CHAT.ask("m")).status == 200
    assert time.monotonic() - begun < 10


def test_a_worker_that_crashes_shows_where(own_gateway: Make) -> None:
    gateway = own_gateway("--workers", "2", expect_clean_log=False)
    victim = gateway.pids("pointsman.gateway")[0]
    os.kill(victim, signal.SIGSEGV)
    wait_until(
        "faulthandler's words", lambda: "Fatal Python error: Segmentation fault" in gateway.read_log(), 5
    )
    wait_until(
        "it is back",
        lambda: (
            len(gateway.pids("pointsman.gateway")) == 2 and victim not in gateway.pids("pointsman.gateway")
        ),
        10,
    )


def test_usage_of_an_outage_is_stored_once_when_all_is_back(own_gateway: Make) -> None:
    """The control plane away, the data plane ended in the middle of it, everything started anew."""
    gateway = own_gateway()
    gateway.rule("m", "local/practice=practice:fast")
    (control,) = gateway.pids("pointsman.admin")
    os.kill(control, signal.SIGSTOP)
    sent = [gateway.fetch("POST", CHAT.path, CHAT.ask("m")).header("x-request-id") for _ in range(25)]
    spool = gateway.data_dir / "spool"
    wait_until("it is spooled", lambda: spool.exists() and list(spool.iterdir()), 5)
    time.sleep(1.0)
    gateway.kill()
    gateway.start()

    def stored() -> list[str]:
        return [row["id"] for row in gateway.api("GET", "/api/usage?model=m&limit=100")]

    wait_until("every row", lambda: set(sent) <= set(stored()), 10)
    found = stored()
    assert sorted(found) == sorted(sent)
    wait_until("the spool is empty", lambda: not list(spool.iterdir()), 5)
