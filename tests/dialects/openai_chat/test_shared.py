"""The cases of every dialect, run over Chat; its own oddities are in the files beside this one."""

from __future__ import annotations

from pointsman.kinds import Protocol

from ..shared import KINDS, Errors, Replies, Requests, Verdicts
from .rows import STREAMS, WHOLE


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
