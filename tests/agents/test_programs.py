"""The real `claude` and `codex` programs finish a task of several tool calls through a backend of another protocol.

They run in a network namespace that has nothing but this machine (gateway and scripted model run in it too). Where a
program is not installed the tests skip, loudly: set POINTSMAN_CLAUDE and POINTSMAN_CODEX, or have them on PATH.
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

from tests.engines_real.engines import need

from .model import CHAT, MESSAGES, RESPONSES

ROOT = Path(__file__).resolve().parents[2]


def program(name: str) -> str:
    found = os.environ.get(f"POINTSMAN_{name.upper()}") or shutil.which(name)
    if not found:
        pytest.skip(
            f"NO {name.upper()}: npm install it and set POINTSMAN_{name.upper()} to try the real program"
        )
    alone = subprocess.run(["unshare", "-rn", "true"], capture_output=True, check=False)
    if alone.returncode:
        pytest.skip("NO NETWORK NAMESPACES here: the real programs are not run with a network")
    return found


def run(
    tmp_path: Path, name: str, upstream: str, scene: str = ""
) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
    """The stage (gateway, model and program) in a namespace of its own; what it printed, and its report."""
    work = tmp_path / "work"
    work.mkdir()
    report = tmp_path / "report.json"
    script = f'ip link set lo up && exec "{sys.executable}" -m tests.agents.stage {name} {upstream} "{work}" "{report}" {scene}'
    environment = {
        **os.environ,
        "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}",
        f"POINTSMAN_{name.upper()}": program(name),
    }
    done = subprocess.run(
        ["unshare", "-rn", "bash", "-c", script],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    found = json.loads(report.read_text()) if report.exists() else {}
    return done, found


@pytest.mark.parametrize("upstream", [CHAT, RESPONSES])
def test_claude_code_works_through_an_openai_backend(tmp_path: Path, upstream: str) -> None:
    program("claude")
    done, report = run(tmp_path, "claude", upstream)
    told = f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}\n{report}"
    assert done.returncode == 0, told
    assert (tmp_path / "work" / "one.txt").read_text() == "first\n", told
    assert (tmp_path / "work" / "two.txt").read_text() == "second\n", told
    assert "ALL DONE" in done.stdout
    assert report["statuses"] == [200] * len(report["statuses"]), told


@pytest.mark.parametrize("upstream", [CHAT, MESSAGES])
def test_codex_works_through_a_backend_that_does_not_speak_responses(tmp_path: Path, upstream: str) -> None:
    program("codex")
    done, report = run(tmp_path, "codex", upstream)
    told = f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}\n{report}"
    assert done.returncode == 0, told
    assert (tmp_path / "work" / "one.txt").read_text() == "first\n", told
    assert (tmp_path / "work" / "two.txt").read_text() == "second\n", told
    assert "ALL DONE" in done.stdout
    assert report["statuses"] == [200] * len(report["statuses"]), told


def what_left(report: dict[str, Any], reason: str, told: str) -> list[str]:
    """The bodies that the scripted cloud was given; usage knows of each, how many bytes they had, and why they left."""
    cloud: list[str] = report["cloud"]
    assert cloud, told
    (day,) = report["left"]
    assert (day["model"], day["requests"]) == ("strong", len(cloud)), told
    bodies = sum(len(body.encode()) for body in cloud)
    assert bodies < day["sent_bytes"] < bodies + 2000 * len(cloud), told  # and their heads
    assert [row["fallback"] for row in report["left_rows"]] == [reason] * len(cloud), told
    return cloud


@pytest.mark.parametrize(("name", "upstream"), [("claude", MESSAGES), ("codex", CHAT)])
def test_what_a_local_model_does_not_get_done_the_next_target_does(
    tmp_path: Path, name: str, upstream: str
) -> None:
    """It reads a file that is not there, three times; then the scripted cloud has the conversation, and usage says so."""
    program(name)
    done, report = run(tmp_path, name, upstream, "stuck")
    told = f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}\n{report}"
    assert done.returncode == 0, told
    assert (tmp_path / "work" / "one.txt").read_text() == "first\n", told
    assert (tmp_path / "work" / "two.txt").read_text() == "second\n", told
    assert "ALL DONE" in done.stdout
    cloud = what_left(report, "stuck", told)
    assert all("nothing.txt" in body for body in cloud), "only what had not got on has left"
    stayed: Any = [one for one in report["targets"] if one.startswith("local/")]
    assert len(stayed) >= 3, told


@pytest.mark.parametrize(("engine", "module"), [("llama", "xllamacpp"), ("mlx", "mlx_lm")])
@pytest.mark.parametrize(("name", "upstream"), [("claude", MESSAGES), ("codex", CHAT)])
def test_what_does_not_fit_a_real_engine_the_next_target_does(
    tmp_path: Path, name: str, upstream: str, engine: str, module: str
) -> None:
    """A window of 4,096 tokens is too small for what either program begins with; usage says what left, and why."""
    need(module, engine.upper())
    program(name)
    done, report = run(tmp_path, name, upstream, f"tiny-{engine}")
    told = f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}\n{report}"
    assert done.returncode == 0, told
    assert (tmp_path / "work" / "one.txt").read_text() == "first\n", told
    assert (tmp_path / "work" / "two.txt").read_text() == "second\n", told
    assert "ALL DONE" in done.stdout
    what_left(report, "context", told)
