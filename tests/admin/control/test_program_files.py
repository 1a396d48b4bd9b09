"""`/api/programs/NAME/settings`: a program's settings file as the page Connect and other programs see, write and put it
back. What is done to a file's text is tests/cli/test_connect.py."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .plane import Plane, Said

CODEX = '# mine\nmodel = "gpt-5" # own\n\n[mcp_servers.x]\nenv = { API_TOKEN = "abcdefgh12345" }\n'
PATH = "/api/programs/codex/settings"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory, home: Path) -> Iterator[Plane]:
    for name in ("CODEX_HOME", "XDG_CONFIG_HOME"):
        assert name not in os.environ
    data = tmp_path_factory.mktemp("plane") / "data"
    with Plane(data, "--public-url", "http://127.0.0.1:4480", env={"HOME": str(home)}) as running:
        yield running


@pytest.fixture
def codex(home: Path) -> Iterator[Path]:
    """Its settings file, which each test begins with as it was."""
    folder = home / ".codex"
    folder.mkdir(exist_ok=True)
    for one in folder.iterdir():
        one.unlink()
    path = folder / "config.toml"
    path.write_text(CODEX)
    path.chmod(0o600)
    return path


def call(plane: Plane, method: str, body: Any = None, query: str = "", **headers: str) -> Said:
    """As the data plane hands on what comes from this machine."""
    return plane.call(method, PATH + query, body, **({"x_pointsman_near": "1"} | headers))


def look(plane: Plane, query: str = "") -> dict[str, Any]:
    said = call(plane, "GET", query=query)
    assert said.status == 200, said.body
    found: dict[str, Any] = said.json()
    return found


def last(plane: Plane) -> dict[str, Any]:
    entry: dict[str, Any] = plane.good("GET", "/api/audit?limit=1")[0]
    return entry


def test_what_was_shown_is_written_and_comes_back(plane: Plane, codex: Path) -> None:
    shown = look(plane, "?model=qwen3")
    (file,) = shown["files"]
    assert (file["path"], file["problem"], file["written"]) == (str(codex), None, False)
    assert '-model = "gpt-5" # own\n+model = "qwen3" # own\n' in file["diff"]
    assert 'API_TOKEN = "abcd..."' in file["diff"], "its user's own key, that stands beside"
    assert codex.read_text() == CODEX, "a look changes nothing"
    done = call(plane, "POST", {"model": "qwen3", "digest": shown["digest"]})
    assert (done.status, done.json()) == (200, {"files": [str(codex)], "key_id": None})
    added = [line[1:] for line in file["diff"].splitlines()[2:] if line.startswith("+")]
    assert all(line.replace("abcd...", "abcdefgh12345") in codex.read_text().splitlines() for line in added)
    entry = last(plane)
    assert [(row["noun"], row["row"], row["after"]) for row in entry["rows"]] == [
        ("program", "codex", {"file": str(codex)})
    ]
    assert "pointsman connect codex --undo" in entry["why_not"]
    again = look(plane, "?model=qwen3")
    assert (again["digest"], again["files"][0]["diff"], again["files"][0]["written"]) == (None, "", True)
    assert call(plane, "DELETE").json()["files"] == [str(codex)]
    assert codex.read_text() == CODEX
    assert last(plane)["rows"][0]["after"] == {"put back": str(codex)}
    assert call(plane, "DELETE").status == 409


def test_what_has_changed_since_it_was_shown_is_not_written(plane: Plane, codex: Path) -> None:
    digest = look(plane, "?model=qwen3")["digest"]
    late = CODEX + "late = 1\n"
    for text, model in ((late, "qwen3"), (CODEX, "another")):
        codex.write_text(text)
        said = call(plane, "POST", {"model": model, "digest": digest})
        assert (said.status, said.json()["param"]) == (409, "digest")
        assert codex.read_text() == text
        assert [one.name for one in codex.parent.iterdir()] == ["config.toml"]


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ({"x_pointsman_near": ""}, "another machine asks"),
        ({"host": "models.example.com"}, "by a proxy's name"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_who_is_elsewhere_sees_no_file_and_changes_none(
    plane: Plane, codex: Path, headers: dict[str, str], why: str
) -> None:
    plane.call("POST", "/api/hosts", {"host": "models.example.com"})
    digest = look(plane)["digest"]
    said = call(plane, "GET", **headers)
    assert "the computer that the gateway runs on" in said.json()["why_not"], why
    assert said.json()["files"] == []
    assert str(codex) not in said.body.decode()
    for refused in (
        call(plane, "POST", {"model": "practice", "digest": digest}, **headers),
        call(plane, "DELETE", **headers),
    ):
        assert refused.status == 403
    assert codex.read_text() == CODEX


def test_what_is_in_the_way_is_said_as_the_command_says_it(plane: Plane, codex: Path, tmp_path: Path) -> None:
    other = tmp_path / "dotfiles.toml"
    other.write_text(CODEX)

    def problem() -> str:
        found = look(plane)
        assert found["digest"] is None, "there is nothing to write by"
        return str(found["files"][0]["problem"])

    codex.chmod(0o400)
    assert problem() == f"{codex} is read-only; allow its user to write it first: chmod u+w {codex}."
    codex.chmod(0o600)
    codex.write_text("model = ")
    assert f"{codex} is broken, and nothing was changed: " in problem()
    codex.unlink()
    codex.symlink_to(other)
    assert problem() == f"{codex} is a symbolic link to {other}; name the file itself: --config {other}."
    codex.unlink()
    os.link(other, codex)
    assert "has 2 names (hard links)" in problem()
    if os.geteuid() == 0:
        codex.unlink()
        codex.write_text(CODEX)
        os.chown(codex, 4711, -1)
        assert problem() == f"{codex} belongs to another user; run this as that one."


def test_an_undo_that_would_lose_something_says_what(plane: Plane, codex: Path) -> None:
    call(plane, "POST", {"model": "practice", "digest": look(plane)["digest"]})
    codex.write_text(codex.read_text().replace('model = "practice"', 'model = "mine"'))
    mine = codex.read_text()
    why = look(plane)["files"][0]["undo_problem"]
    assert "was changed since, also where Pointsman had changed it: model. Nothing was taken back" in why
    before = last(plane)["id"]
    said = call(plane, "DELETE")
    assert (said.status, said.json()["detail"]) == (409, why)
    assert codex.read_text() == mine
    assert last(plane)["id"] == before, "nothing was done"


def test_a_home_that_is_not_its_own_gets_the_command(tmp_path: Path) -> None:
    (tmp_path / "away").mkdir()
    with Plane(tmp_path / "data", env={"HOME": str(tmp_path / "gone"), "CODEX_HOME": str(tmp_path)}) as plane:
        found = look(plane)
        assert "Run the command as the user of the program" in found["why_not"]
        assert found["files"] == []


def test_the_gateways_own_environment_says_where_a_file_is(tmp_path: Path) -> None:
    env = {"HOME": str(tmp_path), "CODEX_HOME": str(tmp_path / "c"), "ANTHROPIC_API_KEY": "x"}
    with Plane(tmp_path / "data", env=env) as plane:
        (file,) = look(plane)["files"]
        assert (file["path"], file["moved_by"]) == (str(tmp_path / "c" / "config.toml"), "CODEX_HOME")
        assert not file["is_there"]
        said = plane.call("GET", "/api/programs/claude-code/settings", x_pointsman_near="1").json()
        (warning,) = said["files"][0]["warnings"]
        assert "ANTHROPIC_API_KEY is set in this gateway's environment" in warning


def test_a_key_is_made_with_the_write_and_stands_in_the_file_alone(plane: Plane, codex: Path) -> None:
    """The last of this plane: every request needs a key from here on."""
    plane.good("POST", "/api/keys", {"name": "first"})
    codex.chmod(0o644)
    shown = look(plane)
    assert shown["key"] == "new"
    assert 'args = ["A-NEW-CLIENT-KEY"]' in shown["files"][0]["diff"]
    assert "chmod 600" in shown["files"][0]["warnings"][0]
    keys = len(plane.good("GET", "/api/keys"))
    body = {"model": "practice", "digest": shown["digest"], "key_name": "for codex", "only_model": True}
    folder = codex.parent
    folder.chmod(0o700)
    said = call(plane, "POST", body | {"digest": "0" * 64})
    assert (said.status, len(plane.good("GET", "/api/keys"))) == (409, keys), "none was made"
    done = call(plane, "POST", body)
    assert done.status == 200, done.body
    key = plane.good("GET", f"/api/keys/{done.json()['key_id']}")
    assert (key["name"], key["models"]) == ("for codex", ["practice"])
    assert key["prefix"] in codex.read_text()
    assert key["prefix"] not in done.body.decode()
    entry = last(plane)
    assert sorted(row["noun"] for row in entry["rows"]) == ["key", "program"]
    secret = codex.read_text().partition('args = ["')[2].partition('"')[0]
    everything = b"".join(one.read_bytes() for one in plane.data_dir.rglob("*") if one.is_file())
    assert secret.encode() not in everything
    assert secret not in plane.log()
    again = look(plane, "?model=other")
    assert again["key"] == "kept"
    assert secret not in str(again)
    plane.call("DELETE", f"/api/keys/{key['id']}")
    assert look(plane)["key"] == "new", "a revoked one is not kept"
