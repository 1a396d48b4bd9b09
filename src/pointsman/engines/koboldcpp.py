"""KoboldCpp. [koboldcpp.py: `/api/extra/version`, `/api/extra/true_max_context_length`, `/v1/models`]

It answers Ollama's pages too. Others answer its version page to be taken for it (TabbyAPI, Aphrodite), with nothing but
the name and a number.
"""

from __future__ import annotations

from dataclasses import replace

from ..kinds import Protocol
from .engine import LIST, Answers, Engine, EngineModel, Spoken, alive
from .reading import count, found, listed, members, owners, server, text, yes

_VERSION, _WINDOW = "/api/extra/version", "/api/extra/true_max_context_length"
_OWNER = "koboldcpp"
_SERVERS = ("koboldcppserver", "concedollamaforkoboldserver")


def _identify(answers: Answers) -> bool:
    body = members(found(answers, _VERSION))
    if text(body.get("result")).lower() != _OWNER:
        return False
    own = "protected" in body or server(answers).startswith(_SERVERS)
    return own or _OWNER in owners(answers)


def _models(answers: Answers) -> list[EngineModel]:
    """The first of its list is the one that is loaded; others are there where it may change (router mode)."""
    body = members(found(answers, _VERSION))
    window = count(members(found(answers, _WINDOW)).get("value"))
    models = listed(answers)
    loaded = yes(body.get("llm")) is not False
    first = [
        replace(
            one,
            window=window or one.window,
            loaded=loaded,
            images=yes(body.get("vision")),
            audio=yes(body.get("audio")),
        )
        for one in models[:1]
    ]
    return [*first, *(replace(one, loaded=False) for one in models[1:])]


def _version(answers: Answers) -> str | None:
    return text(members(found(answers, _VERSION)).get("version")) or None


ENGINE = Engine(
    name="koboldcpp",
    title="KoboldCpp",
    identify=_identify,
    models=_models,
    signs=(_VERSION,),
    facts=(LIST, _VERSION, _WINDOW),
    ports=(5001,),
    owners=frozenset({_OWNER}),
    servers=_SERVERS,
    health=_VERSION,
    state=alive,
    version=_version,
    spoken=(Spoken(Protocol.OPENAI_CHAT), Spoken(Protocol.COMPLETIONS), Spoken(Protocol.EMBEDDINGS)),
    any_name=True,
    cuts_silently=True,
)
