"""A model file on the disk is served by `pointsman local add NAME --mlx PATH` or `--gguf PATH` alone."""

from __future__ import annotations

import os
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.gateway import Gateway, clean_environment

from .engines import SOURCE, SUNNY, WEATHER, need

_MAIN = "from pointsman.cli.main import main; main()"


@pytest.mark.parametrize(
    ("option", "file", "module"), [("--mlx", "folder", "mlx_lm"), ("--gguf", "gguf", "xllamacpp")]
)
def test_a_model_file_is_served_by_one_command(
    tmp_path: Path, request: pytest.FixtureRequest, option: str, file: str, module: str
) -> None:
    python = need(module, option)
    path = os.pathsep.join([str(SOURCE), sysconfig.get_path("purelib")])
    here = [python, "-c", _MAIN, "local"]  # the command takes the Python that it runs in
    with Gateway(tmp_path / "data", env={"PYTHONPATH": str(SOURCE)}) as gateway:

        def local(*words: str) -> None:
            done = subprocess.run(
                [*here, *words, "--data-dir", str(gateway.data_dir)],
                env=clean_environment({"PYTHONPATH": path}), capture_output=True, text=True, timeout=60, check=False,
            )  # fmt: skip
            if "ImportError" in done.stderr or "ModuleNotFoundError" in done.stderr:
                pytest.skip(f"{python} cannot run the command line: {done.stderr[-200:]}")
            assert done.returncode == 0, done.stderr

        model: Path = request.getfixturevalue(file)
        local("add", "mine", option, str(model))
        assert model.name in {one["id"] for one in gateway.fetch("GET", "/v1/models").json()["data"]}
        asked: dict[str, Any] = {
            "model": model.name, "temperature": 0, "messages": [{"role": "user", "content": WEATHER}],
        }  # fmt: skip
        answer = gateway.fetch("POST", "/v1/chat/completions", asked)
        assert (answer.status, answer.header("x-pointsman-target")) == (200, f"local/mine:{model.name}")
        assert answer.json()["choices"][0]["message"]["content"] == SUNNY
        engine = gateway.api("GET", "/api/engines/mine")
        assert (engine["state"], str(engine["address"])[:5]) == ("ready", "unix:")
        os.kill(engine["pid"], 0)
    assert not Path(f"/proc/{engine['pid']}").exists()
