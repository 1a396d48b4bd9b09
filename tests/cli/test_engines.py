"""Engines on demand where no gateway runs: what is typed becomes a recipe and a row, or neither."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from pointsman.providers.urls import engine_url
from pointsman.warden.recipe import FOLDER, log_path, read_recipe, write_recipe
from tests.engines_real.gguf_of import TINY, write

from .conftest import Shell

COMMAND = f"{sys.executable} -m serves --port {{port}}"
HEALTH = {"path": "/health", "ready": [200], "loading": [503], "dead": [500]}


def recipe(shell: Shell, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((shell.data_dir / FOLDER / f"{name}.json").read_text())
    return found


def rows(shell: Shell) -> dict[str, str]:
    return {row["name"]: row["base_url"] for row in shell.json("local", "list")}


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder of PATH, with programs that could be run."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("llama-server", "mlx_lm.server", "vllm", "ollama", "anything"):
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o700)
    monkeypatch.setenv("PATH", str(folder))
    return folder


def test_a_command_becomes_a_recipe_and_a_row(shell: Shell) -> None:
    done = shell.run(
        "local", "add", "a", "--command", f"{COMMAND} --note 'two words' ~/x", "--keep", "10m", "--pin", "--serves", "m",
        "--serves", "n", "--memory", "6GB", "--context-window", "4096",
    )  # fmt: skip
    assert "pointsman serve" in done.stderr
    assert "local start a" in done.stderr
    assert "on demand" in done.stdout
    assert rows(shell) == {"a": engine_url("a")}
    command = [
        sys.executable,
        "-m",
        "serves",
        "--port",
        "{port}",
        "--note",
        "two words",
        os.path.expanduser("~/x"),
    ]
    assert recipe(shell, "a") == {
        "command": command, "cwd": os.getcwd(), "keep": 600, "pin": True, "models": ["m", "n"], "memory": 6 * 10**9,
    }  # fmt: skip
    path = shell.data_dir / FOLDER / "a.json"
    assert [stat.S_IMODE(one.stat().st_mode) for one in (shell.data_dir, path.parent, path)] == [
        0o700,
        0o700,
        0o600,
    ]
    (engine,) = shell.json("local", "engines")["engines"]
    assert (engine["state"], engine["program"], engine["memory"]) == ("cold", "serves", 6 * 10**9)
    line = shell.run("local", "list").stdout.splitlines()[1]
    assert line.split()[-4:] == ["serves", "cold", "(5.6", "GiB)"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--url", "http://127.0.0.1:9", "--command", COMMAND], 2, "--url and --command exclude each other"),
        (["--mlx", "x", "--gguf", "y"], 2, "--mlx and --gguf exclude each other"),
        ([], 2, "say what it is"),
        (["--pin", "--url", "http://127.0.0.1:9"], 2, "go with --mlx, --gguf or --command"),
        (["--command", "no-such-program {port}"], 2, "no program 'no-such-program'"),
        (["--command", "'"], 2, "cannot be read"),
        (["--command", " "], 2, "names no program"),
        (["--command", sys.executable], 1, "does not say where it listens"),
        (["--command", f"{COMMAND} {{socket}}"], 1, "both a socket and a port"),
        (["--command", COMMAND, "--sleep", "5m"], 2, "go with --mlx and --gguf"),
        (["--command", COMMAND, "--context", "4096"], 2, "go with --mlx and --gguf"),
        (["--command", COMMAND, "--keep", "soon"], 2, "is not a number"),
        (["--command", COMMAND, "--ready", "health"], 1, "a path of URLs"),
        (["--command", COMMAND, "--proxy", "ftp://x"], 1, "proxy"),
        (["--command", COMMAND, "--keep", "nan"], 1, "keep must be"),
        (["--command", COMMAND, "--keep", "-1"], 1, "keep must be"),
        (["--gguf", "x", "--sleep", "nan"], 2, "--sleep must be"),
        (["--gguf", "x", "--sleep", "-inf"], 2, "--sleep must be"),
        (["--gguf", "/no/such.gguf"], 1, "/no/such.gguf"),
        (["--mlx", "nobody/pulled-this"], 1, "local pull nobody/pulled-this"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else None,
)  # fmt: skip
def test_what_cannot_be_leaves_neither_recipe_nor_row(
    shell: Shell, words: list[str], code: int, said: str
) -> None:
    assert said in shell.run("local", "add", "a", *words, code=code).stderr
    assert not list(shell.data_dir.glob(f"{FOLDER}/*"))
    assert rows(shell) == {}


def test_a_name_that_is_taken_keeps_its_recipe(shell: Shell) -> None:
    shell.run("local", "add", "a", "--command", COMMAND)
    before = recipe(shell, "a")
    assert "already" in shell.run("local", "add", "a", "--command", f"{COMMAND} more", code=1).stderr
    assert recipe(shell, "a") == before
    assert "no name of an engine" in shell.run("local", "add", "A b", "--command", COMMAND, code=1).stderr


def test_what_is_not_named_stays(shell: Shell) -> None:
    shell.run("local", "add", "a", "--command", COMMAND, "--keep", "forever", "--preload", "--serves", "m")
    path = shell.data_dir / FOLDER / "a.json"
    path.write_text(json.dumps({**recipe(shell, "a"), "env": {"A": "1"}, "deadline": 7}))
    before = recipe(shell, "a")
    assert (before["keep"], before["preload"]) == (None, True)
    shell.run("local", "update", "a", "--pin", "--no-preload", "--memory", "1GB")
    assert recipe(shell, "a") == {**before, "pin": True, "preload": False, "memory": 10**9}
    shell.run("local", "update", "a", "--command", f"{COMMAND} --other", "--keep", "30s")
    after = recipe(shell, "a")
    assert (after["command"][-1], after["keep"], after["pin"], after["env"]) == (
        "--other",
        30,
        True,
        {"A": "1"},
    )
    assert "models" not in after, "another program, other models"
    assert "name the model's file again" in shell.run("local", "update", "a", "--context", "9", code=2).stderr
    assert recipe(shell, "a") == after
    shell.run("local", "update", "a", code=2)
    shell.run("local", "update", "a", "--disable")
    assert recipe(shell, "a") == after


def test_a_server_becomes_an_engine_and_one_that_is_started_a_server(shell: Shell) -> None:
    shell.run("local", "add", "a", "--url", "http://127.0.0.1:9", "--no-try")
    assert "There is no engine" in shell.run("local", "update", "a", "--pin", code=1).stderr
    shell.run("local", "update", "a", "--command", COMMAND)
    assert rows(shell) == {"a": engine_url("a")}
    shell.run("local", "update", "a", "--url", "http://127.0.0.1:9", "--pin", code=2)
    shell.run("local", "update", "a", "--url", "http://127.0.0.1:9")
    assert rows(shell) == {"a": "http://127.0.0.1:9"}
    assert not list(shell.data_dir.glob(f"{FOLDER}/*"))
    shell.run("local", "update", "nobody", "--command", COMMAND, code=1)
    assert not list(shell.data_dir.glob(f"{FOLDER}/*"))


def test_remove_takes_recipe_and_logs_also_where_there_is_no_row(shell: Shell) -> None:
    shell.run("local", "add", "a", "--command", COMMAND)
    log_path(shell.data_dir, "a").write_text("words\n")
    write_recipe(shell.data_dir, "b", {"command": ["x", "{port}"]})
    for name in ("a", "b"):
        assert "removed" in shell.run("local", "remove", name).stderr
    assert not list((shell.data_dir / FOLDER).iterdir())
    shell.run("local", "remove", "b", code=1)


@pytest.mark.parametrize(
    ("typed", "ready", "sleeps"),
    [
        ("mlx_lm.server --model m --port {port}", {"dead": [503], "path": "/health"}, None),
        ("anything -m mlx_lm.server --port {port}", {"dead": [503]}, None),
        ("vllm serve m --port {port}", {"dead": [503], "loading": []}, None),
        ("ollama serve {port}", {"path": "/api/version"}, None),
        ("llama-server --port {port} --sleep-idle-seconds 60", None, 60),
        ("llama-server --port {port} --sleep-idle-seconds=60", None, 60),
        ("anything --port {port}", None, None),
    ],
)
def test_how_a_program_says_that_it_is_ready(
    shell: Shell, programs: Path, typed: str, ready: dict[str, Any] | None, sleeps: int | None
) -> None:
    shell.run("local", "add", "a", "--command", typed)
    found = recipe(shell, "a")
    assert found["command"][0] == str(programs / typed.split()[0]), "the gateway may have another PATH"
    assert found.get("sleeps") == sleeps
    if ready is None:
        assert "ready" not in found
    else:
        assert ready.items() <= found["ready"].items()
    read_recipe(shell.data_dir, "a")
    shell.run("local", "update", "a", "--ready", "/up")
    assert recipe(shell, "a")["ready"] == {"path": "/up", "ready": [200]}


def test_a_file_is_run_by_llama_server_where_that_is_there(
    shell: Shell, programs: Path, tmp_path: Path
) -> None:
    write(TINY, tmp_path / "tiny.gguf")
    row = shell.json(
        "local", "add", "g", "--gguf", str(tmp_path / "tiny.gguf"), "--context", "512", "--sleep", "2m"
    )
    assert row["context_window"] == 512
    found = recipe(shell, "g")
    assert (found["models"], found["sleeps"], found["keep"], found["ready"]) == (
        ["tiny.gguf"],
        120,
        None,
        HEALTH,
    )
    assert found["memory"] > 10**6
    assert found["command"][0] == str(programs / "llama-server")
    assert "{socket}" in found["command"]
    assert found["command"][-2:] == ["--sleep-idle-seconds", "120"]
    assert "again, with --port" in shell.run("local", "update", "g", "--port", "8123", code=2).stderr
    shell.run("local", "update", "g", "--gguf", str(tmp_path / "tiny.gguf"), "--port", "8123", "--keep", "5m")
    found = recipe(shell, "g")
    assert (found["port"], found["keep"], found.get("sleeps")) == (8123, 300, None)
    assert "{port}" in found["command"]
    assert read_recipe(shell.data_dir, "g").port == 8123


def test_start_and_stop_need_a_gateway_and_say_so(shell: Shell) -> None:
    shell.run("local", "add", "a", "--command", COMMAND)
    for word in ("start", "stop"):
        assert "pointsman serve" in shell.run("local", word, "a", code=1).stderr
        assert shell.json("local", word, "a", code=1)["status"] == 409
        assert "no engine 'b'" in shell.run("local", word, "b", code=1).stderr
    found = shell.json("local", "test", "a", code=1)
    assert [(step["name"], step["ok"]) for step in found["steps"]] == [("engine", False)]
    assert "started on demand, and cold now" in shell.run("doctor").stdout


def test_doctor_finds_a_program_that_is_gone(shell: Shell, programs: Path) -> None:
    shell.run("local", "add", "a", "--command", "anything {port}")
    (programs / "anything").unlink()
    assert f"{programs / 'anything'} is not there" in shell.run("doctor", code=1).stdout


def test_logs_are_read_without_a_gateway(shell: Shell) -> None:
    shell.run("local", "add", "a", "--command", COMMAND)
    assert "printed nothing" in shell.run("local", "logs", "a").stderr
    path = log_path(shell.data_dir, "a")
    path.with_name("a.log.1").write_text("one\ntwo\n")
    path.write_text("three\nfour\n")
    assert shell.run("local", "logs", "a").stdout == "one\ntwo\nthree\nfour\n"
    assert shell.run("local", "logs", "a", "--lines", "3").stdout == "two\nthree\nfour\n"
    lines = shell.run("local", "logs", "a", "--lines", "1", "--json").stdout.splitlines()
    assert [json.loads(line) for line in lines] == ["four\n"]
    assert "there are: a" in shell.run("local", "logs", "b", code=1).stderr


@pytest.mark.skipif(
    importlib.util.find_spec("xllamacpp") is None or shutil.which("llama-server") is not None,
    reason="NO LLAMA: pip install 'pointsman[llama]', without a llama-server on PATH",
)
def test_our_own_llama_sleeps_where_nothing_else_is_said(shell: Shell, tmp_path: Path) -> None:
    """Waking takes a tenth of a second, a start of a large model half a minute."""
    write(TINY, tmp_path / "tiny.gguf")
    shell.json("local", "add", "g", "--gguf", str(tmp_path / "tiny.gguf"))
    found = recipe(shell, "g")
    assert (found["sleeps"], found["keep"], found["command"][-2:]) == (
        300,
        None,
        ["--sleep-idle-seconds", "300"],
    )
    shell.json("local", "add", "h", "--gguf", str(tmp_path / "tiny.gguf"), "--keep", "60")
    assert (recipe(shell, "h").get("sleeps"), recipe(shell, "h")["keep"]) == (None, 60)
