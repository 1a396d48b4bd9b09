"""Our MLX host by its own source (hosts/mlx.py): 503 while it loads, 500 in its last second."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pointsman.engines.engine import EngineState
from pointsman.practice import Reply
from pointsman.practice.exchange import Received

from . import Double, Model, texts


@dataclass
class Scripted(Double):
    name = "mlx_host"
    tells = frozenset({"window", "images", "tools"})
    empty = "never"
    server = "pointsman-mlx/1.0"
    chats = ("/v1/chat/completions", "/v1/completions")

    def answer(self, received: Received) -> Reply:
        if received.path == "/health" and self.state is not EngineState.READY:
            dead = self.state is EngineState.DEAD
            return Reply(500 if dead else 503, {}, {"status": "dead" if dead else "loading"})
        return super().answer(received)

    def find(self, name: Any) -> Model | None:
        return self.models[0]

    def entry(self, model: Model) -> dict[str, Any]:
        return {"id": model.name, "object": "model", "created": 1795697256, "owned_by": "pointsman-mlx",
                "context_length": model.window, "max_model_len": model.window, **self.able(model)}  # fmt: skip

    def able(self, model: Model) -> dict[str, Any]:
        if self.state is not EngineState.READY:
            return {}
        return {"architecture": {"input_modalities": ["text", "image"] if model.images else ["text"]},
                "capabilities": ["completion", *(["tools"] if model.tools else [])]}  # fmt: skip

    def get(self, path: str) -> Any:
        if path == "/health":
            return {"status": "ok"}
        return self.listing() if path == "/v1/models" else None

    def post(self, path: str, body: dict[str, Any]) -> Any:
        if path != "/tokenize":
            return None
        count = sum(len(text.split()) for text in texts(body))
        return {"count": count, "max_model_len": self.models[0].window, "tokens": list(range(count))}
