"""Starting and stopping engines that behave and that do not, by a real warden."""

from __future__ import annotations

import os
import shlex
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .house import ENGINE, House, Talk, command, listens, until

Make = Callable[..., House]


def asked(found: House, name: str, said: list[str], **more: Any) -> Talk:
    found.recipe(name, said, **more)
    talk = found.talk()
    talk.say(op="watch")
    talk.say(op="want", engine=name)
    talk.wait(name, "cold")
    return talk


def stop(talk: Talk, name: str) -> dict[str, Any]:
    talk.say(op="want", engine=name, count=0)
    talk.say(op="stop", engine=name)
    return talk.wait(name, "cold")


def test_a_request_starts_it_and_it_is_loading_before_it_is_ready(house: Make) -> None:
    talk = asked(house(), "a", command("--load=0.5"))
    assert talk.wait("a", "starting", "loading")["address"].startswith("http://127.0.0.1:")
    assert talk.wait("a", "loading", "ready")["state"] == "loading"
    assert talk.wait("a", "ready")["pid"]


def test_fifty_that_wait_cause_one_start(house: Make) -> None:
    found = house()
    talk = asked(found, "a", command("--load=0.3"))
    others = [found.talk() for _ in range(49)]
    for other in others:
        other.say(op="watch")
        other.say(op="want", engine="a")
    assert len({one.wait("a", "ready")["pid"] for one in (talk, *others)}) == 1
    assert found.log("a").count("engine begins") == 1


def test_an_engine_on_a_unix_socket_has_no_port(house: Make) -> None:
    import sys

    found = house()
    talk = asked(found, "a", [sys.executable, "-I", "-S", ENGINE, "--socket={socket}"])
    path = talk.wait("a", "ready")["address"].removeprefix("unix:")
    assert os.path.dirname(path) == found.runtime_dir
    stop(talk, "a")
    assert not os.path.exists(path)


def test_the_port_may_go_by_the_environment(house: Make) -> None:
    script = f"exec python3 -I -S {shlex.quote(ENGINE)} --port=$ENGINE_PORT"
    talk = asked(house(), "a", ["sh", "-c", script], env={"ENGINE_PORT": "{port}"})
    talk.wait("a", "ready")


def test_it_gets_nothing_that_is_the_gateways_own(house: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POINTSMAN_CLIENT_KEY", "k" * 40)
    found = house()
    talk = asked(found, "a", command())
    pid = talk.wait("a", "ready")["pid"]
    names = {word.partition(b"=")[0] for word in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")}
    assert {name for name in names if name.startswith(b"POINTSMAN")} == {b"POINTSMAN_ENGINE"}
    held = {os.readlink(f"/proc/{pid}/fd/{name}") for name in os.listdir(f"/proc/{pid}/fd")}
    assert os.readlink(f"/proc/{pid}/fd/0") == "/dev/null"
    assert not [one for one in held if one.endswith((".run", ".sock"))]


def test_200_before_it_has_loaded_is_not_ready_where_a_first_small_request_is_asked(house: Make) -> None:
    talk = asked(
        house(),
        "a",
        command("--honest=no", "--load=0.5"),
        ready={"ask": {"path": "/v1/completions", "body": {"max_tokens": 1}}},
    )
    assert talk.wait("a", "loading", "ready")["state"] == "loading"
    talk.wait("a", "ready")


def test_one_that_says_it_is_dead_is_started_again(house: Make, tmp_path: Path) -> None:
    dead = tmp_path / "dead"
    dead.touch()
    talk = asked(
        house(), "a", command(f"--dead-file={dead}"), ready={"dead": [500], "body": {"status": "ok"}}
    )
    assert "says by /health that it is dead" in talk.wait("a", "cold")["why"]
    dead.unlink()
    talk.wait("a", "ready")


def test_one_that_dies_while_loading_stays_down_and_says_why(house: Make) -> None:
    talk = asked(house(deaths=2), "a", command("--exit=3"))
    down = talk.wait("a", "down")
    assert down["why"].startswith(
        "ended 2 times and is not started again until asked by hand; the last time: ended with code 3"
    )
    assert down["said"].splitlines()[-1] == "no such model file"
    assert talk.wait("a", "refused")["refused"] == down["why"]
    talk.say(op="want", engine="a")
    talk.wait("a", "refused")
    assert talk.ask(op="start", engine="a")["ok"]
    assert "code 3" in talk.wait("a", "cold")["why"]


def test_a_program_that_is_not_there_is_told_by_name(house: Make) -> None:
    talk = asked(house(deaths=1), "a", ["no-such-program", "{port}"])
    down = talk.wait("a", "down")
    assert down["why"].endswith("cannot be started: No such file or directory")
    assert down["said"] == "no-such-program"


def test_one_that_hangs_without_a_sign_of_life_is_ended(house: Make) -> None:
    talk = asked(house(), "a", command("--hang"), deadline=1.0)
    assert "showed no sign of life for 1 s" in talk.wait("a", "cold")["why"]


@pytest.mark.parametrize("sign", [("--load=2.5", "--chatter"), ("--spin=2.5",), ("--grow=25",)])
def test_a_long_load_with_signs_of_life_is_not_ended(house: Make, sign: tuple[str, ...]) -> None:
    talk = asked(house(), "a", command(*sign), deadline=1.0)
    talk.wait("a", "starting", "loading")
    assert talk.wait("a", "cold", "ready")["state"] == "ready"


def test_an_endless_log_is_bounded_and_private(house: Make) -> None:
    found = house()
    talk = asked(found, "a", command("--chatter"))
    talk.wait("a", "ready")
    new, old = (found.data_dir / "engines" / f"a.log{more}" for more in ("", ".1"))
    until(old.exists)
    assert stop(talk, "a")["why"] == "stopped by hand"
    for path in (new, old):
        info = path.stat()
        assert 0 < info.st_size <= 1024 * 1024
        assert info.st_mode & 0o777 == 0o600


def test_one_that_ignores_sigterm_and_whose_children_hold_its_port_is_killed(house: Make) -> None:
    found = house()
    talk = asked(found, "a", command("--ignore-term", "--fork=2"))
    port = int(talk.wait("a", "ready")["address"].rpartition(":")[2])
    stop(talk, "a")
    assert not found.pids("a")
    assert not listens(port)


def test_a_stop_waits_for_a_request_under_way(house: Make) -> None:
    found = house(drain=20.0)
    talk = asked(found, "a", command())
    talk.wait("a", "ready")
    talk.say(op="busy", engine="a", count=1)
    talk.say(op="want", engine="a", count=0)
    talk.say(op="stop", engine="a")
    assert talk.wait("a", "stopping")["busy"] == 1
    assert found.pids("a")
    talk.say(op="busy", engine="a", count=0)
    talk.wait("a", "cold")


def test_a_fixed_port_that_another_program_has_is_told(house: Make) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        talk = asked(house(deaths=1), "a", command(), port=port)
        assert f"port {port} is taken by another program" in talk.wait("a", "down")["why"]


def test_an_idle_engine_stops_after_its_time_and_not_while_it_works(house: Make) -> None:
    talk = asked(house(), "a", command(), keep=0.5)
    talk.wait("a", "ready")
    talk.say(op="busy", engine="a", count=1)
    talk.say(op="want", engine="a", count=0)
    talk.socket.settimeout(1.5)
    with pytest.raises(TimeoutError):
        talk.wait("a", "stopping")


def test_a_client_that_is_gone_uses_nothing(house: Make) -> None:
    found = house()
    talk = asked(found, "a", command(), keep=0.3)
    watcher = found.talk()
    watcher.say(op="watch")
    talk.wait("a", "ready")
    talk.say(op="busy", engine="a", count=1)
    talk.say(op="want", engine="a", count=0)
    assert talk.ask(op="list")["engines"][0]["busy"] == 1
    talk.socket.shutdown(socket.SHUT_RDWR)
    assert watcher.wait("a", "cold")["why"] == "nobody asked for it for a while"


def test_the_third_engine_makes_the_least_used_leave(house: Make) -> None:
    found = house(f"--budget={200 * 2**20}")
    talks = {}
    for name in "ab":  # one after the other: the first is the least recently used
        talks[name] = asked(found, name, command(), memory=90 * 2**20)
        talks[name].wait(name, "ready")
        talks[name].say(op="want", engine=name, count=0)
    third = asked(found, "c", command(), memory=90 * 2**20)
    assert talks["a"].wait("a", "stopping")["why"] == "makes room for c"
    third.wait("c", "ready")
    facts = third.ask(op="list")
    states = {one["engine"]: one["state"] for one in facts["engines"]}
    assert states == {"a": "cold", "b": "ready", "c": "ready"}, facts
    assert 0 < facts["held"] <= facts["budget"]


def test_memory_is_measured_with_all_processes_of_an_engine(house: Make) -> None:
    talk = asked(
        house(),
        "a",
        ["sh", "-c", shlex.join(command(f"--ballast={64 * 2**20}")).replace("'{port}'", "{port}") + "; true"],
    )
    talk.wait("a", "ready")
    until(lambda: talk.ask(op="list")["engines"][0]["rss"] > 60 * 2**20)
