"""Claude's models, as rows by name (docs/protocols/models.md#claudes-generations). Data only;
profiles.py reads it.

Facts beyond that page are from the vendor's model pages of 2026-08 to 2026-11. Where they are not
sure (mid-conversation system messages on Haiku 5.5 and Sonnet 5), the row has the value that is
never an error.
"""

from __future__ import annotations

from typing import Any

from .profile_rows import ALL, Row, Table

_THREE = ("low", "medium", "high")
_NO_XHIGH = ("low", "medium", "high", "max")
_ALL = ("low", "medium", "high", "xhigh", "max")

API: dict[str, Any] = {
    # the API merges neighbours of one role (docs/protocols/messages.md#turns-in-messages)
    "merge_turns": False,
    "continues": True,
    "cache_marks": True,
    "cache_ttls": ("5m", "1h"),
    "auto_cache": True,
    "stream_long": True,
    "strict_tools": True,
    "structured": True,
    "tool_name_max": 128,
    "sampling": "one_of",
    # Of those it runs, what another protocol's clients can ask for; its own clients are not translated.
    "server_tools": frozenset({"web_search", "code_execution"}),
    "service_tiers": ("auto", "default"),
    "files": "anthropic_messages",
}  # fmt: skip
"""What Claude's own API takes of every model."""

NEWEST: dict[str, Any] = {
    "sampling": "default_only",
    "top_k": False,
    "prefill": False,
    "mid_system": True,
    "reasoning": "adaptive",
    "efforts": _ALL,
    "thinking_off": False,
    "omits_thinking": True,
    "forced_tools": False,
    "max_tokens_limit": 128_000,
    "context_window": 1_000_000,
}
"""Opus 5.5, Fable 5.1 and 5.2, Mythos 5.1 and 5.2, and everything newer or unknown."""

_OLD: dict[str, Any] = {
    "reasoning": "none", "structured": False, "strict_tools": False, "sampling": "any", "context_window": 200_000,
}  # fmt: skip
_BUDGET: dict[str, Any] = {
    "reasoning": "budget", "efforts": (), "max_tokens_limit": 64_000, "context_window": 200_000,
}  # fmt: skip
_4_6: dict[str, Any] = {
    "reasoning": "adaptive", "efforts": _NO_XHIGH, "prefill": False, "context_window": 1_000_000,
}  # fmt: skip

MODELS: Table = (
    (("claude-2*", "claude-v2*", "claude-instant*"), {
        **_OLD, "images": False, "documents": False, "max_tokens_limit": 4096, "max_tokens_default": 4096,
        "context_window": 100_000,
    }),
    (("claude-3-7*",), {**_BUDGET, "structured": False, "strict_tools": False, "sampling": "any"}),
    (("claude-3-5*",), {**_OLD, "max_tokens_limit": 8192, "max_tokens_default": 8192}),
    (("claude-3*",), {**_OLD, "documents": False, "max_tokens_limit": 4096, "max_tokens_default": 4096}),
    (("claude-sonnet-4", "claude-sonnet-4:*", "claude-sonnet-4-0*", "claude-4-sonnet*"), {
        **_BUDGET, "structured": False, "strict_tools": False,
    }),
    (("claude-opus-4", "claude-opus-4:*", "claude-opus-4-0*", "claude-opus-4-1*", "claude-4-opus*", "claude-4-1-opus*"), {
        **_BUDGET, "structured": False, "strict_tools": False, "max_tokens_limit": 32_000,
    }),
    (("claude-opus-4-5*", "claude-4-5-opus*"), {**_BUDGET, "efforts": _THREE}),
    (("claude-sonnet-4-5*", "claude-haiku-4-5*", "claude-4-5-sonnet*", "claude-4-5-haiku*"), _BUDGET),
    (("claude-sonnet-4-6*",), {**_4_6, "max_tokens_limit": 64_000}),
    (("claude-opus-4-6*",), {**_4_6, "max_tokens_limit": 128_000}),
    (("claude-opus-4-7*",), {**NEWEST, "thinking_off": True, "forced_tools": True, "mid_system": False}),
    (("claude-opus-4-8*",), {**NEWEST, "thinking_off": True, "forced_tools": True}),
    (("claude-mythos-preview*",), {**NEWEST, "forced_tools": True, "mid_system": False}),
    (("claude-haiku-5-5*",), {**NEWEST, "thinking_off": True, "forced_tools": True, "mid_system": False}),
    (("claude-sonnet-5-5*",), {**NEWEST, "between_tools": True}),
    (("claude-opus-5-?*", "claude-sonnet-5-?*", "claude-fable-5-?*", "claude-mythos-5-?*"), NEWEST),
    (("claude-sonnet-5*",), {**NEWEST, "thinking_off": True, "forced_tools": True, "mid_system": False}),
    (("claude-opus-5*",), {**NEWEST, "thinking_off": True, "forced_tools": True}),
    (("claude-fable-5*", "claude-mythos-5*"), {**NEWEST, "forced_tools": True}),
)  # fmt: skip
"""Known ones. Dates and hosts' prefixes are off their names already, dots are hyphens."""

_UNKNOWN: Row = (("claude*",), NEWEST)

CLOUD: tuple[Table, ...] = (((ALL, {**API, "threads": True}),), (*MODELS, (ALL, NEWEST)))
"""On the vendor's own service: every name is Claude's."""
ELSEWHERE: tuple[Table, ...] = (((("claude*",), API),), (*MODELS, _UNKNOWN))
"""Behind another address, by name only: proxies, other clouds, or a vendor that only speaks like this one."""
