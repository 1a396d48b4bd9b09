"""The C file under the sanitizers of its compiler, for addresses and undefined behaviour: a build of its own in a child
process, which plays the fuzz targets of both looks. Skipped, and says so, where no compiler or no sanitizer is.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
INPUTS = 1500
_PLAY = """
import importlib.util, sys
name, file, inputs = "pointsman.wire._scan", sys.argv[1], int(sys.argv[2])
spec = importlib.util.spec_from_file_location(name, file)
sys.modules[name] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules[name])
import pointsman.wire
pointsman.wire._scan = sys.modules[name]
from tests.fuzz import looks
looks.main(inputs, "sanitized")
"""


@pytest.mark.parametrize("machine", ["-DNDEBUG", "-U__SSE2__"], ids=["as here", "without vectors"])
def test_no_look_reads_or_writes_where_it_may_not(tmp_path: Path, machine: str) -> None:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None or not Path(sysconfig.get_path("include"), "Python.h").exists():
        pytest.skip("NOT TESTED: the C file under sanitizers, for want of a C compiler or Python's headers")
    asked = [compiler, "-print-file-name=libasan.so"]
    library = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
    if not os.path.isabs(library):
        pytest.skip("NOT TESTED: the C file under sanitizers, for want of libasan")
    made = tmp_path / "_scan.so"
    subprocess.run(
        [
            compiler, machine, "-shared", "-fPIC", "-O1", "-g", "-Wall", "-Wextra", "-Wno-unused-parameter", "-Werror",
            "-fsanitize=address,undefined", "-fno-sanitize-recover=all", f"-I{sysconfig.get_path('include')}",
            str(ROOT / "src/pointsman/wire/_scan.c"), "-o", str(made),
        ],
        check=True,
    )  # fmt: skip
    found = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    settings = {
        "LD_PRELOAD": library, "ASAN_OPTIONS": "detect_leaks=0", "PYTHONMALLOC": "malloc", "PYTHONPATH": found,
        "POINTSMAN_PURE": "1",
    }  # fmt: skip
    played = subprocess.run(
        [sys.executable, "-c", _PLAY, str(made), str(INPUTS)],
        env=os.environ | settings, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert played.returncode == 0, played.stderr[-4000:]
    assert played.stdout == f"{INPUTS} inputs\n"
