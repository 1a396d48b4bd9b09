"""Chat Completions as one of the dialects (base.Dialect): what of this folder is seen from outside."""

from __future__ import annotations

from ...kinds import Protocol
from ..base import Dialect, Retelling, Translation
from ..carries import column
from ..endpoint import Endpoint
from ..openai_endpoints import FAMILY, PRIVATE_PREFIXES, RATE_LIMITS, list_fields, model_fields
from ..retelling import DONE
from ..sameness import Sameness
from ..vendor_errors import OPENAI_STATUSES, is_openai_error, openai_error, upstream_error
from .capsules import CAPSULE_WORDS, without_capsules
from .errors import stream_error
from .frames import USAGE_OPTION
from .preset import PRESETTING
from .reader import ChatReader
from .reply import render_reply
from .request_in import NAMES, parse_request, plain_request
from .request_out import render_request
from .retelling import assembled, streamed
from .seen import ChatSeen
from .writer import MOVES, ChatWriter

ENDPOINT = Endpoint(
    "/v1/chat/completions",
    FAMILY,
    stored=("GET",),
    private_prefixes=PRIVATE_PREFIXES,
    rate_limits=RATE_LIMITS,
    model_fields=model_fields,
    list_fields=list_fields,
)
TRANSLATION = Translation(
    parse_request=parse_request,
    plain_request=plain_request,
    render_request=render_request,
    render_reply=render_reply,
    reader=ChatReader,
    writer=ChatWriter,
    moves=MOVES,
    carries=column(Protocol.OPENAI_CHAT),
    names=NAMES,
    turns=Protocol.OPENAI_CHAT,
    ordered=False,
    without_capsules=without_capsules,
)
DIALECT = Dialect(
    Protocol.OPENAI_CHAT,
    openai_error,
    stream_error,
    upstream_error,
    ChatSeen,
    ENDPOINT,
    usage_option=USAGE_OPTION,
    statuses=OPENAI_STATUSES,
    translation=TRANSLATION,
    presetting=PRESETTING,
    is_error=is_openai_error,
    retelling=Retelling(streamed, assembled),
    last_word=DONE,
    straight_words=CAPSULE_WORDS,
    sameness=Sameness(
        frozenset(
            {
                "cache_control",
                "metadata",
                "prompt_cache_key",
                "prompt_cache_retention",
                "safety_identifier",
                "user",
            }
        ),
        ("messages", "messages.content", "tools", "tools.function"),
        ("store", "web_search_options"),
    ),
)
