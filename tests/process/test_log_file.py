"""The log's file: bounded, private, whole lines from several processes at once, and never in anybody's way."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

from pointsman.process.log_file import LogFile

WRITER = """
import sys
from pathlib import Path
from pointsman.process.log_file import LogFile
file = LogFile(Path(sys.argv[1]), most=200_000)
for number in range(500):
    file.write(f"{sys.argv[2]} {number} " + "x" * 200)
"""


def test_it_is_this_users_alone_and_two_files_of_the_bound_at_most(tmp_path: Path) -> None:
    path = tmp_path / "gateway.log"
    file = LogFile(path, most=100)
    for number in range(30):
        file.write(f"line {number:02}")
    file.close()
    assert sorted(os.listdir(tmp_path)) == ["gateway.log", "gateway.log.1"]
    assert {one.stat().st_size <= 100 for one in tmp_path.iterdir()} == {True}
    assert {stat.S_IMODE(one.stat().st_mode) for one in tmp_path.iterdir()} == {0o600}
    kept = [
        one for name in ("gateway.log.1", "gateway.log") for one in (tmp_path / name).read_text().split("\n")
    ]
    assert [one for one in kept if one] == [f"line {number:02}" for number in range(12, 30)]


def test_processes_that_turn_it_over_at_once_lose_no_line_and_break_none(tmp_path: Path) -> None:
    path = tmp_path / "gateway.log"
    words = [sys.executable, "-c", WRITER, str(path)]
    writers = [subprocess.Popen([*words, name]) for name in ("a", "b")]
    assert [one.wait(30) for one in writers] == [0, 0]
    lines = [line for one in sorted(tmp_path.iterdir()) for line in one.read_text().splitlines()]
    found = {tuple(line.split(" ")[:2]) for line in lines if line.endswith(" " + "x" * 200)}
    assert len(found) == len(lines) == 1000
    assert (tmp_path / "gateway.log.1").exists()


def test_one_that_was_removed_is_begun_anew_and_one_that_cannot_be_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "gateway.log"
    file = LogFile(path)
    file.write("one")
    path.unlink()
    file.write("two")
    assert path.read_text() == "two\n"
    path.unlink()
    path.mkdir()
    file.write("three")
    path.rmdir()
    file.write("four")
    assert path.read_text() == "four\n"
    file.close()
