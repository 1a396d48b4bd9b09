"""Reading an engine's log: the last lines, and on."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest

from pointsman.errors import PointsmanError
from pointsman.warden.logs import follow, last_lines


@pytest.fixture
def log(tmp_path: Path) -> Path:
    (tmp_path / "engines").mkdir()
    return tmp_path / "engines" / "a.log"


def test_the_last_lines_reach_over_the_turn(tmp_path: Path, log: Path) -> None:
    assert last_lines(tmp_path, "a", 5) == []
    log.with_name("a.log.1").write_text("1\n2\n3\n")
    log.write_text("4\n5\n")
    assert last_lines(tmp_path, "a", 1) == ["5"]
    assert last_lines(tmp_path, "a", 3) == ["3", "4", "5"]
    assert last_lines(tmp_path, "a", 10) == ["1", "2", "3", "4", "5"]
    assert last_lines(tmp_path, "a", 0) == []
    with pytest.raises(PointsmanError, match="is no name of an engine"):
        last_lines(tmp_path, "../a", 1)


def test_what_comes_is_told_over_the_turn_and_what_was_is_not(tmp_path: Path, log: Path) -> None:
    log.write_text("before\n")
    told = follow(tmp_path, "a")
    assert next(told) == ""
    with log.open("a") as file:
        file.write("one\n")
    assert next(told) == "one\n"
    with log.open("a") as file:
        file.write("two\n")
    log.replace(log.with_name("a.log.1"))
    log.write_text("three\n")
    assert "".join(islice(told, 5)) == "two\nthree\n"
    log.write_text("4\n")  # begun anew in its place
    assert "".join(islice(told, 3)) == "4\n"
    told.close()


def test_one_that_never_ran_is_waited_for(tmp_path: Path, log: Path) -> None:
    told = follow(tmp_path, "a")
    assert next(told) == ""
    log.write_text("first\n")
    assert "".join(islice(told, 2)) == "first\n"
    told.close()
