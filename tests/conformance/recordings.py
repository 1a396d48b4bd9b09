"""Reads the recorded exchanges of `POINTSMAN_CONFORMANCE`, else `shared/conformance` beside the checkout."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class Recording:
    """One exchange as it went over the wire; bodies are bytes."""

    name: str
    host: str
    path: str
    request: bytes
    status: int
    headers: tuple[tuple[str, str], ...]
    response: bytes
    model: str
    stream: bool

    def __str__(self) -> str:
        return self.name

    @property
    def kind(self) -> str:
        """The backend type that plays it."""
        if "anthropic" in self.host:
            return "anthropic"
        return "openai" if "openai" in self.host else "local"


def folder() -> Path:
    named = os.environ.get("POINTSMAN_CONFORMANCE")
    return Path(named) if named else Path(__file__).resolve().parents[2].parent / "shared" / "conformance"


@cache
def recordings() -> list[Recording]:
    """All of them in a fixed order; empty when the folder is absent."""
    found = []
    for path in sorted(folder().glob("*/*.json")):
        data = json.loads(path.read_text())
        asked = json.loads(data["request"])
        found.append(
            Recording(
                name=path.stem,
                host=data["host"],
                path=data["path"],
                request=data["request"].encode(),
                status=data["status"],
                headers=tuple(data["headers"].items()),
                response=data["response"].encode(),
                model=asked["model"],
                stream=bool(asked.get("stream")),
            )
        )
    return found
