"""LocalAI. [localai.io/docs: system info, backend monitor, CLI reference]

`/system` is for administrators where keys are set; without it this one is a server like any other. It can be set up to
pass a model's requests to a cloud ("cloud passthrough proxy"), of which no page tells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..kinds import Protocol
from .engine import LIST, Answers, Engine, EngineModel, Place, Question, Spoken
from .places import one_variable
from .reading import found, listed, members, name_of, objects

_SYSTEM = "/system"
_PORT = 8080


def _identify(answers: Answers) -> bool:
    body = members(found(answers, _SYSTEM))
    return isinstance(body.get("backends"), list) and isinstance(body.get("loaded_models"), list)


def _models(answers: Answers) -> list[EngineModel]:
    body = members(found(answers, _SYSTEM))
    if not isinstance(body.get("loaded_models"), list):
        return listed(answers)
    loaded = {name_of(one, "id") for one in objects(body["loaded_models"])}
    return [replace(model, loaded=model.name in loaded) for model in listed(answers)]


def _listens(environment: Mapping[str, str]) -> Sequence[Place]:
    return one_variable(environment, "LOCALAI_ADDRESS", _PORT)


def _load(name: str) -> Question:
    return Question("/backend/load", {"model": name}, name)


ENGINE = Engine(
    name="local_ai",
    title="LocalAI",
    identify=_identify,
    models=_models,
    signs=(_SYSTEM,),
    facts=(LIST, _SYSTEM),
    ports=(_PORT,),
    listens=_listens,
    health="/readyz",
    spoken=(Spoken(Protocol.OPENAI_CHAT), Spoken(Protocol.COMPLETIONS), Spoken(Protocol.EMBEDDINGS)),
    load=_load,
    reports_overflow=True,
)
