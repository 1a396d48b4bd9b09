"""SGLang by its source: what its one model is, and Ollama's list of models beside OpenAI's; 503 while it starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pointsman.engines.engine import EngineState
from pointsman.practice import Reply
from pointsman.practice.exchange import Received

from . import Double, Model


@dataclass
class Scripted(Double):
    name = "sglang"
    empty = "never"
    tells = frozenset({"window", "images", "generates"})
    server = "uvicorn"

    def answer(self, received: Received) -> Reply:
        if received.path == "/health":
            return Reply(200 if self.state is EngineState.READY else 503)
        return super().answer(received)

    def find(self, name: Any) -> Model | None:
        return self.models[0]

    def entry(self, model: Model) -> dict[str, Any]:
        return {"id": model.name, "object": "model", "created": 1795697256, "owned_by": "sglang", "root": model.name,
                "parent": None, "max_model_len": model.window}  # fmt: skip

    def get(self, path: str) -> Any:
        model = self.models[0]
        if path in ("/model_info", "/get_model_info"):
            return {"model_path": model.name, "tokenizer_path": model.name, "is_generation": not model.embedding,
                    "preferred_sampling_params": None, "weight_version": "default",
                    "has_image_understanding": model.images, "has_audio_understanding": False}  # fmt: skip
        if path == "/api/tags":
            return {"models": [{"name": model.name, "model": model.name, "size": 0}]}
        return self.listing() if path == "/v1/models" else None
