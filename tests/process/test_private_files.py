"""Private files: modes are checked, writes are whole."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from pointsman.process.private_files import mode_problem, replace, write_new


def test_a_private_file_and_folder_are_fine(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    write_new(tmp_path / "key", "x")
    assert mode_problem(tmp_path / "key") is None
    assert mode_problem(tmp_path) is None


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o610, 0o666, 0o601])
def test_an_open_file_is_refused_with_the_command_that_mends_it(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key"
    write_new(path, "x")
    path.chmod(mode)
    assert f"chmod 600 {path}" in (mode_problem(path) or "")


@pytest.mark.parametrize("mode", [0o755, 0o750, 0o711, 0o777])
def test_an_open_folder_is_refused_with_the_command_that_mends_it(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    assert f"chmod 700 {tmp_path}" in (mode_problem(tmp_path) or "")
    tmp_path.chmod(0o700)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_another_users_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key"
    write_new(path, "x")
    os.chown(path, 12345, -1)
    assert "belongs to another user" in (mode_problem(path) or "")


def test_a_new_file_is_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        write_new(tmp_path / "key", "text")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["key"], "no temporary file is left"


def test_a_file_that_exists_is_never_replaced(tmp_path: Path) -> None:
    write_new(tmp_path / "key", "first")
    with pytest.raises(FileExistsError):
        write_new(tmp_path / "key", "second")
    assert (tmp_path / "key").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


def test_replace_is_one_rename(tmp_path: Path) -> None:
    write_new(tmp_path / "key", "old")
    write_new(tmp_path / "key.new", "new")
    replace(tmp_path / "key.new", tmp_path / "key")
    assert (tmp_path / "key").read_text() == "new"
    assert not (tmp_path / "key.new").exists()
