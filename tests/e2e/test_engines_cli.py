"""Engines that are started on demand, from the command line: added, looked at, started, tested, stopped, forgotten."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pointsman.providers.urls import engine_url
from tests.children import child
from tests.vendor_bodies import chat

from .gateway import POINTSMAN, Gateway, clean_environment, wait_until
from .warm import run_warm
from .web import free_port

ROOT = str(Path(__file__).parents[2])
ENGINE = str(Path(__file__).with_name("small_engine.py"))


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with Gateway(tmp_path_factory.mktemp("engines") / "data") as found:
        yield found


def command(name: str, *options: str) -> str:
    """As it is typed: in quotes, and run without a shell."""
    words = [
        "env",
        f"PYTHONPATH={ROOT}",
        sys.executable,
        ENGINE,
        "--port",
        "{port}",
        "--name",
        name,
        *options,
    ]
    return shlex.join(words).replace("'{port}'", "{port}")


def engine(gateway: Gateway, name: str) -> dict[str, Any]:
    found: dict[str, Any] = gateway.api("GET", f"/api/engines/{name}")
    return found


def test_an_engine_from_add_to_remove(gateway: Gateway) -> None:
    added = gateway.cli_json(
        "local", "add", "one", "--command", command("m-one"), "--serves", "m-one", "--keep", "10m"
    )
    assert (added["name"], added["base_url"]) == ("one", engine_url("one"))
    assert "cold" in gateway.cli("local", "list")
    explained = gateway.cli_json("explain", "m-one")["targets"][0]
    assert (explained["target"], explained["usable"], explained["engine"]) == (
        "local/one:m-one",
        True,
        "cold",
    )
    assert (explained["base_url"], explained["urls"], explained["leaves_machine"]) == (None, {}, False)
    assert "pointsman-engine" not in gateway.cli("explain", "m-one")

    started = gateway.cli_json("local", "start", "one")
    assert (started["state"], started["program"], started["keep"]) == ("ready", "env", 600)
    assert started["address"].startswith("http://127.0.0.1:")
    os.kill(started["pid"], 0)
    assert " ready " in gateway.cli("local", "list")
    whole = gateway.cli_json("local", "engines")
    assert whole["answering"]
    assert [one["name"] for one in whole["engines"]] == ["one"]
    assert whole["budget"] == whole["memory"] * 3 // 4
    assert "--port" not in json.dumps(whole), "what it is started with is not told"
    answer = gateway.fetch("POST", "/v1/chat/completions", chat.ask("m-one"))
    assert answer.json()["choices"][0]["message"]["content"].startswith("m-one ")
    said = gateway.cli("explain", "m-one")
    assert "(ready)" in said
    assert f"{started['address']}/v1/chat/completions" in said, "where it is now"
    gateway.cli("local", "update", "one", "--serves", "m-other")
    assert gateway.cli_json("explain", "m-one")["targets"][0]["usable"], "it says itself what it lists"
    assert "answers" in gateway.cli("doctor", code=0)
    assert gateway.cli("local", "logs", "one") == "listening\n"

    gateway.cli("local", "update", "one", "--pin", "--keep", "forever")
    wait_until("it is declared anew", lambda: engine(gateway, "one")["pinned"])
    assert (engine(gateway, "one")["keep"], engine(gateway, "one")["pid"]) == (None, started["pid"])
    gateway.cli("local", "update", "one", "--disable")
    wait_until("it has ended", lambda: not Path(f"/proc/{started['pid']}").exists())
    gateway.cli("local", "update", "one", "--enable")
    assert gateway.cli_json("local", "start", "one")["state"] == "ready"
    stopped = gateway.cli_json("local", "stop", "one")
    assert (stopped["state"], stopped["pid"]) == ("cold", None)
    pid = gateway.cli_json("local", "start", "one")["pid"]
    gateway.cli("local", "remove", "one")
    wait_until("it has ended", lambda: not Path(f"/proc/{pid}").exists())
    assert not list((gateway.data_dir / "engines").glob("one.[jl]*"))
    gateway.cli("local", "start", "one", code=1)
    assert gateway.api("GET", "/api/engines/one", status=404)["code"] == "not_found"


def test_a_test_starts_it_and_asks_it_where_it_is(gateway: Gateway) -> None:
    gateway.cli(
        "local", "add", "tried", "--command", command("m-tried", "--load", "0.3"), "--serves", "m-tried"
    )
    found = gateway.cli_json("local", "test", "tried")
    assert (found["ok"], found["models"]) == (True, ["m-tried"])
    assert [step["name"] for step in found["steps"]] == ["engine", "dns", "tcp", "auth", "models"]
    wait_until("it is not in use any more", lambda: engine(gateway, "tried")["busy"] == 0)


def test_one_that_dies_says_why_and_its_log_says_more(gateway: Gateway) -> None:
    gateway.cli(
        "local",
        "add",
        "bad",
        "--command",
        f"{sys.executable} -c 'print(\"no such model\"); exit(3)' {{port}}",
    )
    gateway.cli("local", "start", "bad", "--no-wait")
    told = wait_until(
        "it has died", lambda: "ended with code 3" in (text := gateway.cli("local", "engines")) and text
    )
    assert "no such model" not in told
    assert "no such model" not in json.dumps(gateway.api("GET", "/api/engines"))
    assert "no such model" in gateway.cli("local", "logs", "bad", "--lines", "1")
    gateway.cli("local", "remove", "bad")


def test_a_recipe_that_others_can_write_is_told_with_what_helps(gateway: Gateway) -> None:
    gateway.cli("local", "add", "open", "--command", command("m-open"))
    path = gateway.data_dir / "engines" / "open.json"
    path.chmod(0o666)
    gateway.cli("local", "update", "open", "--pin", code=1)
    gateway.cli("local", "update", "open", "--max-in-flight", "2")
    assert f"chmod 600 {path}" in engine(gateway, "open")["problem"]
    assert f"chmod 600 {path}" in gateway.cli("doctor", code=1)
    path.chmod(0o600)
    gateway.cli("local", "update", "open", "--pin")
    assert engine(gateway, "open")["problem"] is None


def test_a_log_is_followed_until_ctrl_c(gateway: Gateway) -> None:
    gateway.cli("local", "add", "said", "--command", command("m-said"))
    words = [POINTSMAN, "local", "logs", "said", "-f", "--data-dir", str(gateway.data_dir)]
    with child(words, stdout=subprocess.PIPE, env=clean_environment()) as following:
        assert following.stdout is not None
        gateway.cli("local", "start", "said", "--no-wait")
        assert following.stdout.readline() == b"listening\n"
        following.send_signal(signal.SIGINT)
        assert following.wait(20) == 130


def test_our_own_engine_is_no_server_that_was_found(tmp_path: Path) -> None:
    port = free_port()
    with Gateway(tmp_path / "data", "--discover", "--discover-port", str(port)) as gateway:
        gateway.cli("local", "add", "mine", "--command", command("m-mine"), "--port", str(port))
        gateway.cli("local", "start", "mine")
        url = f"http://127.0.0.1:{port}"
        assert engine(gateway, "mine")["address"] == url
        found = gateway.cli_json("local", "discover")
        assert url not in [one["base_url"] for one in found]


def test_who_tells_of_engines_may_be_killed_and_tells_again(tmp_path: Path) -> None:
    data = tmp_path / "data"
    words = ("--command", command("m-kept"), "--preload")
    assert run_warm(data, "local", "add", "kept", *words).returncode == 0
    with Gateway(data, "--memory", "1GB") as gateway:
        wait_until("it is preloaded", lambda: engine(gateway, "kept")["state"] == "ready", 15)
        pid = engine(gateway, "kept")["pid"]
        (admin,) = gateway.pids("pointsman.admin")
        os.kill(admin, signal.SIGKILL)
        assert gateway.cli_json("local", "start", "kept")["pid"] == pid, "it went on meanwhile"
        assert gateway.cli_json("local", "engines")["budget"] == 10**9
        (warden,) = gateway.pids("pointsman.warden")
        os.kill(warden, signal.SIGKILL)
        wait_until("another tells of it", lambda: gateway.api("GET", "/api/engines")["answering"], 15)
        assert engine(gateway, "kept")["pid"] == pid
        os.kill(pid, signal.SIGKILL)
        wait_until("it is started again", lambda: engine(gateway, "kept")["pid"] not in (None, pid), 15)
