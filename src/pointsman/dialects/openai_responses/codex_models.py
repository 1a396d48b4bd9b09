"""The model list as Codex reads it: `GET /v1/models?client_version=...` wants its vendor's own catalogue, not OpenAI's list.

One field missing empties Codex's whole list without a word
(docs/protocols/clients.md#codexs-model-list), so every entry has all fields that the program's own
catalogue has. Checked against codex-cli 0.169. Not here: which models there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from ..endpoint import Listed

_EFFORTS = (
    ("low", "Answers fast, thinks little"),
    ("medium", "Balances speed and thinking"),
    ("high", "Thinks longest"),
)
_INSTRUCTIONS = (
    "You are a coding agent that works in the user's terminal. Read before you change, make the smallest change that "
    "does what was asked, run what proves it, and say plainly what you did and what you could not do."
)


def catalogue(models: Sequence[Listed]) -> bytes:
    """models: best first. What only makes embeddings is nothing to choose."""
    speaking = [model for model in models if model.generates]
    return msgspec.json.encode({"models": [_entry(model, rank) for rank, model in enumerate(speaking)]})


def _entry(model: Listed, rank: int) -> dict[str, Any]:
    window = model.context_window  # null: unknown (docs/protocols/clients.md#codexs-model-list)
    return {
        "slug": model.name,
        "display_name": model.name,
        "description": f"Served by {model.owner}",
        "default_reasoning_level": "medium",
        "supported_reasoning_levels": [{"effort": word, "description": text} for word, text in _EFFORTS],
        "shell_type": "shell_command",
        "visibility": "list",
        "supported_in_api": True,
        "priority": rank,
        "additional_speed_tiers": [],
        "service_tiers": [],
        "availability_nux": None,
        "upgrade": None,
        "base_instructions": _INSTRUCTIONS,
        "model_messages": None,
        "supports_reasoning_summaries": True,
        "default_reasoning_summary": "auto",
        "support_verbosity": False,
        "default_verbosity": None,
        "apply_patch_tool_type": "freeform",
        "web_search_tool_type": "text",
        "truncation_policy": {"mode": "tokens", "limit": 10_000},
        "supports_parallel_tool_calls": True,
        "supports_image_detail_original": False,
        "context_window": window,
        "max_context_window": window,
        "auto_compact_token_limit": None,
        "effective_context_window_percent": 95,
        "experimental_supported_tools": [],
        "input_modalities": ["text"] if model.images is False else ["text", "image"],
        "supports_search_tool": False,
    }
