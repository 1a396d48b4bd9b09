"""mlx_lm.server 0.32.2 as recorded: HTTP/1.0, 200 of `/health` before it has loaded, 503 when its thread has died."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from pointsman.engines.engine import EngineState
from pointsman.practice import Reply
from pointsman.practice.exchange import Received

from . import Double, Model


@dataclass
class Scripted(Double):
    """cache: is there one of downloads, which its list is made of?"""

    cache: bool = True

    name = "mlx_lm"
    server = "BaseHTTP/0.6 Python/3.11.7"
    chats = ("/v1/chat/completions", "/v1/completions")

    def answer(self, received: Received) -> Reply:
        reply = super().answer(received)
        if received.path == "/health" and self.state is EngineState.DEAD:
            reply = Reply(503, {"content-type": "application/json"}, {"status": "unhealthy"})
        return reply if reply.parts is not None else replace(reply, http10=True)

    def entry(self, model: Model) -> dict[str, Any]:
        return {"id": model.name, "object": "model", "created": 1795697257}

    def get(self, path: str) -> Any:
        if path == "/health":
            return {"status": "ok"}
        if path == "/v1/models" and not self.cache:
            return b""
        return self.listing() if path == "/v1/models" else None

    def unknown(self, received: Received) -> Reply:
        return Reply(404, {"content-type": "application/json"}, b"Not Found")
