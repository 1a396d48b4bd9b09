"""Our own host around mlx-lm (hosts/mlx.py), which the warden starts: one model, told whole."""

from __future__ import annotations

from dataclasses import replace

from ..kinds import Protocol
from .engine import LIST, Answers, Engine, EngineModel, EngineState, Spoken, healthy
from .reading import found, listed, members, name_of, objects, owners, server, words
from .vllm import counted

_OWNER = "pointsman-mlx"


def _identify(answers: Answers) -> bool:
    return server(answers).startswith(f"{_OWNER}/") or _OWNER in owners(answers)


def _models(answers: Answers) -> list[EngineModel]:
    """What it can is told when it has loaded, the window from the beginning."""
    cards = {name_of(one, "id"): one for one in objects(members(found(answers, LIST)).get("data"))}
    able = {name: words(card.get("capabilities")) for name, card in cards.items()}
    return [
        replace(model, loaded=False)
        if (can := able.get(model.name)) is None
        else replace(model, loaded=True, tools="tools" in can)
        for model in listed(answers)
    ]


def _state(answers: Answers) -> EngineState:
    """500: its generation thread has died, and it is about to end."""
    dying = any(reply.status == 500 for reply in answers.values())
    return EngineState.DEAD if dying else healthy(answers)


ENGINE = Engine(
    name="mlx_host",
    title="Pointsman's MLX host",
    identify=_identify,
    models=_models,
    signs=(LIST,),
    owners=frozenset({_OWNER}),
    servers=(f"{_OWNER}/",),
    state=_state,
    spoken=(Spoken(Protocol.OPENAI_CHAT), Spoken(Protocol.COMPLETIONS)),
    count=counted,
    reports_overflow=True,
    takes={"repeat_penalty": ("repetition_penalty",)},
)
