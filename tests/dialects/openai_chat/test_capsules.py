"""Reasoning details that we told, taken out on the way to a backend of this protocol."""

from __future__ import annotations

import json
from typing import Any

import pytest
import uvloop

from pointsman.dialects.openai_chat.capsules import without_capsules
from pointsman.practice import Reply, ScriptedUpstream
from tests.agents.model import CHAT, JSON, MESSAGES, WHOLE
from tests.gateway.plane import plane, rule
from tests.gateway.test_translation import PATHS, ask, spec
from tests.vendor_bodies import messages as vendor
from tests.vendor_bodies.wire import encoded

OURS = {"type": "reasoning.text", "text": "hm", "format": "pointsman-v1", "index": 0, "signature": "pm1.x.y"}
THEIRS = {
    "type": "reasoning.text",
    "text": "hm",
    "format": "anthropic-claude-v1",
    "index": 0,
    "signature": "s",
}


def body(*details: Any, **layout: Any) -> bytes:
    turn = {"role": "assistant", "reasoning_details": list(details), "content": "ok é pm1. pointsman-v1"}
    user = {"role": "user", "content": "hi"}
    return json.dumps({"model": "m", "messages": [user, turn, user], "n": 1.50}, **layout).encode()


@pytest.mark.parametrize("layout", [{}, {"indent": 2}, {"separators": (",", ":")}])
def test_ours_are_taken_out_and_nothing_else(layout: dict[str, Any]) -> None:
    found = json.loads(without_capsules(body(OURS, {**OURS, "index": 1}, **layout)) or b"")
    wanted = json.loads(body(OURS))
    del wanted["messages"][1]["reasoning_details"]
    assert found == wanted


@pytest.mark.parametrize("details", [(), (THEIRS,), (OURS, THEIRS), ("pm1.",), (None,)])
def test_what_is_not_ours_stays(details: tuple[Any, ...]) -> None:
    assert without_capsules(body(*details)) is None


@pytest.mark.parametrize(
    "raw", [b'{"messages":"pointsman-v1"}', b'{"messages":["pointsman-v1"]}', b'{"x":"pointsman-v1"}', b"{}"]
)
def test_what_is_no_conversation_passes(raw: bytes) -> None:
    assert without_capsules(raw) is None


def test_a_session_that_moves_to_a_chat_server_brings_it_nothing_of_ours() -> None:
    thought = {"type": "thinking", "thinking": "Hm.", "signature": "s1"}
    call = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}
    first = Reply(200, JSON, body=encoded(vendor.whole([thought, call], "tool_use")))

    async def main() -> tuple[Any, Any]:
        with ScriptedUpstream() as claude, ScriptedUpstream() as other:
            claude.always(first)
            other.always(Reply(200, JSON, body=WHOLE[CHAT]("bye")))
            backends = [spec(claude, MESSAGES, "claude"), spec(other, CHAT, "other")]
            async with plane() as found:
                found.rules(rule("*", "local/claude"), backends=backends)
                answer = (await found.ask(PATHS[CHAT], ask(CHAT))).json()["choices"][0]["message"]
                result = {"role": "tool", "tool_call_id": answer["tool_calls"][0]["id"], "content": "r"}
                turns = [{"role": "user", "content": "hi"}, answer, result]
                found.rules(rule("*", "local/other"), backends=backends)
                got = await found.ask(PATHS[CHAT], ask(CHAT, messages=turns))
                assert got.status == 200
            return turns, [one for one in other.requests if one.method == "POST"][-1].json()["messages"]

    turns, sent = uvloop.run(main())
    assert turns[1].pop("reasoning_details")
    assert sent == turns
