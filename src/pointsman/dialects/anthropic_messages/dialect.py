"""Messages as one of the dialects (base.Dialect): what of this folder is seen from outside."""

from __future__ import annotations

import msgspec

from ...kinds import Protocol
from ..base import Dialect, Retelling, Straight, Translation
from ..beside import parse_count
from ..carries import column
from ..sameness import Sameness
from .capsules import CAPSULE_WORDS, without_capsules
from .endpoint import ENDPOINT
from .errors import STATUSES, error, is_error, parse_error, stream_error
from .preset import PRESETTING
from .reader import MessagesReader
from .reply import render_reply
from .request_in import NAMES, parse_request, plain_request
from .request_out import render_request
from .retelling import assembled, streamed
from .seen import MessagesSeen
from .threads import THREAD, may_have_thread, without_threads
from .writer import MOVES, PING, MessagesWriter

_COUNTED = (
    "model",
    "messages",
    "system",
    "tools",
    "tool_choice",
    "thinking",
    "output_config",
    "cache_control",
)


def _render_count(tokens: int) -> bytes:
    return msgspec.json.encode({"input_tokens": tokens})


TRANSLATION = Translation(
    parse_request=parse_request,
    plain_request=plain_request,
    render_request=render_request,
    render_reply=render_reply,
    reader=MessagesReader,
    writer=MessagesWriter,
    usage_required=True,
    moves=MOVES,
    carries=column(Protocol.ANTHROPIC_MESSAGES),
    names=NAMES,
    turns=Protocol.ANTHROPIC_MESSAGES,
    count_path="/v1/messages/count_tokens",
    parse_count=parse_count,
    render_count=_render_count,
    count_keys=frozenset(_COUNTED),
    without_capsules=without_capsules,
)
DIALECT = Dialect(
    Protocol.ANTHROPIC_MESSAGES,
    error,
    stream_error,
    parse_error,
    MessagesSeen,
    ENDPOINT,
    statuses=STATUSES,
    ping=PING,
    straight=Straight(may_have_thread, without_threads),
    translation=TRANSLATION,
    presetting=PRESETTING,
    is_error=is_error,
    retelling=Retelling(streamed, assembled),
    straight_words=(THREAD, *CAPSULE_WORDS),
    sameness=Sameness(
        frozenset({"cache_control", "metadata"}),
        ("system", "messages.content", "messages.content.content", "tools"),
        ("container", "mcp_servers"),
    ),
)
