"""Which program asked, and in which session: as the programs' own headers say it, in each record."""

from __future__ import annotations

import json

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from pointsman.practice import Reply, ScriptedUpstream
from pointsman.wire.http1 import RequestHead
from pointsman.wire.user_agent import MOST_CLIENT, client_of
from tests.gateway.plane import plane, rule
from tests.gateway.test_translation import CHAT, JSON, spec
from tests.vendor_bodies import chat
from tests.vendor_bodies.wire import encoded

AGENTS = {
    "claude-cli/2.1.197 (external, cli)": "claude-cli",
    "codex_cli_rs/0.171.0 (Ubuntu 24.4.0; x86_64) vscode/1.9": "codex_cli_rs",
    "OpenAI/Python 3.57.0": "openai-python",
    "AsyncOpenAI/Python 3.57.0": "openai-python",
    "Anthropic/JS 0.70.1": "anthropic-js",
    "ls/JS 5.23.2": "sdk-js",  # Continue's cn 1.5, whose build renamed the SDK's class
    "$Ce/JS 6.1.0": "sdk-js",
    "opencode/1.0.2 ai-sdk/provider-utils/3.0.17 runtime/bun/1.3": "opencode",
    "ai-sdk/openai-compatible/1.0.0": "ai-sdk-openai-compatible",
    "python-httpx/0.28.1": "python-httpx",
    "async-http-client/1.2": "async-http-client",
    "curl/8.5.0": "curl",
    "my tool": "my",
    "2fa/1": "2fa",
    "<script>/1": "script",
    "": "",
}


def head(agent: bytes) -> RequestHead:
    found = RequestHead.__new__(RequestHead)
    found.get = {b"user-agent": agent}.get
    return found


@pytest.mark.parametrize("agent", AGENTS)
def test_a_program_is_named_without_its_version(agent: str) -> None:
    assert client_of(head(agent.encode())) == AGENTS[agent]


@given(st.binary(max_size=400))
def test_whatever_it_calls_itself_the_name_is_short_and_plain(agent: bytes) -> None:
    name = client_of(head(agent))
    assert len(name) <= MOST_CLIENT
    assert name == name.lower()
    assert name.isascii()
    assert all(one.isalnum() or one in "._+-" for one in name)


def test_each_record_says_which_program_asked_and_in_which_session() -> None:
    body = encoded(chat.whole({"content": "hello"}))
    asked = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    claude = ("user-agent: claude-cli/2.1.197 (external, cli)", "x-claude-code-session-id: 11-22")
    codex = ("user-agent: codex_cli_rs/0.171.0 (Linux)", "session_id: 33-44")

    async def main() -> None:
        with ScriptedUpstream() as first:
            first.always(Reply(200, JSON, body=body))
            async with plane() as found:
                found.rules(rule("*", "local/box"), backends=[spec(first, CHAT)])
                path = "/v1/chat/completions"
                for headers in (claude, codex, ()):
                    await found.ask(path, asked, *headers)
                lanes = found.lanes
                await found.ask(path, asked, *claude)
                assert found.lanes == lanes + 1, "the way of most requests"
                await found.ask(
                    path, json.dumps(asked).encode()[:-4], *codex
                )  # no JSON: it fails before it is known
                records = await found.recorded(5)
        told = [(one.client, one.session) for one in records]
        known = ("claude-cli", "11-22"), ("codex_cli_rs", "33-44")
        assert told == [*known, ("", None), known[0], known[1]]

    uvloop.run(main())
