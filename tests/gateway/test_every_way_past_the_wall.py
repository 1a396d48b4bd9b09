"""Every way past a wall (`local_only`, of a rule and of a client key), tried with a prompt that must not leave, beside a cloud
that listens: it gets no byte and, where nothing else goes there, no connection."""

from __future__ import annotations

import gzip
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvloop

from pointsman.practice import CUT, Pause, Received, Reply
from pointsman.routing.specs import BackendSpec
from tests.agents.model import CHAT, JSON, MESSAGES, PATHS, RESPONSES, WHOLE
from tests.translation.test_stuck import STUCK, body

from .plane import got, rule
from .test_handing_over import PHRASE
from .walled import ALL, CANARY, OPEN, PROMPTS, WALLED, Scene, posts, prompt, scene, well

WALLS = pytest.mark.parametrize("wall", ["rule", "key"])
SPELLINGS = [
    "secret", "secret[1m]", "Secret", "SECRET[1M]", "secret:latest", "secret:cloud", "secret-cloud", "secret@sha256:0",
    "openai/secret", "local/here:secret", "openai/away:secret", "https://x.test/secret", "models/secret.", "%73ecret",
    "\uff53ecret", "se\u200bcret", " secret ", "secret:free", "secret.gguf", "a/b/secret:q4_k_m",
]  # fmt: skip
STREAMS = {
    "/v1/chat/completions",
    "/v1/responses",
    "/v1/messages",
    "/v1/completions",
    "/api/chat",
    "/api/generate",
}


def played(wall: str, work: Callable[[Scene], Awaitable[None]], **limits: Any) -> None:
    async def main() -> None:
        async with scene(wall, **limits) as found:
            await work(found)

    uvloop.run(main())


@WALLS
@pytest.mark.parametrize("path", PROMPTS)
def test_no_spelling_on_no_path(wall: str, path: str) -> None:
    async def work(found: Scene) -> None:
        found.build()
        answered = 0
        for name in SPELLINGS:
            for stream in (False, True) if path in STREAMS else (False,):
                answer = await found.ask(path, prompt(path, name, stream=stream))
                answered += answer.status == 200
        found.nothing_left()
        assert answered
        assert CANARY in str([one.body for one in posts(found.here)]) or "count" in path
        other = await found.found.ask(path, prompt(path, "open"), f"authorization: Bearer {OPEN}")
        if wall == "rule":  # the way is one: without the wall it leaves
            assert posts(found.away) or other.status >= 400

    played(wall, work)


BROKEN: dict[str, Callable[[Received], Reply]] = {
    "500": lambda _: Reply(500, JSON, body=b'{"error":{"message":"broken"}}'),
    "429": lambda _: Reply(429, {**JSON, "retry-after": "0"}, body=b'{"error":{"message":"slow down"}}'),
    "401": lambda _: Reply(401, JSON, body=b'{"error":{"message":"no key"}}'),
    "no such model": lambda _: Reply(404, JSON, body={"error": {"message": "model 'secret' not found"}}),
    "too long": lambda _: Reply(
        400, JSON, body={"error": {"message": "maximum context length is 10 tokens", "code": "context_length_exceeded"}}
    ),
    "refused": lambda _: Reply(400, JSON, body={"error": {"message": "blocked", "code": "content_filter"}}),
    "cut": lambda _: Reply(200, JSON, before=[CUT]),
    "nonsense": lambda _: Reply(200, JSON, body=b"<html>"),
    "in circles": lambda got: (
        Reply(200, JSON, body=WHOLE[PATHS[got.path]](PHRASE * 400)) if got.path in PATHS else Reply(404)
    ),
    "slow": lambda got: Reply(200, JSON, parts=[Pause(0.15), WHOLE[PATHS[got.path]]("late")]) if got.path in PATHS else Reply(404),
}  # fmt: skip


@WALLS
@pytest.mark.parametrize("how", BROKEN)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses", "/v1/messages", "/api/chat"])
def test_no_failure_of_the_server_here(wall: str, how: str, path: str) -> None:
    """With every reason to go on, and a hedge."""

    async def work(found: Scene) -> None:
        found.here.always(lambda got: BROKEN[how](got) if got.method == "POST" else well(got))
        more: dict[str, Any] = {"fallback_on": ALL, "stop_loops": True}
        if wall == "key":
            more["hedge_seconds"] = 0.02
        found.build("local/here", "openai/away", **more)
        for stream in (False, True):
            await found.ask(path, prompt(path, stream=stream))
        found.build("openai/away", "local/here", "local/there", **more)
        await found.ask(path, prompt(path))
        found.nothing_left()

    played(wall, work)


@WALLS
@pytest.mark.parametrize("protocol", [CHAT, RESPONSES, MESSAGES])
def test_no_conversation_that_does_not_get_on(wall: str, protocol: str) -> None:
    path = next(path for path, one in PATHS.items() if one == protocol)

    async def work(found: Scene) -> None:
        found.build("local/here", "openai/away", "local/there", fallback_on=("stuck",), stop_loops=True)
        for stream in (False, True):
            for turns, _ in STUCK.values():
                asked = {**body(protocol, turns), "model": "secret", "stream": stream}
                answer = await found.ask(path, asked)
                assert answer.headers["x-pointsman-target"] == "local/there:secret"
        found.build("local/here", "openai/away", fallback_on=("stuck",), stop_loops=True)
        asked = {**body(protocol, next(iter(STUCK.values()))[0]), "model": "secret"}
        answer = await found.ask(path, asked)
        assert answer.headers["x-pointsman-target"] == "local/here:secret"
        found.nothing_left()

    played(wall, work)


@WALLS
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_of_the_server_here(wall: str, status: int) -> None:
    """Neither does the gateway follow it, nor is a client told where to go: SDKs follow with the whole prompt."""

    async def work(found: Scene) -> None:
        to = {"location": f"{found.away.url}/v1/chat/completions", "refresh": f"0; url={found.away.url}"}
        found.here.always(lambda _: Reply(status, to))
        walls = {"local_only": True} if wall == "rule" else {}
        found.serve(rule("secret", "local/here", **walls))
        for path in PROMPTS:
            answer = await found.ask(path, prompt(path))
            assert answer.status == 200 or answer.status >= 400, path
            assert "location" not in answer.headers
        for path in ("/v1/models", "/api/tags", "/v1/models/secret"):
            answer = await found.ask(path, b"", method="GET")
            assert "location" not in answer.headers
        found.nothing_left()

    played(wall, work)


@WALLS
def test_no_header_and_no_target_that_a_client_names(wall: str) -> None:
    async def work(found: Scene) -> None:
        found.build()
        path = "/v1/chat/completions"
        away = f"127.0.0.1:{found.away.port}"
        for line in (
            "x-pointsman-target: openai/away", "x-pointsman-backend: openai/away", "x-pointsman-model: open",
            "x-pointsman-no-fallback: 1", "x-pointsman-strict: 1", "x-pointsman-local-only: 0",
            f"x-forwarded-host: {away}", f"forwarded: host={away}", f"x-original-url: http://{away}{path}",
            "x-http-method-override: GET", "x-stainless-helper-method: stream", "anthropic-beta: x", "prefer: respond-async",
        ):  # fmt: skip
            await found.ask(path, prompt(path), line)
        for there in (f"http://{away}{path}", f"//{away}{path}", f"{path}?model=open&base_url=http://{away}"):
            await found.ask(there, prompt(path))
        for raw in (
            b'{"model":"open","model":"secret",%b}', b'{"model":"secret","model":"secret",%b}', b'{"\\u006dodel":"secret",%b}',
        ):  # fmt: skip
            if wall == "key" or b'"open"' not in raw:
                inside = json.dumps(PROMPTS[path])[1:-1].encode()
                await found.ask(path, raw % inside)
        zipped = gzip.compress(json.dumps(prompt(path)).encode())
        assert (await found.ask(path, zipped, "content-encoding: gzip")).status == 200
        large = prompt(path, messages=[{"role": "user", "content": CANARY + "x" * 3_000_000}])
        assert (await found.ask(path, large)).status == 200
        found.nothing_left()

    played(wall, work)


def test_a_name_that_stands_twice_is_the_one_that_the_backend_reads() -> None:
    """`{"model": "open", "model": "secret"}`: JSON's readers take the last."""

    async def work(found: Scene) -> None:
        found.build()
        inside = json.dumps(PROMPTS["/v1/chat/completions"])[1:-1].encode()
        for raw in (b'{"model":"open","model":"secret",%b}', b'{"model":"secret","model":"open",%b}'):
            answer = await found.ask("/v1/chat/completions", raw % inside)
            target = answer.headers.get("x-pointsman-target", "")
            sent = {json.loads(one.body)["model"] for one in posts(found.away)}
            assert "secret" not in sent, (raw, target)

    played("rule", work)


@WALLS
def test_no_request_behind_one_that_may_leave_on_one_connection(wall: str) -> None:
    """A lane's memory of a head, and requests that come at once."""

    async def work(found: Scene) -> None:
        found.build()
        path = "/v1/chat/completions"
        reader, writer = await found.found.connect()
        for _ in range(5):
            for key, name, said in (
                (OPEN, "open", "free"),
                (WALLED if wall == "key" else OPEN, "secret", CANARY),
            ):
                raw = json.dumps({"model": name, "messages": [{"role": "user", "content": said}]}).encode()
                head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\n"
                writer.write(f"{head}content-length: {len(raw)}\r\n\r\n".encode() + raw)
        writer.write(b"GET /livez HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        assert got(await reader.read()).status == 200
        writer.close()
        assert not any(CANARY.encode() in one.body for one in found.away.requests)
        assert sum(CANARY.encode() in one.body for one in found.here.requests) == 5

    played(wall, work)


@WALLS
def test_no_answer_that_was_made_before_the_wall(wall: str) -> None:
    """By its id, by `previous_response_id`, by an Idempotency-Key, and a conversation that stays (`stick`)."""

    async def work(found: Scene) -> None:
        found.serve(rule("*", "openai/away", "local/here", stick=True))
        key = f"authorization: Bearer {WALLED if wall == 'key' else OPEN}"
        asked = {"model": "secret", "input": "begin", "store": True}
        if wall == "key":  # its own wall came later
            found.found.rules(
                rule("*", "openai/away", "local/here", stick=True), backends=[*found.local, found.cloud]
            )
        session, once = "x-claude-code-session-id: s1", "idempotency-key: k1"
        begun = await found.found.ask("/v1/responses", asked, key, session, once)
        chat = await found.found.ask(
            "/v1/chat/completions",
            {"model": "secret", "messages": [{"role": "user", "content": "begin"}]},
            key,
        )
        assert (begun.status, chat.status) == (200, 200)
        before, connections = len(found.away.requests), found.away.connections
        assert before
        name = begun.json()["id"]
        found.build("openai/away", "local/here", stick=True)
        for verb in ("", "/input_items", "/cancel"):
            await found.found.ask(
                f"/v1/responses/{name}{verb}", b"", key, method="POST" if verb == "/cancel" else "GET"
            )
        more = prompt("/v1/responses", previous_response_id=name)
        await found.found.ask("/v1/responses", more, key, session)
        await found.found.ask("/v1/responses", asked, key, session, once)
        turns = [
            {"role": "user", "content": "begin"},
            {"role": "assistant", "content": "hello"},
            {"role": "user", "content": CANARY},
        ]
        told = await found.found.ask("/v1/chat/completions", {"model": "secret", "messages": turns}, key)
        assert told.headers["x-pointsman-target"].startswith("local/here:")
        await found.found.ask(f"/v1/responses/{name}", b"", key, method="DELETE")
        assert len(found.away.requests) == before, found.away.requests[before:]
        assert found.away.connections == connections

    played(wall, work)


def test_no_turn_among_equals_and_no_key_of_another() -> None:
    async def work(found: Scene) -> None:
        found.serve(
            rule(
                "*", "openai/away", "local/here", "local/there", spread=True, weights=(100, 1, 1), stick=True
            )
        )
        for number in range(12):
            answer = await found.ask(
                "/v1/chat/completions", prompt("/v1/chat/completions"), f"x-claude-code-session-id: s{number}"
            )
            assert answer.headers["x-pointsman-target"].startswith("local/")
        found.nothing_left()
        word = "idempotency-key: one"
        path, asked = "/v1/chat/completions", prompt("/v1/chat/completions")
        await found.ask(path, asked, word)
        found.nothing_left()

    played("key", work)


def test_what_a_walled_key_is_shown_is_what_it_may_use() -> None:
    async def work(found: Scene) -> None:
        found.serve(
            rule("far", "openai/away"),
            rule("near", "local/here", "openai/away", id=2),
            rule("*", "openai/away", id=3),
        )
        for path, key, name in (("/v1/models", "data", "id"), ("/api/tags", "models", "name")):
            listed = (await found.ask(path, b"", method="GET")).json()[key]
            assert [one[name].removesuffix(":latest") for one in listed] == ["near"]
        for name in ("far", "else"):
            assert (await found.ask(f"/v1/models/{name}", b"", method="GET")).status == 403
            refused = await found.ask("/v1/chat/completions", prompt("/v1/chat/completions", name))
            assert (refused.status, "only models on this computer" in refused.body.decode()) == (403, True)
        assert not posts(found.away)

    played("key", work)


@WALLS
def test_no_address_in_a_prompt_is_followed_by_the_gateway(wall: str) -> None:
    """A picture, a file, an MCP server: what a request names is never fetched here. What the local server does with it is
    another matter (docs/walls.md)."""

    async def work(found: Scene) -> None:
        found.build("local/here")
        there = f"{found.away.url}/{CANARY}.png"
        chat = [
            {"type": "image_url", "image_url": {"url": there}},
            {"type": "file", "file": {"file_id": there}},
        ]
        items = [{"type": "input_image", "image_url": there}, {"type": "input_file", "file_url": there}]
        blocks = [{"type": kind, "source": {"type": "url", "url": there}} for kind in ("image", "document")]
        mcp = {"type": "mcp", "server_label": "x", "server_url": there, "require_approval": "never"}
        for path, more in {
            "/v1/chat/completions": {
                "messages": [{"role": "user", "content": chat}],
                "web_search_options": {},
            },
            "/v1/responses": {
                "input": [{"role": "user", "content": items}],
                "tools": [mcp, {"type": "web_search"}],
            },
            "/v1/messages": {
                "messages": [{"role": "user", "content": blocks}],
                "mcp_servers": [{"type": "url", "url": there, "name": "x"}],
                "tools": [{"type": "web_search_20250305", "name": "web_search"}],
            },
        }.items():
            for spoken in ((CHAT,), (MESSAGES,), (RESPONSES,)):
                one = BackendSpec("local/here", "local", "here", found.here.url, spoken)
                walls = {"local_only": True} if wall == "rule" else {}
                found.serve(rule("secret", "local/here", **walls), backends=[one, found.cloud])
                await found.ask(path, prompt(path, **more))
        found.nothing_left()

    played(wall, work)


@WALLS
def test_a_provider_s_row_on_this_computer_is_no_local_server(wall: str) -> None:
    """A relay to a cloud listens on loopback, too: the wall asks for the kind of a backend, not for its address alone."""

    async def work(found: Scene) -> None:
        walls = {"local_only": True} if wall == "rule" else {}
        found.serve(rule("secret", "openai/away", **walls))
        answer = await found.ask("/v1/chat/completions", prompt("/v1/chat/completions"))
        assert answer.status >= 400
        found.nothing_left()

    played(wall, work)
