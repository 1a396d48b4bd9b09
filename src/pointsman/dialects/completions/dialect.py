"""Completions as one of the dialects (base.Dialect): what of this folder is seen from outside."""

from __future__ import annotations

from ...kinds import Protocol
from ..base import Dialect, Presetting, Retelling, UsageOption
from ..endpoint import Endpoint
from ..openai_endpoints import FAMILY, PRIVATE_PREFIXES, RATE_LIMITS
from ..retelling import DONE
from ..sameness import Sameness
from ..vendor_errors import OPENAI_STATUSES, is_openai_error, openai_error, upstream_error
from .errors import stream_error
from .retelling import assembled, streamed
from .seen import CompletionsSeen, is_extra_usage

DIALECT = Dialect(
    Protocol.COMPLETIONS,
    openai_error,
    stream_error,
    upstream_error,
    CompletionsSeen,
    Endpoint("/v1/completions", FAMILY, private_prefixes=PRIVATE_PREFIXES, rate_limits=RATE_LIMITS),
    usage_option=UsageOption("stream_options", "include_usage", is_extra_usage),
    is_error=is_openai_error,
    statuses=OPENAI_STATUSES,
    retelling=Retelling(streamed, assembled),
    last_word=DONE,
    presetting=Presetting(
        frozenset(
            {
                "temperature",
                "top_p",
                "top_k",
                "min_p",
                "repeat_penalty",
                "presence_penalty",
                "frequency_penalty",
                "seed",
                "max_tokens",
                "stop",
            }
        )
    ),
    sameness=Sameness(frozenset({"user"})),
)
