"""A local backend that is a command: its first request starts it, and nothing of it is left whatever is killed."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from pointsman.practice import ScriptedUpstream
from pointsman.providers.urls import engine_url
from pointsman.warden.recipe import write_recipe
from tests.crowding import within
from tests.vendor_bodies import chat

from .gateway import Gateway, wait_until
from .web import Answer

ROOT = str(Path(__file__).parents[2])
ENGINE = str(Path(__file__).with_name("small_engine.py"))


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """For tests whose engines have names of their own, and that kill nothing but engines."""
    env = {"POINTSMAN_HOLD_SECONDS": "0.3"}
    with Gateway(tmp_path_factory.mktemp("engines") / "data", env=env) as found:
        yield found


def engine(gateway: Gateway, name: str, *options: str, shell: bool = False, **fields: Any) -> None:
    """An engine of that name, which lists a model of that name."""
    command = [sys.executable, ENGINE, "--port", "{port}", "--name", name, *options]
    if shell:
        command = ["sh", "-c", " ".join(command) + "; true"]
    write_recipe(
        gateway.data_dir, name, {"command": command, "env": {"PYTHONPATH": ROOT}, "models": [name], **fields}
    )
    gateway.api("POST", "/api/local", {"name": name, "base_url": engine_url(name)}, status=201)


def ask(gateway: Gateway, model: str) -> Answer:
    return gateway.fetch("POST", "/v1/chat/completions", chat.ask(model))


def said(answer: Answer) -> tuple[str, int]:
    """(its name, its process)"""
    assert answer.status == 200, answer.body
    name, pid = answer.json()["choices"][0]["message"]["content"].split()
    return name, int(pid)


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def listening(pid: int) -> list[int]:
    """Ports on which that process listens, by /proc."""
    inodes = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = os.readlink(entry)
        except OSError:
            continue
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return [int(one[1].partition(":")[2], 16) for one in lines if one[3] == "0A" and one[9] in inodes]


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def test_the_first_request_starts_it_all_who_wait_get_one_and_it_stops_when_nobody_comes(
    gateway: Gateway,
) -> None:
    engine(gateway, "first", "--load", "0.5", keep=1.5)
    assert "first" in {one["id"] for one in gateway.fetch("GET", "/v1/models").json()["data"]}, (
        "also while it is cold"
    )
    with ThreadPoolExecutor(8) as pool:
        found = {said(answer) for answer in pool.map(lambda _: ask(gateway, "first"), range(8))}
    ((name, pid),) = found
    assert name == "first"
    assert said(ask(gateway, "first")) == (name, pid)
    wait_until("it has stopped", lambda: not lives(pid), 10)
    assert said(ask(gateway, "first"))[1] != pid


def test_an_engine_that_was_killed_is_started_again_for_the_next(gateway: Gateway) -> None:
    engine(gateway, "killed")
    _, pid = said(ask(gateway, "killed"))
    os.kill(pid, signal.SIGKILL)
    wait_until("another one answers", lambda: ask(gateway, "killed").status == 200, 10)
    assert said(ask(gateway, "killed"))[1] != pid


@pytest.mark.parametrize("whom", ["the gateway", "the warden", "all at once"])
def test_kill_9_leaves_no_engine_and_no_port_behind(tmp_path: Path, whom: str) -> None:
    """Neither of one that is run plainly nor of one behind sh -c."""
    gateway = Gateway(tmp_path / "data")
    gateway.start()
    names = ("plain", "shell")
    try:
        for name in names:
            engine(gateway, name, shell=name == "shell")
        pids = {name: said(ask(gateway, name))[1] for name in names}
        ports = [port for pid in pids.values() for port in listening(pid)]
        assert len(ports) == 2
        gateway.kill_9(whom)
        if whom == "the warden":
            for name in names:
                assert said(ask(gateway, name)) == (name, pids[name]), "taken over, not started once more"
    finally:
        gateway.stop()
    wait_until("the engines have ended", lambda: not any(map(lives, pids.values())), 10)
    wait_until("their ports are free", lambda: all(map(is_free, ports)), 5)
    if whom != "the warden":
        with Gateway(tmp_path / "data") as after:
            for name in names:
                assert said(ask(after, name))[1] != pids[name]


def test_sigterm_stops_engines_too(tmp_path: Path) -> None:
    with Gateway(tmp_path / "data") as gateway:
        engine(gateway, "tiny")
        _, pid = said(ask(gateway, "tiny"))
    assert not lives(pid)


def test_cold_goes_to_the_next_where_the_rule_says_so_and_it_is_started_meanwhile(gateway: Gateway) -> None:
    with ScriptedUpstream() as far:
        cloud = gateway.backend("openai", far.url, allow_http=True)
        engine(gateway, "cool", "--load", "0.5")
        gateway.rule("m-cool", "local/cool=cool", f"{cloud}=practice", fallback_on=["cold"])
        first = ask(gateway, "m-cool")
        assert (first.status, first.header("x-pointsman-target")) == (200, f"{cloud}:practice")
        wait_until(
            "it has been started",
            lambda: ask(gateway, "m-cool").header("x-pointsman-target") == "local/cool:cool",
            10,
        )


def test_an_engine_that_cannot_start_says_why_and_a_rule_goes_on(gateway: Gateway) -> None:
    write_recipe(gateway.data_dir, "gone", {"command": ["/no/such/program", "{port}"], "models": ["gone"]})
    gateway.api("POST", "/api/local", {"name": "gone", "base_url": engine_url("gone")}, status=201)
    begun = time.monotonic()
    answer = ask(gateway, "gone")
    assert answer.status == 503
    assert "local/gone" in answer.json()["error"]["message"]
    assert time.monotonic() - begun < 40
    with ScriptedUpstream() as far:
        cloud = gateway.backend("openai", far.url, allow_http=True)
        gateway.rule("m-gone", "local/gone=gone", f"{cloud}=practice")
        assert ask(gateway, "m-gone").header("x-pointsman-target") == f"{cloud}:practice"


def test_no_command_comes_over_rest(gateway: Gateway, tmp_path: Path) -> None:
    """CVE-2026-42271: a row that names an engine is nothing without the file that this machine's user wrote."""
    mark = tmp_path / "ran"
    for body in (
        {"name": "evil", "base_url": engine_url("evil"), "command": ["touch", str(mark)]},
        {"name": "evil2", "base_url": engine_url("../../evil")},
    ):
        gateway.api_answer("POST", "/api/local", body)
    gateway.api_answer("POST", "/api/local", {"name": "evil3", "base_url": engine_url("evil3")})
    answer = gateway.fetch("POST", "/v1/chat/completions", chat.ask("x"))
    gateway.rule("y", "local/evil3=y")
    assert (answer.status, ask(gateway, "y").status) == (404, 502)
    assert not mark.exists()


def test_two_processes_share_one_engine_and_a_slow_answer_keeps_it(tmp_path: Path) -> None:
    """It is idle when nobody has anything of it, in whichever process."""
    with Gateway(tmp_path / "data", "--workers", "2") as gateway:
        engine(gateway, "slow", "--linger", "2.5", keep=0.5)
        with ThreadPoolExecutor(8) as pool:
            found = {said(answer) for answer in pool.map(lambda _: ask(gateway, "slow"), range(8))}
        assert len(found) == 1
        ((_, pid),) = found
        wait_until("it has stopped", lambda: not lives(pid), 10)


def test_a_stream_is_kept_alive_while_its_engine_loads(gateway: Gateway) -> None:
    engine(gateway, "held", "--load", "2")
    answer = gateway.fetch("POST", "/v1/chat/completions", {**chat.ask("held"), "stream": True})
    assert answer.status == 200
    assert answer.body.startswith(b":"), "a sign of life before anything else"
    assert b"held" in answer.body


def test_fifty_clients_over_three_engines_with_memory_for_two_are_all_answered(tmp_path: Path) -> None:
    """Each engine is loaded once: who comes for the third waits until one of the others has had its ten seconds, and no engine
    goes while somebody waits for its answer."""
    size = 100 * 2**20
    with Gateway(tmp_path / "data", "--memory", "250MB") as gateway:
        for name in "abc":
            engine(gateway, name, "--load", "0.2", "--linger", "0.1", memory=size)
        begun = time.monotonic()

        def client(number: int) -> tuple[str, int, float]:
            return (*said(ask(gateway, "abc"[number % 3])), time.monotonic() - begun)

        with ThreadPoolExecutor(50) as pool:
            found = list(pool.map(client, range(50)))
        assert [name for name, _, _ in found] == ["abc"[number % 3] for number in range(50)]
        assert len({pid for _, pid, _ in found}) == 3, "one load each"
        at_once = {name for name, _, after in found if after < 8}
        assert len(at_once) == 2, "there is room for two"
        last = max(after for _, _, after in found)
        assert within(last, 15), last
        running = gateway.cli_json("local", "engines")
        assert running["held"] <= running["budget"] == 250 * 10**6


def test_what_cannot_fit_is_told_while_its_engine_is_cold_and_starts_nothing(gateway: Gateway) -> None:
    engine(gateway, "narrow", window=100)
    (listed,) = [one for one in gateway.fetch("GET", "/v1/models").json()["data"] if one["id"] == "narrow"]
    assert listed["context_window"] == 100
    with ScriptedUpstream() as far:
        cloud = gateway.backend("openai", far.url, allow_http=True)
        gateway.rule("m-narrow", "local/narrow=narrow", f"{cloud}=practice", fallback_on=["context"])
        answer = gateway.fetch("POST", "/v1/chat/completions", chat.ask("m-narrow", "word " * 900))
        assert answer.header("x-pointsman-target") == f"{cloud}:practice"
    (told,) = [one for one in gateway.cli_json("local", "engines")["engines"] if one["name"] == "narrow"]
    assert not told["pid"]
