"""vLLM by its documents: `max_model_len` in its list, tokens counted from messages; 503 of `/health` when its engine died."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pointsman.engines.engine import EngineState
from pointsman.practice import Reply
from pointsman.practice.exchange import Received

from . import Double, Model, texts


@dataclass
class Scripted(Double):
    name = "vllm"
    empty = "compatible"
    tells = frozenset({"window"})
    server = "uvicorn"
    chats = (*Double.chats, "/v1/responses", "/v1/messages")

    def answer(self, received: Received) -> Reply:
        if received.path == "/health":
            return Reply(503 if self.state is EngineState.DEAD else 200)
        return super().answer(received)

    def entry(self, model: Model) -> dict[str, Any]:
        return {"id": model.name, "object": "model", "created": 1795697256, "owned_by": "vllm", "root": model.name,
                "parent": None, "max_model_len": model.window, "permission": []}  # fmt: skip

    def get(self, path: str) -> Any:
        if path == "/version":
            return {"version": "0.28.0"}
        return self.listing() if path == "/v1/models" else None

    def post(self, path: str, body: dict[str, Any]) -> Any:
        if path != "/tokenize" or self.find(body.get("model")) is None:
            return None
        count = sum(len(text.split()) for text in texts(body))
        return {"count": count, "max_model_len": self.models[0].window, "tokens": list(range(count))}
