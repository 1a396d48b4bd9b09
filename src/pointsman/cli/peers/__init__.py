"""Configurations of other gateways, as ours: what carries over, and a line for each thing that does not. Each reader is a
function of the file's text. Not here: our own file (config_file.py)."""

from __future__ import annotations

from collections.abc import Callable

from .carried import Carried


def _claude_code_router(text: str) -> Carried:
    from . import claude_code_router

    return claude_code_router.carry(text)


def _litellm(text: str) -> Carried:
    from . import litellm

    return litellm.carry(text)


def _llama_swap(text: str) -> Carried:
    from . import llama_swap

    return llama_swap.carry(text)


PEERS: dict[str, Callable[[str], Carried]] = {
    "litellm": _litellm,
    "claude-code-router": _claude_code_router,
    "llama-swap": _llama_swap,
}
"""By the name that `config import --from` takes."""
