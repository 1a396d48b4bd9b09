"""The commands of the contract, with and without a running gateway: same words, JSON and exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.crowding import within

from .gateway import POINTSMAN, Gateway, clean_environment, run_cli
from .replies import JSON, Reply, fails
from .warm import run_warm
from .web import free_port

if TYPE_CHECKING:
    from pointsman.practice.scripted import ScriptedUpstream

Upstreams = Callable[..., "ScriptedUpstream"]


class Shell:
    """Runs commands on one data folder and reads their JSON."""

    def __init__(self, data_dir: Path, runs: Callable[..., subprocess.CompletedProcess[str]]) -> None:
        self.data_dir = data_dir
        self.runs = runs

    def run(self, *words: str, stdin: str = "", code: int = 0) -> subprocess.CompletedProcess[str]:
        done = self.runs(self.data_dir, *words, stdin=stdin)
        assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        return done

    def json(self, *words: str, stdin: str = "", code: int = 0) -> Any:
        return json.loads(self.run(*words, "--json", stdin=stdin, code=code).stdout)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with Gateway(tmp_path_factory.mktemp("commands")) as gateway:
        yield gateway


@pytest.fixture(params=["gateway running", "gateway stopped"])
def shell(request: pytest.FixtureRequest, tmp_path: Path) -> Shell:
    if request.param == "gateway running":
        return Shell(request.getfixturevalue("running").data_dir, run_cli)
    return Shell(tmp_path / "data", run_warm)


def test_mappings_from_add_to_remove(shell: Shell, request: pytest.FixtureRequest) -> None:
    added = shell.json(
        *("mapping", "add", "gpt-*", "--to", "local/box", "--model", "qwen3", "--priority", "7"),
        *("--fallback", "openai=gpt-4o-mini", "--fallback", "anthropic/proxy=claude", "--fallback", "openai"),
    )
    assert added["model_pattern"] == "gpt-*"
    assert (added["backend_type"], added["backend_name"], added["backend_model"]) == ("local", "box", "qwen3")
    assert (added["priority"], added["enabled"], added["local_only"]) == (7, True, False)
    assert (added["fallback_backend"], added["fallback_model"]) == ("openai", "gpt-4o-mini")
    assert added["fallbacks"] == [
        {"backend_type": "anthropic", "backend_name": "proxy", "model": "claude"},
        {"backend_type": "openai", "backend_name": "", "model": None},
    ]
    assert any("box" in warning for warning in added["warnings"]), "it names a backend that does not exist"
    assert added in [{**row, "warnings": added["warnings"]} for row in shell.json("mapping", "list")]
    number = str(added["id"])
    changed = shell.json("mapping", "update", number, "--priority", "9", "--disable")
    assert (changed["priority"], changed["enabled"], changed["backend_model"]) == (9, False, "qwen3")
    assert shell.json("mapping", "update", number, "--enable")["enabled"] is True
    shell.run("mapping", "remove", number)
    assert number not in [str(row["id"]) for row in shell.json("mapping", "list")]
    assert "no mapping" in shell.run("mapping", "remove", number, code=1).stderr.lower()


def test_adding_the_same_mapping_twice_adds_two_rows(shell: Shell) -> None:
    first = shell.json("mapping", "add", "twice", "--to", "local/practice")
    second = shell.json("mapping", "add", "twice", "--to", "local/practice")
    assert first["id"] != second["id"]


def test_credentials_from_set_to_remove(shell: Shell, upstream: Upstreams) -> None:
    server = upstream()
    words = ["credential", "set", "openai/groq", "--base-url", server.url]
    made = shell.json(*words, stdin="sk-one\n")
    assert (made["backend_type"], made["name"]) == ("openai", "groq")
    assert "sk-one" not in json.dumps(made)
    again = shell.json(*words, stdin="sk-two")
    assert again["id"] == made["id"], "set replaces"
    assert [row["name"] for row in shell.json("credential", "list") if row["name"] == "groq"] == ["groq"]
    server.always(Reply(200, JSON, body={"object": "list", "data": [{"id": "m", "object": "model"}]}))
    tested = shell.json("credential", "test", "openai/groq")
    assert tested["ok"] is True
    assert server.requests[-1].headers["authorization"] == "Bearer sk-two"
    server.always(fails_401())
    failed = shell.json("credential", "test", "openai/groq", code=1)
    steps = {step["name"]: step["ok"] for step in failed["steps"]}
    assert steps["tcp"] is True
    assert steps["auth"] is False
    shell.run("credential", "remove", "openai/groq")
    shell.run("credential", "remove", "openai/groq", code=1)


def fails_401() -> Reply:
    from .wires import CHAT

    return fails(CHAT, 401, "bad key")


def test_local_backends_from_add_to_remove(shell: Shell, upstream: Upstreams) -> None:
    server = upstream()
    made = shell.json("local", "add", "desk", "--url", server.url + "/v1")
    assert made["name"] == "desk"
    assert made["enabled"] is True
    shell.run("local", "add", "desk", "--url", server.url, code=1)
    assert "desk" in [row["name"] for row in shell.json("local", "list")]
    assert shell.json("local", "test", "desk")["ok"] is True
    server.kill()
    failed = shell.json("local", "test", "desk", code=1)
    assert {step["name"]: step["ok"] for step in failed["steps"]}["tcp"] is False
    shell.run("local", "remove", "desk")
    assert "desk" not in [row["name"] for row in shell.json("local", "list")]


def test_explain_says_where_a_model_would_go(shell: Shell) -> None:
    assert "practice" in json.dumps(shell.json("explain", "practice"))
    nobody = shell.runs(shell.data_dir, "explain", "nobody-has-this")
    assert "pointsman mapping add" in nobody.stdout + nobody.stderr


def test_doctor_names_what_it_looked_at(shell: Shell) -> None:
    done = run_cli(shell.data_dir, "doctor", "--json")
    assert done.returncode in (0, 1)
    text = done.stdout.lower()
    json.loads(done.stdout)
    for word in ("sqlite", "master", "database"):
        assert word in text


@pytest.mark.parametrize(
    "words",
    [
        ["mapping", "list"],
        ["credential", "list"],
        ["local", "list"],
        ["usage"],
        ["version"],
        ["doctor"],
        ["explain", "practice"],
    ],
    ids=" ".join,
)
def test_every_command_prints_something_for_people_too(shell: Shell, words: list[str]) -> None:
    done = shell.runs(shell.data_dir, *words)
    assert done.returncode in (0, 1)
    assert done.stdout.strip() or done.stderr.strip()
    assert "\x1b[" not in done.stdout, "no colours in a pipe"
    assert "Traceback" not in done.stderr


def test_json_is_exactly_the_answer_of_the_api(running: Gateway) -> None:
    running.rule("same", "local/practice")
    for words, path in (
        (["mapping", "list"], "/api/mappings"),
        (["credential", "list"], "/api/credentials"),
        (["local", "list"], "/api/local"),
        (["explain", "same"], "/api/explain?model=same"),
    ):
        assert running.cli_json(*words) == running.api("GET", path)


@pytest.mark.parametrize(
    "words",
    [
        ["mapping", "add", "x"],
        ["mapping", "add", "x", "--to", "azure"],
        ["mapping", "add", "x", "--to", "local/Bad Name"],
        ["mapping", "add", "x", "--to", "local", "--fallback", "nowhere=x"],
        ["mapping", "remove"],
        ["mapping", "remove", "seven"],
        ["credential", "set", "azure"],
        ["local", "add", "x"],
        ["no-such-command"],
        ["serve", "--port", "99999"],
        ["serve", "--workers", "0"],
    ],
    ids=" ".join,
)
def test_a_wrong_call_is_exit_code_2_with_a_hint(tmp_path: Path, words: list[str]) -> None:
    done = run_cli(tmp_path / "data", *words, stdin="key")
    assert done.returncode == 2, done.stderr
    assert done.stderr.strip()
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["mapping", "add", "", "--to", "local"],
        ["mapping", "add", "x", "--to", "openai", "--local-only"],
        ["mapping", "add", "x", "--to", "local/a", "--model", "m", "--fallback", "local/a=m"],
        ["mapping", "update", "424242", "--priority", "1"],
        ["local", "add", "far", "--url", "http://93.184.216.34:8000"],
        ["local", "add", "meta", "--url", "http://169.254.169.254"],
        ["local", "add", "user", "--url", "http://a:b@127.0.0.1:1"],
        ["local", "test", "nobody"],
        ["credential", "set", "openai", "--base-url", "ftp://x"],
        ["key", "revoke", "424242"],
    ],
    ids=" ".join,
)
def test_what_the_rules_refuse_is_exit_code_1_with_the_reason(running: Gateway, words: list[str]) -> None:
    done = run_cli(running.data_dir, *words, stdin="sk-key\n")
    assert done.returncode == 1, (done.returncode, done.stderr)
    assert done.stderr.strip()
    assert "Traceback" not in done.stderr


def test_a_key_is_never_taken_as_an_argument(tmp_path: Path) -> None:
    for words in (["--api-key", "sk-x"], ["sk-x"]):
        assert run_cli(tmp_path / "data", "credential", "set", "openai", *words).returncode == 2


def test_an_empty_key_is_refused(tmp_path: Path) -> None:
    done = run_cli(tmp_path / "data", "credential", "set", "openai", stdin="\n")
    assert done.returncode in (1, 2)
    assert done.stderr.strip()


def test_the_data_folder_can_be_named_in_the_environment(tmp_path: Path) -> None:
    env = clean_environment({"POINTSMAN_DATA_DIR": str(tmp_path / "named")})
    subprocess.run([POINTSMAN, "mapping", "list"], env=env, check=True, capture_output=True)
    assert (tmp_path / "named" / "pointsman.db").exists()


def test_help_is_quick_and_lists_the_commands() -> None:
    took = []
    for _ in range(5):
        begun = time.monotonic()
        done = subprocess.run(
            [POINTSMAN, "--help"], env=clean_environment(), capture_output=True, text=True, check=True
        )
        took.append(time.monotonic() - begun)
    for word in (
        "serve",
        "mapping",
        "credential",
        "local",
        "explain",
        "key",
        "secrets",
        "usage",
        "doctor",
        "version",
    ):
        assert word in done.stdout
    assert within(min(took), 0.4), f"the budget is 0.2 s on a quiet machine: {took}"


def test_serve_without_json_prints_one_screen_to_start_from(tmp_path: Path) -> None:
    port = free_port()
    out = tmp_path / "out"
    with out.open("wb") as stream:
        process = subprocess.Popen(
            [POINTSMAN, "serve", "--port", str(port), "--data-dir", str(tmp_path / "data")],
            stdout=stream,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=clean_environment(),
            start_new_session=True,
        )
        try:
            until = time.monotonic() + 30
            while b"curl" not in out.read_bytes() and time.monotonic() < until and process.poll() is None:
                time.sleep(0.05)
        finally:
            process.terminate()
            assert process.wait(15) == 0
    text = out.read_text()
    for word in (
        f"127.0.0.1:{port}",
        "admin-token",
        "/v1/chat/completions",
        "/v1/messages",
        "local add",
        "credential set",
    ):
        assert word in text
    assert len(text.splitlines()) < 60


def test_a_stale_serve_json_does_not_get_in_the_way(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert run_warm(data, "mapping", "list").returncode == 0
    stale = {
        "pid": 999999,
        "url": "http://127.0.0.1:1",
        "socket": str(tmp_path / "gone.sock"),
        "started_at": 0,
    }
    (data / "serve.json").write_text(json.dumps(stale))
    os.chmod(data / "serve.json", 0o600)
    done = run_cli(data, "mapping", "list", "--json")
    assert (done.returncode, done.stdout.strip()) == (0, "[]")


def test_names_of_the_running_gateway_are_completed(running: Gateway) -> None:
    """Those alone that a shell takes as they are."""
    server = running.backend("local", "http://127.0.0.1:9").partition("/")[2]
    for pattern in ("plain-name", "$(touch it)", "qwen*"):
        running.rule(pattern, f"local/{server}")

    def completed(line: str) -> set[str]:
        words = {
            "COMP_WORDS": line,
            "COMP_CWORD": str(line.count(" ")),
            "_POINTSMAN_COMPLETE": "bash_complete",
        }
        env = clean_environment(words | {"POINTSMAN_DATA_DIR": str(running.data_dir)})
        done = subprocess.run([POINTSMAN], env=env, capture_output=True, text=True, timeout=30, check=True)
        return {one.partition(",")[2] for one in done.stdout.split()}

    named = completed("pointsman explain ")
    assert "plain-name" in named
    assert not {name for name in named if set(name) & set("$*( ")}
    assert f"local/{server}" in completed("pointsman mapping add x --to lo")
    assert server in completed("pointsman local test ")
    assert completed("pointsman credential test lo") == set()


def test_the_folder_in_which_it_is_started_has_no_say(tmp_path: Path) -> None:
    """A module of Python's own name that lies there was imported in its place, and no process came up."""
    for name in ("secrets", "uuid", "json", "random", "queue", "select", "tempfile", "types"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the wrong one')\n")
    with Gateway(tmp_path / "data", cwd=tmp_path) as gateway:
        assert gateway.api("GET", "/api/mappings") == []
