"""What a record says of a session's prompt: from which byte on it is another one than at its last turn."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
import uvloop

from pointsman.gateway.prompts import LastPrompts
from pointsman.practice import Reply, ScriptedUpstream
from pointsman.practice.scripted import Received
from pointsman.routing.specs import BackendSpec
from tests.vendor_bodies import chat
from tests.vendor_bodies.wire import encoded

from .plane import Plane, plane, rule
from .test_translation import CHAT, JSON, MESSAGES, PATHS, RESPONSES, spec

CLAUDE, CODEX = "x-claude-code-session-id: s1", "session_id: s1"
ANSWER = Reply(200, JSON, body=encoded(chat.whole({"content": "hello there"})))
LIST = Reply(200, JSON, body=encoded({"object": "list", "data": [{"id": "m", "object": "model"}]}))
WHOSE = (None, "s1", "local/box:m")


def answer(received: Received) -> Reply:
    return LIST if received.method == "GET" else ANSWER


def asked(client: str, *turns: str, system: str = "Be kind.") -> dict[str, Any]:
    messages = [
        {"role": "assistant" if number % 2 else "user", "content": text} for number, text in enumerate(turns)
    ]
    if client == RESPONSES:
        return {"model": "m", "instructions": system, "input": messages}
    if client == MESSAGES:
        return {"model": "m", "max_tokens": 50, "system": system, "messages": messages}
    return {"model": "m", "messages": [{"role": "system", "content": system}, *messages]}


WAYS = {"lane": (), "full way": ("x-pointsman-no-fallback: 1",), "again": ("idempotency-key: k",)}


async def warm(found: Plane, client: str) -> int:
    """How many requests it took until one had the lane: what a server can is learned first."""
    for count in range(1, 1000):
        assert (await found.ask(PATHS[client], asked(client, "hi"))).status == 200
        if found.lanes:
            return count
        await asyncio.sleep(0.002)
    raise AssertionError("no lane")


@pytest.mark.parametrize("client", [CHAT, MESSAGES, RESPONSES])
@pytest.mark.parametrize("way", WAYS)
def test_a_turn_says_where_its_prompt_changed(client: str, way: str) -> None:
    said = CODEX if client == RESPONSES else CLAUDE
    turns: list[tuple[list[str], str]] = [
        (["hi"], "Be kind."),
        (["hi", "yes?", "go on"], "Be kind."),
        (["hi", "yes?", "go on", "on", "further"], "Be kind. It is 12:01."),
    ]

    async def main() -> None:
        with ScriptedUpstream() as server:
            server.always(answer)
            async with plane() as found:
                found.rules(rule("*", "local/box"), backends=[spec(server, CHAT)])
                before = await warm(found, client) if way == "lane" else 0
                server.requests.clear()
                for number, (texts, system) in enumerate(turns):
                    headers = [one.replace("k", f"k{number}") if "idem" in one else one for one in WAYS[way]]
                    got = await found.ask(PATHS[client], asked(client, *texts, system=system), said, *headers)
                    assert got.status == 200
                one, two, three = (await found.recorded(before + 3))[before:]
                sent = [request.body for request in server.requests if request.body]
                assert (one.changed_at, one.changed_in) == (None, None)
                assert two.changed_at is not None
                assert sent[0][: two.changed_at] == sent[1][: two.changed_at]
                assert sent[0][two.changed_at :].startswith(b"]")
                assert two.changed_in is None
                assert three.changed_at is not None
                assert sent[2][three.changed_at :].startswith(b" It is 12:01.")
                assert three.changed_in == "messages[0].content"
                if way == "lane":
                    assert found.lanes > 2

    uvloop.run(main())


def test_only_what_a_local_server_is_sent_of_a_named_session_is_compared() -> None:
    async def main() -> None:
        with ScriptedUpstream() as server:
            server.always(answer)
            cloud = BackendSpec("openai/x", "openai", "x", server.url, (CHAT,), allow_http=True)
            async with plane() as found:
                found.rules(
                    rule("m", "local/box"),
                    rule("cloud", "openai/x"),
                    backends=[spec(server, CHAT), cloud],
                )
                for model, *headers in (("m",), ("m",), ("cloud", CLAUDE), ("cloud", CLAUDE)):
                    await found.ask(PATHS[CHAT], asked(CHAT, "hi") | {"model": model}, *headers)
                assert all(one.changed_at is None for one in await found.recorded(4))
                assert found.plane.prompts.bytes == 0
                other = "x-claude-code-session-id: s2"
                for session in (CLAUDE, other, CLAUDE):
                    await found.ask(PATHS[CHAT], asked(CHAT, "hi"), session)
                last = (await found.recorded(7))[4:]
                assert [one.changed_at is None for one in last] == [True, True, False]
                assert last[2].changed_at == len(server.requests[-1].body), "nothing changed"

    uvloop.run(main())


def test_an_agent_that_asks_two_things_by_turns_has_neither_told_as_changed() -> None:
    kept = LastPrompts()

    def body(*texts: str) -> bytes:
        return json.dumps({"messages": [{"role": "user", "content": one} for one in texts]}).encode()

    for count in range(1, 5):
        for who in "main", "helper":
            found = kept.next(WHOSE, body(who, *map(str, range(count))))
        assert found is None or count == 1 or found[1] == ""


def test_prompts_that_are_kept_are_bounded() -> None:
    kept = LastPrompts(most_bytes=10_000)
    for number in range(1000):
        for letter in b"abcdefg":
            kept.next((None, f"s{number}", "t"), bytes([letter]) * 900)
            assert kept.bytes <= 10_000
    assert kept.bytes == sum(len(one) for some in kept._kept.values() for one in some)
    assert kept.next((None, "s999", "t"), b"g" * 900) == (900, "")
    kept.next((None, "large", "t"), b"x" * 3_000_000)
    assert kept.bytes <= 10_000
