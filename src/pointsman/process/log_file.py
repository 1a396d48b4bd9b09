"""The log of a gateway as a file in its data folder, which all its processes write, each line whole; bounded, and this
user's alone (docs/logs.md). Where it cannot be written nothing is said of it: what stands on standard error is the log.

Not here: what a line is (saying.py, logs.py), and reading them (tail.py).
"""

from __future__ import annotations

import fcntl
import os
import threading
from contextlib import suppress
from pathlib import Path

from .tail import older

MOST_BYTES = 4 * 1024 * 1024
"""Of one file; there are two at most."""
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK


class LogFile:
    """Written by several processes at once: a line is one write at the file's end, and who finds it full turns it over."""

    def __init__(self, path: Path, most: int = MOST_BYTES) -> None:
        self._path = path
        self._most = most
        self._file = -1
        self._lock = threading.Lock()

    def write(self, line: str) -> None:
        """One line, without its end."""
        data = line.encode("utf-8", "replace") + b"\n"
        with self._lock, suppress(OSError):
            if self._file < 0 or not self._stands():
                self._open()
            if os.fstat(self._file).st_size + len(data) > self._most:
                self._turn()
            os.write(self._file, data)

    def close(self) -> None:
        """The next line opens it again."""
        with self._lock:
            self._close()

    def _stands(self) -> bool:
        """Is what is open still the file of that name? Another process turns it over, and people remove it."""
        try:
            return os.stat(self._path).st_ino == os.fstat(self._file).st_ino
        except FileNotFoundError:
            return False

    def _open(self) -> None:
        self._close()
        self._file = os.open(self._path, _FLAGS, 0o600)

    def _close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _turn(self) -> None:
        """Once: whoever comes while another process does it waits for nobody, and writes on into the old one."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        if self._stands():
            os.replace(self._path, older(self._path))
        self._open()  # closing the old one gives the lock back
