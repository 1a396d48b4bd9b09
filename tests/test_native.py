"""Which modules run as machine code: those that were built from the sources that stand here, and none where only Python is
wanted. Skipped, and says so, where nothing was built.
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

from pointsman import native

SOURCE = Path(native.__file__).parent
_SAY = """
import json
from pointsman import native
from pointsman.wire import scan, sse
print(json.dumps([native.how(), native.stale(), scan.COMPILED, sse.__file__.endswith(".py")]))
"""


def said(root: Path, **environ: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-c", _SAY],
        env=os.environ | {"PYTHONPATH": str(root), native.PURE: ""} | environ,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def test_only_python_runs_where_that_is_wanted() -> None:
    assert said(SOURCE.parent, POINTSMAN_PURE="1") == [
        ["pure", "Only Python runs: POINTSMAN_PURE is set."],
        [],
        False,
        True,
    ]


def test_the_c_file_runs_by_itself_where_that_is_wanted() -> None:
    if not native.fresh("wire._scan"):
        pytest.skip("NOT TESTED: builds, since nothing was built here (python hatch_build.py)")
    how, stale, compiled, python = said(SOURCE.parent, POINTSMAN_PURE=native.PYTHON)
    assert how == [
        "partly compiled",
        "The C file runs as machine code, no module of Python does: POINTSMAN_PURE=python is set.",
    ]
    assert (stale, compiled, python) == ([], True, True)


def test_a_build_of_other_sources_is_passed_over_and_named(tmp_path: Path) -> None:
    if not native.fresh("wire._scan"):
        pytest.skip("NOT TESTED: builds, since nothing was built here (python hatch_build.py)")
    copy = tmp_path / "pointsman"
    shutil.copytree(SOURCE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    (how, _), stale, compiled, python = said(tmp_path)
    if how == "pure":
        pytest.skip("NOT TESTED: builds, since nothing was built here (python hatch_build.py)")
    assert (stale, compiled, python) == ([], True, not native.fresh("wire.sse"))
    with (copy / "wire" / "sse.py").open("a") as file:
        file.write("# another\n")
    (how, about), stale, compiled, python = said(tmp_path)
    assert (how, stale, compiled, python) == ("partly compiled", ["wire.sse"], True, True)
    assert about.endswith("not built from these sources: wire.sse.")
    others = sum("wire.sse" not in native.takes(module) for module in native.MODULES)
    assert about.startswith(f"{others} of {len(native.MODULES)} "), (
        "what takes its types cannot run without it"
    )
    with (copy / "wire" / "_scan.c").open("a") as file:
        file.write("/* another */\n")
    assert said(tmp_path)[1:3] == [["wire._scan", "wire.sse"], False]
    shutil.rmtree(copy / "_native")
    (how, about), stale, compiled, python = said(tmp_path)
    assert (how, stale, compiled, python) == ("pure", [], False, True)
