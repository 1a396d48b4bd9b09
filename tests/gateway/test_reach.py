"""How clients and what stands between reach the gateway: paths joined wrongly, proxies' request targets, streams that must
not be buffered, clients that try a WebSocket first."""

from __future__ import annotations

import asyncio

import pytest
import uvloop

from pointsman.practice import Pause, Reply, ScriptedUpstream
from tests.agents.model import CHAT, JSON, MESSAGES, RESPONSES, SSE, STREAM, WHOLE

from .plane import Got, got, plane, rule
from .test_translation import PATHS, ask, spec

FORMS = [
    "//v1{}", "/v1/{}", "/v1{}/", "///v1//v1{}//", "http://localhost/v1{}", "HTTP://LOCALHOST:8080//v1{}/",
    "http://127.0.0.1:1/v1{}?a=b",
]  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("client", PATHS)
def test_a_path_that_was_joined_wrongly_or_named_in_full_is_served(client: str, form: str) -> None:
    async def main() -> tuple[Got, list[str]]:
        with ScriptedUpstream() as server:
            server.always(Reply(200, JSON, body=WHOLE[client]("hello")))
            async with plane() as found:
                found.rules(rule("*", "local/box"), backends=[spec(server, client)])
                answer = await found.ask(form.format(PATHS[client].removeprefix("/v1")), ask(client))
            return answer, [one.path for one in server.requests if one.method == "POST"]

    answer, asked = uvloop.run(main())
    assert answer.status == 200, answer.body
    assert asked == [PATHS[client]]


@pytest.mark.parametrize(
    "target", ["//livez", "http://localhost/livez", "http://localhost/v1/models/", "//v1/models"]
)
def test_the_gateways_own_pages_too(target: str) -> None:
    assert uvloop.run(get(target)).status == 200


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("http://evil.example/livez", 403),
        ("http:///livez", 400),
        ("http://user@localhost/livez", 400),
        ("https://localhost/livez", 400),
        ("ftp://localhost/livez", 400),
        ("localhost:80", 400),
        ("http://localhost/a/../livez", 400),
        ("http://localhost", 307),
    ],
)
def test_a_full_target_is_judged_by_its_own_host(target: str, status: int) -> None:
    """RFC 9112, 3.3: of an absolute target the Host header is ignored, so it must not let it in."""
    assert uvloop.run(get(target)).status == status


async def get(target: str, *headers: str) -> Got:
    async with plane() as found:
        found.rules(backends=[])
        return await found.ask(target, b"", *headers, method="GET")


@pytest.mark.parametrize("client", PATHS)
@pytest.mark.parametrize("upstream", PATHS)
@pytest.mark.parametrize("said", [{}, {"x-accel-buffering": "yes", "cache-control": "no-store"}])
def test_nobody_on_the_way_is_to_keep_events_back(client: str, upstream: str, said: dict[str, str]) -> None:
    async def main() -> Got:
        with ScriptedUpstream() as server:
            server.always(Reply(200, {**SSE, **said}, parts=[STREAM[upstream]("hello")]))
            async with plane() as found:
                found.rules(rule("*", "local/box"), backends=[spec(server, upstream)])
                return await found.ask(PATHS[client], ask(client, stream=True))

    answer = uvloop.run(main())
    assert answer.headers["x-accel-buffering"] == "no"
    assert answer.headers["cache-control"].startswith("no-")


def test_nor_keep_alives_before_an_answer() -> None:
    async def main() -> Got:
        with ScriptedUpstream() as server:
            server.always(Reply(200, SSE, parts=[Pause(0.4), STREAM[CHAT]("hello")]))
            async with plane(hold_seconds=0.1) as found:
                found.rules(rule("*", "local/box"), backends=[spec(server, CHAT)])
                return await found.ask(PATHS[CHAT], ask(CHAT, stream=True))

    answer = uvloop.run(main())
    assert (answer.headers["x-accel-buffering"], answer.headers["cache-control"]) == ("no", "no-cache")


UPGRADE = ("upgrade: websocket", "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==", "sec-websocket-version: 13")


@pytest.mark.parametrize(
    "path", ["/v1/responses", "/responses", "/v1/realtime?model=m", "/v1/chat/completions"]
)
def test_a_client_that_tries_a_websocket_is_told_at_once_to_go_on_by_http(path: str) -> None:
    """Codex waited 7.8 s for its retries; with a 426 it posts at once."""

    async def main() -> Got:
        async with plane() as found:
            found.rules(backends=[])
            reader, writer = await found.connect()
            lines = [f"GET {path} HTTP/1.1", "host: localhost", "connection: Upgrade", *UPGRADE]
            writer.write("\r\n".join(lines).encode() + b"\r\n\r\n")
            answer = got(await asyncio.wait_for(reader.readuntil(b"}}"), 20))
            writer.close()
            return answer

    answer = uvloop.run(main())
    assert answer.status == 426
    assert answer.headers["upgrade"] == "HTTP/1.1"
    assert "POST" in answer.json()["error"]["message"]


@pytest.mark.parametrize("client", [RESPONSES, MESSAGES])
def test_an_upgrade_beside_a_post_is_ignored(client: str) -> None:
    """RFC 9110, 7.8: a server may ignore it; some HTTP libraries offer h2c with each request."""

    async def main() -> Got:
        with ScriptedUpstream() as server:
            server.always(Reply(200, JSON, body=WHOLE[client]("hello")))
            async with plane() as found:
                found.rules(rule("*", "local/box"), backends=[spec(server, client)])
                return await found.ask(
                    PATHS[client], ask(client), "upgrade: h2c", "http2-settings: AAMAAABkAAQ"
                )

    assert uvloop.run(main()).status == 200
