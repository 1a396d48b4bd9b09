"""Jan by its source: a proxy whose list holds the models that run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pointsman.practice import Reply
from pointsman.practice.exchange import Received

from . import Double, Model


@dataclass
class Scripted(Double):
    name = "jan"
    empty = "compatible"
    chats = (*Double.chats, "/v1/messages")

    def entry(self, model: Model) -> dict[str, Any]:
        return {"id": model.name, "object": "model", "created": 1, "owned_by": "user"}

    def get(self, path: str) -> Any:
        running = [self.entry(one) for one in self.models if one.loaded]
        return {"object": "list", "data": running} if path == "/v1/models" else None

    def unknown(self, received: Received) -> Reply:
        return Reply(404, {}, b"Not Found")
