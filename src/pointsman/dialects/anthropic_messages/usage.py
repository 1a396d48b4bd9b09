"""Messages' `usage` object and our neutral one, both ways. Not here: when a stream tells it (reader.py, writer.py)."""

from __future__ import annotations

from typing import Any

import msgspec

from ...conversation.usage import TokenUsage


class _OutputDetails(msgspec.Struct):
    thinking_tokens: int | None = None


class _CacheCreation(msgspec.Struct):
    ephemeral_5m_input_tokens: int | None = None
    ephemeral_1h_input_tokens: int | None = None


class _ServerTools(msgspec.Struct):
    web_search_requests: int | None = None


class Usage(msgspec.Struct):
    """As the vendor sends it. Cached tokens are counted apart from input_tokens
    (docs/protocols/usage.md#what-each-protocol-counts)."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_creation: _CacheCreation | None = None
    output_tokens_details: _OutputDetails | None = None
    server_tool_use: _ServerTools | None = None
    service_tier: str | None = None

    def merge(self, new: Usage) -> None:
        """Cumulative: a later report overwrites what it says and leaves the rest (the SDK accumulator's rule)."""
        for field in Usage.__struct_fields__:
            value = getattr(new, field)
            if value is not None:
                setattr(self, field, value)

    def neutral(self) -> TokenUsage:
        """The same numbers under our definition: input holds what was read from and written to a cache."""
        total = self.input_tokens
        if total is not None:
            total += (self.cache_read_input_tokens or 0) + (self.cache_creation_input_tokens or 0)
        return TokenUsage(
            total,
            self.output_tokens,
            self.cache_read_input_tokens,
            self.output_tokens_details.thinking_tokens if self.output_tokens_details else None,
            self.cache_creation_input_tokens,
            self.cache_creation.ephemeral_1h_input_tokens if self.cache_creation else None,
            self.server_tool_use.web_search_requests if self.server_tool_use else None,
        )


def rendered(usage: TokenUsage | None) -> dict[str, Any]:
    """Numbers for a Messages client. `cache_*` are 0 rather than absent, because Claude Code adds
    them up; output_tokens is never null (docs/protocols/usage.md#keys-that-must-be-there)."""
    told = usage or TokenUsage()
    cached, written = told.cached or 0, told.cache_write or 0
    found: dict[str, Any] = {
        "input_tokens": max(0, (told.input or 0) - cached - written),
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": cached,
        "output_tokens": told.output or 0,
    }
    if written:
        long = min(told.cache_write_long or 0, written)
        found["cache_creation"] = {
            "ephemeral_5m_input_tokens": written - long,
            "ephemeral_1h_input_tokens": long,
        }
    if told.reasoning is not None:
        found["output_tokens_details"] = {"thinking_tokens": told.reasoning}
    if told.web_searches:
        found["server_tool_use"] = {"web_search_requests": told.web_searches, "web_fetch_requests": 0}
    return found


_TIERS = {"standard": "default", "priority": "priority", "batch": "batch"}
_BACK = {neutral: ours for ours, neutral in _TIERS.items()}


def neutral_tier(tier: str | None) -> str | None:
    """The tier an answer was served with, in OpenAI's words."""
    return _TIERS.get(tier) if tier is not None else None


def own_tier(tier: str | None) -> str | None:
    """The same in Messages' words, None where it has none
    (docs/protocols/usage.md#tiers-in-answers)."""
    return _BACK.get(tier) if tier is not None else None
