"""Embeddings as one of the dialects (base.Dialect): what of this folder is seen from outside."""

from __future__ import annotations

from ...kinds import Protocol
from ..base import Dialect, Straight
from ..endpoint import Endpoint
from ..openai_endpoints import FAMILY, PRIVATE_PREFIXES, RATE_LIMITS
from ..sameness import Sameness
from ..vendor_errors import OPENAI_STATUSES, is_openai_error, openai_error, upstream_error
from .errors import stream_error
from .format import FORMAT, may_have_null, revision, without_null
from .seen import EmbeddingsSeen

DIALECT = Dialect(
    Protocol.EMBEDDINGS,
    openai_error,
    stream_error,
    upstream_error,
    EmbeddingsSeen,
    Endpoint(
        "/v1/embeddings", FAMILY, private_prefixes=PRIVATE_PREFIXES, rate_limits=RATE_LIMITS, writes=False
    ),
    straight=Straight(may_have_null, without_null),
    straight_words=(FORMAT,),
    revision=revision,
    is_error=is_openai_error,
    statuses=OPENAI_STATUSES,
    sameness=Sameness(frozenset({"user"})),
)
