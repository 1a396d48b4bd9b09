"""vLLM. [docs.vllm.ai: OpenAI-compatible server; vllm/entrypoints: ModelCard, tokenize, health]

Its port opens when the model is loaded; a 503 of `/health` is the end of its engine. `VLLM_PORT` is a port between its
own processes, no place to look at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..kinds import Protocol
from .engine import LIST, Answers, Counting, Engine, EngineModel, Question, Spoken, alive
from .reading import found, listed, members, owners, text

_VERSION = "/version"
_OWNER = "vllm"


def _identify(answers: Answers) -> bool:
    return _OWNER in owners(answers)


def _models(answers: Answers) -> list[EngineModel]:
    return [replace(model, loaded=True) for model in listed(answers)]


def _version(answers: Answers) -> str | None:
    return text(members(found(answers, _VERSION)).get("version")) or None


def counted(rendered: Mapping[str, Any]) -> Counting:
    """`/tokenize` takes chat messages and tells the count."""
    body = {key: rendered[key] for key in ("model", "messages", "tools") if key in rendered}
    number = members((yield Question("/tokenize", body))).get("count")
    return number if type(number) is int and number >= 0 else None


ENGINE = Engine(
    name="vllm",
    title="vLLM",
    identify=_identify,
    models=_models,
    signs=(LIST,),
    facts=(LIST, _VERSION),
    ports=(8000,),
    owners=frozenset({_OWNER}),
    state=alive,
    version=_version,
    spoken=(
        Spoken(Protocol.OPENAI_CHAT),
        Spoken(Protocol.COMPLETIONS),
        Spoken(Protocol.EMBEDDINGS),
        Spoken(Protocol.OPENAI_RESPONSES, "0.10.0"),
        Spoken(Protocol.ANTHROPIC_MESSAGES, "0.11.1"),
    ),
    count=counted,
    reports_overflow=True,
    takes={"repeat_penalty": ("repetition_penalty",)},
)
