"""llama.cpp's server b11549 as recorded: the window of a slot in its list and in `/props`; 503 everywhere while it loads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pointsman.engines.engine import EngineState
from pointsman.practice import Reply
from pointsman.practice.exchange import Received

from . import TOO_LONG, Double, Model

LOADING = {"error": {"message": "Loading model", "type": "unavailable_error", "code": 503}}


@dataclass
class Scripted(Double):
    """It has one model, and serves it under every name. says: does its list tell window and eyes, or `/props` alone?"""

    says: bool = True
    sleeps: bool = False

    name = "llama_cpp"
    empty = "never"
    tells = frozenset({"window", "made_for", "images", "tools"})
    server = "llama.cpp"
    chats = (*Double.chats, "/v1/responses", "/v1/messages")

    def answer(self, received: Received) -> Reply:
        if self.state is EngineState.LOADING:
            return Reply(503, {"content-type": "application/json"}, LOADING)
        return super().answer(received)

    def find(self, name: Any) -> Model | None:
        return self.models[0]

    def entry(self, model: Model) -> dict[str, Any]:
        meta = {"n_ctx": model.window, "n_ctx_train": model.made_for, "n_vocab": 288, "size": 369920}
        kinds = ["text", "image"] if model.images else ["text"]
        more = {"meta": meta, "architecture": {"input_modalities": kinds, "output_modalities": ["text"]}}
        return {"id": model.name, "aliases": [model.name], "object": "model", "created": 1795697256, "owned_by": "llamacpp",
                **(more if self.says else {})}  # fmt: skip

    def get(self, path: str) -> Any:
        if path in ("/health", "/v1/health"):
            return {"status": "ok"}
        if path == "/props":
            return self.props(self.models[0])
        return self.listing() if path in ("/v1/models", "/models") else None

    def props(self, model: Model) -> dict[str, Any]:
        return {
            "default_generation_settings": {"params": {"temperature": 0.8}, "n_ctx": model.window}, "total_slots": 2,
            "model_alias": model.name, "modalities": {"vision": model.images, "video": False, "audio": False},
            "chat_template_caps": {"supports_tools": model.tools, "supports_tool_calls": model.tools},
            "build_info": "b11549-7e4c0a9", "is_sleeping": self.sleeps,
        }  # fmt: skip

    def post(self, path: str, body: dict[str, Any]) -> Any:
        if path == "/apply-template":
            return {"prompt": " ".join(str(one.get("content")) for one in body["messages"])}
        return {"tokens": list(range(len(body["content"].split())))} if path == "/tokenize" else None

    def unknown(self, received: Received) -> Reply:
        return Reply(
            404, {}, {"error": {"message": "File Not Found", "type": "not_found_error", "code": 404}}
        )

    def too_long(self, received: Received, used: int, model: Model) -> Reply:
        text = f"request ({used} tokens) exceeds the available context size ({model.window} tokens), try increasing it"
        error = {"code": 400, "message": text, "type": "exceed_context_size_error", "n_prompt_tokens": used,
                 "n_ctx": model.window}  # fmt: skip
        return Reply(TOO_LONG, {}, {"error": error})
