"""Responses' half of every translation, in one place."""

from __future__ import annotations

import msgspec

from ...kinds import Protocol
from ..base import Translation
from ..carries import column
from .capsules import without_capsules
from .reader import ResponsesReader
from .request_in import NAMES, parse_request
from .request_out import render_request
from .writer import MOVES, ResponsesWriter, render_reply


class _Count(msgspec.Struct):
    input_tokens: int


def _parse_count(body: bytes) -> int:
    return msgspec.json.decode(body, type=_Count).input_tokens


def _render_count(tokens: int) -> bytes:
    return msgspec.json.encode({"object": "response.input_tokens", "input_tokens": tokens})


TRANSLATION = Translation(
    parse_request=parse_request,
    render_request=render_request,
    render_reply=render_reply,
    reader=ResponsesReader,
    writer=ResponsesWriter,
    moves=MOVES,
    carries=column(Protocol.OPENAI_RESPONSES),
    names=NAMES,
    count_path="/v1/responses/input_tokens",
    parse_count=_parse_count,
    render_count=_render_count,
    count_keys=frozenset(
        {"model", "input", "instructions", "tools", "tool_choice", "text", "reasoning", "parallel_tool_calls"}
    ),
    without_capsules=without_capsules,
)
