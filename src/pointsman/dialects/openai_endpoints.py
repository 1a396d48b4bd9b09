"""What OpenAI's protocols have alike at their endpoints: rate-limit headers, private headers, the model list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .endpoint import Listed, RateLimits
from .rate_limits import as_duration

FAMILY = "openai"
RATE_LIMITS = RateLimits(
    {
        (what, unit): f"x-ratelimit-{what}-{unit}".encode()
        for what in ("limit", "remaining", "reset")
        for unit in ("requests", "tokens")
    },
    as_duration,
)
PRIVATE_PREFIXES = (b"openai-", b"x-openai-", b"chatgpt-", b"x-stainless-")


def model_fields(model: Listed) -> dict[str, Any]:
    """A model as the SDKs read it (docs/protocols/models.md#one-list-for-both-parsers)."""
    return {"id": model.name, "object": "model", "created": model.created, "owned_by": model.owner}


def list_fields(models: Sequence[Listed]) -> dict[str, Any]:
    """The list beside its `data`."""
    return {"object": "list"}
