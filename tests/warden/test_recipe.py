"""Recipes: what is taken, and that everything else is told in a sentence that says what to do."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.errors import PointsmanError
from pointsman.warden.recipe import (
    ReadyRow,
    names,
    parse_recipe,
    read_recipe,
    remove_recipe,
    write_recipe,
)

WHOLE: dict[str, Any] = {
    "command": ["llama-server", "-m", "model.gguf", "--port", "{port}"],
    "env": {"HF_HUB_OFFLINE": "1"},
    "cwd": "/tmp",
    "ready": {
        "path": "/health",
        "ready": [200],
        "loading": [503],
        "dead": [500],
        "body": {"status": "ok"},
        "ask": {"path": "/v1/completions", "body": {"prompt": "x", "max_tokens": 1}},
    },
    "keep": None,
    "pin": True,
    "preload": True,
    "memory": 2**30,
    "deadline": 60,
    "sleeps": 30,
}


def test_a_whole_recipe_is_written_and_read_again(tmp_path: Path) -> None:
    written = write_recipe(tmp_path, "qwen3-8b", WHOLE)
    path = tmp_path / "engines" / "qwen3-8b.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert read_recipe(tmp_path, "qwen3-8b") == written
    assert written.ready == ReadyRow(
        "/health",
        (200,),
        (503,),
        (500,),
        {"status": "ok"},
        ("/v1/completions", {"prompt": "x", "max_tokens": 1}),
    )
    assert (written.keep, written.pin, written.sleeps, written.deadline) == (None, True, 30, 60)
    assert names(tmp_path) == ["qwen3-8b"]
    assert remove_recipe(tmp_path, "qwen3-8b")
    assert not remove_recipe(tmp_path, "qwen3-8b")
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"command": "llama-server --port {port}"}, "command must be a list of texts, such as"),
        ({"command": []}, "command must be"),
        ({"command": ["a\0{port}"]}, "command must be"),
        ({"command": ["a"], "port": None}, "does not say where it listens: write {port} or {socket}"),
        ({"command": ["a", "{socket}"], "port": 8080}, "both a socket and a port; take one"),
        ({"env": {"A=B": "1"}}, "env must be an object of names and texts"),
        ({"env": {"A": 1}}, "env must be"),
        ({"cwd": "models"}, "cwd must be the absolute path of a folder"),
        ({"port": 70000}, "port must be a port from 1 to 65535"),
        ({"keep": -1}, "keep must be seconds, or null for ever"),
        ({"keep": True}, "keep must be"),
        ({"pin": 1}, "pin must be true or false"),
        ({"memory": 1.5}, "memory must be bytes"),
        ({"deadline": 0}, "deadline must be seconds"),
        ({"ready": {"path": "health"}}, "ready.path must be a path of URLs"),
        ({"ready": {"path": "/a b"}}, "ready.path must be"),
        ({"ready": {"path": "/a\r\nX: y"}}, "ready.path must be"),
        ({"ready": {"ready": [99]}}, "ready.ready must be a list of HTTP statuses"),
        ({"ready": {"gone": [1]}}, "ready must be an object with some of path, ready"),
        ({"ready": {"ask": {"path": "/x"}}}, "ready.ask must be"),
        ({"comand": ["x"]}, "has the field 'comand', not one of command, cwd"),
    ],
)
def test_what_is_wrong_is_told_by_its_field(change: dict[str, Any], told: str) -> None:
    with pytest.raises(PointsmanError) as caught:
        parse_recipe("a", json.dumps({**WHOLE, **change}))
    assert told in caught.value.public
    assert "'a'" in caught.value.public


@pytest.mark.parametrize("name", ["", "A", "../x", "a/b", ".hidden", "x" * 65, "a\n"])
def test_what_is_no_name_makes_no_path(tmp_path: Path, name: str) -> None:
    for use in (read_recipe, remove_recipe):
        with pytest.raises(PointsmanError, match="is no name of an engine"):
            use(tmp_path, name)


@pytest.mark.parametrize("mode", [0o666, 0o620, 0o602])
def test_a_file_that_others_can_write_is_not_used(tmp_path: Path, mode: int) -> None:
    write_recipe(tmp_path, "a", WHOLE)
    path = tmp_path / "engines" / "a.json"
    path.chmod(mode)
    with pytest.raises(PointsmanError, match=f"is not run; run: chmod 600 {path}"):
        read_recipe(tmp_path, "a")


def test_a_folder_that_others_can_write_is_not_used(tmp_path: Path) -> None:
    write_recipe(tmp_path, "a", WHOLE)
    (tmp_path / "engines").chmod(0o770)
    with pytest.raises(PointsmanError, match="run: chmod 700"):
        read_recipe(tmp_path, "a")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_not_used(tmp_path: Path) -> None:
    write_recipe(tmp_path, "a", WHOLE)
    os.chown(tmp_path / "engines" / "a.json", 12345, -1)
    with pytest.raises(PointsmanError, match="belongs to another user, and is not run"):
        read_recipe(tmp_path, "a")


def test_a_link_a_pipe_and_a_folder_are_not_followed(tmp_path: Path) -> None:
    write_recipe(tmp_path, "a", WHOLE)
    (tmp_path / "engines" / "d.json").mkdir(mode=0o700)
    (tmp_path / "engines" / "b.json").symlink_to("a.json")
    os.mkfifo(tmp_path / "engines" / "c.json", 0o600)
    for name in "bcd":
        with pytest.raises(PointsmanError):
            read_recipe(tmp_path, name)


def test_who_is_not_there_is_told_how_to_add() -> None:
    with pytest.raises(PointsmanError, match="pointsman local add nobody") as caught:
        read_recipe(Path("/nonexistent"), "nobody")
    assert caught.value.status == 404


def test_another_command_or_environment_is_another_process_and_another_time_is_not() -> None:
    def hash_of(**change: Any) -> str:
        return parse_recipe("a", json.dumps({**WHOLE, **change})).command_hash

    assert hash_of(keep=1, pin=False, ready={}) == hash_of()
    assert (
        len({hash_of(), hash_of(env={}), hash_of(cwd="/"), hash_of(command=["x", "{port}"]), hash_of(port=1)})
        == 5
    )


TEXT = st.text("a/=é\0\ud800{port}", max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


@given(
    st.binary()
    | st.dictionaries(st.sampled_from([*WHOLE, "port", "x"]), JSON | st.sampled_from(list(WHOLE.values())))
)
def test_whatever_stands_there_is_a_recipe_or_a_sentence(said: bytes | dict[str, Any]) -> None:
    try:
        found = parse_recipe("a", said if isinstance(said, bytes) else json.dumps(said))
    except PointsmanError as error:
        assert error.public
    else:
        assert found.command
        assert found.deadline > 0
        hash(found.command_hash)
