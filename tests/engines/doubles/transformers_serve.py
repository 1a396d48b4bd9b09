"""`transformers serve` by its source: models of the cache, owned by who made them; a path that loads one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pointsman.practice import Reply
from pointsman.practice.exchange import Received

from . import Double, Model


@dataclass
class Scripted(Double):
    name = "transformers_serve"
    server = "uvicorn"
    chats = ("/v1/chat/completions", "/v1/completions", "/v1/responses")

    def answer(self, received: Received) -> Reply:
        if received.path == "/load_model" and received.method == "GET":
            return Reply(405, {"allow": "POST"}, {"detail": "Method Not Allowed"})
        return super().answer(received)

    def entry(self, model: Model) -> dict[str, Any]:
        return {"id": model.name, "object": "model", "created": 1795697256.1, "owned_by": "HuggingFaceTB"}

    def get(self, path: str) -> Any:
        if path == "/health":
            return {"status": "ok"}
        return self.listing() if path == "/v1/models" else None

    def post(self, path: str, body: dict[str, Any]) -> Any:
        if path != "/load_model":
            return None
        return b'data: {"status": "ready", "model": "tiny@main", "cached": true}\n\n'
