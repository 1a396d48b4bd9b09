"""The official SDKs as clients of a data plane of a test."""

from __future__ import annotations

from typing import Any

import anthropic
import openai

from .plane import Plane


def both_sdks_read(found: Plane, said: str) -> None:
    """Asks for a stream of each protocol; what the SDKs make of them must be this text. Blocks: call it in a thread."""
    url = f"http://127.0.0.1:{found.port}"
    turns: Any = [{"role": "user", "content": "x"}]
    with openai.OpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0, timeout=20) as client:
        chunks = client.chat.completions.create(model="m", messages=turns, stream=True)
        assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == said
        with client.responses.stream(model="m", input="x") as told:
            assert told.get_final_response().output_text == said
    with anthropic.Anthropic(base_url=url, api_key="k", max_retries=0, timeout=20) as other:
        with other.messages.stream(model="m", max_tokens=9, messages=turns) as text:
            assert text.get_final_text() == said
