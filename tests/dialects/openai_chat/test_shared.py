"""The cases of every dialect, run over Chat; its own oddities are in the files beside this one."""

from __future__ import annotations

from typing import Any

from pointsman.kinds import Protocol

from ..both_ways import BothWays
from ..shared import KINDS, Errors, Replies, Requests, Verdicts
from .rows import REQUEST, STREAMS, WHOLE


class TestSeen(Verdicts):
    protocol = Protocol.OPENAI_CHAT
    streams = STREAMS
    wholes = WHOLE


class TestRequests(Requests):
    protocol = Protocol.OPENAI_CHAT


class TestReplies(Replies):
    protocol = Protocol.OPENAI_CHAT


class TestErrors(Errors):
    protocol = Protocol.OPENAI_CHAT
    in_band = frozenset(KINDS)


class TestBothWays(BothWays):
    protocol = Protocol.OPENAI_CHAT
    request = REQUEST
    early = 2
    ends = b'"finish_reason":"tool_calls"'

    def replayed(self, answer: dict[str, Any]) -> list[Any]:
        message = answer["choices"][0]["message"]
        return [{key: value for key, value in message.items() if value is not None}]
