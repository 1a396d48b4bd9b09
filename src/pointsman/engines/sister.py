"""Pointsman itself, so that a look around takes neither this gateway nor a sister for an engine. It answers Ollama's pages
(dialects/ollama/pages.py), with a member of its own in `/api/version`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from . import ollama
from .engine import LIST, Answers, Engine, alive
from .reading import found, members, objects, text

_VERSION = "/api/version"


def _identify(answers: Answers) -> bool:
    """Where client keys are asked for, by the one id that each answer has under two names."""
    if text(members(found(answers, _VERSION)).get("pointsman")):
        return True
    ids = ((reply.headers.get("x-request-id"), reply.headers.get("request-id")) for reply in answers.values())
    return any(one is not None and one == other and one.startswith("req_") for one, other in ids)


def _version(answers: Answers) -> str | None:
    return text(members(found(answers, _VERSION)).get("pointsman")) or None


def _worth(body: Any) -> bool:
    return any("lifecycle" in entry for entry in objects(members(body).get("data")))


ENGINE = Engine(
    name="pointsman",
    title="Pointsman",
    identify=_identify,
    models=ollama.of_list_and_tags,
    signs=(_VERSION,),
    facts=(LIST, ollama.TAGS),
    ports=(4480,),
    health="/livez",
    state=alive,
    version=_version,
    forwards=replace(ollama.FORWARDS, worth=_worth),
    reports_overflow=True,
    own=True,
)
