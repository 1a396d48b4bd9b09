"""Tests that name hosts which only a proxy may look up: marked `apart`, each runs in a network namespace of its own, by a
pytest of its own, so that not even a regression asks a name server."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

import pytest

_INSIDE = "POINTSMAN_TEST_APART"
_ALONE = ["unshare", "-rn", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]


def _possible() -> bool:
    try:
        return not subprocess.run([*_ALONE, "true"], capture_output=True, check=False).returncode
    except FileNotFoundError:
        return False


def _goes(item: pytest.Item) -> bool:
    return item.get_closest_marker("apart") is not None and _INSIDE not in os.environ


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What they need is made there."""
    for item in items:
        if isinstance(item, pytest.Function) and _goes(item):
            item.fixturenames.clear()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Runs it there instead."""
    if not _goes(pyfuncitem):
        return None
    if not _possible():
        pytest.skip("no network namespaces here")
    pytest_here = [sys.executable, "-m", "pytest", "-q", "-n0", "-p", "no:cacheprovider"]
    # a folder of its own: at its end it would tidy up those of the pytest that runs it, which is at work in them
    with tempfile.TemporaryDirectory(prefix="apart-") as folder:
        done = subprocess.run(
            [*_ALONE, *pytest_here, f"--basetemp={folder}/t", pyfuncitem.nodeid],
            cwd=pyfuncitem.config.rootpath,
            env={**os.environ, _INSIDE: "1"},
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
    return True
