"""Behind a wall: a model that its local server sends on to another machine gets nothing of a request."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import uvloop

from pointsman.practice import STALL, Reply, ScriptedUpstream
from pointsman.practice.exchange import Received
from pointsman.routing.specs import BackendSpec
from tests.agents.model import CHAT, JSON, MESSAGES, WHOLE
from tests.conformance.facts import ASK

from .plane import Got, Plane, plane, rule

PATHS = {CHAT: "/v1/chat/completions", MESSAGES: "/v1/messages"}
TAGS = [
    {"name": "big-cloud:latest", "model": "big-cloud:latest", "remote_model": "big", "remote_host": "https://ollama.com:443"},
    {"name": "mine:latest", "model": "mine:latest", "remote_model": "big", "remote_host": "https://ollama.com:443"},
    {"name": "half:latest", "model": "half:latest", "remote_model": "big"},
    {"name": "mid:latest", "model": "mid:latest", "size": 71471916},
]  # fmt: skip
SHOWN = {"aliased": {"remote_host": "https://ollama.com:443"}, "mid": {"capabilities": ["completion"]}}


def ollama(protocol: str, **changed: Any) -> Callable[[Received], Reply]:
    """changed: other replies by path."""

    def answer(received: Received) -> Reply:
        path = received.target
        name = path.rpartition("/")[2]
        if name in changed:
            found: Reply = changed[name]
            return found
        if path == "/api/tags":
            return Reply(200, JSON, body=json.dumps({"models": TAGS}).encode())
        if path == "/api/show":
            shown = SHOWN.get(json.loads(received.body)["model"])
            return Reply(
                200 if shown else 404, JSON, body=json.dumps(shown or {"error": "not found"}).encode()
            )
        if received.method == "GET":
            return Reply(404, JSON, body=b"404 page not found")
        return Reply(200, JSON, body=WHOLE[protocol]("hello"))

    return answer


def spec(server: ScriptedUpstream, protocol: str = CHAT) -> BackendSpec:
    return BackendSpec("local/box", "local", "box", server.url, (protocol,))


def told(server: ScriptedUpstream) -> list[Received]:
    """What came of the conversation itself."""
    return [one for one in server.requests if one.method == "POST" and one.target != "/api/show"]


async def ask(found: Plane, model: str, client: str = CHAT, path: str = "") -> Got:
    return await found.ask(path or PATHS[client], {**ASK[client], "model": model})


@pytest.mark.parametrize("client", PATHS)
@pytest.mark.parametrize("upstream", PATHS)
@pytest.mark.parametrize(
    "model",
    ["big-cloud", "big-cloud:latest", "MINE", "mine", "half", "aliased", "gpt-oss:120b-cloud", "glm-4.6:cloud",
     "x:CLOUD", "never-pulled-cloud"],
)  # fmt: skip
def test_a_model_that_ollama_runs_in_its_cloud_is_refused_behind_the_wall(
    client: str, upstream: str, model: str
) -> None:
    async def main() -> None:
        with ScriptedUpstream() as server:
            server.always(ollama(upstream))
            async with plane() as found:
                walled, open_rule = rule("*", "local/box", local_only=True), rule("*", "local/box")
                found.rules(walled, backends=[spec(server, upstream)])
                got = await ask(found, model, client)
                assert got.status >= 400
                assert b"local_only" in got.body
                assert b"Ollama" in got.body
                assert b"a model that runs here" in got.body
                await ask(found, model, MESSAGES, "/v1/messages/count_tokens")
                assert told(server) == []
                found.rules(open_rule, backends=[spec(server, upstream)])
                assert (await ask(found, model, client)).status == 200

    uvloop.run(main())


def test_a_model_that_runs_here_is_served_and_the_question_is_not_asked_each_time() -> None:
    async def main() -> None:
        with ScriptedUpstream() as server:
            server.always(ollama(CHAT))
            async with plane() as found:
                found.rules(rule("*", "local/box", local_only=True), backends=[spec(server)])
                for _ in range(5):
                    assert (await ask(found, "mid")).status == 200
                assert len([one for one in server.requests if one.target == "/api/tags"]) == 1
                assert len(told(server)) == 5

    uvloop.run(main())


@pytest.mark.parametrize(
    "silent", [Reply(500, JSON, body=b"{}"), Reply(200, JSON, body=b"not json"), Reply(before=[STALL])]
)
@pytest.mark.parametrize("path", ["tags", "show"])
def test_an_ollama_that_does_not_answer_gets_nothing(silent: Reply, path: str) -> None:
    async def main() -> None:
        with ScriptedUpstream() as server:
            server.always(ollama(CHAT))
            async with plane() as found:
                found.rules(rule("*", "local/box", local_only=True), backends=[spec(server)])
                assert (await ask(found, "mid")).status == 200
                before = len(told(server))
                server.always(ollama(CHAT, **{path: silent}))
                got = await ask(found, "other")  # known as one by now
                assert got.status >= 400
                assert b"did not say whether 'other' runs here" in got.body
                assert len(told(server)) == before
                server.always(ollama(CHAT))
                assert (await ask(found, "other")).status == 200

    uvloop.run(main())


@pytest.mark.parametrize("away", ["deviceIdentifier", "device_identifier"])
def test_a_model_on_a_device_that_lm_studio_links_is_refused(away: str) -> None:
    listed = {"data": [{"id": "far", "state": "loaded", away: "studio-mac"}, {"id": "near", away: None}]}

    async def main() -> None:
        with ScriptedUpstream() as server:
            changed = {
                "tags": Reply(200, JSON, body=b'{"error":"Unexpected endpoint or method. (GET /api/tags)"}'),
                "models": Reply(200, JSON, body=json.dumps(listed).encode()),
            }
            server.always(ollama(CHAT, **changed))
            async with plane() as found:
                found.rules(rule("*", "local/box", local_only=True), backends=[spec(server)])
                got = await ask(found, "far")
                assert got.status >= 400
                assert b"lms link disable" in got.body
                assert told(server) == []
                assert (await ask(found, "near")).status == 200

    uvloop.run(main())


@pytest.mark.parametrize("status", [404, 500])
def test_a_server_that_knows_no_such_question_is_served(status: int) -> None:
    """llama.cpp, mlx_lm, vLLM: also a model whose name has the word in it."""

    async def main() -> None:
        with ScriptedUpstream() as server:
            nothing = Reply(status, JSON, body=b"Not Found")
            server.always(ollama(CHAT, tags=nothing, models=nothing))
            async with plane() as found:
                found.rules(rule("*", "local/box", local_only=True), backends=[spec(server)])
                for model in ("qwen", "my-cloud-model"):
                    assert (await ask(found, model)).status == 200

    uvloop.run(main())
