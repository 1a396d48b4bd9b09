"""llama.cpp's router b10434 as recorded: a status for each model, a window for what is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pointsman.practice import Reply
from pointsman.practice.exchange import Received

from . import Double, Model


@dataclass
class Scripted(Double):
    name = "llama_router"
    tells = frozenset({"window", "made_for", "images", "loaded"})
    server = "llama.cpp"
    chats = (*Double.chats, "/v1/responses", "/v1/messages")

    def entry(self, model: Model) -> dict[str, Any]:
        meta = {"meta": {"n_ctx": model.window, "n_ctx_train": model.made_for}} if model.loaded else {}
        kinds = ["text", "image"] if model.images else ["text"]
        return {"id": model.name, "aliases": [], "tags": [], "object": "model", "owned_by": "llamacpp", "created": 1795699226,
                "status": {"value": "loaded" if model.loaded else "unloaded", "args": ["llama-server"]},
                "architecture": {"input_modalities": kinds, "output_modalities": ["text"]}, **meta}  # fmt: skip

    def get(self, path: str) -> Any:
        if path == "/health":
            return {"status": "ok"}
        if path == "/props":
            return {"role": "router", "max_instances": 1, "models_autoload": True, "model_alias": "llama-server",
                    "model_path": "none", "default_generation_settings": {"params": None, "n_ctx": 0},
                    "build_info": "b1-7e4c0a9"}  # fmt: skip
        return self.listing() if path in ("/v1/models", "/models") else None

    def post(self, path: str, body: dict[str, Any]) -> Any:
        model = self.find(body.get("model"))
        if path != "/models/load" or model is None:
            return None
        model.loaded = True
        return {"success": True}

    def unknown(self, received: Received) -> Reply:
        return Reply(
            404, {}, {"error": {"message": "File Not Found", "type": "not_found_error", "code": 404}}
        )
