"""LM Studio. [lmstudio.ai/docs: REST API v0 and v1, OpenAI and Anthropic compatibility, authentication]

It answers every path it does not know with status 200 and `{"error": "Unexpected endpoint or method. (GET /x)"}`
[reported: lmstudio-bug-tracker#2055], and serves the models of linked devices as if they were its own (LM Link).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ..kinds import Protocol
from .engine import Answers, Engine, EngineModel, Forwards, Question, Spoken, alive
from .reading import count, found, listed, members, name_of, objects, over, text, words, yes

_V0, _V1 = "/api/v0/models", "/api/v1/models"
_OWNER = "organization_owner"
_UNKNOWN_PATH = "Unexpected endpoint or method."


def _identify(answers: Answers) -> bool:
    v0, v1 = members(found(answers, _V0)).get("data"), members(found(answers, _V1)).get("models")
    old = [one for one in objects(v0) if text(one.get("state")) and count(one.get("max_context_length"))]
    new = [
        one for one in objects(v1) if text(one.get("key")) and isinstance(one.get("loaded_instances"), list)
    ]
    if old or new:
        return len(old) == len(objects(v0)) or len(new) == len(objects(v1))
    return (v0 == [] or v1 == []) and any(_is_unknown_path(reply.body) for reply in answers.values())


def _is_unknown_path(body: Any) -> bool:
    return text(members(body).get("error")).startswith(_UNKNOWN_PATH)


def _models(answers: Answers) -> list[EngineModel]:
    known = {model.name: model for model in listed(answers)}
    for model in (*_of_v1(answers), *_of_v0(answers)):
        known[model.name] = over(model, known[model.name]) if model.name in known else model
    return list(known.values())


def _of_v0(answers: Answers) -> Iterator[EngineModel]:
    for entry in objects(members(found(answers, _V0)).get("data")):
        name, kind, able = name_of(entry, "id"), text(entry.get("type")), words(entry.get("capabilities"))
        if not name:
            continue
        loaded = None if not text(entry.get("state")) else entry["state"] == "loaded"
        yield EngineModel(
            name,
            window=count(entry.get("loaded_context_length")),
            made_for=count(entry.get("max_context_length")),
            loaded=loaded,
            elsewhere=_device(entry),
            images=kind == "vlm" if kind else None,
            tools=None if able is None else "tool_use" in able,
            generates=kind not in ("embeddings", "embedding"),
        )


def _of_v1(answers: Answers) -> Iterator[EngineModel]:
    """Each loaded instance is asked for by its own name."""
    for entry in objects(members(found(answers, _V1)).get("models")):
        key, able = name_of(entry, "key"), members(entry.get("capabilities"))
        if not key:
            continue
        instances = objects(entry.get("loaded_instances"))
        model = EngineModel(
            key,
            made_for=count(entry.get("max_context_length")),
            loaded=bool(instances),
            elsewhere=_device(entry),
            images=yes(able.get("vision")),
            tools=yes(able.get("trained_for_tool_use")),
            generates=text(entry.get("type")) not in ("embeddings", "embedding"),
        )
        windows = {
            name_of(one, "id") or key: count(members(one.get("config")).get("context_length"))
            for one in instances
        }
        for name in windows.keys() | {key}:
            smallest = min(filter(None, windows.values()), default=None)
            yield replace(model, name=name, window=windows.get(name) or smallest)


def _device(told: Any) -> str | None:
    """The linked device that a model is on."""
    entry = members(told)
    device = entry.get("deviceIdentifier") or entry.get("device_identifier")
    return f"the linked device {device!s:.80}" if device else None


def _is_list(body: Any) -> bool:
    return isinstance(members(body).get("data"), list)


def _never(model: str) -> bool:
    return False


def _worth(body: Any) -> bool:
    return any(entry.get("owned_by") == _OWNER for entry in objects(members(body).get("data")))


def _load(name: str) -> Question:
    return Question("/api/v1/models/load", {"model": name}, name)


ENGINE = Engine(
    name="lm_studio",
    title="LM Studio",
    identify=_identify,
    models=_models,
    signs=(_V0, _V1),
    ports=(1234,),
    owners=frozenset({_OWNER}),
    health=_V0,
    state=alive,
    spoken=(
        Spoken(Protocol.OPENAI_CHAT),
        Spoken(Protocol.COMPLETIONS),
        Spoken(Protocol.EMBEDDINGS),
        Spoken(Protocol.OPENAI_RESPONSES, "0.3.29"),
        Spoken(Protocol.ANTHROPIC_MESSAGES, "0.4.1"),
    ),
    load=_load,
    forwards=Forwards(
        path=_V0,
        recognizes=_is_list,
        of_detail=_device,
        by_name=_never,
        place="a linked device",
        certain=False,
        worth=_worth,
        text="LM Studio would run '{model}' on {where}; {take}, or end the link: lms link disable",
    ),
    reports_overflow=True,
    # its page of supported parameters has these; others it passes over
    takes={"repeat_penalty": ("repeat_penalty",), "min_p": False, "template_kwargs": False},
)
