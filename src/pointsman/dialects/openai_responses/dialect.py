"""Responses as one of the dialects (base.Dialect): what of this folder is seen from outside.

Codex, which speaks it, wants a model list of its own.
"""

from __future__ import annotations

import msgspec

from ...kinds import Protocol
from ..base import Dialect, Retelling, Straight, Translation
from ..beside import parse_count
from ..carries import column
from ..endpoint import Catalogue, Endpoint
from ..openai_endpoints import FAMILY, PRIVATE_PREFIXES, RATE_LIMITS, list_fields, model_fields
from ..sameness import Sameness
from ..vendor_errors import OPENAI_STATUSES, is_openai_error, openai_error, upstream_error
from .capsules import CAPSULE_WORDS, without_capsules
from .codex_models import catalogue
from .errors import stream_error
from .preset import PRESETTING
from .reader import ResponsesReader
from .references import REMEMBERED, with_items
from .request_in import NAMES, parse_request
from .request_out import render_request
from .retelling import assembled, streamed
from .seen import ResponsesSeen
from .stored import BY_ID
from .writer import MOVES, ResponsesWriter, render_reply

_SESSIONS = (b"session_id", b"session-id", b"conversation_id")
"""Codex's, by version (docs/protocols/clients.md#codex)."""

ENDPOINT = Endpoint(
    "/v1/responses",
    FAMILY,
    below=True,
    private=(b"originator", *_SESSIONS, b"version"),
    private_prefixes=(*PRIVATE_PREFIXES, b"x-codex-"),
    sessions=_SESSIONS,
    rate_limits=RATE_LIMITS,
    model_fields=model_fields,
    list_fields=list_fields,
    catalogue=Catalogue(b"client_version", catalogue),
    by_id=BY_ID,
)
_COUNTED = (
    "model",
    "input",
    "instructions",
    "tools",
    "tool_choice",
    "text",
    "reasoning",
    "parallel_tool_calls",
)


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
    parse_count=parse_count,
    render_count=_render_count,
    count_keys=frozenset(_COUNTED),
    without_capsules=without_capsules,
    remembered=REMEMBERED,
    turns=Protocol.OPENAI_RESPONSES,
    history="input",
)
DIALECT = Dialect(
    Protocol.OPENAI_RESPONSES,
    openai_error,
    stream_error,
    upstream_error,
    ResponsesSeen,
    ENDPOINT,
    statuses=OPENAI_STATUSES,
    straight=Straight(lambda _, recalled: recalled.asks.stored, with_items),
    straight_words=CAPSULE_WORDS,
    translation=TRANSLATION,
    presetting=PRESETTING,
    is_error=is_openai_error,
    retelling=Retelling(streamed, assembled),
    sameness=Sameness(
        marked=("input", "input.content"),  # its answers tell all other members again
        more=("background", "conversation", "prompt"),
    ),
)
