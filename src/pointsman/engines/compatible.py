"""Any other server with a list of models in OpenAI's form. What it adds to its entries is read as everywhere."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..kinds import Protocol
from . import llama_cpp, vllm
from .engine import LIST, Answers, Counting, Engine, Spoken, alive
from .reading import found, is_list, listed, members, name_of, objects, text


def _identify(answers: Answers) -> bool:
    return is_list(found(answers, LIST))


def _counted(rendered: Mapping[str, Any]) -> Counting:
    """By either path that is in use."""
    number = yield from vllm.counted(rendered)
    return number if number is not None else (yield from llama_cpp.counted(rendered))


_VENDORS = frozenset(
    {"openai", "openai-internal", "anthropic", "google", "azure", "openrouter", "mistralai", "xai", "cohere"}
)
"""Whom a list of a gateway's names as owners: what OpenAI's own list says, and what others of its kind do."""
_VENDORS_NAME = re.compile(
    r"(?:[\w.-]+/)*(?:gpt-[345]|chatgpt-|o[134](?:-|$)|claude-|gemini-|text-embedding-(?:3|ada)|dall-e|gpt-image)",
    re.IGNORECASE,
)
"""Models that run at their vendor alone; gpt-oss runs anywhere."""


def _doubt(answers: Answers) -> str | None:
    """A gateway to providers, such as LiteLLM's, is a server on this computer like any other."""
    for entry in objects(members(found(answers, LIST)).get("data")):
        name = name_of(entry, "id")
        if text(entry.get("owned_by")).lower() in _VENDORS or _VENDORS_NAME.match(name):
            return f"it lists a provider's model ({name[:80]}), so it may send requests on to another machine"
    return None


ENGINE = Engine(
    name="compatible",
    title="an OpenAI-compatible server",
    identify=_identify,
    doubt=_doubt,
    models=listed,
    signs=(LIST,),
    health=LIST,
    state=alive,
    count=_counted,
    spoken=(Spoken(Protocol.OPENAI_CHAT), Spoken(Protocol.COMPLETIONS), Spoken(Protocol.EMBEDDINGS)),
)
