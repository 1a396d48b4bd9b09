"""OpenAI's models, as rows by name (docs/protocols/models.md#openais-generations). Data only;
profiles.py reads it.

Facts beyond that page are from the vendor's model pages and error messages of 2025-08 to 2026-11
("Supported values are: 'none', 'low', 'medium', and 'high'").
"""

from __future__ import annotations

from typing import Any

from .profile_rows import ALL, NO_EXTRAS, Table

_TIERS = ("auto", "default", "flex", "priority", "scale", "fast")

_SERVICE: dict[str, Any] = {
    "max_tokens_field": "max_completion_tokens",
    "top_k": False,
    **NO_EXTRAS,
    "mid_system": True,
    "system_text": False,
    "merge_turns": False,
    "null_content": True,
    "json_word": True,
    "safety_id": True,
    "user_max": 128,  # of `safety_identifier`; Claude Code's ids are longer
    "image_detail": True,
    "service_tiers": _TIERS,
    "files": "openai",
    "replay_as": None,
    # A name that tells nothing (a deployment's) may be of any family: what the client asks is sent.
    "reasoning": "effort",
    "efforts": ("none", "minimal", "low", "medium", "high", "xhigh", "max"),
}
_CHAT_SERVICE = {**_SERVICE, "tool_id": "forty"}  # docs/protocols/tools.md#call-ids
CHAT: Table = (
    (("*-search-preview*", "*-search-api*"), {**_CHAT_SERVICE, "server_tools": frozenset({"web_search"})}),
    (ALL, _CHAT_SERVICE),
)
RESPONSES: Table = (
    (ALL, {
        **_SERVICE, "min_output_tokens": 16, "metadata": True, "store": True, "keeps_responses": True,
        # Of those it runs, what another protocol's clients can ask for; its own clients are not translated.
        "server_tools": frozenset({"web_search", "code_execution"}),
    }),
)  # fmt: skip
"""OpenAI's own service, of every model."""

_PLAIN: dict[str, Any] = {"reasoning": "none", "verbosity": False}
_REASONS: dict[str, Any] = {
    "max_tokens_field": "max_completion_tokens",
    # "'temperature' is not supported with this model" (docs/protocols/requests.md#sampling)
    "sampling": "default_only",
    "penalties": False,
    "logprobs": False,
    "top_k": False,
    "stop": 0,
    "developer_role": True,
    "reasoning": "effort",
    "null_content": True,
}
_GPT5: dict[str, Any] = {
    **_REASONS, "verbosity": True, "context_window": 400_000, "max_tokens_limit": 128_000,
}  # fmt: skip
_LARGE: dict[str, Any] = {**_GPT5, "context_window": 1_050_000}
_FROM_LOW = ("low", "medium", "high")
_TO_XHIGH = ("low", "medium", "high", "xhigh")
_TO_MAX = ("low", "medium", "high", "xhigh", "max")
_PRO = ("medium", "high", "xhigh")

MODELS: Table = (
    (("gpt-3.5*",), {
        **_PLAIN, "images": False, "documents": False, "structured": False, "context_window": 16_385,
        "max_tokens_limit": 4096,
    }),
    (("gpt-4", "gpt-4-0*", "gpt-4-32k*"), {
        **_PLAIN, "images": False, "documents": False, "structured": False, "json_object": False,
        "context_window": 8192, "max_tokens_limit": 8192,
    }),
    (("gpt-4-*",), {**_PLAIN, "documents": False, "structured": False, "context_window": 128_000, "max_tokens_limit": 4096}),
    (("gpt-4.1*",), {**_PLAIN, "context_window": 1_047_576, "max_tokens_limit": 32_768}),
    (("gpt-4o*", "chatgpt-4o*", "gpt-audio*", "gpt-4.5*"), {
        **_PLAIN, "context_window": 128_000, "max_tokens_limit": 16_384,
    }),
    (("gpt-5-chat*", "gpt-5.?-chat*"), {
        **_REASONS, "reasoning": "none", "context_window": 128_000, "max_tokens_limit": 16_384,
    }),
    (("o1-mini*", "o1-preview*"), {
        **_REASONS, "developer_role": False, "system_text": False, "reasoning": "none", "images": False,
        "documents": False, "context_window": 128_000, "max_tokens_limit": 32_768,
    }),
    (("o3-mini*",), {
        **_REASONS, "efforts": _FROM_LOW, "images": False, "documents": False, "context_window": 200_000,
        "max_tokens_limit": 100_000,
    }),
    (("o1*", "o3*", "o4*"), {
        **_REASONS, "efforts": _FROM_LOW, "context_window": 200_000, "max_tokens_limit": 100_000,
    }),
    (("gpt-5-pro*",), {**_GPT5, "efforts": ("high",), "max_tokens_limit": 272_000}),
    (("gpt-5.2-pro*",), {**_GPT5, "efforts": _PRO}),
    (("gpt-5.?-pro*",), {**_LARGE, "efforts": _PRO}),
    (("gpt-5.1-codex-max*", "gpt-5.2-codex*", "gpt-5.3-codex*"), {**_GPT5, "efforts": _TO_XHIGH}),
    (("gpt-5-codex*", "gpt-5.1-codex*", "codex-*"), {**_GPT5, "efforts": _FROM_LOW}),
    (("gpt-5.1*",), {**_GPT5, "efforts": ("none", *_FROM_LOW)}),
    (("gpt-5.2*", "gpt-5.3*", "gpt-5.4-mini*", "gpt-5.4-nano*"), {**_GPT5, "efforts": ("none", *_TO_XHIGH)}),
    (("gpt-5.4*", "gpt-5.5*"), {**_LARGE, "efforts": ("none", *_TO_XHIGH)}),
    (("gpt-5.*",), {**_LARGE, "efforts": ("none", *_TO_MAX)}),
    (("gpt-5*",), {**_GPT5, "efforts": ("minimal", *_FROM_LOW)}),
    (("gpt-6-sol*", "gpt-6-luna*", "gpt-6.1-terra*"), {**_LARGE, "efforts": ("none", *_TO_MAX)}),
    # "Astra and 6.1 Sol do not support none at all": of the later ones nobody has said so.
    (("gpt-6*", "gpt-7*", "gpt-8*", "gpt-daybreak*", "gpt-rosalind*"), {**_LARGE, "efforts": _TO_MAX}),
)  # fmt: skip

_FROM_5_6 = (
    "gpt-5.6*", "gpt-5.7*", "gpt-5.8*", "gpt-5.9*", "gpt-6*", "gpt-7*", "gpt-8*", "gpt-daybreak*", "gpt-rosalind*",
)  # fmt: skip
_FROM_5_4 = ("gpt-5.4*", "gpt-5.5*", *_FROM_5_6)
_MARKS: dict[str, Any] = {"cache_marks": True, "cache_ttls": ("30m", "12h"), "custom_tools": True}
EXTRAS: Table = (
    (("gpt-5-chat*", "gpt-5.?-chat*"), {}),
    # "prompt_cache_options: supported for gpt-5.6 and later models"
    # (docs/protocols/caching.md#marks-toward-openai)
    (_FROM_5_6, _MARKS),
    (("gpt-5*", "codex-*"), {"custom_tools": True}),
)  # fmt: skip
"""On its own service only, both protocols: marks for the prompt cache, tools of free text."""

_REASONING_ITEMS: dict[str, Any] = {"summaries": True, "encrypted": True}
RESPONSES_EXTRAS: Table = (
    (("gpt-5-chat*", "gpt-5.?-chat*"), {}),
    # `namespace` came with tool search
    (_FROM_5_4, {**_REASONING_ITEMS, "namespaces": True}),
    (("gpt-5*", "codex-*", "o1*", "o3*", "o4*"), _REASONING_ITEMS),
)  # fmt: skip
"""On its own service, Responses: a model that does not reason refuses to be asked for reasoning."""

ONLY_RESPONSES = (
    "o1-pro*", "o3-pro*", "*deep-research*", "gpt-5-pro*", "gpt-5.?-pro*", "*codex*", "computer-use*",
)  # fmt: skip
"""Models that Chat does not have at all."""

TOOLS_NEED_RESPONSES = ("gpt-5.2*", "gpt-5.3*", *_FROM_5_4)
"""Models of which Chat refuses function tools together with reasoning
(docs/protocols/models.md#chat-refuses-tools-together-with-reasoning): from gpt-5.4 on, of 5.2 and
5.3 by report."""
