"""What a local engine gets of a request is the same bytes each time, in every process: prefix caches live by it. Of what an agent
sends only Claude Code's attribution line, which changes, is taken out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from pointsman.dialects.capsule import Capsules
from pointsman.dialects.registry import DIALECTS
from pointsman.kinds import Protocol
from pointsman.providers.profiles import profile_for
from pointsman.routing.specs import BackendSpec
from pointsman.translation.crossing import Asked, Crossing
from pointsman.wire.http1 import parse_head
from pointsman.wire.key_mask import KeyMask

LOCAL = BackendSpec("local/box", "local", "box", "http://127.0.0.1:1")
SPOKEN = [Protocol.OPENAI_CHAT, Protocol.OPENAI_RESPONSES]
LINE = "x-anthropic-billing-header: cc_version=2.1; cch={};"


def body(attribution: str, turns: int = 1) -> dict[str, Any]:
    schema = {
        "type": "object",
        "properties": {
            "b": {"type": "string", "pattern": "\\d"},
            "a": {"type": "array", "uniqueItems": True},
        },
        "required": ["b", "a"],
    }
    messages: list[dict[str, Any]] = [{"role": "user", "content": "go"}]
    for turn in range(turns):
        call = {"type": "tool_use", "id": f"toolu_{turn}", "name": "look", "input": {"b": "1", "a": [turn]}}
        result = {"type": "tool_result", "tool_use_id": f"toolu_{turn}", "content": f"found {turn}"}
        messages += [{"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]
    system = [{"type": "text", "text": text} for text in (attribution, "You are an agent.") if text]
    tools = [
        {"name": name, "description": name, "input_schema": schema} for name in ("look", "n" * 80, "b.c")
    ]
    return {"model": "m", "max_tokens": 9, "system": system, "tools": tools, "messages": messages}


def sent(spoken: Protocol, given: dict[str, Any], request_id: str = "req_1") -> bytes:
    """As a local engine of that protocol gets it."""
    half = DIALECTS[Protocol.ANTHROPIC_MESSAGES].translation
    assert half is not None
    head = parse_head(b"POST /v1/messages HTTP/1.1\r\nhost: h\r\n\r\n", 100)
    asked = Asked(half, json.dumps(given).encode(), head, request_id, Capsules(b"k" * 32))
    profile = profile_for(LOCAL, spoken, "m")
    client = DIALECTS[Protocol.ANTHROPIC_MESSAGES]
    return Crossing(asked, client, DIALECTS[spoken], profile, None, KeyMask(b"")).body


@pytest.mark.parametrize("spoken", SPOKEN)
def test_the_changing_line_is_taken_out_and_nothing_else(spoken: Protocol) -> None:
    without = sent(spoken, body(""))
    assert sent(spoken, body(LINE.format(1))) == without
    assert sent(spoken, body(LINE.format(2)), "req_2") == without
    assert sent(spoken, body("An own line.")) != without
    assert b"You are an agent." in without
    assert b"cch=" not in without


@pytest.mark.parametrize("spoken", SPOKEN)
def test_a_longer_conversation_begins_with_the_bytes_of_the_shorter_one(spoken: Protocol) -> None:
    last = sent(spoken, body(LINE.format(0)))
    for turns in range(2, 6):
        longer = sent(spoken, body(LINE.format(turns), turns), f"req_{turns}")
        before, after = json.loads(last), json.loads(longer)
        key = "messages" if spoken is Protocol.OPENAI_CHAT else "input"
        assert after[key][: len(before[key])] == before[key]
        assert list(after) == list(before)
        assert {**after, key: 0} == {**before, key: 0}
        last = longer


@pytest.mark.parametrize("spoken", SPOKEN)
def test_every_process_writes_the_same_bytes(spoken: Protocol) -> None:
    code = (
        "import sys; from pointsman.kinds import Protocol; from tests.translation.test_same_bytes import body, sent, LINE;"
        f"sys.stdout.buffer.write(sent(Protocol({spoken.value!r}), body(LINE.format(7), 3)))"
    )
    here = sent(spoken, body(LINE.format(8), 3))
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        made = subprocess.run(
            [sys.executable, "-c", code], env=environment, check=True, capture_output=True, timeout=60
        )
        assert made.stdout == here
