"""Which command runs a model: without an engine being imported, with words that say what to do where none is there."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pointsman.errors import PointsmanError
from pointsman.hosts.commands import gguf_command, mlx_command
from tests.engines_real.gguf_of import TINY, write


@pytest.fixture
def file(tmp_path: Path) -> Path:
    write(TINY, tmp_path / "tiny.gguf")
    return tmp_path / "tiny.gguf"


def absent(monkeypatch: pytest.MonkeyPatch, *modules: str) -> None:
    """As in a Python that does not have them."""
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name in modules else find(name, *more)
    )


def present(monkeypatch: pytest.MonkeyPatch, *modules: str) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: name if name in modules else find(name, *more)
    )


def test_a_program_on_path_is_preferred(file: Path) -> None:
    found = gguf_command(
        str(file),
        context=1024,
        sleep_idle_seconds=60,
        options=("-ngl", "0"),
        which=lambda _: "/opt/llama-server",
    )
    argv = found.listening_on_port(4711)
    assert argv[0] == "/opt/llama-server"
    for pair in (["--model", str(file)], ["--ctx-size", "1024"], ["--host", "127.0.0.1"], ["--port", "4711"], ["-ngl", "0"],
                 ["--sleep-idle-seconds", "60"]):  # fmt: skip
        assert argv[argv.index(pair[0]) + 1] == pair[1]
    assert found.listening_on_socket("/run/x.sock")[-6:-4] == ["--host", "/run/x.sock"]
    assert (found.sleeps, found.window, found.model) == (True, 1024, "tiny.gguf")


def test_else_the_one_of_the_extra(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    present(monkeypatch, "xllamacpp")
    found = gguf_command(str(file), which=lambda _: None)
    assert found.listening_on_port(1)[:4] == [sys.executable, "-P", "-m", "pointsman.hosts.llama"]
    assert (found.sleeps, found.window) == (False, 4096)
    assert found.memory.total == found.memory.weights + 4096 * 384 + 33 * 2**20


def test_else_what_to_install(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    absent(monkeypatch, "xllamacpp", "mlx_lm")
    with pytest.raises(PointsmanError, match=r"pip install 'pointsman\[llama\]'"):
        gguf_command(str(file), which=lambda _: None)
    with pytest.raises(PointsmanError, match=r"pip install 'pointsman\[mlx\]'"):
        mlx_command(str(TINY))


def test_a_folder_and_a_fetched_repository_for_mlx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    present(monkeypatch, "mlx_lm")
    found = mlx_command(str(TINY), context=512)
    assert found.listening_on_socket("/run/x.sock")[1:] == [
        "-P", "-m", "pointsman.hosts.mlx", "--model", str(TINY), "--name", "tiny-model", "--socket", "/run/x.sock",
        "--context", "512",
    ]  # fmt: skip
    assert found.memory.total == found.memory.weights + 2 * 512 * 384 + 85 * 2**20
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(PointsmanError, match="pointsman local pull org/tiny"):
        mlx_command("org/tiny")
    snapshot = tmp_path / "models--org--tiny" / "snapshots" / "1"
    shutil.copytree(TINY, snapshot)
    assert (mlx_command("org/tiny").model, str(snapshot) in mlx_command("org/tiny").on_port) == (
        "org/tiny",
        True,
    )


@pytest.mark.parametrize("wrong", ["nowhere", "/etc", "a/b/c"])
def test_what_is_no_model_is_said(wrong: str, tmp_path: Path) -> None:
    for make in (mlx_command, gguf_command):
        call: Any = make
        with pytest.raises(PointsmanError):
            call(wrong)


def test_a_window_that_the_model_has_not_is_refused(file: Path) -> None:
    with pytest.raises(PointsmanError, match="was made for 4096 tokens"):
        gguf_command(str(file), context=8192, which=lambda _: "x")


def test_weights_that_are_not_all_there_are_said(tmp_path: Path) -> None:
    place = tmp_path / "m"
    shutil.copytree(TINY, place)
    (place / "model.safetensors.index.json").write_text('{"weight_map": {"a": "model-2.safetensors"}}')
    with pytest.raises(PointsmanError, match=r"model-2\.safetensors"):
        mlx_command(str(place))


def test_no_engine_is_imported_by_saying_how_it_is_started() -> None:
    code = "import sys, pointsman.hosts.commands, pointsman.cli.local; print({'mlx', 'mlx_lm', 'xllamacpp'} & set(sys.modules))"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "set()\n"
    )
