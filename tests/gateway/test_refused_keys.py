"""A stored key that is refused: whose it is, who refused it, what sets it; and that nobody repeats it in vain."""

from __future__ import annotations

from typing import Any

import pytest
import uvloop

from pointsman.practice import Reply, ScriptedUpstream
from pointsman.routing.specs import BackendSpec
from pointsman.secret import Secret
from tests.agents.model import CHAT, JSON, MESSAGES, RESPONSES

from .plane import Got, plane, rule
from .test_translation import PATHS, ask

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
        "", "Unauthorized",
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
