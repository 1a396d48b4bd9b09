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
    """A model as the SDKs read it, and the members in which other programs look for its window and its eyes
    (docs/protocols/models.md#one-list-for-both-parsers)."""
    fields: dict[str, Any] = {
        "id": model.name,
        "object": "model",
        "created": model.created,
        "owned_by": model.owner,
    }
    if model.context_window is not None:
        fields |= dict.fromkeys(_WINDOW_NAMES, model.context_window)
    if model.images is not None:
        kinds = ["text", "image"] if model.images else ["text"]
        fields["architecture"] = {"input_modalities": kinds, "output_modalities": ["text"]}
    return fields


_WINDOW_NAMES = ("context_window", "context_length", "max_model_len")
"""Groq's, OpenRouter's and vLLM's."""


def list_fields(models: Sequence[Listed]) -> dict[str, Any]:
    """The list beside its `data`."""
    return {"object": "list"}
