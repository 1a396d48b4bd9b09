"""The suite itself ends: a test that hangs is a failure with a name, and so is one that fails alone. Not here: what any test
asks of Pointsman."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# What kept a run of all tests from ending: pytest-timeout raises in whatever runs just then, and a task of asyncio keeps it.
HANGS = """
import asyncio, time
def test_before(): pass
def test_hangs():
    async def busy():
        while True:
            time.sleep(0.01)
    async def waits():
        task = asyncio.create_task(busy())
        while True:
            await asyncio.sleep(1)
    asyncio.run(waits())
def test_after(): pass
"""


@pytest.mark.slow
def test_a_test_that_never_ends_does_not_keep_the_suite_from_ending(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\ntimeout = 1\nafter_limit = 1\n")
    (tmp_path / "test_hangs.py").write_text(HANGS)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "tests.conftest",
            "-p",
            "no:cacheprovider",
            "-n",
            "1",
            f"--basetemp={tmp_path}/t",
            str(tmp_path),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")])},
    )
    assert "test_hangs.py::test_hangs" in done.stdout
    assert "1 failed, 2 passed" in done.stdout
    assert "in test_hangs" in done.stderr  # where it stood
    assert done.returncode == 1


def test_no_test_waits_for_ever_for_a_child_that_it_has_not_ended() -> None:
    """See children.py."""
    waits = re.compile(r"with subprocess\.Popen\(|with \w*process:")
    found = [path.name for path in Path(__file__).parent.rglob("*.py") if waits.search(path.read_text())]
    assert sorted(found) == ["children.py"]


FAILS = """
import os, pathlib, pytest
def fails(times):
    count = pathlib.Path(__file__).with_suffix(".count")
    done = int(count.read_text()) if count.exists() else 0
    count.write_text(str(done + 1))
    assert done >= times, f"failure {done + 1}"
def test_passes(): pass
"""
TWICE = FAILS + "def test_crowded(): fails(2)"
MANY = FAILS + "@pytest.mark.parametrize('one', range(4))\ndef test_crowded(one): fails(4)"
LATE = FAILS + "@pytest.fixture\ndef ends():\n    yield\n    fails(1)\ndef test_crowded(ends): pass"
UNREADABLE = FAILS + "raise SystemError"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "code", "tries"),
    [(LATE, 0, 3), (TWICE, 1, 2), (MANY, 1, 4), (UNREADABLE, 1, 0)],
    ids=["once", "twice", "many", "unreadable"],
)
def test_what_failed_beside_others_is_asked_again_alone_and_told(
    tmp_path: Path, source: str, code: int, tries: int
) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = -p no:schemathesis\n")
    (tmp_path / "test_it.py").write_text(source)
    done = subprocess.run(
        [sys.executable, "-m", "tests.suite", "-n", "1", "-p", "no:cacheprovider", "test_it.py"],
        capture_output=True,
        text=True,
        timeout=100,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")])},
    )
    assert done.returncode == code, done.stdout + done.stderr
    count = tmp_path / "test_it.count"
    assert (int(count.read_text()) if count.exists() else 0) == tries
    told = done.stdout.partition("PASSED ALONE")[2]
    assert ("test_it.py::test_crowded" in told) is (code == 0 and tries > 0)
