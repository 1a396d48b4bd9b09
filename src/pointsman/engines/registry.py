"""The engines, in the order in which they are recognized: those that answer others' pages come before these."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from . import (
    compatible,
    jan,
    koboldcpp,
    llama_cpp,
    llama_router,
    lm_studio,
    local_ai,
    mlx_host,
    mlx_lm,
    ollama,
    sglang,
    sister,
    transformers_serve,
    vllm,
)
from .engine import LIST, Answers, Engine
from .reading import found, owners

ENGINES: tuple[Engine, ...] = (
    sister.ENGINE,
    mlx_host.ENGINE,
    koboldcpp.ENGINE,
    lm_studio.ENGINE,
    local_ai.ENGINE,
    sglang.ENGINE,
    ollama.ENGINE,
    llama_router.ENGINE,
    llama_cpp.ENGINE,
    vllm.ENGINE,
    transformers_serve.ENGINE,
    mlx_lm.ENGINE,
    jan.ENGINE,
    compatible.ENGINE,
)
"""SGLang has some of Ollama's pages and KoboldCpp all of them, and `/props` too; Jan's list is the least telling one."""

UNTRUE = frozenset(protocol for engine in ENGINES for protocol in engine.untrue)
"""Protocols that some engine's paths are not true to."""
SIGNS = tuple(dict.fromkeys(path for engine in ENGINES for path in (LIST, *engine.signs)))
"""Every path by which one of them is recognized."""
_SAME_FOR_ALL = 3
"""Paths with one and the same answer: whoever gives it gives it to any path, and it tells nothing."""


def identify(answers: Answers) -> Engine | None:
    """Which engine gave these answers to SIGNS, or to those of one engine; None: none that is known, and no list of models
    either. Never raises."""
    honest = _without_echoes(answers)
    return next((engine for engine in ENGINES if engine.identify(honest)), None)


def likely(answers: Answers) -> list[Engine]:
    """Those whose name stands in the list of models as its owner: to be asked for their signs before all others are."""
    seen = owners(answers)
    return [engine for engine in ENGINES if engine.owners & seen]


def _without_echoes(answers: Answers) -> Answers:
    groups: list[list[str]] = []
    for path, reply in answers.items():
        if reply.status == 200 and reply.body is not None:
            same = next((one for one in groups if _alike(answers[one[0]].body, reply.body)), None)
            if same is None:
                groups.append([path])
            else:
                same.append(path)
    echoes = {path for group in groups if len(group) >= _SAME_FOR_ALL for path in group}
    return {path: reply for path, reply in answers.items() if path not in echoes}


def _alike(one: Any, other: Any) -> bool:
    try:
        return bool(one == other)
    except RecursionError:
        return True


def forwarding(answers: Answers) -> Engine | None:
    """The first that sends models on and may have given this list of models."""
    body = found(answers, LIST)
    return next((one for one in ENGINES if one.forwards is not None and one.forwards.worth(body)), None)


FORWARDING = tuple(engine for engine in ENGINES if engine.forwards is not None and not engine.own)
"""Engines that send models on; this gateway's own kind is asked by another's pages."""


def nameless(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The name under which this server serves its one model though its list has none; "" where it has no such name. By its
    `Server` header; headers: with lower-case names."""
    said = b"".join(value.lower() for name, value in headers if name == b"server").decode("latin-1")
    named = (one for one in ENGINES if one.nameless and said.startswith(one.servers))
    return next((one.nameless for one in named), "")


UNHEEDING = tuple(start.encode() for engine in ENGINES if engine.unheeding for start in engine.servers)


def is_unheeding(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Does the answer come from one that never notices who left? headers: with lower-case names."""
    return any(name == b"server" and value.lower().startswith(UNHEEDING) for name, value in headers)
