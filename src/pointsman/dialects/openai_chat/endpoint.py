"""Chat Completions' endpoint (dialects/endpoint.py has the shape)."""

from __future__ import annotations

from ..endpoint import Endpoint
from ..openai_endpoints import FAMILY, PRIVATE_PREFIXES, RATE_LIMITS, list_fields, model_fields

ENDPOINT = Endpoint(
    "/v1/chat/completions",
    FAMILY,
    private_prefixes=PRIVATE_PREFIXES,
    rate_limits=RATE_LIMITS,
    model_fields=model_fields,
    list_fields=list_fields,
)
