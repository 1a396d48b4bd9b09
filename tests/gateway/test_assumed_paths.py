"""What is assumed of a server and not said: a protocol of it that it does not know is translated to one that it does
(docs/protocols/backends.md#what-is-tried)."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop

from pointsman.practice import Received, Reply, ScriptedUpstream
from pointsman.routing.specs import BackendSpec
from tests.agents.model import CHAT, JSON, MESSAGES, RESPONSES, SSE, STREAM, WHOLE

from .plane import Plane, plane, rule
from .test_translation import PATHS, ask, text_of
from .test_unknown_paths import local, posted, provider, told

NOT_FOUND = b'{"detail":"Not Found"}'
Kind = Callable[[ScriptedUpstream], BackendSpec]
Scene = Callable[[ScriptedUpstream, Plane], Coroutine[Any, Any, None]]


def knows(protocol: str, status: int = 404, body: bytes = NOT_FOUND) -> Callable[[Received], Reply]:
    """A server that has this protocol alone."""

    def answer(received: Received) -> Reply:
        if received.path != PATHS[protocol]:
            return Reply(status, JSON, body=body)
        stream = received.json().get("stream")
        return Reply(200, SSE if stream else JSON, body=(STREAM if stream else WHOLE)[protocol]("here I am"))

    return answer


def run(kind: Kind, step: Callable[[Received], Reply], scene: Scene) -> None:
    async def main() -> None:
        with ScriptedUpstream() as server:
            server.always(step)
            async with plane() as found:
                backend = kind(server)
                found.rules(rule("*", backend.key), backends=[backend])
                await scene(server, found)

    uvloop.run(main())


@pytest.mark.parametrize(
    ("kind", "only", "client", "asked"),
    [
        (provider, RESPONSES, CHAT, [PATHS[CHAT]]),
        (provider, RESPONSES, MESSAGES, [PATHS[CHAT]]),
        (local, RESPONSES, CHAT, [PATHS[CHAT]]),
        (local, MESSAGES, CHAT, [PATHS[CHAT], PATHS[RESPONSES]]),
        (local, MESSAGES, RESPONSES, [PATHS[RESPONSES], PATHS[CHAT]]),
        (local, RESPONSES, MESSAGES, [PATHS[MESSAGES], PATHS[CHAT]]),
    ],
)
def test_a_server_without_chat_serves_clients_of_every_protocol(
    kind: Kind, only: str, client: str, asked: list[str]
) -> None:
    """Its 404 of `/v1/chat/completions` was the client's answer."""

    async def scene(server: ScriptedUpstream, found: Plane) -> None:
        for _ in range(2):
            got = await found.ask(PATHS[client], ask(client))
            assert got.status == 200, got.body
            assert text_of(client, got.json()) == "here I am"
        streamed = await found.ask(PATHS[client], ask(client, stream=True))
        assert streamed.status == 200
        assert posted(server) == [*asked, *[PATHS[only]] * 3], "asked once, remembered"
        said = "as it is if it knows the path" if only == RESPONSES else f"translated to {only}"
        assert (await told(found)).startswith(said)

    run(kind, knows(only), scene)


@pytest.mark.parametrize("kind", [provider, local])
@pytest.mark.parametrize("client", [CHAT, MESSAGES])
def test_a_404_that_is_about_something_else_is_told_in_its_words_and_nothing_is_unlearned(
    kind: Kind, client: str
) -> None:
    """mlx_lm answers 404 for a model's missing file; a server that is being set up, for everything."""
    body = b'{"error":"weights of m are not here"}'
    up = False

    def step(received: Received) -> Reply:
        return knows(CHAT)(received) if up else Reply(404, JSON, body=body)

    async def scene(server: ScriptedUpstream, found: Plane) -> None:
        nonlocal up
        for _ in range(2):
            got = await found.ask(PATHS[client], ask(client))
            assert (got.status, got.json()["error"]["message"]) == (404, "weights of m are not here")
            assert got.headers["x-should-retry"] == "false"
        up = True
        got = await found.ask(PATHS[client], ask(client))
        assert got.status == 200, got.body
        assert posted(server)[-1] == PATHS[CHAT]

    run(kind, step, scene)


@pytest.mark.parametrize("dialects", [(CHAT,), (CHAT, RESPONSES)])
def test_what_somebody_has_said_is_not_doubted(dialects: tuple[str, ...]) -> None:
    async def scene(server: ScriptedUpstream, found: Plane) -> None:
        got = await found.ask(PATHS[CHAT], ask(CHAT))
        assert (got.status, got.json()["error"]["message"]) == (404, "Not Found")
        assert posted(server) == [PATHS[CHAT]]

    run(lambda server: provider(server, dialects=dialects), knows(RESPONSES), scene)


def test_a_model_that_is_not_there_asks_no_other_path() -> None:
    body = b'{"error":{"message":"The model `m` does not exist","code":"model_not_found"}}'

    async def scene(server: ScriptedUpstream, found: Plane) -> None:
        got = await found.ask(PATHS[CHAT], ask(CHAT))
        assert (got.status, got.body) == (404, body)
        assert posted(server) == [PATHS[CHAT]]

    run(provider, knows(RESPONSES, body=body), scene)
