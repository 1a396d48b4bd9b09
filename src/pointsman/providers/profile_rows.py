"""What each kind of backend and each family of models takes, as rows (docs/protocols/models.md,
backends.md). Data only.

A row: (patterns, values of Profile's fields). A table: rows, of which the first that matches counts; `*` matches all.
Patterns cover a whole name, `*` is wild; models are matched by family_name() of profiles.py, which also reads all this.
Models change faster than this file: a row is a fallback for what nobody has told us, and an unknown model is taken for
one of the newest. Not here: OpenAI's models (openai_models.py), Claude's (claude_models.py).
"""

from __future__ import annotations

from typing import Any

Values = dict[str, Any]
Row = tuple[tuple[str, ...], Values]
Table = tuple[Row, ...]

ALL = ("*",)

NO_REASONING = " "
"""docs/protocols/reasoning.md#turns-without-reasoning: Moonshot takes an empty text for a missing one."""
UNSIGNED_CALL = "skip_thought_signature_validator"
"""docs/protocols/reasoning.md#signed-calls: Google's word for a call that Gemini did not make."""

NO_EXTRAS: Values = {"min_p": False, "repeat_penalty": (), "template_kwargs": False}
"""docs/protocols/presets.md#beside-the-protocols-fields: refused or ignored."""

# -- protocols, whoever speaks them ------------------------------------------------------------------------------

RESPONSES: Table = (
    (ALL, {
        "stop": 0,  # Responses has none (docs/protocols/requests.md#stop-sequences-in-requests)
        "penalties": False, "n": False, "logprobs": False, "top_k": False,
        "system_text": False, "merge_turns": False, "null_content": True,
        "replay_as": None, "image_detail": True, "json_word": True, **NO_EXTRAS,
    }),
)  # fmt: skip

MESSAGES: Table = (
    (ALL, {
        "temperature_max": 1.0,  # docs/protocols/requests.md#sampling
        "penalties": False, "n": False, "logprobs": False, "json_object": False,
        "stop": 64, "system_text": False, "null_content": True, "replay_as": None,
        # What compatible servers took over from the first version of the protocol:
        "reasoning": "budget", "structured": False, "strict_tools": False,
        "schema_subset": "closed", "thinking_field": True,
        "max_tokens_required": True, "blank_stops": False, "turns": "strict",
        "user_max": 256,  # characters of `metadata.user_id`
        "image_types": ("image/jpeg", "image/png", "image/gif", "image/webp"),
        "document_types": ("application/pdf",),
        "strict_tools_max": 20, "cache_marks_max": 4,  # more are a 400
        **NO_EXTRAS,
        "max_tool_calls": "searches",
    }),
)  # fmt: skip

# -- backends that speak like a vendor and are none --------------------------------------------------------------

MODEST: Table = (
    (("*gpt-oss*",), {"reasoning": "effort", "efforts": ("low", "medium", "high"), "replay_as": "reasoning"}),
    (("*magistral*", "*mistral*", "*ministral*", "*mixtral*", "*devstral*", "*codestral*", "*pixtral*"), {
        "tool_id": "nine",  # docs/protocols/tools.md#call-ids
        "replay_as": None,
    }),
    (("*deepseek-v3.1*", "*granite*"), {"reasoning": "template", "template_flag": "thinking"}),
    (("*deepseek-v3.2*", "*deepseek-v4*"), {
        "reasoning": "template", "template_flag": "thinking", "no_reasoning": NO_REASONING,
    }),
    (("*deepseek-reasoner*",), {"no_reasoning": NO_REASONING}),
    (("*kimi-k2.5*", "*kimi-k2.6*", "*kimi-k2.7*", "*kimi-k3*"), {
        "reasoning": "template", "template_flag": "thinking", "no_reasoning": NO_REASONING, "tool_id": "any",
    }),
    (("*kimi-k2-thinking*", "*kimi-for-coding*"), {"no_reasoning": NO_REASONING, "tool_id": "any"}),
    (("*kimi*",), {"tool_id": "any"}),  # `functions.NAME:N`, docs/protocols/tools.md#call-ids
    (("*gemini-3*",), {"unsigned_call": UNSIGNED_CALL}),
    (("*qwen3-coder*", "*qwen3-*instruct-2507*"), {}),  # these do not think
    (("*qwen3*", "*qwen-3*", "*glm-4.5*", "*glm-4.6*", "*glm-4.7*", "*glm-5*", "*smollm3*", "*hunyuan*", "*gemma-4*",
      "*gemma4*", "*nemotron*"), {
        "reasoning": "template", "template_flag": "enable_thinking",
    }),
)  # fmt: skip
"""Models that people run themselves or rent, behind a server that speaks Chat
(docs/protocols/reasoning.md#switches-of-local-servers)."""

THINKERS: Table = (
    (("*qwen3-*thinking*", "*qwen-3-*thinking*", "*qwq*", "*deepseek-r1*", "*glm-z1*"), {"begins_inside": True}),
)  # fmt: skip
"""Models whose templates open the reasoning in the prompt
(docs/protocols/reasoning.md#reasoning-without-an-opening-tag)."""

MODEST_RESPONSES: Table = ((("*gpt-oss*",), {"reasoning": "effort", "efforts": ("low", "medium", "high")}),)
"""The same over Responses, which has a field for effort only."""

LOCAL_CHAT: Table = (
    (ALL, {
        "safe_schemas": True,  # docs/protocols/backends.md#grammar-safe-schemas
        # llama.cpp and LM Studio have the first, vLLM, SGLang and mlx_lm the second; each ignores the other's
        "repeat_penalty": ("repeat_penalty", "repetition_penalty"),
        # no local engine reads a `file` part; docs/protocols/backends.md#documents-on-local-servers
        "documents": False,
    }),
)  # fmt: skip

LOCAL_RESPONSES: Table = ((ALL, {"safe_schemas": True, "documents": False}),)

LOCAL_MESSAGES: Table = ((ALL, {"safe_schemas": True, "documents": False}),)

HOSTS: Table = (
    (("api.groq.com",), {
        "max_tokens_field": "max_completion_tokens", "top_k": False, "penalties": False, "n": False, "logprobs": False,
        "replay_as": None, "documents": False, "begins_inside": False, **NO_EXTRAS,
    }),
    (("api.mistral.ai",), {
        "top_k": False, "penalties": False, "logprobs": False, "tool_id": "nine", "replay_as": None, "begins_inside": False,
        **NO_EXTRAS,
    }),
    (("api.deepseek.com",), {
        "top_k": False, "penalties": False, "n": False, "structured": False, "images": False, "documents": False,
        # follow-ups without it are refused (docs/protocols/reasoning.md#reasoning-must-come-back)
        "reasoning": "none", "replay_as": "reasoning_content", "no_reasoning": NO_REASONING, "begins_inside": False,
        "json_word": True, **NO_EXTRAS,
    }),
    (("api.moonshot.ai", "api.moonshot.cn", "api.kimi.com"), {"no_reasoning": NO_REASONING, **NO_EXTRAS}),
    (("generativelanguage.googleapis.com", "*aiplatform.googleapis.com"), {
        "replay_as": None, "unsigned_call": UNSIGNED_CALL, **NO_EXTRAS,
    }),
    (("openrouter.ai",), {
        "reasoning": "effort", "efforts": ("none", "minimal", "low", "medium", "high", "xhigh"), "replay_as": "reasoning",
        "unsigned_call": "", "begins_inside": False, "template_kwargs": False,
    }),
)  # fmt: skip
"""Compatible providers over Chat whose own rules matter, by host."""

RESPONSES_HOSTS: Table = ((("api.x.ai",), {"keeps_responses": True}),)
"""The same over Responses. All others are taken to keep no responses
(docs/protocols/messages.md#the-memory-of-responses)."""

CLOUD_HOSTS: dict[str, tuple[str, ...]] = {
    "openai": ("api.openai.com", "*.api.openai.com", "*.openai.azure.com", "*.services.ai.azure.com"),
    "anthropic": ("api.anthropic.com", "*.api.anthropic.com", "*.services.ai.azure.com"),
}
"""Hosts of a backend type that are the vendor's own service, or one that is run for it."""

OWN_NAMES: dict[str, tuple[str, ...]] = {"openai": ALL, "anthropic": ("claude*",)}
"""Models that are taken for the vendor's where its type's backend without a name leads elsewhere: a
proxy before it, or another vendor that speaks its protocol. Of OpenAI all: behind proxies they have
the names of deployments, and what nothing is known of is sent as the client asks."""
