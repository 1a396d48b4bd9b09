"""A protocol that nobody has said a backend speaks is tried, and translated where its path is not known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import uvloop

from pointsman.admin.control.explain import explain
from pointsman.admin.control.process_status import StatusBoard
from pointsman.admin.control.routing_view import RoutingView
from pointsman.practice import Received, Reply, ScriptedUpstream
from pointsman.routing.specs import BackendSpec
from pointsman.secret import Secret
from pointsman.upstream import backend as backend_module
from tests.agents.model import CHAT, JSON, MESSAGES, RESPONSES, STREAM, WHOLE

from .plane import Plane, cold, plane, rule
from .test_translation import PATHS, ask, text_of

PAGE = b"<!DOCTYPE html><html><title>404</title><a href='/models'>Models</a> Page not found" + b" " * 5000

SAID = {
    "FastAPI": (404, b'{"detail":"Not Found"}'),
    "nothing": (404, b""),
    "a method": (405, b'{"detail":"Method Not Allowed"}'),
    "OpenAI": (404, b'{"error":{"message":"Invalid URL (POST /v1/responses)","type":"invalid_request_error"}}'),
    "OpenAI's likes": (400, b'{"error":{"message":"Invalid URL (POST /v1/responses)","code":null}}'),
    "Groq": (
        404,
        b'{"error":{"message":"Unknown request URL: POST /openai/v1/responses. See the docs at'
        b' https://console.groq.com/docs/models","type":"invalid_request_error","code":"unknown_url"}}',
    ),
    "Kong": (404, b'{"message":"no Route matched with those values"}'),
    "Fastify": (404, b'{"message":"Route POST:/v1/responses not found","statusCode":404}'),
    "Express": (404, b"<!DOCTYPE html><pre>Cannot POST /v1/responses</pre>"),
    "a website": (404, PAGE),
    "Amazon": (403, b'{"message":"Missing Authentication Token"}'),
    "new-api": (
        500,
        b'{"error":{"message":"not implemented","type":"new_api_error","code":"convert_request_failed"}}',
    ),
    "Z.ai": (200, b'{"code":500,"msg":"404 NOT_FOUND","success":false}'),
    "LM Studio": (200, b'{"error":"Unexpected endpoint or method. (POST /v1/responses). Returning 200"}'),
    "vLLM": (400, b'{"error":{"message":"The model does not support Responses API","type":"BadRequestError"}}'),
    "a gateway": (400, b'{"error":{"message":"Unsupported protocol: /v1/responses is not supported."}}'),
    "gone": (410, b'{"error":"gone"}'),
    "of the model": (404, b'{"error":{"message":"Model m has no responses API"}}'),
}  # fmt: skip


def provider(server: ScriptedUpstream, name: str = "x", **more: Any) -> BackendSpec:
    key = f"openai/{name}" if name else "openai"
    return BackendSpec(
        key, "openai", name, server.url, auth="bearer", api_key=Secret("sk-1"), allow_http=True, **more
    )  # fmt: skip


def local(server: ScriptedUpstream) -> BackendSpec:
    return BackendSpec("local/box", "local", "box", server.url)


def only_chat(status: int, body: bytes) -> Callable[[Received], Reply]:
    """A server that has Chat alone, and says so in its own way."""

    def answer(received: Received) -> Reply:
        if received.path != PATHS[CHAT]:
            return Reply(status, JSON, body=body)
        if received.json().get("stream"):
            return Reply(200, {"content-type": "text/event-stream"}, body=STREAM[CHAT]("from chat"))
        return Reply(200, JSON, body=WHOLE[CHAT]("from chat"))

    return answer


def posted(server: ScriptedUpstream) -> list[str]:
    return [r.path for r in server.requests if r.method == "POST"]


@pytest.mark.parametrize("said", SAID)
@pytest.mark.parametrize("kind", [provider, local], ids=["provider", "local"])
def test_codex_works_on_a_chat_only_backend_whatever_its_unknown_path_says(
    kind: Callable[[ScriptedUpstream], BackendSpec], said: str
) -> None:
    async def main() -> None:
        with ScriptedUpstream() as server:
            server.always(only_chat(*SAID[said]))
            async with plane() as found:
                backend = kind(server)
                found.rules(rule("*", backend.key), backends=[backend])
                for _ in range(2):
                    got = await found.ask(PATHS[RESPONSES], ask(RESPONSES))
                    assert got.status == 200, got.body
                    assert text_of(RESPONSES, got.json()) == "from chat"
                    assert got.headers["x-pointsman-attempts"] == "1"
                streamed = await found.ask(PATHS[RESPONSES], ask(RESPONSES, stream=True))
                assert b"response.completed" in streamed.body
            assert posted(server) == [PATHS[RESPONSES], *[PATHS[CHAT]] * 3], "asked once, remembered"

    uvloop.run(main())


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, b'{"error":{"message":"Invalid URL in image_url","type":"invalid_request_error"}}'),
        (403, b'{"error":{"message":"Your region is not supported"}}'),
        (500, b'{"error":{"message":"it broke"}}'),
        (422, b'{"detail":[{"loc":["body"],"msg":"bad","input":"Invalid URL (POST /v1/responses)"}]}'),
    ],
)
def test_another_error_of_a_tried_path_stays_that_error(status: int, body: bytes) -> None:
    async def main() -> None:
        with ScriptedUpstream() as server:
            server.always(only_chat(status, body))
            async with plane() as found:
                found.rules(rule("*", "openai/x"), backends=[provider(server)])
                got = await found.ask(PATHS[RESPONSES], ask(RESPONSES))
                assert got.status == status
            assert PATHS[CHAT] not in posted(server)

    uvloop.run(main())


def test_a_model_that_is_nowhere_is_a_404_and_unlearns_nothing() -> None:
    """A 404 that speaks of the model may mean the path; the translated request shows that it did not."""
    body = (
        b'{"error":{"message":"model \\"m\\" not found","type":"not_found_error","code":"model_not_found"}}'
    )

    async def main() -> None:
        with ScriptedUpstream() as server:
            server.always(lambda received: Reply(404, JSON, body=body))
            async with plane() as found:
                found.rules(rule("*", "local/box"), backends=[local(server)])
                for _ in range(2):
                    got = await found.ask(PATHS[RESPONSES], ask(RESPONSES))
                    assert got.status == 404
                    assert got.json()["error"]["code"] == "model_not_found"
                    assert got.headers["x-should-retry"] == "false"
            assert posted(server) == [PATHS[RESPONSES], PATHS[CHAT]] * 2

    uvloop.run(main())


def test_a_translation_to_a_path_that_is_not_known_goes_on_to_the_next() -> None:
    """Tools of gpt-5.6 go by Responses; behind an unnamed credential's own URL that is only a try."""
    tool = {"name": "f", "input_schema": {"type": "object", "properties": {}}}

    async def main() -> None:
        with ScriptedUpstream() as server:
            server.always(only_chat(*SAID["FastAPI"]))
            async with plane() as found:
                found.rules(rule("*", "openai=gpt-5.6"), backends=[provider(server, "")])
                for _ in range(2):
                    got = await found.ask(PATHS[MESSAGES], ask(MESSAGES, tools=[tool]))
                    assert got.status == 200, got.body
                    assert text_of(MESSAGES, got.json()) == "from chat"
            assert posted(server) == [PATHS[RESPONSES], PATHS[CHAT], PATHS[CHAT]]

    uvloop.run(main())


def test_what_a_provider_does_not_know_is_believed_for_hours_a_local_servers_for_a_minute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def asked(kind: Callable[[ScriptedUpstream], BackendSpec]) -> int:
        with ScriptedUpstream() as server:
            server.always(only_chat(*SAID["FastAPI"]))
            async with plane() as found:
                backend = kind(server)
                found.rules(rule("*", backend.key), backends=[backend])
                await found.ask(PATHS[RESPONSES], ask(RESPONSES))
                monkeypatch.setattr(backend_module, "LEARNED_SECONDS", 0.0)
                await found.ask(PATHS[RESPONSES], ask(RESPONSES))
                monkeypatch.undo()
            return posted(server).count(PATHS[RESPONSES])

    assert uvloop.run(asked(provider)) == 1
    assert uvloop.run(asked(local)) == 2


async def told(found: Plane) -> str:
    rules = found.plane.rules
    assert rules is not None
    board = StatusBoard()
    board.take(found.plane.status(), 0.0)
    found_, _ = await explain(rules.snapshot, RoutingView(), board.health(0.0), "m", cold)
    return found_.targets[0].protocols[RESPONSES]


def test_explain_says_what_was_learned() -> None:
    async def main() -> None:
        with ScriptedUpstream() as server:
            server.always(only_chat(*SAID["FastAPI"]))
            async with plane() as found:
                found.rules(rule("*", "openai/x"), backends=[provider(server)])
                assert await told(found) == "as it is if it knows the path, else translated to openai_chat"
                await found.ask(PATHS[RESPONSES], ask(RESPONSES))
                assert await told(found) == "translated to openai_chat"
                found.rules(rule("*", "openai/x"), backends=[provider(server, dialects=(RESPONSES,))])
                assert await told(found) == "as it is"

    uvloop.run(main())
