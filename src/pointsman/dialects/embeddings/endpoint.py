"""Embeddings' endpoint (dialects/endpoint.py has the shape)."""

from __future__ import annotations

from ..endpoint import Endpoint
from ..openai_endpoints import FAMILY, PRIVATE_PREFIXES, RATE_LIMITS

ENDPOINT = Endpoint("/v1/embeddings", FAMILY, private_prefixes=PRIVATE_PREFIXES, rate_limits=RATE_LIMITS)
