"""What one attempt tells the board, in the right order: begun, answered, interrupted, over. Once each.

Not here: what follows from it (resilience/board.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ...errors import PointsmanError
from ...kinds import ErrorKind, FallbackReason
from ...resilience.board import Board, Try
from ...resilience.walk import Held
from ...upstream.backend import Backend

Doubt = Callable[[Try], None]
"""Asks a local server whether it is well, before the breaker that the try is of opens."""


class AttemptHealth:
    """Told how the backend did. A try begins when this is made. own_login: the client's own login
    was sent. local: it is a local server; doubt() asks one how it is."""

    __slots__ = ("_backend", "_board", "_doubt", "_settled", "_try", "local", "own_login")

    def __init__(
        self, board: Board, key: str, model: str, backend: Backend, own_login: bool, doubt: Doubt
    ) -> None:
        self.own_login = own_login
        self.local = backend.local
        self._doubt = doubt
        self._board = board
        self._backend = board.backend(key)
        self._backend.in_flight += 1
        self._try = board.begin(key, model, backend.account, own_login=own_login)
        self._settled = False

    def has_answered(self) -> None:
        """The board has been told already."""
        self._settled = True

    def answered(self, status: int) -> None:
        """With real output, or with an answer that is the client's own affair: a client's 4xx says
        nothing about the backend, neither good nor bad."""
        self._settled = True
        if status < 400:
            self._board.succeeded(self._try)
            self._backend.last_success = time.time()
        else:
            self._board.forgotten(self._try)
        self._try.probe = False

    def interrupted(self, reason: FallbackReason) -> None:
        """It failed after that."""
        self._failed(Held(reason, PointsmanError(ErrorKind.UPSTREAM_ERROR, "")), unreachable=False)

    def over(self, held: Held[Any] | None, *, unreachable: bool) -> None:
        """The attempt has ended. held: why it failed; None also when it was given up from our side."""
        self._backend.in_flight -= 1
        if self._settled:
            return
        self._settled = True
        if held is None:
            self._board.forgotten(self._try)
        else:
            self._failed(held, unreachable=unreachable)

    def _failed(self, held: Held[Any], *, unreachable: bool) -> None:
        if self._board.failed(self._try, held, unreachable=unreachable, local=self.local):
            self._doubt(self._try)
        self._backend.last_failure = time.time()
        self._backend.last_reason = held.reason.value
