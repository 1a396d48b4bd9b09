"""The cases of every dialect, run over Messages; its own oddities are in the files beside this one."""

from __future__ import annotations

from typing import Any

from pointsman.kinds import Protocol

from ..shared import KINDS, Errors, Replies, Requests, Verdicts
from .rows import STREAMS, WHOLE


class TestSeen(Verdicts):
    protocol = Protocol.ANTHROPIC_MESSAGES
    streams = STREAMS
    wholes = WHOLE


class TestRequests(Requests):
    protocol = Protocol.ANTHROPIC_MESSAGES

    def otherwise(self, said: dict[str, Any]) -> None:
        """A format has no name here, and is strict without saying so."""
        if said["format"] is not None:
            said["format"] |= {"name": None, "strict": None}


class TestReplies(Replies):
    protocol = Protocol.ANTHROPIC_MESSAGES
    words = False


class TestErrors(Errors):
    protocol = Protocol.ANTHROPIC_MESSAGES
    in_band = frozenset(KINDS)
