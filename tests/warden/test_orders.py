"""The warden's socket: orders, and callers that do not keep to them."""

from __future__ import annotations

import json
import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from .house import House, Talk, command, until

Make = Callable[..., House]


@pytest.mark.parametrize(
    "said",
    [b"rubbish\n", b"[1]\n", b"\xff\xfe\n", b"[" * 100_000 + b"\n", b"x" * 300_000, b"{}" * 200_000 + b"\n"],
)
def test_rubbish_costs_its_own_connection_and_no_other(house: Make, said: bytes) -> None:
    found = house()
    good, bad = found.talk(), found.talk()
    try:
        bad.socket.sendall(said)
        while bad.socket.recv(65536):
            pass
    except ConnectionError:
        pass
    assert good.ask(op="list")["ok"]


def test_a_reader_that_is_stuck_blocks_nobody(house: Make) -> None:
    found = house()
    for number in range(60):
        found.recipe(f"engine-{number}", command())
    good, stuck = found.talk(), found.talk()
    assert not good.ask(op="declare", engines=[f"engine-{number}" for number in range(60)])["problems"]
    stuck.socket.settimeout(2)
    try:
        for _ in range(2000):
            stuck.say(op="watch", pad="x" * 100)
    except OSError:
        pass
    for _ in range(5):
        assert len(good.ask(op="list")["engines"]) == 60


@pytest.mark.parametrize(
    ("order", "told"),
    [
        ({"op": "fly"}, "op must be one of watch, want, busy"),
        ({"op": "want"}, "an engine's name has"),
        ({"op": "want", "engine": "../../etc/passwd"}, "an engine's name has"),
        ({"op": "want", "engine": "a", "count": -1}, "count must be"),
        ({"op": "busy", "engine": "a", "count": True}, "count must be"),
        ({"op": "declare", "engines": "a"}, "engines must be a list"),
        ({"op": "declare", "engines": [{"argv": ["sh"]}]}, "an engine's name has"),
        ({"op": "start", "engine": "nobody"}, "There is no engine 'nobody'; add one with"),
        ({"op": "stop", "engine": "nobody"}, "There is no engine 'nobody'"),
        ({"op": "budget", "share": 2}, "share must be"),
        ({"op": "budget", "bytes": 1e400}, "bytes must be"),
    ],
)
def test_what_is_not_understood_is_told(house: Make, order: dict[str, object], told: str) -> None:
    talk = house().talk()
    assert told in talk.ask(**order)["error"]
    assert talk.ask(op="list")["ok"]


def test_a_want_for_nobody_is_refused(house: Make) -> None:
    talk = house().talk()
    talk.say(op="want", engine="nobody")
    assert "There is no engine" in talk.wait("nobody", "refused")["refused"]


def test_the_socket_is_this_users_alone(house: Make) -> None:
    path = os.path.join(house().runtime_dir, "warden.sock")
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


def test_declared_engines_are_those_and_no_others(house: Make) -> None:
    found = house()
    for name in "abc":
        found.recipe(name, command(), preload=name == "a")
    talk = found.talk()
    talk.say(op="watch")
    assert talk.ask(op="declare", engines=["a", "b", "d"])["problems"].keys() == {"d"}
    talk.say(op="list", id=0)
    talk.wait("a", "ready")
    assert talk.ask(op="declare", engines=["b"])["problems"] == {}
    until(lambda: [one["engine"] for one in talk.ask(op="list")["engines"]] == ["b"])
    assert not found.pids("a")


def test_a_changed_command_is_another_process_and_a_changed_time_is_not(house: Make) -> None:
    found = house()
    found.recipe("a", command(), preload=True)
    talk = found.talk()
    talk.say(op="watch")
    talk.ask(op="declare", engines=["a"])
    first = until(lambda: talk.ask(op="list")["engines"][0])["pid"] or talk.wait("a", "ready")["pid"]
    found.recipe("a", command(), preload=True, keep=1000)
    talk.ask(op="declare", engines=["a"])
    until(lambda: talk.ask(op="list")["engines"][0]["state"] == "ready")
    assert talk.ask(op="list")["engines"][0]["keep"] == 1000
    assert talk.ask(op="list")["engines"][0]["pid"] == first
    found.recipe("a", command("--load=0.1"), preload=True)
    talk.ask(op="declare", engines=["a"])
    assert talk.wait("a", "stopping")["why"] == "its command was changed"
    assert talk.wait("a", "ready")["pid"] != first


def test_a_recipe_that_others_could_have_written_is_not_run(house: Make) -> None:
    found = house()
    found.recipe("a", command())
    path = found.data_dir / "engines" / "a.json"
    path.chmod(0o620)
    talk = found.talk()
    talk.say(op="watch")
    assert "run: chmod 600" in talk.ask(op="declare", engines=["a"])["problems"]["a"]
    talk.say(op="want", engine="a")
    assert talk.wait("a", "refused")["refused"] == "its recipe cannot be used"
    assert "run: chmod 600" in talk.ask(op="list")["engines"][0]["said"]
    assert not found.pids("a")
    path.chmod(0o600)
    talk.ask(op="declare", engines=["a"])
    talk.say(op="want", engine="a")
    talk.wait("a", "ready")


def test_a_budget_can_be_changed_and_is_told(house: Make) -> None:
    talk = house().talk()
    whole = talk.ask(op="list")["memory"]
    assert talk.ask(op="budget", share=0.5)["budget"] == whole // 2
    assert talk.ask(op="budget", bytes=1000)["budget"] == 1000
    assert talk.ask(op="budget", bytes=0)["budget"] is None
    assert talk.ask(op="budget")["budget"] == int(whole * 0.75)


def test_what_lies_in_the_folder_and_is_no_file_of_ours_harms_nobody(house: Make) -> None:
    found = house()
    folder = found.data_dir / "engines"
    for name in ("a.json", "b.run"):
        (folder / name).mkdir()
    (folder / "c.run").write_text("pid x y\nguard\nport -\n" + "z" * 100_000)
    found.kill_warden()
    found.start()
    found.recipe("b", command())
    found.recipe("c", command())
    talk = found.talk()
    talk.say(op="watch")
    assert talk.ask(op="declare", engines=["a", "b", "c"])["problems"].keys() == {"a"}
    for name in "bc":
        talk.say(op="want", engine=name)
    assert "the data folder cannot be written" in until(lambda: talk.wait("b", "cold")["why"])
    talk.say(op="want", engine="c")
    talk.wait("c", "ready")


def test_it_gives_signs_of_life(tmp_path: Path) -> None:
    read, write = os.pipe()
    try:
        with House(tmp_path, f"--beat-fd={write}", pass_fds=(write,)):
            for _ in range(3):
                assert set(os.read(read, 64)) == {ord(".")}
    finally:
        os.close(read)
        os.close(write)


def test_where_the_log_is(house: Make) -> None:
    found = house()
    assert found.talk().ask(op="log", engine="a")["path"] == str(found.data_dir / "engines" / "a.log")


def test_many_orders_in_one_piece(house: Make) -> None:
    talk: Talk = house().talk()
    talk.socket.sendall(
        b"".join(json.dumps({"op": "list", "id": number}).encode() + b"\n" for number in range(200))
    )
    assert [talk.hear()["id"] for _ in range(200)] == list(range(200))


def test_half_an_order_and_a_hang_up_is_nothing(house: Make) -> None:
    found = house()
    talk = found.talk()
    talk.socket.sendall(b'{"op": "li')
    talk.socket.shutdown(socket.SHUT_WR)
    assert talk.socket.recv(100) == b""
    assert found.talk().ask(op="list")["ok"]
