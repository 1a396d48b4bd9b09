"""The wheel as people install it: built from this source, put into an environment of its own, started, asked.

In every run: with what is compiled here and in pure Python, beside the packages that are here. With POINTSMAN_TEST_INSTALLERS set:
by `pip`, `pipx` and `uv tool`, each into a clean home, with all that they fetch.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.children import child

from .gateway import clean_environment
from .web import fetch
from .wires import CHAT

ROOT = Path(__file__).resolve().parents[2]
INSTALLERS = "POINTSMAN_TEST_INSTALLERS"


def run(*words: str, **env: str) -> str:
    done = subprocess.run(
        words, env=_clean(env), capture_output=True, text=True, timeout=500, check=False, cwd="/"
    )
    assert done.returncode == 0, (words, done.stdout[-2000:], done.stderr[-2000:])
    return done.stdout


def _clean(env: dict[str, str]) -> dict[str, str]:
    """No folder of sources is found: what answers is what was installed."""
    found = clean_environment(env)
    for name in ("PYTHONPATH", "VIRTUAL_ENV", "XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        found.pop(name, None)
    return found


def build(folder: Path, **env: str) -> Path:
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    done = subprocess.run(
        build, cwd=ROOT, env=clean_environment(env), capture_output=True, text=True, timeout=500, check=False
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("wheel"))


def serves(command: Path, home: Path) -> str:
    """One request, and a page with all that it is made of. Returns what `version` says."""
    version = run(str(command), "version", HOME=str(home))
    data = str(home / "data")
    words = [str(command), "serve", "--port", "0", "--no-discover", "--json", "--data-dir", data]
    with child(
        words,
        env=_clean({"HOME": str(home)}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd="/",
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, process.communicate(timeout=10)[1]
            url = json.loads(line)["url"].rstrip("/")
            answer = fetch(url, "POST", CHAT.path, CHAT.ask("practice"))
            assert answer.status == 200, answer.body
            page = fetch(url, "GET", "/ui/sign-in")
            assert page.status == 200, page.body
            parts = set(re.findall(r'(?:href|src)="(/ui/static/[^"]+)"', page.body.decode()))
            kinds = {Path(part.partition("?")[0]).suffix for part in parts}
            assert {".css", ".js"} <= kinds, parts
            for part in parts:
                assert fetch(url, "GET", part).status == 200, part
        finally:
            process.terminate()
            process.communicate(timeout=60)
    assert process.returncode == 0
    return version


def environment(folder: Path, wheel: Path) -> Path:
    """One that has the wheel, and beside it the packages that are here, but not this source."""
    run(sys.executable, "-m", "venv", "--without-pip", str(folder))
    python = str(folder / "bin" / "python")
    run(
        sys.executable,
        "-m",
        "pip",
        "--python",
        python,
        "install",
        "--no-deps",
        "--no-index",
        "--no-compile",
        str(wheel),
    )
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "beside.pth").write_text(
        sysconfig.get_path("purelib") + "\n"
    )  # a .pth file that is there is not read
    where = run(python, "-c", "import pointsman; print(pointsman.__file__)").strip()
    assert Path(where).is_relative_to(site)
    return folder / "bin" / "pointsman"


def test_the_wheel_holds_all_that_is_no_code(wheel: Path) -> None:
    source = ROOT / "src"
    wanted = {
        str(path.relative_to(source))
        for path in (source / "pointsman").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and "_native" not in path.parts
    }
    held = set(zipfile.ZipFile(wheel).namelist())
    assert wanted - held == set()
    assert {name for name in wanted if name.endswith((".html", ".css", ".js", ".json", ".txt"))}, "data, too"
    strangers = {
        name for name in held - wanted if not re.match(r"pointsman(/_native/|-[^/]+\.dist-info/)", name)
    }
    assert strangers == set()


def test_installed_it_answers_and_shows_its_pages(wheel: Path, tmp_path: Path) -> None:
    version = serves(environment(tmp_path / "env", wheel), tmp_path / "home")
    compiled = any(name.endswith(".so") for name in zipfile.ZipFile(wheel).namelist())
    assert ("(compiled)" in version, "py3-none-any" in wheel.name) == (compiled, not compiled)
    if not compiled:
        pytest.skip("NOTHING IS COMPILED here: the wheel was tried in pure Python alone")


def test_without_a_compiler_it_is_for_every_machine_and_answers(tmp_path: Path) -> None:
    pure = build(tmp_path / "dist", POINTSMAN_PURE="1")
    assert pure.name.endswith("py3-none-any.whl")
    assert "(pure)" in serves(environment(tmp_path / "env", pure), tmp_path / "home")


@pytest.mark.timeout(900)
@pytest.mark.parametrize("tool", ["pip", "pipx", "uv"])
def test_each_installer_takes_it_into_a_clean_home(wheel: Path, tool: str, tmp_path: Path) -> None:
    if not os.environ.get(INSTALLERS):
        pytest.skip(f"{INSTALLERS} is not set: it fetches all packages anew")
    found = shutil.which(tool)
    if found is None:
        pytest.skip(f"NO {tool} here: the wheel was not installed by it")
    home = tmp_path / "home"
    home.mkdir()
    if tool == "pip":
        run(sys.executable, "-m", "venv", str(home / "env"))
        run(str(home / "env/bin/pip"), "install", "--quiet", str(wheel), HOME=str(home))
        command = home / "env/bin/pointsman"
    else:
        words = (
            ("install", str(wheel))
            if tool == "pipx"
            else ("tool", "install", "--python", sys.executable, str(wheel))
        )
        run(found, *words, HOME=str(home), PIPX_DEFAULT_PYTHON=sys.executable)
        command = home / ".local/bin/pointsman"
    assert "(compiled)" in serves(command, home) or "py3-none-any" in wheel.name
