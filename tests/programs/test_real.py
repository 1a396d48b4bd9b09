"""The real programs, pointed at a gateway by `pointsman connect --write` and by `pointsman launch`, with a client key: each
is answered, and all of it can be put back.

They run in a network namespace that has nothing but this machine, and whatever they leave running ends with it. They are
found on PATH or in the folders of POINTSMAN_PROGRAMS (`node_modules/.bin:venv/bin`); which is not there is skipped, loudly.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pointsman.programs.registry import BY_NAME

from .stage import SECONDS, WORDS

ROOT = Path(__file__).resolve().parents[2]
ALONE = ["unshare", "-rnpf", "--mount-proc", "--kill-child"]
HELLO = "Hello from Pointsman's practice model"
LAUNCHED = [name for name in WORDS if BY_NAME[name].launch]
PATH = os.pathsep.join(filter(None, [os.environ.get("POINTSMAN_PROGRAMS"), os.environ.get("PATH")]))
HERE = [name for name, words in WORDS.items() if shutil.which(words[0], path=PATH)]
pytestmark = pytest.mark.timeout(60 + 3 * SECONDS * max(1, len(HERE)))


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What each of them said: all of them in one namespace, beside one gateway."""
    if subprocess.run([*ALONE, "true"], capture_output=True, check=False).returncode:
        pytest.skip("NO NETWORK NAMESPACES here: the real programs are not run with a network")
    folder = tmp_path_factory.mktemp("real")
    script = (
        f'ip link set lo up && "{sys.executable}" -m tests.programs.stage "{folder}" "{folder}/report.json"'
    )
    done = subprocess.run(
        [*ALONE, "sh", "-c", script],
        cwd=ROOT,
        env={
            **os.environ,
            "PATH": PATH,
            "PYTHONPATH": os.pathsep.join([os.environ.get("PYTHONPATH", ""), str(ROOT)]),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return found


def told(request: pytest.FixtureRequest, name: str) -> dict[str, Any]:
    if name not in HERE:
        pytest.skip(f"NO {WORDS[name][0].upper()}: POINTSMAN_PROGRAMS names no folder that has it")
    found: dict[str, Any] = request.getfixturevalue("report")[name]
    return found


def check(found: dict[str, Any]) -> None:
    assert (found["code"], found["arrived"]) == (0, "arrived"), found
    assert HELLO in found["out"], found


@pytest.mark.parametrize("name", WORDS)
def test_it_is_answered_once_it_is_connected_and_then_it_is_as_it_was(
    request: pytest.FixtureRequest, name: str
) -> None:
    found = told(request, name)
    assert found["write"]["code"] == 0, found["write"]
    check(found["connected"])
    assert not any(one["changes"] for one in json.loads(found["again"]["out"])["files"]), (
        "a second time changes nothing"
    )
    assert found["undo"]["code"] == 0, found["undo"]
    assert found["left"] == []
    assert found["back"], "what stood there, comments and all"


@pytest.mark.parametrize("name", LAUNCHED)
def test_it_is_answered_when_it_is_launched_whatever_its_settings_file_says(
    request: pytest.FixtureRequest, name: str
) -> None:
    """The file names an address where nobody is, and another model."""
    found = told(request, name)
    check(found["launched"])
    assert found["untouched"] is True
