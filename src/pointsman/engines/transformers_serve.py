"""`transformers serve`. [huggingface.co/docs/transformers/serving; transformers/cli/serving/server.py]

Known by its path that loads a model (a GET is refused with 405, where others know no such path), or by the status that
its list tells of each model. A model that is not in memory is loaded with the first request for it.
"""

from __future__ import annotations

from dataclasses import replace

from ..kinds import Protocol
from .engine import HEALTH, LIST, NOTHING, Answers, Engine, EngineModel, Question, Spoken
from .reading import found, is_list, listed, members, name_of, objects, text

_LOAD = "/load_model"


def _identify(answers: Answers) -> bool:
    if not is_list(found(answers, LIST)):
        return False
    load = answers.get(_LOAD, NOTHING)
    known = load.status == 405 and text(members(load.body).get("detail")) == "Method Not Allowed"
    return (known and members(found(answers, HEALTH)).get("status") == "ok") or bool(_states(answers))


def _states(answers: Answers) -> dict[str, str]:
    listing = objects(members(found(answers, LIST)).get("data"))
    states = {name_of(one, "id"): text(members(one.get("status")).get("value")) for one in listing}
    return states if states and all(states.values()) else {}


def _models(answers: Answers) -> list[EngineModel]:
    states = _states(answers)
    return [
        replace(model, loaded=states[model.name] == "loaded" if model.name in states else None)
        for model in listed(answers)
    ]


def _load(name: str) -> Question:
    return Question(_LOAD, {"model": name}, name)


ENGINE = Engine(
    name="transformers_serve",
    title="transformers serve",
    identify=_identify,
    models=_models,
    signs=(LIST, HEALTH, _LOAD),
    ports=(8000,),
    ready_early=True,
    spoken=(
        Spoken(Protocol.OPENAI_CHAT),
        Spoken(Protocol.OPENAI_RESPONSES),
        Spoken(Protocol.COMPLETIONS, "5.8.0"),
    ),
    load=_load,
)
