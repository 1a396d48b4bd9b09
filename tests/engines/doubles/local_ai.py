"""LocalAI by its documents: what backends it has and what is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pointsman.engines.engine import EngineState
from pointsman.practice import Reply
from pointsman.practice.exchange import Received

from . import Double, Model


@dataclass
class Scripted(Double):
    name = "local_ai"
    tells = frozenset({"loaded"})

    def answer(self, received: Received) -> Reply:
        if received.path in ("/readyz", "/healthz"):
            return Reply(200 if self.state is EngineState.READY else 503)
        return super().answer(received)

    def entry(self, model: Model) -> dict[str, Any]:
        return {"id": model.name, "object": "model"}

    def get(self, path: str) -> Any:
        if path == "/system":
            loaded = [{"id": one.name, "backend": "llama-cpp"} for one in self.models if one.loaded]
            return {"backends": ["llama-cpp", "whisper"], "loaded_models": loaded}
        if path == "/version":
            return {"version": "v4.9.0"}
        return self.listing() if path == "/v1/models" else None
