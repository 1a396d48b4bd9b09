"""Any other server with a list of models in OpenAI's form. What it adds to its entries is read as everywhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..kinds import Protocol
from . import llama_cpp, vllm
from .engine import LIST, Answers, Counting, Engine, Spoken, alive
from .reading import found, is_list, listed


def _identify(answers: Answers) -> bool:
    return is_list(found(answers, LIST))


def _counted(rendered: Mapping[str, Any]) -> Counting:
    """By either path that is in use."""
    number = yield from vllm.counted(rendered)
    return number if number is not None else (yield from llama_cpp.counted(rendered))


ENGINE = Engine(
    name="compatible",
    title="an OpenAI-compatible server",
    identify=_identify,
    models=listed,
    signs=(LIST,),
    health=LIST,
    state=alive,
    count=_counted,
    spoken=(Spoken(Protocol.OPENAI_CHAT), Spoken(Protocol.COMPLETIONS), Spoken(Protocol.EMBEDDINGS)),
)
