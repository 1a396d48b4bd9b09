"""llama.cpp's server, and its router (`llama_router.py`). [recorded: b10434, b11549; tools/server/README.md]

While it loads every path is a 503 that says so. `/health`, `/props` and `/v1/models` do not wake one that sleeps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..kinds import Protocol
from .engine import LIST, Answers, Counting, Engine, EngineModel, Place, Question, Spoken
from .places import two_variables
from .reading import count, found, listed, members, over, server, text, yes

PROPS = "/props"
PORT = 8080
_SERVER = "llama.cpp"


def _identify(answers: Answers) -> bool:
    props = members(found(answers, PROPS))
    if type(props.get("total_slots")) is int and isinstance(props.get("default_generation_settings"), dict):
        return True
    return server(answers).startswith(_SERVER) and any(one.status for one in answers.values())


def _models(answers: Answers) -> list[EngineModel]:
    """Of the one that it serves `/props` tells more. The window is that of one slot."""
    models = listed(answers)
    props = members(found(answers, PROPS))
    if len(models) != 1 or not props:
        return models
    kinds, template = members(props.get("modalities")), members(props.get("chat_template_caps"))
    sleeping = yes(props.get("is_sleeping"))
    told = EngineModel(
        models[0].name,
        window=count(members(props.get("default_generation_settings")).get("n_ctx")),
        loaded=sleeping is not True,
        images=yes(kinds.get("vision")),
        audio=yes(kinds.get("audio")),
        tools=yes(template.get("supports_tools")),
    )
    return [over(models[0], told)]


def version(answers: Answers) -> str | None:
    """The build, as `b10434-7e4c0a9`."""
    return text(members(found(answers, PROPS)).get("build_info")) or None


def listens(environment: Mapping[str, str]) -> Sequence[Place]:
    """LLAMA_ARG_HOST may be a path of a Unix socket, which is no place."""
    return two_variables(environment, "LLAMA_ARG_HOST", "LLAMA_ARG_PORT", PORT)


def counted(rendered: Mapping[str, Any]) -> Counting:
    """Renders the prompt first, and counts its tokens then."""
    body = {key: rendered[key] for key in ("model", "messages", "tools") if key in rendered}
    prompt = members((yield Question("/apply-template", body))).get("prompt")
    if not isinstance(prompt, str):
        return None
    answer = yield Question("/tokenize", {"content": prompt, "add_special": True})
    tokens = members(answer).get("tokens")
    return len(tokens) or None if isinstance(tokens, list) else None


SPOKEN = (
    Spoken(Protocol.OPENAI_CHAT),
    Spoken(Protocol.COMPLETIONS),
    Spoken(Protocol.EMBEDDINGS),
    Spoken(Protocol.OPENAI_RESPONSES),
    Spoken(Protocol.ANTHROPIC_MESSAGES),
)
UNTRUE = frozenset({Protocol.OPENAI_RESPONSES})
"""Its events have no `output_index`, so that `responses.stream()` of OpenAI's package ends in a TypeError; an answer that
was cut at its length is `completed`. [recorded: b10434, b11549; reported: llama.cpp#20607]"""
ENGINE = Engine(
    name="llama_cpp",
    title="llama.cpp",
    identify=_identify,
    models=_models,
    signs=(PROPS,),
    facts=(LIST, PROPS),
    ports=(PORT,),
    listens=listens,
    owners=frozenset({"llamacpp"}),
    servers=(_SERVER,),
    version=version,
    spoken=SPOKEN,
    untrue=UNTRUE,
    count=counted,
    any_name=True,
    reports_overflow=True,
    takes={"repeat_penalty": ("repeat_penalty",)},
)
