"""`pointsman logs` over a file, as a person reads it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from pointsman.cli.main import main
from pointsman.process.log_file import LogFile
from tests.children import child


def line(message: str, level: str = "warning", **more: Any) -> str:
    begun = {"time": "2026-11-28T12:00:00.000Z", "level": level, "part": "gateway", "process": "data-plane 0"}
    return json.dumps(begun | {"message": message} | more)


@pytest.fixture
def log(tmp_path: Path) -> LogFile:
    file = LogFile(tmp_path / "gateway.log", most=300)
    for number in range(3):
        file.write(line(f"line {number}"))
    file.close()
    return file


def run(folder: Path, *words: str, code: int = 0) -> list[str]:
    done = CliRunner().invoke(main, ["logs", "--data-dir", str(folder), *words])
    assert done.exit_code == code, done.output
    return done.output.splitlines()


def messages(folder: Path, *words: str) -> list[str]:
    return [json.loads(one)["message"] for one in run(folder, "--json", *words) if one.startswith("{")]


def test_the_last_lines_are_shown_over_the_turn_oldest_first(tmp_path: Path, log: LogFile) -> None:
    assert (tmp_path / "gateway.log.1").exists()
    assert messages(tmp_path) == ["line 0", "line 1", "line 2"]
    assert messages(tmp_path, "--lines", "2") == ["line 1", "line 2"]
    assert run(tmp_path, "--lines", "1")[0].endswith(" warning data-plane 0 gateway: line 2")


def test_a_level_brings_what_is_worse_and_a_request_its_own(tmp_path: Path) -> None:
    file = LogFile(tmp_path / "gateway.log")
    file.write(line("fine", "info"))
    file.write(
        line("request req_1: bad", "error", request_id="req_1", error="Traceback\n  a\nValueError: \x1b[2J")
    )
    file.write(line("request req_2: so so", request_id="req_2"))
    file.write('{"cut short')
    assert messages(tmp_path, "--level", "warning") == ["request req_1: bad", "request req_2: so so"]
    assert messages(tmp_path, "--request", "req_2") == ["request req_2: so so"]
    shown = run(tmp_path, "--level", "error")
    assert shown[1:] == ["    Traceback", "      a", "    ValueError: ?[2J"]
    assert run(tmp_path, "--lines", "1") == ['{"cut short']
    assert run(tmp_path, "--request", "req_3") == ["nothing of this kind is in the log"]
    run(tmp_path, "--level", "loud", code=2)


def test_where_nothing_was_told_it_says_so(tmp_path: Path) -> None:
    (said,) = run(tmp_path / "none")
    assert "no gateway has told anything yet" in said


def test_it_follows_over_a_turn_and_ctrl_c_ends_it(tmp_path: Path, log: LogFile) -> None:
    words = [str(Path(sys.executable).with_name("pointsman")), "logs", "-f", "--json", "--level", "error"]
    words += ["--data-dir", str(tmp_path)]
    with child(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as following:
        assert following.stdout is not None
        assert following.stderr is not None
        assert following.stderr.readline() == "nothing of this kind is in the log\n", (
            "from here on it follows"
        )
        for number in range(4):
            log.write(line(f"error {number}", "error"))
            log.write(line("no error"))
            assert json.loads(following.stdout.readline())["message"] == f"error {number}"
        following.send_signal(signal.SIGINT)
        out, err = following.communicate(timeout=30)
    assert (following.returncode, out, err) == (130, "", "")
    log.close()
    assert os.path.exists(tmp_path / "gateway.log.1")
