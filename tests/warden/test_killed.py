"""Whatever is killed with -9, nothing is left behind and nothing is started twice: shown by processes and listening ports."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from collections.abc import Callable
from typing import Any

import pytest

from pointsman.warden.keeping import mark_of
from pointsman.warden.processes import boot_id, marked
from pointsman.warden.recipe import FOLDER
from tests.children import child

from .house import House, Talk, command, listens, until

Make = Callable[..., House]
SHAPES = ("plain", "sh -c")


def shaped(shape: str, *options: str) -> list[str]:
    plain = command(*options)
    return (
        plain
        if shape == "plain"
        else ["sh", "-c", shlex.join(plain).replace("'{port}'", "{port}") + "; true"]
    )


def up(found: House, shape: str, *options: str, name: str = "a", **more: Any) -> tuple[Talk, int]:
    """An engine that is ready, a connection that watches, and the engine's port."""
    found.recipe(name, shaped(shape, *options), **more)
    talk = found.talk()
    talk.say(op="watch")
    talk.say(op="want", engine=name, count=1)
    ready = talk.wait(name, "ready", "refused")
    assert ready["state"] == "ready", ready
    assert os.getpgid(ready["pid"]) == ready["pid"] != os.getpgid(0)
    return talk, int(ready["address"].rpartition(":")[2])


def port_of(state: dict[str, Any]) -> int:
    return int(state["address"].rpartition(":")[2])


@pytest.mark.parametrize("shape", SHAPES)
def test_kill_9_of_the_engine_and_it_is_started_again_for_who_asks(house: Make, shape: str) -> None:
    found = house()
    talk, port = up(found, shape)
    first = found.pids("a")
    os.kill(max(first), signal.SIGKILL)  # behind sh -c: the engine, not the shell
    assert "SIGKILL" in talk.wait("a", "cold")["why"] or shape != "plain"
    until(lambda: not listens(port) and not (found.pids("a") & first))
    state = talk.wait("a", "ready")  # it still waits
    assert listens(port_of(state))
    assert not found.pids("a") & first


@pytest.mark.parametrize("shape", SHAPES)
def test_kill_9_of_the_engines_first_process_leaves_no_child(house: Make, shape: str) -> None:
    found = house()
    talk, port = up(found, shape, "--fork=2", "--daemon")
    first = found.pids("a")
    assert len(first) >= 4
    talk.say(op="want", engine="a", count=0)
    os.kill(int(found.facts("a")["pid"][0]), signal.SIGKILL)
    talk.wait("a", "cold")
    assert not found.pids("a")
    assert not listens(port)


@pytest.mark.parametrize("shape", SHAPES)
def test_kill_9_of_the_guard(house: Make, shape: str) -> None:
    found = house()
    talk, port = up(found, shape, "--fork=1", "--ignore-term")
    talk.say(op="want", engine="a", count=0)
    os.kill(int(found.facts("a")["guard"][0]), signal.SIGKILL)
    assert talk.wait("a", "cold")["why"] == "its guard was killed"
    assert not found.pids("a")
    assert not listens(port)


@pytest.mark.parametrize("shape", SHAPES)
def test_kill_9_of_the_warden_and_the_next_one_adopts_the_engine(house: Make, shape: str) -> None:
    found = house()
    _, port = up(found, shape)
    first = found.pids("a")
    found.kill_warden()
    assert listens(port)  # requests go on meanwhile
    found.start()
    talk = found.talk()
    talk.say(op="watch")
    talk.say(op="want", engine="a")
    assert port_of(talk.wait("a", "ready")) == port
    assert found.pids("a") == first
    talk.say(op="want", engine="a", count=0)
    assert talk.ask(op="stop", engine="a")["ok"]
    talk.wait("a", "cold")
    assert not found.pids("a")
    assert not listens(port)


def test_kill_9_of_the_warden_while_it_loads_and_the_next_one_waits_on_for_the_same_load(house: Make) -> None:
    found = house()
    found.recipe("a", command("--load=1.0"))
    found.talk().say(op="want", engine="a")
    first = until(lambda: found.pids("a"))
    found.kill_warden()
    found.start()
    talk = found.talk()
    talk.say(op="watch")
    talk.say(op="want", engine="a")
    talk.wait("a", "ready")
    assert found.pids("a") == first


@pytest.mark.parametrize("shape", SHAPES)
def test_kill_9_of_the_warden_and_the_engine_meanwhile(house: Make, shape: str) -> None:
    found = house()
    _, port = up(found, shape)
    found.kill_warden()
    os.kill(max(found.pids("a")), signal.SIGKILL)
    until(lambda: not found.pids("a") and not listens(port))  # the guard sees to the rest
    found.start()
    assert found.talk().ask(op="list")["engines"] == []


@pytest.mark.parametrize("shape", SHAPES)
def test_kill_9_of_warden_and_guard_and_the_next_warden_sweeps(house: Make, shape: str) -> None:
    found = house()
    _, port = up(found, shape, "--ignore-term", "--daemon")
    found.kill_warden()
    os.kill(int(found.facts("a")["guard"][0]), signal.SIGKILL)
    found.start()
    assert not found.pids("a")
    assert not listens(port)


@pytest.mark.parametrize("shape", SHAPES)
def test_kill_9_of_the_gateway_ends_the_engine_and_the_warden(house: Make, shape: str) -> None:
    found = house()
    _, port = up(found, shape, "--fork=1", "--daemon")
    found.abandon()
    until(lambda: not found.pids("a") and not listens(port))
    assert found.process is not None
    assert found.process.wait(15) == 0


def test_kill_9_of_the_gateway_with_an_engine_that_ignores_sigterm(house: Make) -> None:
    found = house()
    _, port = up(found, "sh -c", "--ignore-term")
    found.abandon()
    until(lambda: not found.pids("a") and not listens(port))


@pytest.mark.parametrize("shape", SHAPES)
def test_kill_9_of_gateway_warden_and_guard_all_at_once(house: Make, shape: str) -> None:
    """Nobody is left who could end it: the kernel hangs up its terminal."""
    found = house()
    _, port = up(found, shape, "--fork=1")
    assert found.process is not None
    guard = int(found.facts("a")["guard"][0])
    os.kill(guard, signal.SIGSTOP)  # so that it does nothing any more
    os.kill(found.process.pid, signal.SIGSTOP)
    found.abandon()
    os.kill(found.process.pid, signal.SIGKILL)
    os.kill(guard, signal.SIGKILL)
    until(lambda: not found.pids("a") and not listens(port))


def test_another_gateway_of_the_same_folder_ends_what_the_killed_one_left(house: Make) -> None:
    """Its guards are still about to end their engines: they are not adopted by it."""
    found = house()
    _, port = up(found, "plain")
    found.kill_warden()
    text = (found.data_dir / FOLDER / "a.run").read_text()
    other = text.replace(found.runtime_dir, found.runtime_dir + "-before")
    (found.data_dir / FOLDER / "a.run").write_text(other)
    found.start()
    assert not found.pids("a")
    assert not listens(port)


def test_a_strangers_process_under_a_noted_number_is_not_touched(house: Make) -> None:
    found = house()
    with child([sys.executable, "-I", "-S", "-c", "import time; time.sleep(60)"]) as stranger:
        boot = boot_id()
        found.kill_warden()
        said = f"boot {boot}\nhash x\nruntime {found.runtime_dir}\nguard {stranger.pid} 1\npid {stranger.pid} 1 1.0\n"
        (found.data_dir / FOLDER / "a.run").write_text(said)
        found.start()
        assert stranger.poll() is None


def test_a_second_warden_starts_no_second_engine(house: Make) -> None:
    """One that was stopped and is let go on again after its successor came."""
    found = house()
    _, port = up(found, "plain")
    first, old = found.pids("a"), found.process
    assert old is not None
    os.kill(old.pid, signal.SIGSTOP)
    found.start()
    os.kill(old.pid, signal.SIGCONT)
    talk = found.talk()
    talk.say(op="watch")
    talk.say(op="want", engine="a")
    talk.wait("a", "ready")
    assert found.pids("a") == first
    old.kill()
    old.wait()
    assert listens(port)


def test_sigterm_to_the_warden_stops_all_first(house: Make) -> None:
    found = house()
    _, port = up(found, "sh -c")
    up(found, "plain", name="b")
    assert found.process is not None
    found.process.terminate()
    assert found.process.wait(20) == 0
    assert not found.pids("a") | found.pids("b")
    assert not listens(port)
    assert not os.path.exists(os.path.join(found.runtime_dir, "warden.sock"))


def test_marks_tell_folders_apart(house: Make, tmp_path: Any) -> None:
    found = house()
    up(found, "plain")
    assert marked(mark_of(found.data_dir, "a"))
    assert not marked(mark_of(tmp_path, "a"))
