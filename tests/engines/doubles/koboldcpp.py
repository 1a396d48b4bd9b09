"""KoboldCpp by its source: its version page with what it can, the window it was started with, and pages of Ollama and
llama.cpp; it cuts what is too long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pointsman.practice import Reply
from pointsman.practice.exchange import Received

from . import Double, Model, practice


@dataclass
class Scripted(Double):
    name = "koboldcpp"
    empty = "never"
    tells = frozenset({"window", "images"})
    server = "KoboldCppServer 1"

    def find(self, name: Any) -> Model | None:
        return self.models[0]

    def entry(self, model: Model) -> dict[str, Any]:
        return {"id": model.name, "object": "model", "created": 1795697256, "owned_by": "koboldcpp", "permission": [],
                "root": "koboldcpp"}  # fmt: skip

    def get(self, path: str) -> Any:
        model = self.models[0]
        if path == "/api/extra/version":
            return {"result": "KoboldCpp", "version": "1.113.2", "protected": False, "llm": True, "txt2img": False,
                    "vision": model.images, "audio": False, "jinja": True, "router": False}  # fmt: skip
        if path == "/api/extra/true_max_context_length":
            return {"value": model.window}
        if path == "/api/version":
            return {"version": "0.7.0"}
        if path == "/api/tags":
            return {"models": [{"name": model.name, "model": model.name, "size": 1}]}
        if path == "/props":
            return {
                "default_generation_settings": {"n_ctx": model.window},
                "total_slots": 1,
                "chat_template": "x",
            }
        return self.listing() if path == "/v1/models" else None

    def unknown(self, received: Received) -> Reply:
        return Reply(404, {}, b"Error: KoboldCpp HTTP Server is running, but this endpoint does not exist.")

    def too_long(self, received: Received, used: int, model: Model) -> Reply:
        return practice(received, model.window)
