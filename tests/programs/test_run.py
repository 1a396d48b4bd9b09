"""Snippets of libraries and commands are run as they are shown, against a gateway, without and with a client key, and each
is known by what its row says.

The SDKs for Python and curl are here; what else there is comes from where tests/agents/test_inband.py has it:
POINTSMAN_CLIENTS_PYTHON and POINTSMAN_CLIENTS_NPM. What is not there is skipped, loudly.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pointsman.programs.program import Pointed, Program, Snippet, Writing, filled
from pointsman.programs.registry import PROGRAMS
from tests.e2e.gateway import Gateway, clean_environment, wait_until

RUNS = [(program, snippet) for program in PROGRAMS for snippet in program.snippets if snippet.runs]
SECONDS = 240
"""Of one snippet. Importing langchain-anthropic takes 5 s of a core, so that a minute is not enough of a crowded machine."""
_module = re.compile(r"^(?:import (\w+)|from (\w+) import)", re.MULTILINE)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with Gateway(tmp_path_factory.mktemp("programs")) as running:
        yield running


@pytest.fixture(scope="module")
def key(gateway: Gateway) -> str:
    secret: str = gateway.api("POST", "/api/keys", {"name": "snippets"})["secret"]
    return secret


def command(snippet: Snippet, text: str, folder: Path) -> list[str]:
    if snippet.writing is Writing.SH:
        if shutil.which("curl") is None:
            pytest.skip("NO CURL here")
        return ["bash", "-c", text]
    if snippet.writing is Writing.PYTHON:
        found = _module.search(text)
        assert found is not None
        here = importlib.util.find_spec(found[1] or found[2]) is not None
        python = sys.executable if here else os.environ.get("POINTSMAN_CLIENTS_PYTHON")
        if not python:
            pytest.skip(f"NO {found[1] or found[2]}: POINTSMAN_CLIENTS_PYTHON names no Python that has it")
        return [python, "-c", text]
    modules, node = os.environ.get("POINTSMAN_CLIENTS_NPM"), shutil.which("node")
    if not modules or not node:
        pytest.skip(
            f"NO {snippet.where.removeprefix('npm install ')}: node and POINTSMAN_CLIENTS_NPM are needed"
        )
    (folder / "node_modules").symlink_to(Path(modules) / "node_modules")
    (folder / "snippet.mjs").write_text(text, encoding="utf-8")
    return [node, str(folder / "snippet.mjs")]


def run(gateway: Gateway, program: Program, snippet: Snippet, key: str | None, folder: Path) -> None:
    text, since = filled(snippet, Pointed(gateway.url, "practice", key)), time.time()
    done = subprocess.run(
        command(snippet, text, folder),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        env=clean_environment(),
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "Hello from Pointsman's practice model" in done.stdout, done.stderr

    def arrived() -> bool:
        state: str = gateway.api("GET", f"/api/programs/{program.name}/arrival?since={since}")["state"]
        return state == "arrived"

    wait_until(f"{program.name} has arrived", arrived)


@pytest.mark.parametrize(
    ("program", "snippet"), [pytest.param(p, s, id=f"{p.name}: {s.where}") for p, s in RUNS]
)
def test_it_runs_as_it_is_shown(gateway: Gateway, tmp_path: Path, program: Program, snippet: Snippet) -> None:
    run(gateway, program, snippet, None, tmp_path)


@pytest.mark.parametrize(
    ("program", "snippet"),
    [pytest.param(p, s, id=f"{p.name}: {s.where}") for p, s in RUNS if "[key]" in s.text],
)
def test_with_a_client_key_too(
    gateway: Gateway, key: str, tmp_path: Path, program: Program, snippet: Snippet
) -> None:
    """Of those that are written differently then. Last: from the first key on every request needs one."""
    run(gateway, program, snippet, key, tmp_path)
