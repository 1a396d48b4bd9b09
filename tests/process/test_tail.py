"""Reading a log that is turned over: the last lines, and on."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import pytest

from pointsman.process.log_file import LogFile
from pointsman.process.tail import follow, last_lines


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "a.log"


def test_the_last_lines_reach_over_the_turn(log: Path) -> None:
    assert last_lines(log, 5) == []
    log.with_name("a.log.1").write_text("1\n2\n3\n")
    log.write_text("4\n5\n")
    assert last_lines(log, 1) == ["5"]
    assert last_lines(log, 3) == ["3", "4", "5"]
    assert last_lines(log, 10) == ["1", "2", "3", "4", "5"]
    assert last_lines(log, 0) == []


def comes(more: Iterator[str]) -> str:
    """Until nothing more does."""
    return "".join(takewhile(bool, more))


def turn(log: Path) -> None:
    log.replace(log.with_name("a.log.1"))


def test_what_comes_is_told_over_the_turn_and_what_was_is_not(log: Path) -> None:
    log.write_text("long ago\nbefore\n")
    was, more = follow(log, 1)
    assert was == ["before"]
    assert comes(more) == ""
    with log.open("a") as file:
        file.write("one\n")
    assert comes(more) == "one\n"
    with log.open("a") as file:
        file.write("two\n")
    turn(log)
    log.write_text("three\n")
    assert comes(more) == "two\nthree\n"
    log.write_text("4\n")  # begun anew in its place
    assert comes(more) == "4\n"
    more.close()  # type: ignore[attr-defined]


def test_one_that_never_ran_is_waited_for(log: Path) -> None:
    was, more = follow(log, 5)
    assert (was, comes(more)) == ([], "")
    log.write_text("first\n")
    assert comes(more) == "first\n"


def test_two_turns_between_two_looks_lose_nothing(log: Path) -> None:
    """`logs -f` waited for a line that stood in the file between the one that it knew and the newest."""
    log.write_text("1\n")
    was, more = follow(log, 5)
    with log.open("a") as file:
        file.write("2\n")
    for text in ("3\n", "4\n"):
        turn(log)
        log.write_text(text)
    assert was == ["1"]
    assert comes(more) == "2\n3\n4\n"


def test_a_line_into_the_file_that_was_just_turned_away_is_told(log: Path) -> None:
    """Another process had it open, and waits for nobody."""
    log.write_text("1\n")
    _, more = follow(log, 5)
    with log.open("a") as late:
        turn(log)
        log.write_text("2\n")
        assert comes(more) == "2\n"
        late.write("3\n")
    assert comes(more) == "3\n"


def test_a_line_that_had_only_begun_and_a_letter_cut_in_two_are_told_whole(log: Path) -> None:
    log.write_bytes(b"1\nbeg")
    was, more = follow(log, 5)
    assert was == ["1"]
    assert next(more) == "beg"
    with log.open("ab", buffering=0) as file:
        file.write("\u00fcn\n".encode()[:1])
        assert comes(more) == ""
        file.write("\u00fcn\n".encode()[1:])
    assert comes(more) == "\u00fcn\n"


def test_while_it_is_written_and_turned_over_each_line_comes_once(log: Path) -> None:
    """As fast as whoever follows reads: after a line that came, two more are written, and the file holds two."""
    writer = LogFile(log, most=8)
    writer.write("000")
    was, more = follow(log, 10)
    writer.write("001")
    seen, number = "", 2
    for piece in more:
        seen += piece
        if number > 40 or not piece:
            break
        for _ in range(2):
            writer.write(f"{number:03}")
            number += 1
    rest = comes(more)
    told = [*was, *(seen + rest).split()]
    assert told == [f"{one:03}" for one in range(number)]
    writer.close()
