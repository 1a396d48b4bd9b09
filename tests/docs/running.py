"""Runs pages in a namespace of processes, network and mounts that ends with them. Not here: what is expected of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from .blocks import ROOT, is_as_shown
from .doubles import hosts

ALONE = ["unshare", "-rnmpf", "--mount-proc", "--kill-child"]
Report = dict[str, list[dict[str, Any]]]


def possible() -> bool:
    """Are there such namespaces here?"""
    return not subprocess.run([*ALONE, "true"], capture_output=True, check=False).returncode


def run(folder: Path, *only: str) -> Report:
    """What each page's commands printed. Raises AssertionError where that could not be found out."""
    (folder / "hosts").write_text(hosts())
    report = folder / "report.json"
    script = 'ip link set lo up && mount --bind "$1" /etc/hosts && shift && exec "$@"'
    python = [sys.executable, "-m", "tests.docs.stage", str(folder), str(report), *only]
    path = os.pathsep.join(filter(None, [os.environ.get("POINTSMAN_PROGRAMS"), os.environ.get("PATH")]))
    modules = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(ROOT)]))
    done = subprocess.run(
        [*ALONE, "sh", "-c", script, "sh", str(folder / "hosts"), *python],
        cwd=ROOT,
        env={**os.environ, "PATH": path, "PYTHONPATH": modules},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-6000:]
    found: Report = json.loads(report.read_text())
    sys.stderr.write(done.stderr)
    return found


def wrong(told: dict[str, Any]) -> str | None:
    """What a command did that its page does not say."""
    printed, shown = told.get("printed"), told["shown"]
    if told["why"]:
        return None
    if printed is None:
        return f"line {told['line']}: not reached"
    if not told["code"] and (shown is None or is_as_shown(shown, printed)):
        return None
    return f"line {told['line']}: exit {told['code']}\n$ {told['command']}\n{printed}\nshown:\n{shown}"
