"""An answer that fails in the middle raises in every client library, whichever form its protocol's error has.

The libraries are no dependency of this project. POINTSMAN_CLIENTS_NPM names a folder whose node_modules has those of npm
(openai, @anthropic-ai/sdk, ai, @ai-sdk/openai, @ai-sdk/openai-compatible, @ai-sdk/anthropic, @langchain/openai,
@langchain/anthropic), POINTSMAN_CLIENTS_PYTHON a Python that has those of PyPI (langchain-openai, langchain-anthropic,
openai-agents, pydantic-ai-slim, litellm). What is not there is skipped, loudly.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import uvloop

from pointsman.practice import CUT, Reply, ScriptedUpstream
from tests.gateway.plane import plane, rule
from tests.gateway.test_translation import spec

from .model import CHAT, MESSAGES, RESPONSES, SSE, STREAM

HERE = Path(__file__).parent
NODE = (
    "openai-chat", "openai-chat-helper", "openai-responses", "openai-responses-helper", "anthropic-messages",
    "anthropic-messages-helper", "vercel-chat", "vercel-compatible", "vercel-responses", "vercel-messages",
    "langchain-chat", "langchain-responses", "langchain-messages",
)  # fmt: skip
PYTHON = (
    "openai-chat", "openai-chat-helper", "openai-responses", "openai-responses-helper", "anthropic-messages",
    "langchain-chat", "langchain-responses", "langchain-messages", "agents-chat", "agents-responses",
    "pydantic-chat", "pydantic-responses", "pydantic-messages", "litellm-chat", "litellm-messages",
)  # fmt: skip
PROTOCOLS = {"chat": CHAT, "compatible": CHAT, "responses": RESPONSES, "messages": MESSAGES}
SDKS = ("openai", "anthropic")
"""Their Python libraries are in this project's own environment."""


def protocol_of(client: str) -> str:
    return next(protocol for word, protocol in PROTOCOLS.items() if word in client)


def command(language: str, client: str, folder: Path) -> list[str]:
    if language == "python":
        own = client.startswith(SDKS)
        python = sys.executable if own else os.environ.get("POINTSMAN_CLIENTS_PYTHON")
        if not python:
            pytest.skip(f"NO {client.upper()}: POINTSMAN_CLIENTS_PYTHON names no Python that has it")
        return [python, str(HERE / "clients.py"), client]
    modules, node = os.environ.get("POINTSMAN_CLIENTS_NPM"), shutil.which("node")
    if not modules or not node:
        pytest.skip(f"NO {client.upper()} of npm: node and POINTSMAN_CLIENTS_NPM are needed")
    (folder / "node_modules").symlink_to(Path(modules) / "node_modules")
    script = folder / "clients.mjs"
    shutil.copy(HERE / "clients.mjs", script)
    return [node, str(script), client]


def ran(words: list[str], upstream: str) -> dict[str, Any]:
    """The client's own account of a stream that is cut after its first words."""
    whole = STREAM[upstream]("hello there").split(b"\n\n")
    upto = next(i for i, event in enumerate(whole) if b"hello" in event)
    half = b"\n\n".join(whole[: upto + 1]) + b"\n\n"

    async def main() -> dict[str, Any]:
        with ScriptedUpstream() as server:
            server.always(Reply(200, SSE, parts=[half, CUT], framing="chunked"))
            async with plane() as found:
                found.rules(rule("*", "local/box"), backends=[spec(server, upstream)])
                url = f"http://127.0.0.1:{found.port}"
                process = await asyncio.create_subprocess_exec(
                    *words, url, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
                )  # fmt: skip
                out, err = await asyncio.wait_for(process.communicate(), 120)
                assert process.returncode == 0, err.decode()
        told: dict[str, Any] = json.loads(out.decode().strip().splitlines()[-1])
        return {**told, "stderr": err.decode()[-1500:]}

    return uvloop.run(main())


@pytest.mark.parametrize("way", ["as it is", "translated"])
@pytest.mark.parametrize(
    ("language", "client"), [*(("node", one) for one in NODE), *(("python", one) for one in PYTHON)]
)
def test_a_stream_that_breaks_raises_in_every_client(
    tmp_path: Path, language: str, client: str, way: str
) -> None:
    protocol = protocol_of(client)
    across = MESSAGES if protocol == CHAT else CHAT
    told = ran(command(language, client, tmp_path), protocol if way == "as it is" else across)
    if told["raised"].startswith("NOT INSTALLED"):
        pytest.skip(f"{client.upper()} {told['raised']}")
    assert told["raised"], told
    assert "The backend failed" in told["raised"], told
    assert told["text"].startswith("hel"), told
