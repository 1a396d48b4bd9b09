"""The list of practice models, in one shape that both the OpenAI and the Anthropic SDK read. No I/O."""

from __future__ import annotations

from typing import Any

from .faults import FAULTS, MANNERS, NAME, read_model
from .model import CREATED

_ABOUT = {f"{NAME}:{word}": about for word, about in {**MANNERS, **FAULTS}.items()}


def names() -> list[str]:
    """Every name that is listed; a name may also join several words with `+`."""
    return [NAME, *_ABOUT]


def entry(name: str) -> dict[str, Any]:
    """One model. Raises the 404 PracticeError for a word that cannot be played."""
    read_model(name if name.partition(":")[0] == NAME else f"{NAME}:{name}")
    about = _ABOUT.get(name, "built in, free, answers every protocol")
    return {
        "id": name,
        "object": "model",
        "created": CREATED,
        "owned_by": "pointsman",
        "type": "model",
        "display_name": f"{name} ({about})" if name in _ABOUT else "Pointsman practice model",
        "description": f"Pointsman practice model: {about}",
        "created_at": "2026-01-01T00:00:00Z",
        "lifecycle": "active",
        "line": None,
        "max_input_tokens": 200_000,
        "max_tokens": 8192,
        "capabilities": None,
    }


def listing() -> dict[str, Any]:
    data = [entry(name) for name in names()]
    return {
        "object": "list",
        "data": data,
        "has_more": False,
        "first_id": data[0]["id"],
        "last_id": data[-1]["id"],
    }
