"""`pointsman completion`: set up, taken back, and what is completed, in a real bash."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from pointsman.cli.main import main
from tests.children import child
from tests.crowding import within

POINTSMAN = Path(sys.executable).with_name("pointsman")
RC = b"alias ll='ls -l'\n# \xff no end of line"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("XDG_CONFIG_HOME", "ZDOTDIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SHELL", "/bin/bash")
    monkeypatch.setenv("PATH", f"{POINTSMAN.parent}:{os.environ['PATH']}")
    return tmp_path


def run(*words: str, code: int = 0) -> str:
    done = CliRunner().invoke(main, ["completion", *words])
    assert done.exit_code == code, done.output
    return done.output


def completed(line: str) -> list[str]:
    """What bash is given for it."""
    words = line.split(" ")
    env = os.environ | {
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
        "_POINTSMAN_COMPLETE": "bash_complete",
    }
    done = subprocess.run([POINTSMAN], env=env, capture_output=True, text=True, timeout=30, check=True)
    assert done.stderr == ""
    return [one.partition(",")[2] for one in done.stdout.split()]


def test_it_is_set_up_once_brought_up_to_date_and_taken_back(home: Path) -> None:
    dotfiles = home / "dotfiles"
    dotfiles.mkdir()
    (dotfiles / "bashrc").write_bytes(RC)
    (dotfiles / "bashrc").chmod(0o644)
    (home / ".bashrc").symlink_to(dotfiles / "bashrc")
    script = home / ".config" / "pointsman" / "completion.bash"
    found = json.loads(run("install", "--json"))
    assert found == {"shell": "bash", "files": [str(script), str(dotfiles / "bashrc")]}
    text = (home / ".bashrc").read_bytes()
    assert text.startswith(RC + b"\n# >>> pointsman completion >>>\n")
    assert "nothing to do" in run("install")
    assert (home / ".bashrc").read_bytes() == text
    (home / ".bashrc").write_bytes(text.replace(b"completion.bash", b"elsewhere.bash") + b"echo mine\n")
    assert f"written: {dotfiles / 'bashrc'}" in run("install")
    assert (home / ".bashrc").read_bytes() == text + b"echo mine\n"
    assert f"put back: {script}" in run("remove")
    assert (home / ".bashrc").read_bytes() == RC + b"\necho mine\n"
    assert (home / ".bashrc").is_symlink()
    assert (dotfiles / "bashrc").stat().st_mode & 0o777 == 0o644
    assert "nothing to do" in run("remove")
    assert not script.exists()


def test_each_shell_has_its_own_place_and_none_is_guessed(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("install", "zsh")
    assert "compinit" in (home / ".zshrc").read_text()
    run("install", "fish")
    assert (home / ".config" / "fish" / "completions" / "pointsman.fish").read_text() == run("show", "fish")
    assert not (home / ".bashrc").exists()
    monkeypatch.setenv("SHELL", "/bin/tcsh")
    assert "name your shell" in run("install", code=2)
    (home / ".zshrc").unlink()
    (home / ".zshrc").mkdir()
    assert "error: " in run("install", "zsh", code=1)
    monkeypatch.setenv("XDG_CONFIG_HOME", "/proc/nowhere")
    assert "cannot be written" in run("install", "fish", code=1)


@pytest.mark.parametrize(
    ("line", "some"),
    [
        ("pointsman comp", {"completion"}),
        ("pointsman mapping ", {"add", "list", "move"}),
        ("pointsman mapping add x --fallback-o", {"--fallback-on"}),
        ("pointsman connect co", {"codex", "continue"}),
        ("pointsman mapping add x --to a --to ", set()),  # given twice is no traceback
        ("pointsman explain ", set()),
    ],
)
def test_commands_options_and_clients_are_completed_without_a_gateway(
    home: Path, line: str, some: set[str]
) -> None:
    found = completed(line)
    assert some <= set(found)
    assert bool(found) is bool(some)


def test_the_list_of_commands_imports_none_of_them() -> None:
    code = (
        "import sys, click\n"
        "from pointsman.cli.main import main\n"
        "from click.shell_completion import BashComplete\n"
        "found = BashComplete(main, {}, 'pointsman', '_X').get_completions([], '')\n"
        "assert {'serve', 'usage'} <= {one.value for one in found}\n"
        "print([name for name in sys.modules if name.startswith('pointsman.cli.')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout == "['pointsman.cli.main']\n"


def test_the_tab_key_in_a_bash_that_reads_what_was_installed(home: Path) -> None:
    run("install")
    master, slave = pty.openpty()
    env = os.environ | {"TERM": "dumb", "PS1": "$ "}
    with child(["bash", "-i"], stdin=slave, stdout=slave, stderr=slave, env=env, start_new_session=True):
        os.close(slave)
        said, begun = b"", time.monotonic()
        os.write(master, b'pointsman comple\tinst\t\necho th""ere\n')
        while b"there" not in said and within(time.monotonic() - begun, 20):
            if select.select([master], [], [], 0.2)[0]:
                said += os.read(master, 65536)
    os.close(master)
    assert b"pointsman completion install" in said
    assert b"nothing to do" in said
