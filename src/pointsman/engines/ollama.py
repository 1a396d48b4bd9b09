"""Ollama. [recorded: 0.17.4; docs.ollama.com/api: tags, ps, show, version, generate; envconfig/config.go: OLLAMA_HOST]

It cuts an input that does not fit, with status 200 and `prompt_tokens` equal to the window, drops pictures for models
without eyes, and runs some models in its vendor's cloud.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..kinds import Protocol
from .engine import LIST, Answers, Engine, EngineModel, Forwards, Place, Question, Spoken, alive
from .places import one_variable
from .reading import count, found, listed, members, name_of, objects, over, same_name, text, words

TAGS = "/api/tags"
_VERSION, _RUNNING, _SHOW = "/api/version", "/api/ps", "/api/show"
_PORT = 11434
_NUM_CTX = re.compile(r"^num_ctx\s+(\d{1,9})\s*$", re.MULTILINE)
_NUMBER = re.compile(r"\d+\.\d+")


def _identify(answers: Answers) -> bool:
    version = text(members(found(answers, _VERSION)).get("version"))
    return _NUMBER.match(version) is not None and _is_tags(found(answers, TAGS))


def _version(answers: Answers) -> str | None:
    return text(members(found(answers, _VERSION)).get("version")) or None


def _models(answers: Answers) -> list[EngineModel]:
    running = found(answers, _RUNNING)
    known: list[EngineModel] = []
    for model in of_list_and_tags(answers):
        name = model.name
        facts = over(_shown(name, members(found(answers, _shows(name).key))), model)
        if running is not None:
            facts = over(_loaded(name, running), facts)
        known.append(facts)
    return known


def of_list_and_tags(answers: Answers) -> list[EngineModel]:
    """The models of `/v1/models` and of `/api/tags`, and which of them run elsewhere. Where both name a model they spell it
    alike."""
    known = {model.name: model for model in listed(answers)}
    for entry in objects(members(found(answers, TAGS)).get("models")):
        name = name_of(entry, "name", "model")
        if name:
            told = EngineModel(name, elsewhere=_remote(entry), generates=True)
            known[name] = over(known[name], told) if name in known else told
    for name, model in known.items():
        if model.elsewhere is None and _is_cloud_name(name):
            known[name] = over(model, EngineModel(name, elsewhere=_CLOUD))
    return list(known.values())


def _remote(told: Any) -> str | None:
    entry = members(told)
    return text(entry.get("remote_host")) or text(entry.get("remote_model")) or None


def _loaded(name: str, running: Any) -> EngineModel:
    """`/api/ps`: what the loaded ones really have."""
    for entry in objects(members(running).get("models")):
        if same_name(name_of(entry, "name", "model"), name):
            return EngineModel(name, window=count(entry.get("context_length")), loaded=True)
    return EngineModel(name, loaded=False)


def _shows(name: str) -> Question:
    return Question(_SHOW, {"model": name}, name)


def _shown(name: str, body: dict[str, Any]) -> EngineModel:
    """`/api/show`: `num_ctx` where the model's file sets it, and what the model was made for."""
    info = members(body.get("model_info"))
    made_for = (value for key, value in info.items() if key.endswith(".context_length"))
    set_to = _NUM_CTX.search(text(body.get("parameters")))
    able = words(body.get("capabilities"))
    return EngineModel(
        name,
        window=None if set_to is None else count(int(set_to[1])),
        made_for=next(filter(None, map(count, made_for)), None),
        elsewhere=_remote(body),
        images=None if able is None else "vision" in able,
        audio=None if able is None else "audio" in able,
        tools=None if able is None else "tools" in able,
        abilities=able,
        generates=not able or "completion" in able or "embedding" not in able,
    )


_CLOUD = "its cloud"


def _is_cloud_name(model: str) -> bool:
    """`gpt-oss:120b-cloud`, `glm-4.6:cloud`, `name-cloud` (internal/modelref in its source)."""
    return model.strip().lower().endswith((":cloud", "-cloud", "-cloud:latest"))


def _is_tags(body: Any) -> bool:
    return isinstance(members(body).get("models"), list)


def _worth(body: Any) -> bool:
    """Every name that it lists has its tag."""
    names = [name_of(entry, "id") for entry in objects(members(body).get("data"))]
    return bool(names) and all(":" in name for name in names)


FORWARDS = Forwards(
    path=TAGS,
    recognizes=_is_tags,
    of_detail=_remote,
    by_name=_is_cloud_name,
    place=_CLOUD,
    certain=True,
    worth=_worth,
    text="the server would send '{model}' on to {where}; {take} (of Ollama's, ollama list shows which have a size)",
)


def _listens(environment: Mapping[str, str]) -> Sequence[Place]:
    return one_variable(environment, "OLLAMA_HOST", _PORT)


def _load(name: str) -> Question:
    """Without a prompt it only loads."""
    return Question("/api/generate", {"model": name, "stream": False}, name)


ENGINE = Engine(
    name="ollama",
    title="Ollama",
    identify=_identify,
    models=_models,
    signs=(_VERSION, TAGS),
    facts=(LIST, TAGS, _RUNNING),
    detail=_shows,
    ports=(_PORT,),
    listens=_listens,
    owners=frozenset({"library"}),
    health=_VERSION,
    state=alive,
    version=_version,
    spoken=(
        Spoken(Protocol.OPENAI_CHAT),
        Spoken(Protocol.COMPLETIONS),
        Spoken(Protocol.EMBEDDINGS),
        Spoken(Protocol.OPENAI_RESPONSES, "0.13.3"),
        Spoken(Protocol.ANTHROPIC_MESSAGES, "0.14.0"),
    ),
    load=_load,
    forwards=FORWARDS,
    cuts_silently=True,
    drops_images_silently=True,
    # openai/openai.go, ChatCompletionRequest: it has no more fields, and passes over what it does not know
    takes={
        "top_k": False,
        "min_p": False,
        "repeat_penalty": (),
        "template_kwargs": False,
        "reasoning": "effort",
        "efforts": ("none", "low", "medium", "high"),
    },
)
