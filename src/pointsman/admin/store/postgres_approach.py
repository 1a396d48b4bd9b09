"""One attempt at a time to reach a server that is away; the others wait for what becomes of it.

Whoever wants a connection tries for as long as libpq lets it. Of a server that stands still each such try is one more
client in its queue, and when it goes on it greets all of them first, by TLS, though nobody is there any more: after a minute
that took three gateways seven seconds. Not here: what a connection is (postgres.py).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

import psycopg

Made = TypeVar("Made")


class Approach:
    """To one server. The first who does not reach it begins the time in which it is away; the first who does ends it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._error: psycopg.OperationalError | None = None
        self._trying = False
        self._tried = 0  # how many of those attempts have ended

    def make(self, connect: Callable[[], Made]) -> Made:
        """What connect() makes. Raises psycopg.OperationalError, its own or that of the one whose turn it was."""
        mine = self._wait_for_turn()
        error: psycopg.OperationalError | None = None
        ended = False
        try:
            made = connect()
            ended = True
            return made
        except psycopg.OperationalError as found:
            error, ended = found, True
            raise
        finally:
            with self._changed:
                if ended:
                    self._error = error
                if mine:
                    self._trying = False
                    self._tried += 1
                    self._changed.notify_all()

    def _raise_last(self) -> bool:
        """False: it is reached again."""
        if self._error is not None:
            raise psycopg.OperationalError(*self._error.args)
        return False

    def _wait_for_turn(self) -> bool:
        """Is this the one attempt while it is away? Raises where another one has just failed."""
        with self._changed:
            if self._error is None:
                return False
            if not self._trying:
                self._trying = True
                return True
            tried = self._tried
            self._changed.wait_for(lambda: self._tried != tried)
            return self._raise_last()
