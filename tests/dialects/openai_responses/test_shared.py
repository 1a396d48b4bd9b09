"""The cases of every dialect, run over Responses; its own oddities are in the files beside this one."""

from __future__ import annotations

from typing import Any

from pointsman.kinds import ErrorKind, Protocol

from ..both_ways import BothWays
from ..shared import Errors, Replies, Requests, Verdicts
from .rows import REQUEST, STREAMS, WHOLE


class TestSeen(Verdicts):
    protocol = Protocol.OPENAI_RESPONSES
    streams = STREAMS
    wholes = WHOLE


class TestRequests(Requests):
    protocol = Protocol.OPENAI_RESPONSES

    def otherwise(self, said: dict[str, Any]) -> None:
        """A tool that says nothing of it is strict here, so it must be said."""
        for tool in said["tools"]:
            tool["strict"] = bool(tool["strict"])


class TestReplies(Replies):
    protocol = Protocol.OPENAI_RESPONSES


class TestErrors(Errors):
    protocol = Protocol.OPENAI_RESPONSES
    in_band = frozenset({ErrorKind.RATE_LIMITED, ErrorKind.CONTEXT_LENGTH})


class TestBothWays(BothWays):
    protocol = Protocol.OPENAI_RESPONSES
    request = REQUEST
    turns = "input"
    ends = b"response.completed"

    def replayed(self, answer: dict[str, Any]) -> list[Any]:
        output: list[Any] = answer["output"]
        return output
