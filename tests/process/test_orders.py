"""What the supervisor tells a process: read as it was said, and refused with the word that is wrong."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from pointsman.process.orders import orders


class Told(msgspec.Struct, frozen=True):
    a_folder: Path
    number: int = 1
    beat_fd: int | None = None
    loud: bool = False
    ports: tuple[int, ...] = ()
    names: tuple[str, ...] = ()


def test_all_kinds_are_read() -> None:
    words = [
        "--a-folder",
        "/x",
        "--beat-fd",
        "7",
        "--loud",
        "--ports",
        "80",
        "--names",
        "--ports",
        "--ports",
        "81",
        "--number",
        "-3",
    ]
    assert orders(Told, words) == Told(Path("/x"), -3, 7, True, (80, 81), ("--ports",))
    assert orders(Told, ["--a-folder", ""]) == Told(Path())


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--a-folder x --quiet", "--quiet is no option of this process, but: --a-folder, --number"),
        ("--a-folder x y", "y is no option"),
        ("--a-folder", "--a-folder comes without its value"),
        ("--a-folder x --number many", "number"),
        ("--number 3", "a_folder"),
    ],
)
def test_what_is_wrong_is_named(words: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        orders(Told, words.split())
