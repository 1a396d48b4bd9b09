"""The Messages half of every translation, put together (dialects/base.Translation)."""

from __future__ import annotations

import msgspec

from ...kinds import Protocol
from ..base import Translation
from ..carries import column
from .capsules import without_capsules
from .reader import MessagesReader
from .reply import render_reply
from .request_in import NAMES, parse_request
from .request_out import render_request
from .writer import MOVES, MessagesWriter


class _Count(msgspec.Struct):
    input_tokens: int


def parse_count(body: bytes) -> int:
    """The answer of `count_tokens`. Raises ValueError when it is none."""
    return msgspec.json.decode(body, type=_Count).input_tokens


def render_count(tokens: int) -> bytes:
    """The same for a client."""
    return msgspec.json.encode({"input_tokens": tokens})


TRANSLATION = Translation(
    parse_request=parse_request,
    render_request=render_request,
    render_reply=render_reply,
    reader=MessagesReader,
    writer=MessagesWriter,
    moves=MOVES,
    carries=column(Protocol.ANTHROPIC_MESSAGES),
    names=NAMES,
    parse_count=parse_count,
    render_count=render_count,
    count_path="/v1/messages/count_tokens",
    count_keys=frozenset(
        {"model", "messages", "system", "tools", "tool_choice", "thinking", "output_config", "cache_control"}
    ),
    without_capsules=without_capsules,
)
