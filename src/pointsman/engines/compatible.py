"""Any other server with a list of models in OpenAI's form. What it adds to its entries is read as everywhere."""

from __future__ import annotations

from ..kinds import Protocol
from .engine import LIST, Answers, Engine, Spoken, alive
from .reading import found, is_list, listed


def _identify(answers: Answers) -> bool:
    return is_list(found(answers, LIST))


ENGINE = Engine(
    name="compatible",
    title="an OpenAI-compatible server",
    identify=_identify,
    models=listed,
    signs=(LIST,),
    health=LIST,
    state=alive,
    spoken=(Spoken(Protocol.OPENAI_CHAT), Spoken(Protocol.COMPLETIONS), Spoken(Protocol.EMBEDDINGS)),
)
