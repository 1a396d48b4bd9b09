"""For the tests of the wall: a server here, a cloud that writes down every byte it gets, and a prompt that must not get there.

`wall` is who says it: a rule (`secret` is `local_only`, all else is the cloud's), or a client key (every name is a local
server's first and the cloud's next). Not here: the ways past it (test_every_way_past_the_wall.py).
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from pointsman.admin.store.client_keys import digest
from pointsman.kinds import FallbackOn
from pointsman.link.messages import ClientKeySpec
from pointsman.practice import Received, Reply, ScriptedUpstream
from pointsman.routing.specs import BackendSpec, MappingSpec
from pointsman.secret import Secret, SecretBytes
from tests.agents.model import CHAT, JSON, MESSAGES, PATHS, RESPONSES, STREAM, WHOLE

from .plane import Got, Plane, plane, rule

CANARY = "canary-4b1d-what-must-stay-here"
OPEN, WALLED = "pm-" + "o" * 49, "pm-" + "w" * 49
PEPPER = SecretBytes(b"p" * 32)
SPOKEN = (CHAT, RESPONSES, MESSAGES, "embeddings", "completions")
ALL = tuple(one.value for one in FallbackOn)
PROMPTS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": [{"role": "user", "content": CANARY}]},
    "/v1/responses": {"input": CANARY},
    "/v1/responses/compact": {"input": CANARY},
    "/v1/messages": {"messages": [{"role": "user", "content": CANARY}], "max_tokens": 64},
    "/v1/messages/count_tokens": {"messages": [{"role": "user", "content": CANARY}]},
    "/v1/completions": {"prompt": CANARY},
    "/v1/embeddings": {"input": CANARY},
    "/api/chat": {"messages": [{"role": "user", "content": CANARY}]},
    "/api/generate": {"prompt": CANARY},
    "/api/embed": {"input": CANARY},
    "/v1/audio/speech": {"input": CANARY, "voice": "a"},
    "/v1/images/generations": {"prompt": CANARY},
    "/v1/moderations": {"input": CANARY},
    "/v1/rerank": {"query": CANARY, "documents": [CANARY]},
}
"""What each path is asked, but for the model's name."""
_OTHER = {
    "/v1/completions": {"object": "text_completion", "choices": [{"index": 0, "text": "hello", "finish_reason": "stop"}]},
    "/v1/embeddings": {"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}], "model": "m"},
    "/v1/messages/count_tokens": {"input_tokens": 3},
}  # fmt: skip


def well(received: Received) -> Reply:
    """Whatever it is asked."""
    path = received.path
    if received.method != "POST" or path.startswith("/api/"):
        return Reply(404, JSON, body=b"{}")
    if path not in PATHS:
        return Reply(200, JSON, body=json.dumps(_OTHER.get(path, {"data": [{}], "results": [{}]})).encode())
    if received.json().get("stream"):
        return Reply.sse(STREAM[PATHS[path]]("hello"))
    return Reply(200, JSON, body=WHOLE[PATHS[path]]("hello"))


def prompt(path: str, model: str = "secret", **more: Any) -> dict[str, Any]:
    return {"model": model, **PROMPTS[path], **more}


@dataclass
class Scene:
    found: Plane
    here: ScriptedUpstream
    there: ScriptedUpstream
    away: ScriptedUpstream
    wall: str

    @property
    def local(self) -> list[BackendSpec]:
        return [
            BackendSpec(f"local/{name}", "local", name, server.url, SPOKEN)
            for name, server in (("here", self.here), ("there", self.there))
        ]

    @property
    def cloud(self) -> BackendSpec:
        return BackendSpec(
            "openai/away", "openai", "away", self.away.url, SPOKEN, auth="bearer",
            api_key=Secret("sk-away"), allow_http=True,
        )  # fmt: skip

    def serve(self, *rules: MappingSpec, backends: list[BackendSpec] | None = None, **more: Any) -> None:
        """By these rules, both client keys live."""
        keys = (
            ClientKeySpec(1, "open", digest(PEPPER, OPEN)),
            ClientKeySpec(2, "walled", digest(PEPPER, WALLED), local_only=True),
        )
        specs = [*self.local, self.cloud] if backends is None else backends
        self.found.rules(*rules, backends=specs, client_keys=keys, keys_required=True, pepper=PEPPER, **more)

    def build(self, *targets: str, **more: Any) -> None:
        """The wall. targets: of whom a walled request may be, the cloud where the key alone stands before it."""
        first = targets or ("local/here", "openai/away")
        if self.wall == "rule":
            local = [one for one in first if one.startswith("local/")]
            self.serve(rule("secret", *local, local_only=True, **more), rule("*", "openai/away", id=2))
        else:
            self.serve(rule("*", *first, **more))

    async def ask(self, path: str, body: bytes | dict[str, Any], *headers: str, **more: Any) -> Got:
        """As whom the wall is for."""
        key = WALLED if self.wall == "key" else OPEN
        return await self.found.ask(path, body, f"authorization: Bearer {key}", *headers, **more)

    def nothing_left(self) -> None:
        """No connection was made there, not even one without a word."""
        assert self.away.requests == []
        assert self.away.connections == 0
        assert CANARY not in f"{self.found.records} {self.found.plane.samples()} {self.found.plane.status()}"


@asynccontextmanager
async def scene(wall: str, **limits: Any) -> AsyncIterator[Scene]:
    with ScriptedUpstream() as here, ScriptedUpstream() as there, ScriptedUpstream() as away:
        for server in (here, there, away):
            server.always(well)
        async with plane(**limits) as found:
            yield Scene(found, here, there, away, wall)


def posts(server: ScriptedUpstream) -> list[Received]:
    return [one for one in server.requests if one.method == "POST" and one.target != "/api/show"]


Step = Callable[[Received], Reply]
