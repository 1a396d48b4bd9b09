"""A stored key that is refused: whose it is, who refused it, what sets it; and that nobody repeats it in vain."""

from __future__ import annotations

import json
from typing import Any

import pytest
import uvloop

from pointsman.practice import Reply, ScriptedUpstream
from pointsman.routing.specs import BackendSpec
from pointsman.secret import Secret
from tests.agents.model import CHAT, JSON, MESSAGES, RESPONSES, WHOLE

from .plane import Got, plane, rule
from .test_translation import PATHS, ask, text_of

ANTHROPICS = b'{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}}'
OPENAIS = b'{"error":{"message":"Incorrect API key provided","type":"invalid_request_error","code":"invalid_api_key"}}'
KEY = Secret("sk-1")


def cloud(server: ScriptedUpstream, type: str = "openai", name: str = "x", **more: Any) -> BackendSpec:
    key = f"{type}/{name}" if name else type
    more = {"auth": "bearer", "api_key": KEY, **more}
    return BackendSpec(key, type, name, server.url, allow_http=True, **more)


def local(server: ScriptedUpstream, **more: Any) -> BackendSpec:
    return BackendSpec("local/box", "local", "box", server.url, dialects=(CHAT,), **more)


def one(client: str, spec: Any, reply: Reply, *headers: str, **rules: Any) -> tuple[Got, str]:
    """Also the backend's origin."""

    async def main() -> tuple[Got, str]:
        with ScriptedUpstream() as server:
            server.always(reply)
            backend = spec(server)
            async with plane() as found:
                found.rules(rule("*", backend.key, **rules), backends=[backend])
                return await found.ask(PATHS[client], ask(client), *headers), server.url

    return uvloop.run(main())


CASES = {
    "Claude Code at Anthropic": (
        MESSAGES, lambda s: cloud(s, "anthropic", ""), Reply(401, JSON, body=ANTHROPICS),
        "pointsman credential set anthropic.", "invalid API key",
    ),
    "Claude Code at a Chat provider": (
        MESSAGES, lambda s: cloud(s, dialects=(CHAT,)), Reply(401, JSON, body=OPENAIS),
        "pointsman credential set openai/x.", "Incorrect API key provided",
    ),
    "a Chat client at that provider": (
        CHAT, cloud, Reply(401, {**JSON, "x-should-retry": "true"}, body=OPENAIS),
        "pointsman credential set openai/x.", "Incorrect API key provided",
    ),
    "Codex and a key that may not": (
        RESPONSES, lambda s: cloud(s, dialects=(RESPONSES,)),
        Reply(403, JSON, body=b'{"error":{"message":"Project has no access to m."}}'),
        "pointsman credential set openai/x.", "Project has no access to m",
    ),
    "an account without credit": (
        CHAT, cloud, Reply(402, JSON, body=b'{"error":{"message":"Insufficient credits"}}'),
        "pointsman credential set openai/x.", "Insufficient credits",
    ),
    "a local server's key": (
        CHAT, lambda s: local(s, auth="bearer", api_key=KEY), Reply(401, body=b"Unauthorized"),
        "pointsman local update box --key.", "Unauthorized",
    ),
    "a local server that wants one": (
        MESSAGES, local, Reply(401, JSON, body=b'{"error":"Unauthorized"}'),
        "pointsman local update box --key.", "wants a key, and none is stored for local/box (401: Unauthorized)",
    ),
    "a local server that does not allow it": (
        CHAT, local, Reply(403, JSON, body=b'{"error":{"message":"not from here"}}'), "", "not from here",
    ),
    "an error inside a 200": (
        CHAT, cloud, Reply(200, JSON, body=b'{"error":{"message":"bad key","code":401}}'),
        "pointsman credential set openai/x.", "bad key",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_refused_stored_key_says_whose_it_is_by_whom_and_what_sets_it(case: str) -> None:
    client, spec, reply, command, words = CASES[case]
    got, url = one(client, spec, reply)
    status = 401 if reply.status == 200 else reply.status
    assert got.status == status
    assert got.headers["x-should-retry"] == "false"
    assert got.headers["content-type"] == "application/json"
    value = got.json()
    text = value["error"]["message"]
    assert words in text
    assert "x-api-key" not in text, "Claude Code shows a text of its own in place of one with that"
    if command:
        assert text.endswith(command)
        assert url in text
    else:
        assert text == words, "no key was sent, and the words are the server's own"
    if client == MESSAGES:
        assert value["type"] == "error"
        assert value["error"]["type"] == "authentication_error"


GEMINI = b'[{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT"}}]'
XAI = b'{"code":"Client specified an invalid argument","error":"Incorrect API key provided: sk***z."}'
POOR = b'{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the API."}}'
IN_WORDS = {
    "Gemini": ("openai", CHAT, GEMINI, "refused the key", "(400: API key not valid. Please pass a valid API key)"),
    "Gemini for Claude Code": ("openai", MESSAGES, GEMINI, "refused the key", "(400: API key not valid."),
    "xAI": ("openai", CHAT, XAI, "refused the key", "(400: Incorrect API key provided: sk***z)"),
    "Anthropic": ("anthropic", MESSAGES, POOR, "cannot pay", "(400: Your credit balance is too low"),
    "Anthropic for Codex": ("anthropic", RESPONSES, POOR, "cannot pay", "(400: Your credit balance is too low"),
}  # fmt: skip


@pytest.mark.parametrize("case", IN_WORDS)
def test_a_key_that_is_refused_with_a_bad_requests_status_is_a_refused_key(case: str) -> None:
    """Gemini, xAI, and Anthropic for an account without money answer 400; it was told as the client's own mistake, and as a
    429 to OpenAI's clients, which they repeat."""
    type, client, body, what, words = IN_WORDS[case]
    dialects = (MESSAGES,) if type == "anthropic" else (CHAT,)
    got, url = one(client, lambda s: cloud(s, type, dialects=dialects), Reply(400, JSON, body=body))
    text = got.json()["error"]["message"]
    assert got.status in (400, 429)
    assert got.headers["x-should-retry"] == "false"
    assert what in text
    assert words in text
    assert url in text
    assert text.endswith(f"pointsman credential set {type}/x.")


def test_and_the_next_target_serves() -> None:
    async def main() -> None:
        with ScriptedUpstream() as first, ScriptedUpstream() as second:
            first.always(Reply(400, JSON, body=GEMINI))
            second.always(Reply(200, JSON, body=WHOLE[CHAT]("from the second")))
            async with plane() as found:
                backends = [cloud(first, name="a"), cloud(second, name="b")]
                found.rules(rule("*", "openai/a", "openai/b"), backends=backends)
                for _ in range(2):
                    got = await found.ask(PATHS[CHAT], ask(CHAT))
                    assert (got.status, text_of(CHAT, got.json())) == (200, "from the second")
            assert len([r for r in first.requests if r.method == "POST"]) == 1, "the key is benched"

    uvloop.run(main())


@pytest.mark.parametrize(
    "message",
    [
        "'temperature' is wrong, got \"API key not valid\"",
        'messages: the text "incorrect api key provided" is long',
    ],
)
def test_a_mistake_that_quotes_such_words_is_the_clients_own(message: str) -> None:
    reply = Reply(400, JSON, body=json.dumps({"error": {"message": message}}).encode())
    got, _ = one(CHAT, cloud, reply)
    assert (got.status, got.json()["error"]["message"]) == (400, message)


def test_a_clients_own_login_that_is_refused_comes_back_untouched() -> None:
    """Its client logs in anew and repeats: nothing may keep it from that."""
    got, _ = one(
        MESSAGES, lambda s: cloud(s, "anthropic", ""), Reply(401, JSON, body=ANTHROPICS),
        "authorization: Bearer sk-ant-oat01-x", "anthropic-version: 2023-06-01", forward_auth=True,
    )  # fmt: skip
    assert (got.status, got.body) == (401, ANTHROPICS)
    assert "x-should-retry" not in got.headers


@pytest.mark.parametrize("client", [CHAT, MESSAGES])
@pytest.mark.parametrize(
    ("status", "told"),
    [(400, "false"), (404, "false"), (413, "false"), (422, "false"), (501, "false"),
     (408, None), (409, None), (429, None), (500, None), (529, None)],
)  # fmt: skip
def test_what_would_end_the_same_way_again_says_so(client: str, status: int, told: str | None) -> None:
    reply = Reply(status, JSON, body=b'{"error":{"message":"no"}}')
    got, _ = one(client, lambda s: cloud(s, dialects=(CHAT,)), reply)
    assert got.headers.get("x-should-retry") == told


def test_a_spent_account_is_not_asked_ten_times() -> None:
    body = b'{"error":{"message":"You exceeded your current quota","code":"insufficient_quota"}}'
    got, _ = one(CHAT, cloud, Reply(429, JSON, body=body))
    assert (got.status, got.headers["x-should-retry"]) == (429, "false")
    assert got.body == body


def test_what_the_upstream_says_of_repeating_is_its_own_affair() -> None:
    got, _ = one(
        CHAT, cloud, Reply(404, {**JSON, "x-should-retry": "true"}, body=b'{"error":{"message":"no"}}')
    )
    assert got.headers["x-should-retry"] == "true"


def test_a_refused_key_is_no_reason_to_give_up_where_another_target_may_recover() -> None:
    async def main() -> None:
        with ScriptedUpstream() as first, ScriptedUpstream() as second:
            first.always(Reply(401, JSON, body=OPENAIS))
            second.always(Reply(503, JSON, body=b'{"error":{"message":"busy"}}'))
            async with plane() as found:
                backends = [cloud(first, name="a"), cloud(second, name="b")]
                found.rules(rule("*", "openai/a", "openai/b"), backends=backends)
                got = await found.ask(PATHS[CHAT], ask(CHAT))
                assert got.status == 503
                assert got.headers.get("x-should-retry") != "false"

    uvloop.run(main())
