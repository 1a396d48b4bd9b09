"""A server with OpenAI's paths and nothing of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import Double


@dataclass
class Scripted(Double):
    name = "compatible"

    def get(self, path: str) -> Any:
        return self.listing() if path == "/v1/models" else None
