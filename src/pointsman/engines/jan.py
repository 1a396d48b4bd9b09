"""Jan's local API server, a proxy before llama.cpp servers of its own. [janhq/jan: src-tauri/src/core/server/proxy.rs]

Its list holds the models that run, each with `created` 1 and `owned_by` "user". Where it asks for a key nothing can be
told; while no model runs it is a server like any other.
"""

from __future__ import annotations

from dataclasses import replace

from ..kinds import Protocol
from .engine import LIST, Answers, Engine, EngineModel, Spoken, alive
from .reading import found, listed, members, objects

_OWNERS = frozenset({"user", "jan"})


def _identify(answers: Answers) -> bool:
    listing = objects(members(found(answers, LIST)).get("data"))
    return bool(listing) and all(
        isinstance(one.get("owned_by"), str) and one["owned_by"] in _OWNERS and one.get("created") == 1
        for one in listing
    )


def _models(answers: Answers) -> list[EngineModel]:
    return [replace(model, loaded=True) for model in listed(answers)]


ENGINE = Engine(
    name="jan",
    title="Jan",
    identify=_identify,
    models=_models,
    signs=(LIST,),
    ports=(1337,),
    owners=_OWNERS,
    health=LIST,
    state=alive,
    spoken=(
        Spoken(Protocol.OPENAI_CHAT),
        Spoken(Protocol.COMPLETIONS),
        Spoken(Protocol.EMBEDDINGS),
        Spoken(Protocol.ANTHROPIC_MESSAGES),
    ),
    reports_overflow=True,
)
