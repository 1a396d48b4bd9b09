"""Whose turn it is to read the rules and publish them, and who need not, since somebody has just done it.

Pure but for the lock. Not here: reading and publishing (control_plane.py).
"""

from __future__ import annotations

import itertools
import threading


class PublishingTurns:
    """`with turns:` one at a time. ask() before one waits for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)  # of those who ask, and of those who begin to read
        self._covered = 0

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def ask(self) -> int:
        """A number, for covered(). A reading has the next one, from before it begins."""
        return next(self._numbers)

    def covered(self, asked: int) -> bool:
        """Has somebody begun to read after that, and published it?"""
        return asked < self._covered

    def published(self, began: int) -> None:
        """What was read from then on is out."""
        self._covered = began
