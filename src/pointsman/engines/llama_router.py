"""llama.cpp's router: one server that starts another for each model it is asked for. [recorded: b10434]"""

from __future__ import annotations

from dataclasses import replace

from .engine import LIST, Answers, Engine, EngineModel, Question
from .llama_cpp import PORT, PROPS, SPOKEN, UNTRUE, listens, version
from .reading import found, listed, members, name_of, objects, text


def _identify(answers: Answers) -> bool:
    if text(members(found(answers, PROPS)).get("role")) == "router":
        return True
    listing = objects(members(found(answers, LIST)).get("data"))
    return any(entry.get("owned_by") == "llamacpp" and _status(entry) for entry in listing)


def _status(entry: dict[str, object]) -> str:
    return text(members(entry.get("status")).get("value"))


def _models(answers: Answers) -> list[EngineModel]:
    """What is not loaded tells no window."""
    listing = objects(members(found(answers, LIST)).get("data"))
    states = {name_of(entry, "id"): _status(entry) for entry in listing}
    return [
        replace(model, loaded=states[model.name] == "loaded" if states.get(model.name) else None)
        for model in listed(answers)
    ]


def _load(name: str) -> Question:
    return Question("/models/load", {"model": name}, name)


ENGINE = Engine(
    name="llama_router",
    title="llama.cpp (router)",
    identify=_identify,
    models=_models,
    signs=(PROPS, LIST),
    ports=(PORT,),
    listens=listens,
    owners=frozenset({"llamacpp"}),
    version=version,
    spoken=SPOKEN,
    untrue=UNTRUE,
    load=_load,
    reports_overflow=True,
    takes={"repeat_penalty": ("repeat_penalty",)},
)
