"""LM Studio by its documents: both of its own lists; 200 for every path it does not know (lmstudio-bug-tracker#2055)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pointsman.practice import Reply
from pointsman.practice.exchange import Received

from . import TOO_LONG, Double, Model, ok


@dataclass
class Scripted(Double):
    """v1: does it have its list of 0.4, too?"""

    v1: bool = True

    name = "lm_studio"
    tells = frozenset({"window", "made_for", "images", "tools", "loaded", "generates"})
    chats = (*Double.chats, "/v1/responses", "/v1/messages")

    def entry(self, model: Model) -> dict[str, Any]:
        return {"id": model.name, "object": "model", "owned_by": "organization_owner"}

    def get(self, path: str) -> Any:
        if path == "/api/v0/models":
            return {"object": "list", "data": [self.old(one) for one in self.models]}
        if path == "/api/v1/models" and self.v1:
            return {"models": [self.new(one) for one in self.models]}
        return self.listing() if path == "/v1/models" else None

    def old(self, model: Model) -> dict[str, Any]:
        window = {"loaded_context_length": model.window} if model.loaded else {}
        away = {"deviceIdentifier": model.elsewhere} if model.elsewhere else {}
        return {"id": model.name, "object": "model", "type": self.kind(model), "publisher": "lmstudio-community",
                "arch": "llama", "compatibility_type": "gguf", "quantization": "Q4_K_M", **window, **away,
                "state": "loaded" if model.loaded else "not-loaded", "max_context_length": model.made_for,
                "capabilities": ["tool_use"] if model.tools else []}  # fmt: skip

    def kind(self, model: Model) -> str:
        return "embeddings" if model.embedding else "vlm" if model.images else "llm"

    def new(self, model: Model) -> dict[str, Any]:
        able = {"vision": model.images, "trained_for_tool_use": model.tools}
        instance = {"id": model.name, "config": {"context_length": model.window}}
        return {"type": "embedding" if model.embedding else "llm", "publisher": "lmstudio-community", "key": model.name,
                "display_name": model.name, "loaded_instances": [instance] if model.loaded else [],
                "max_context_length": model.made_for, "format": "gguf", "description": None,
                **({} if model.embedding else {"capabilities": able})}  # fmt: skip

    def post(self, path: str, body: dict[str, Any]) -> Any:
        model = self.find(body.get("model"))
        if path != "/api/v1/models/load" or model is None:
            return None
        model.loaded = True
        return {"type": "llm", "instance_id": model.name, "status": "loaded", "load_time_seconds": 0.1}

    def unknown(self, received: Received) -> Reply:
        return ok({"error": f"Unexpected endpoint or method. ({received.method} {received.path})"})

    def too_long(self, received: Received, used: int, model: Model) -> Reply:
        text = (
            f"Trying to keep the first {used} tokens when context the overflows. However, the model is loaded with"
            f" context length of only {model.window} tokens, which is not enough."
        )
        return Reply(TOO_LONG, {}, {"error": text})
