"""Ollama 0.17.4 as recorded: a version, tags, what runs, one model; cuts what is too long; pictures are dropped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pointsman.practice import Reply
from pointsman.practice.exchange import Received

from . import Double, Model, practice

DETAILS = {"parent_model": "", "format": "gguf", "family": "llama", "families": ["llama"], "parameter_size": "219K",
           "quantization_level": "unknown"}  # fmt: skip


@dataclass
class Scripted(Double):
    """version: what it says. num_ctx: what each model's file sets."""

    version: str = "0.17.4"
    num_ctx: int | None = None

    name = "ollama"
    tells = frozenset({"window", "made_for", "images", "tools", "loaded", "generates"})
    chats = (*Double.chats, "/v1/responses", "/v1/messages")

    def find(self, name: Any) -> Model | None:
        return super().find(name) or super().find(f"{name}:latest")

    def entry(self, model: Model) -> dict[str, Any]:
        return {"id": model.name, "object": "model", "created": 1795699832, "owned_by": "library"}

    def get(self, path: str) -> Any:
        if path == "/":
            return b"Ollama is running"
        if path == "/api/version":
            return {"version": self.version}
        if path == "/api/tags":
            return {"models": [self.tag(one) for one in self.models]}
        if path == "/api/ps":
            return {"models": [self.running(one) for one in self.models if one.loaded and not one.elsewhere]}
        return self.listing() if path == "/v1/models" else None

    def tag(self, model: Model) -> dict[str, Any]:
        remote = {"remote_model": "big", "remote_host": model.elsewhere} if model.elsewhere else {}
        return {"name": model.name, "model": model.name, **remote, "modified_at": "2026-11-26T13:30:32.09489225Z",
                "size": 889862, "digest": "824ba9c6", "details": DETAILS}  # fmt: skip

    def running(self, model: Model) -> dict[str, Any]:
        return {"name": model.name, "model": model.name, "size": 2447232, "digest": "824ba9c6", "details": DETAILS,
                "expires_at": "2026-11-26T13:31:50.907502492Z", "size_vram": 0, "context_length": model.window}  # fmt: skip

    def post(self, path: str, body: dict[str, Any]) -> Any:
        model = self.find(body.get("model"))
        if model is None or path not in ("/api/show", "/api/generate"):
            return None
        if path == "/api/generate":
            model.loaded = True
            return {"model": model.name, "response": "", "done": True, "done_reason": "load"}
        able = ["embedding"] if model.embedding else ["completion", *(["vision"] if model.images else []),
                                                      *(["tools"] if model.tools else [])]  # fmt: skip
        remote = {"remote_model": "big", "remote_host": model.elsewhere} if model.elsewhere else {}
        return {
            "modelfile": "# Modelfile", "template": "{{ .Prompt }}", "details": DETAILS, "capabilities": able, **remote,
            "parameters": "temperature                    0" + (f"\nnum_ctx  {self.num_ctx}" if self.num_ctx else ""),
            "model_info": {"general.architecture": "llama", "llama.context_length": model.made_for},
            "modified_at": "2026-11-26T13:30:31.631619985Z",
        }  # fmt: skip

    def unknown(self, received: Received) -> Reply:
        if received.method == "POST":
            return Reply(404, {}, {"error": "model not found"})
        return Reply(404, {"content-type": "text/plain"}, b"404 page not found")

    def too_long(self, received: Received, used: int, model: Model) -> Reply:
        return practice(received, model.window)
