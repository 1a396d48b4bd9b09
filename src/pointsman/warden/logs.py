"""An engine's log as a person reads it: its last lines, and on as more comes, over the turn to a new file. Not here: who
writes it (guard.py).
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from .recipe import log_path

LOOK_SECONDS = 0.2


def last_lines(data_dir: Path, name: str, count: int) -> list[str]:
    """The newest lines, the oldest of them first; of what was before the newest turn too where it takes that. None are
    there while it never ran. Raises PointsmanError for what is no name, OSError for what cannot be read."""
    path = log_path(data_dir, name)
    lines: list[str] = []
    for one in (path, path.with_name(path.name + ".1")):
        if len(lines) < count:
            try:
                lines = one.read_text("utf-8", "replace").splitlines() + lines
            except FileNotFoundError:
                continue
    return lines[len(lines) - count :] if 0 < count < len(lines) else lines if count else []


def follow(data_dir: Path, name: str) -> Iterator[str]:
    """What is written from now on, in pieces as it comes, for ever; "" every LOOK_SECONDS while nothing does. Raises
    PointsmanError for what is no name."""
    path = log_path(data_dir, name)
    file, seen, first = -1, 0, True
    try:
        while True:
            try:
                there = os.stat(path)
            except FileNotFoundError:  # never ran, or just being turned
                there = None
            if there is not None and (
                file < 0 or os.fstat(file).st_ino != there.st_ino or there.st_size < seen
            ):
                fresh = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                if file >= 0:
                    yield from _rest(file)
                    os.close(file)
                    seen = 0
                elif first:
                    seen = os.lseek(fresh, 0, os.SEEK_END)
                file = fresh
            first = False
            if file >= 0:
                for piece in _rest(file):
                    seen = os.lseek(file, 0, os.SEEK_CUR)
                    yield piece
            yield ""
            time.sleep(LOOK_SECONDS)
    finally:
        if file >= 0:
            os.close(file)


def _rest(file: int) -> Iterator[str]:
    while data := os.read(file, 65536):
        yield data.decode("utf-8", "replace")
