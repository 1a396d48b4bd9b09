"""process.environment: a secret taken out of the environment, and handed to a child by a pipe."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pointsman.process.environment import from_pipe, piped, take
from pointsman.process.private_files import private_socket
from pointsman.secret import Secret

SHOWS = """
import os, pathlib, sys
from pointsman.process.environment import take
found = take("THE_SECRET")
shown = pathlib.Path("/proc/self/environ")
text = shown.read_bytes() if shown.exists() else b""
child = os.popen("env").read()
print(found.reveal(), "THE_SECRET" in os.environ, sys.argv[1].encode() in text, "THE_SECRET" in child)
print(b"OTHER=kept" in text or not text, os.environ["OTHER"])
"""


@pytest.mark.parametrize("value", ["k" * 44, "=odd=value with spaces\u00e9", ""], ids=["key", "odd", "empty"])
def test_it_stands_nowhere_once_it_is_taken(value: str) -> None:
    env = {**os.environ, "THE_SECRET": value, "OTHER": "kept", "PYTHONUTF8": "1"}
    argument = value or "no such text"
    done = subprocess.run(
        [sys.executable, "-c", SHOWS, argument], env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{value} False False False\nTrue kept\n"


def test_what_is_not_set_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("THE_SECRET", raising=False)
    assert take("THE_SECRET") is None


def test_a_child_reads_them_off_a_pipe() -> None:
    secrets = {"ONE": Secret("of the parent"), "TWO": Secret("a=b=\u00e9")}
    with piped(secrets) as (arguments, fds):
        assert arguments == ["--key-fd", str(fds[0])]
        assert from_pipe(os.dup(fds[0])) == secrets
    with pytest.raises(OSError):
        os.fstat(fds[0])
    with piped({}) as nothing:
        assert nothing == ([], ())


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_a_socket_is_private_under_any_umask(tmp_path: Path, umask: int) -> None:
    path = tmp_path / "s.sock"
    before = os.umask(umask)
    try:
        for _ in range(2):  # the second time in place of the first
            listener = private_socket(str(path))
            assert path.stat().st_mode & 0o777 == 0o600
            listener.close()
    finally:
        os.umask(before)


def test_a_file_in_a_sockets_place_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "notes"
    path.write_text("mine")
    with pytest.raises(OSError):
        private_socket(str(path))
    assert path.read_text() == "mine"
