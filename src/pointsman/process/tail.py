"""A log that is turned over (`NAME`, and `NAME.1` with what is older) as a person reads it: its last lines, and on as more
comes, over the turn to a new file. Not here: who writes it (log_file.py, warden/guard.py).
"""

from __future__ import annotations

import codecs
import os
import time
from collections.abc import Iterator
from pathlib import Path

LOOK_SECONDS = 0.2


def older(path: Path) -> Path:
    """Where what was before the newest turn stands."""
    return path.with_name(path.name + ".1")


def last_lines(path: Path, count: int) -> list[str]:
    """The newest lines, the oldest of them first; of what was before the newest turn too where it takes that. None are
    there while nobody has written. Raises OSError for what cannot be read."""
    lines: list[str] = []
    for one in (path, older(path)):
        if len(lines) < count:
            try:
                lines = one.read_text("utf-8", "replace").splitlines() + lines
            except FileNotFoundError:
                continue
    return lines[len(lines) - count :] if 0 < count < len(lines) else lines if count else []


def follow(path: Path, count: int) -> tuple[list[str], Iterator[str]]:
    """(the last lines, what comes behind them, for ever): pieces that end anywhere, "" every LOOK_SECONDS while nothing
    does. A line that has only begun is of what comes. Raises OSError for what cannot be read."""
    files = _Files(path)
    *whole, begun = files.read().split("\n")
    return whole[max(0, len(whole) - count) :], _on(files, begun)


def _on(files: _Files, begun: str) -> Iterator[str]:
    try:
        if begun:
            yield begun
        while True:
            piece = files.read()
            yield piece
            if not piece:
                time.sleep(LOOK_SECONDS)
    finally:
        files.close()


class _Files:
    """What is open of a log, in the order in which it was written: what was turned away between two looks too, where it was
    not turned away twice, and the one before the newest, into which another process may just be writing its line."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._open: list[tuple[int, codecs.IncrementalDecoder]] = []

    def read(self) -> str:
        """All that has come since: nobody waits for the reader meanwhile, so that the writer does not get ahead of it."""
        self._look()
        told = "".join([self._rest(file, decoder) for file, decoder in self._open])
        self.close(2)
        return told

    def close(self, but: int = 0) -> None:
        """but: the newest are kept."""
        while len(self._open) > but:
            os.close(self._open.pop(0)[0])

    def _look(self) -> None:
        while True:
            turned = self._take(older(self._path))
            known = len(self._open)
            self._take(self._path)
            if turned == _number(older(self._path)):
                return
            if len(self._open) > known:  # what stands before it by now may not be here
                os.close(self._open.pop()[0])

    def _rest(self, file: int, decoder: codecs.IncrementalDecoder) -> str:
        if os.fstat(file).st_size < os.lseek(file, 0, os.SEEK_CUR):  # begun anew in its place
            os.lseek(file, 0, os.SEEK_SET)
        pieces = []
        while data := os.read(file, 65536):
            pieces.append(decoder.decode(data))
        return "".join(pieces)

    def _take(self, path: Path) -> int | None:
        """The file's number, None of none."""
        try:
            file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:  # never ran, or just being turned
            return None
        number = os.fstat(file).st_ino
        if any(os.fstat(one).st_ino == number for one, _ in self._open):
            os.close(file)
        else:
            self._open.append((file, codecs.getincrementaldecoder("utf-8")("replace")))
        return number


def _number(path: Path) -> int | None:
    try:
        return os.stat(path).st_ino
    except FileNotFoundError:
        return None
