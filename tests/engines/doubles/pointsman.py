"""A gateway like this one, as far as a look around sees it: Ollama's pages with a member of our own, and our list. That a
real one answers so is tested beside (tests/engines/test_sister.py)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import Double, Model


@dataclass
class Scripted(Double):
    name = "pointsman"
    tells = frozenset({"window"})

    def entry(self, model: Model) -> dict[str, Any]:
        return {"id": model.name, "object": "model", "created": 1, "owned_by": "local/box", "type": "model",
                "display_name": model.name, "created_at": "2026-11-27T00:00:00Z", "lifecycle": "active",
                "max_model_len": model.window}  # fmt: skip

    def get(self, path: str) -> Any:
        if path == "/livez":
            return {"status": "ok"}
        if path == "/api/version":
            return {"version": "0.14.2", "pointsman": "1.0.0"}
        if path == "/api/tags":
            return {"models": [self.tag(one) for one in self.models]}
        if path == "/api/ps":
            return {"models": []}
        return self.listing() if path == "/v1/models" else None

    def tag(self, model: Model) -> dict[str, Any]:
        remote = {"remote_model": model.name, "remote_host": model.elsewhere} if model.elsewhere else {}
        return {"name": model.name, "model": model.name, "size": 0, **remote}
