"""The cases of every dialect, run over Messages; its own oddities are in the files beside this one."""

from __future__ import annotations

from typing import Any, ClassVar

from pointsman.kinds import Protocol

from ..both_ways import BothWays
from ..shared import KINDS, Errors, Replies, Requests, Verdicts
from .rows import REQUEST, STREAMS, WHOLE


class TestSeen(Verdicts):
    protocol = Protocol.ANTHROPIC_MESSAGES
    streams = STREAMS
    wholes = WHOLE


class TestRequests(Requests):
    protocol = Protocol.ANTHROPIC_MESSAGES

    def otherwise(self, said: dict[str, Any]) -> None:
        """A format has no name here."""
        if said["format"] is not None:
            said["format"]["name"] = None


class TestReplies(Replies):
    protocol = Protocol.ANTHROPIC_MESSAGES
    words = False


class TestErrors(Errors):
    protocol = Protocol.ANTHROPIC_MESSAGES
    in_band = frozenset(KINDS)


class TestBothWays(BothWays):
    protocol = Protocol.ANTHROPIC_MESSAGES
    request = REQUEST
    least: ClassVar = {"model": "m", "max_tokens": 5}
    ends = b"message_stop"

    def otherwise(self, said: dict[str, Any], again: dict[str, Any]) -> None:
        """Automatic caching is asked for where tools are used."""
        again["cache_auto"] = said["cache_auto"]

    def replayed(self, answer: dict[str, Any]) -> list[Any]:
        return [{"role": "assistant", "content": answer["content"]}]
