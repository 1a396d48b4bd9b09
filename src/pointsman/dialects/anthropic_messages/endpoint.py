"""Messages' endpoint (dialects/endpoint.py has the shape)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from ..endpoint import Endpoint, Listed, RateLimits
from ..rate_limits import as_moment


def model_fields(model: Listed) -> dict[str, Any]:
    """A model as the SDKs and Claude Code's discovery read it
    (docs/protocols/models.md#one-list-for-both-parsers)."""
    return {
        "id": model.name,
        "type": "model",
        "display_name": model.name,
        "created_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(model.created)),
        "lifecycle": "active",
        "line": None,
        "max_input_tokens": model.context_window,
        "max_tokens": None,
        "capabilities": None,
        "description": f"served by {model.owner}",
    }


def list_fields(models: Sequence[Listed]) -> dict[str, Any]:
    """The list beside its `data`: one page of it."""
    first, last = (models[0].name, models[-1].name) if models else (None, None)
    return {"has_more": False, "first_id": first, "last_id": last}


ENDPOINT = Endpoint(
    "/v1/messages",
    "anthropic",
    below=True,
    # Claude Code asks before its first request (docs/protocols/clients.md#claude-code)
    alive=("/api/hello",),
    # every call of the SDKs carries it (docs/protocols/models.md#who-asks-on-a-shared-path)
    known_by=b"anthropic-version",
    varies=(b"anthropic-version", b"anthropic-beta"),
    private_prefixes=(b"anthropic-", b"x-claude-", b"x-stainless-", b"x-api-"),
    sessions=(b"x-claude-code-session-id",),  # docs/protocols/clients.md#claude-code
    rate_limits=RateLimits(
        {
            (what, unit): f"anthropic-ratelimit-{unit}-{what}".encode()
            for what in ("limit", "remaining", "reset")
            for unit in ("requests", "tokens")
        },
        as_moment,
    ),
    model_fields=model_fields,
    list_fields=list_fields,
)
