"""Responses' endpoint (dialects/endpoint.py has the shape). Codex, which speaks it, wants a model list of its own."""

from __future__ import annotations

from ..endpoint import Catalogue, Endpoint
from ..openai_endpoints import FAMILY, PRIVATE_PREFIXES, RATE_LIMITS, list_fields, model_fields
from .codex_models import catalogue

ENDPOINT = Endpoint(
    "/v1/responses",
    FAMILY,
    below=True,
    private=(b"originator", b"session_id", b"session-id", b"conversation_id", b"version"),
    private_prefixes=(*PRIVATE_PREFIXES, b"x-codex-"),
    rate_limits=RATE_LIMITS,
    model_fields=model_fields,
    list_fields=list_fields,
    catalogue=Catalogue(b"client_version", catalogue),
)
