"""What each family of models takes, as rows: PROTOCOLS.md sections 0, 3, 6 and 7. Data only; profiles.py reads it.

A row: (patterns of model names, values of Profile's fields). Patterns are whole names with `*`; the first row that
matches counts. A name is matched in lower case, without a vendor's prefix (`anthropic/`) and without a date.
"""

from __future__ import annotations

from typing import Any

Row = tuple[tuple[str, ...], dict[str, Any]]

_LOW_HIGH = ("low", "medium", "high")
_TO_MAX = ("low", "medium", "high", "xhigh", "max")

MESSAGES: dict[str, Any] = {
    "max_tokens_limit": None,
    "temperature_max": 1.0,
    "sampling": "one_of",
    "top_k": True,
    "penalties": False,
    "stop": 1000,
    "system_text": False,
    "merge_turns": False,
    "null_content": True,
    "cache_marks": True,
    "tool_name_max": 128,
    "json_object": False,
    "schema_subset": "anthropic",
    "n": False,
    "logprobs": False,
    "service_tiers": ("auto", "default"),
    "replay_as": None,
}
"""Messages, whoever speaks it."""

ANTHROPIC_CLOUD: dict[str, Any] = {
    "auto_cache": True,
    "stream_long": True,
    "strict_tools": True,
    "server_tools": frozenset({"web_search", "web_fetch", "code_execution"}),
}

_CURRENT: dict[str, Any] = {
    # Opus 5.5, Fable 5.1 and what comes after: PROTOCOLS.md 0.3, 0.4, 0.6, 0.7, 0.8
    "sampling": "default_only",
    "top_k": False,
    "prefill": False,
    "mid_system": True,
    "reasoning": "adaptive",
    "efforts": _TO_MAX,
    "thinking_off": False,
    "omits_thinking": True,
    "forced_tools": False,
    "max_tokens_limit": 128_000,
    "context_window": 1_000_000,
}

CLAUDE: tuple[Row, ...] = (
    (("claude-3*", "claude-2*", "claude-instant*"), {
        "reasoning": "none", "structured": False, "max_tokens_limit": 8192, "context_window": 200_000, "sampling": "any",
        "strict_tools": False,
    }),
    (("claude-haiku-4-5*", "claude-sonnet-4-5*", "claude-sonnet-4*", "claude-haiku-4*"), {
        "reasoning": "budget", "max_tokens_limit": 64_000, "context_window": 200_000,
    }),
    (("claude-sonnet-4-6*",), {
        "reasoning": "adaptive", "efforts": _LOW_HIGH + ("max",), "prefill": False, "max_tokens_limit": 64_000,
        "context_window": 200_000,
    }),
    (("claude-opus-4-6*",), {
        "reasoning": "adaptive", "efforts": _LOW_HIGH + ("max",), "prefill": False, "max_tokens_limit": 128_000,
        "context_window": 200_000,
    }),
    (("claude-opus-4-7*",), {
        **_CURRENT, "thinking_off": True, "forced_tools": True, "mid_system": False, "context_window": 200_000,
    }),
    (("claude-opus-4-8*",), {
        **_CURRENT, "thinking_off": True, "forced_tools": True, "context_window": 200_000,
    }),
    (("claude-opus-4*",), {"reasoning": "budget", "max_tokens_limit": 32_000, "context_window": 200_000}),
    (("claude-sonnet-5-5*",), {**_CURRENT, "between_tools": True}),
    (("claude-sonnet-5*",), {**_CURRENT, "thinking_off": True, "mid_system": False, "forced_tools": True}),
    (("claude-opus-5-5*", "claude-fable-5-1*", "claude-mythos-5-1*"), _CURRENT),
    (("claude-opus-5*",), {**_CURRENT, "thinking_off": True, "forced_tools": True}),
    (("claude-fable-5*", "claude-mythos-5*"), {**_CURRENT, "forced_tools": True}),
    (("claude-haiku-5*",), {**_CURRENT, "thinking_off": True, "mid_system": False, "forced_tools": True}),
    (("claude*",), _CURRENT),
)  # fmt: skip
"""Claude models by name; an unknown one behaves as the newest do (PROTOCOLS.md 7.1: do not hard-code more than a fallback)."""

OPENAI_CLOUD: dict[str, Any] = {
    "max_tokens_field": "max_completion_tokens",
    "top_k": False,
    "system_text": False,
    "merge_turns": False,
    "null_content": True,
    "custom_tools": True,
    "verbosity": True,
    "metadata": True,
    "store": True,
    "safety_id": True,
    "service_tiers": ("auto", "default", "flex", "priority", "scale", "fast"),
    "server_tools": frozenset({"web_search"}),
    "replay_as": None,
}
RESPONSES: dict[str, Any] = {
    "stop": 0,  # the protocol has no such field: PROTOCOLS.md 3.1
    "penalties": False,
    "n": False,
    "replay_as": None,
    "system_text": False,
    "merge_turns": False,
}
"""Responses, whoever speaks it."""
OPENAI_RESPONSES_CLOUD: dict[str, Any] = {
    "min_output_tokens": 16,
    "summaries": True,
    "encrypted": True,
    "namespaces": True,
    "server_tools": frozenset(
        {"web_search", "web_search_preview", "code_interpreter", "file_search", "image_generation", "mcp"}
    ),
}

_REASONS: dict[str, Any] = {
    "max_tokens_field": "max_completion_tokens",
    "sampling": "default_only",
    "penalties": False,
    "stop": 0,
    "developer_role": True,
    "reasoning": "effort",
    "logprobs": False,
}

OPENAI: tuple[Row, ...] = (
    (("gpt-5*-chat*", "gpt-4*", "gpt-3.5*", "chatgpt-4o*"), {"max_tokens_limit": None, "context_window": None}),
    (("gpt-5.6*", "gpt-5.7*", "gpt-5.8*", "gpt-5.9*", "gpt-6*"), {
        **_REASONS, "efforts": ("none", *_TO_MAX), "cache_marks": True, "context_window": 400_000,
        "max_tokens_limit": 128_000,
    }),
    (("gpt-5.2*", "gpt-5.3*", "gpt-5.4*", "gpt-5.5*"), {
        **_REASONS, "efforts": ("none", "low", "medium", "high", "xhigh"), "context_window": 400_000,
        "max_tokens_limit": 128_000,
    }),
    (("gpt-5.1*",), {
        **_REASONS, "efforts": ("none", "low", "medium", "high"), "context_window": 400_000, "max_tokens_limit": 128_000,
    }),
    (("gpt-5*", "codex*"), {
        **_REASONS, "efforts": ("minimal", "low", "medium", "high"), "context_window": 400_000,
        "max_tokens_limit": 128_000,
    }),
    (("o1*", "o3*", "o4*"), {
        **_REASONS, "efforts": _LOW_HIGH, "context_window": 200_000, "max_tokens_limit": 100_000,
    }),
)  # fmt: skip

NO_TOOLS_WITH_REASONING = (
    "gpt-5.4*", "gpt-5.5*", "gpt-5.6*", "gpt-5.7*", "gpt-5.8*", "gpt-5.9*", "gpt-6*", "o1-pro*", "o3-pro*", "gpt-5*-pro*",
    "*codex*", "o3-deep*", "o4-mini-deep*",
)  # fmt: skip
"""OpenAI models whose tools need Responses: Chat refuses them together with reasoning (PROTOCOLS.md 0.9)."""

MODEST: tuple[Row, ...] = (
    (("*qwen3*", "*qwq*", "*glm-4*", "*glm-5*", "*smollm3*"), {"reasoning": "template"}),
    (
        ("*deepseek-v3.1*", "*deepseek-v3.2*", "*granite*"),
        {"reasoning": "template", "template_flag": "thinking"},
    ),
    (("*gpt-oss*",), {"reasoning": "effort", "replay_as": "reasoning"}),
    (
        ("*mistral*", "*ministral*", "*magistral*", "*devstral*", "*codestral*"),
        {"tool_id": "nine", "replay_as": None},
    ),
)
"""Models behind servers that speak like OpenAI, local or not."""

LOCAL: dict[str, Any] = {"safe_schemas": True, "image_urls": True}
