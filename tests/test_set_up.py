"""set_up.py takes the fastest Python that can, says why in one line, and passes over one that cannot install.

Its Pythons are this one behind small shell scripts, which answer its questions as others would.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

MADE = "PATH=/bin:/usr/bin; mkdir -p $3/bin; printf '#!/bin/sh\\nexit {code}\\n' > $3/bin/python; chmod +x $3/bin/python; exit 0"
"""Instead of an environment: one whose pip ends with that code."""
SCRIPT = Path(__file__).parents[1] / "set_up.py"
FAST, SLOW = 0.001, 0.002


def fake(
    folder: Path,
    name: str,
    seconds: float,
    *,
    version: tuple[int, int, int] = (3, 12, 1),
    headers: bool = True,
    instead: str = "",
) -> Path:
    """A Python that says so of itself. instead: shell code before it is asked to do anything else."""
    who = json.dumps({"version": version, "real": str(folder / name), "headers": headers})
    path = folder / name
    path.write_text(
        f"#!/bin/sh\ncase \"$3\" in *ensurepip*) echo '{who}'; exit;; *process_time*) echo {seconds}; exit;; esac\n"
        f'{instead}\nexec "{sys.executable}" "$@"\n'
    )
    path.chmod(0o755)
    return path


def module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("set_up", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Two folders, which are all of PATH."""
    found = (tmp_path / "one", tmp_path / "two")
    for folder in found:
        folder.mkdir()
    monkeypatch.setenv("PATH", os.pathsep.join(map(str, found)))
    return found


def chosen(tmp_path: Path, *, compiler: bool = True) -> str:
    """Of those in the fixture's folders; others of this machine are real and not looked at."""
    tool = module()
    found = [python for python in tool.at_hand() if python.name.startswith(str(tmp_path))]
    tool.time_them(found)
    best = tool.ranked(found, compiler)
    assert "\n" not in tool.why(best[0], found)
    return str(best[0].name.removeprefix(str(tmp_path)))


def test_the_fastest_is_taken_and_the_first_where_they_are_alike(
    folders: tuple[Path, Path], tmp_path: Path
) -> None:
    one, two = folders
    fake(one, "python3", SLOW)
    fake(two, "python3.12", FAST)
    assert chosen(tmp_path) == "/two/python3.12"
    fake(two, "python3.12", SLOW * 0.95)
    assert chosen(tmp_path) == "/one/python3"


def test_one_for_which_nothing_can_be_compiled_comes_last(folders: tuple[Path, Path], tmp_path: Path) -> None:
    one, two = folders
    fake(one, "python3", SLOW)
    fake(two, "python3.13", FAST, headers=False)
    assert chosen(tmp_path) == "/one/python3"
    assert chosen(tmp_path, compiler=False) == "/two/python3.13"


def test_what_is_too_old_or_does_not_run_is_not_taken(folders: tuple[Path, Path], tmp_path: Path) -> None:
    one, two = folders
    fake(one, "python3", FAST, version=(3, 10, 9))
    (one / "python3.11").write_text(
        "#!/bin/sh\nexit 127\n"
    )  # a version manager's, of a version that it has not
    (one / "python3.11").chmod(0o755)
    (one / "python3.13").write_text("#!/bin/sh\necho '{'\n")
    (one / "python3.13").chmod(0o755)
    fake(two, "python3.14", SLOW)
    assert chosen(tmp_path) == "/two/python3.14"


def set_up(folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    lock = folder.parent / "empty.lock"
    lock.write_text("")
    command = [sys.executable, str(SCRIPT), str(folder), str(lock), *more]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_one_that_cannot_install_is_passed_over(folders: tuple[Path, Path], tmp_path: Path) -> None:
    one, two = folders
    fake(one, "python3", FAST / 1000, instead=MADE.format(code=1))
    fake(two, "python3.12", FAST / 500, instead=MADE.format(code=0))
    done = set_up(tmp_path / "venv")
    assert done.returncode == 0, done.stderr
    first, second, third = done.stdout.splitlines()
    assert str(one / "python3") in first
    assert "3.12.1" in first
    assert second == f"{one / 'python3'} (3.12.1) cannot install what is locked"
    assert str(two / "python3.12") in third
    assert (tmp_path / "venv/bin/python").exists()
    again = set_up(tmp_path / "venv")  # what is there stays
    assert (again.returncode, again.stdout) == (0, "")


def test_the_one_that_is_asked_for_is_taken_or_nothing(folders: tuple[Path, Path], tmp_path: Path) -> None:
    one, two = folders
    fake(one, "python3", FAST / 1000)
    slow = fake(two, "python3.12", SLOW, instead="exit 1")
    done = set_up(tmp_path / "venv", "--python", str(slow))
    assert done.returncode == 1
    assert str(one) not in done.stdout
    assert not (tmp_path / "venv").exists()
