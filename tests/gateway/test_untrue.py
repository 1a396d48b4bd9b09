"""An engine's path for a protocol that it does not keep to is not used: such requests are translated for it
(docs/protocols/engines.md#paths-that-are-not-used)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import uvloop

from pointsman.practice import ScriptedUpstream
from tests.agents.model import CHAT, MESSAGES, RESPONSES
from tests.engines.doubles import Double, double

from .plane import Plane, plane, rule
from .test_listed import local
from .test_translation import PATHS, ask
from .test_unknown_paths import posted, told

Scene = Callable[[Plane, ScriptedUpstream], Awaitable[None]]


def with_engine(engine: Double, scene: Scene, **row: object) -> None:
    async def main() -> None:
        with ScriptedUpstream() as server:
            server.always(engine)
            async with plane() as found:
                found.rules(rule("*", "local/box"), backends=[local(server, **row)])
                await scene(found, server)

    uvloop.run(main())


async def answered(found: Plane, client: str) -> None:
    for stream in (True, False):
        got = await found.ask(PATHS[client], ask(client, stream=stream))
        assert got.status == 200, got.body
        assert (b'"output_index"' in got.body) is (client == RESPONSES and stream)


@pytest.mark.parametrize("name", ["llama_cpp", "llama_router"])
def test_responses_of_llama_cpp_have_the_index_that_openais_package_wants_from_the_first_on(
    name: str,
) -> None:
    """`responses.stream()` ended in a TypeError."""

    async def scene(found: Plane, server: ScriptedUpstream) -> None:
        await answered(found, RESPONSES)
        assert posted(server) == [PATHS[CHAT]] * 2
        assert await told(found) == "translated to openai_chat"

    engine = double(name)
    engine.models[0].name = "m"
    with_engine(engine, scene)


def test_what_it_keeps_to_goes_as_it_is_and_has_a_lane() -> None:
    async def scene(found: Plane, server: ScriptedUpstream) -> None:
        for client in (RESPONSES, MESSAGES, MESSAGES, CHAT):
            await answered(found, client)
        assert posted(server) == [PATHS[CHAT]] * 2 + [PATHS[MESSAGES]] * 4 + [PATHS[CHAT]] * 2
        assert found.lanes >= 4

    with_engine(double("llama_cpp"), scene)


def test_an_engine_that_keeps_to_them_gets_responses_as_they_are() -> None:
    async def scene(found: Plane, server: ScriptedUpstream) -> None:
        await answered(found, RESPONSES)
        assert posted(server) == [PATHS[RESPONSES]] * 2

    engine = double("vllm")
    engine.models[0].name = "m"
    with_engine(engine, scene)


def test_a_row_that_says_what_its_server_speaks_is_not_doubted() -> None:
    async def scene(found: Plane, server: ScriptedUpstream) -> None:
        got = await found.ask(PATHS[RESPONSES], ask(RESPONSES))
        assert (got.status, posted(server)) == (200, [PATHS[RESPONSES]])

    with_engine(double("llama_cpp"), scene, dialects=(CHAT, RESPONSES))


def test_another_engine_at_the_same_place_is_asked_as_it_is_again() -> None:
    """What was learned of one says nothing of the next."""
    engines = [double("llama_cpp"), double("vllm")]
    engines[1].models[0].name = "m"

    async def scene(found: Plane, server: ScriptedUpstream) -> None:
        await answered(found, RESPONSES)
        server.always(engines[1])
        found.rules(rule("*", "local/box"), backends=[local(server, context_window=9000)])
        await answered(found, RESPONSES)
        assert posted(server) == [PATHS[CHAT]] * 2 + [PATHS[RESPONSES]] * 2

    with_engine(engines[0], scene)
