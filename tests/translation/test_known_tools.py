"""Declarations of tools that are remembered: the same bytes and losses as when read anew, bounded, and changed by nobody."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from pointsman.conversation.known import MOST_MADE, KnownList
from pointsman.conversation.request import Tool
from pointsman.dialects import tool_memory
from pointsman.dialects.capsule import Capsules
from pointsman.dialects.memory import Memory
from pointsman.dialects.registry import DIALECTS
from pointsman.dialects.tool_memory import MEMORY, MOST_BYTES, MOST_LISTS
from pointsman.errors import PointsmanError
from pointsman.kinds import Protocol
from pointsman.providers.profiles import profile_for
from pointsman.routing.specs import BackendSpec
from pointsman.translation.crossing import Asked, Crossing
from pointsman.wire.http1 import parse_head
from pointsman.wire.key_mask import KeyMask
from tests.bench import translated_payloads as payloads

CHAT, MESSAGES, RESPONSES = Protocol.OPENAI_CHAT, Protocol.ANTHROPIC_MESSAGES, Protocol.OPENAI_RESPONSES
PATHS = {CHAT: payloads.CHAT, MESSAGES: payloads.MESSAGES, RESPONSES: payloads.RESPONSES}
PAIRS = [(client, backend) for client in PATHS for backend in PATHS if client is not backend]
BACKENDS = (
    BackendSpec("local/box", "local", "box", "http://127.0.0.1:9001"),
    BackendSpec("openai", "openai", "", "https://api.openai.com/v1"),
    BackendSpec("anthropic", "anthropic", "", "https://api.anthropic.com"),
)
MODELS = {"local/box": "m", "openai": "gpt-5.1", "anthropic": "claude-opus-4-6"}


@pytest.fixture(autouse=True)
def nothing_known() -> Iterator[None]:
    MEMORY.clear()
    yield
    MEMORY.clear()


def asked(client: Protocol, body: dict[str, Any], strict: bool = False) -> Asked:
    mark = b"x-pointsman-strict: 1\r\n" if strict else b""
    head = parse_head(b"POST /v1/x HTTP/1.1\r\nhost: a\r\n" + mark + b"\r\n", 100)
    half = DIALECTS[client].translation
    assert half is not None
    return Asked(half, json.dumps(body).encode(), head, "req_1", Capsules(b"k"))


def crossed(read: Asked, client: Protocol, backend: Protocol, spec: BackendSpec) -> tuple[bytes, bytes]:
    profile = profile_for(spec, backend, MODELS[spec.key])
    made = Crossing(read, DIALECTS[client], DIALECTS[backend], profile, None, KeyMask(b""))
    return made.body, made.warnings


def results(client: Protocol, backend: Protocol, body: dict[str, Any]) -> list[tuple[bytes, bytes]]:
    return [crossed(asked(client, body), client, backend, spec) for spec in BACKENDS]


def agents(client: Protocol) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(payloads.agent(PATHS[client], 45_000).bodies[0])
    return body


@pytest.mark.parametrize(("client", "backend"), PAIRS)
def test_what_is_remembered_gives_the_same_bytes_and_losses(client: Protocol, backend: Protocol) -> None:
    body = agents(client)
    first = results(client, backend, body)
    assert len(MEMORY) == 1
    assert results(client, backend, body) == first
    MEMORY.clear()
    assert results(client, backend, body) == first


@pytest.mark.parametrize(("client", "backend"), PAIRS)
def test_nothing_changes_what_is_remembered(client: Protocol, backend: Protocol) -> None:
    body = agents(client)
    asked(client, body)
    (known,) = MEMORY.values()
    before = msgspec.json.encode(list(known))
    mark: dict[str, Any] = {"cache_control": {"type": "ephemeral"}}
    choices: list[dict[str, Any]] = [
        {},
        {"tool_choice": "required" if client is not MESSAGES else {"type": "any"}},
    ]
    if client is MESSAGES:
        choices.append({"system": [{"type": "text", "text": "s", **mark}]})
    if client is CHAT:
        choices.append(
            {"functions": [{"name": "older", "parameters": {"type": "object"}}], "tools": body["tools"]}
        )
    for more in choices:
        results(client, backend, body | more)
    assert msgspec.json.encode(list(known)) == before
    assert MEMORY.get([(client, known.text)])[0] is known


def test_tools_that_differ_in_one_letter_are_other_tools() -> None:
    body = agents(MESSAGES)
    results(MESSAGES, CHAT, body)
    other = copy.deepcopy(body)
    other["tools"][3]["description"] += "!"
    told = [json.loads(made) for made, _ in results(MESSAGES, CHAT, other)]
    assert all(one["tools"][3]["function"]["description"].endswith("!") for one in told)
    assert len(MEMORY) == 2


def test_each_target_and_each_room_left_has_its_own() -> None:
    """A format uses up room for strict schemas, and each model takes another share of them."""
    body = agents(MESSAGES)
    for tool in body["tools"]:
        tool["strict"] = True
    schema = {
        "type": "object",
        "properties": {f"p{at}": {"type": "string"} for at in range(20)},
        "additionalProperties": False,
    }
    form = {"output_config": {"format": {"type": "json_schema", "schema": schema}}}
    for more in ({}, form, {"tool_choice": {"type": "tool", "name": payloads.CALLED}}):
        MEMORY.clear()
        anew = [made for backend in (CHAT, RESPONSES) for made in results(MESSAGES, backend, body | more)]
        MEMORY.clear()
        results(MESSAGES, CHAT, body)
        results(MESSAGES, RESPONSES, body | form)
        again = [made for backend in (CHAT, RESPONSES) for made in results(MESSAGES, backend, body | more)]
        assert again == anew


def test_a_strict_request_is_refused_for_its_first_loss_known_tools_or_not() -> None:
    body = agents(MESSAGES)
    for tool in body["tools"]:
        tool["strict"] = True
    results(MESSAGES, CHAT, body)
    with pytest.raises(PointsmanError) as known:
        crossed(asked(MESSAGES, body, strict=True), MESSAGES, CHAT, BACKENDS[1])
    MEMORY.clear()
    with pytest.raises(PointsmanError) as anew:
        crossed(asked(MESSAGES, body, strict=True), MESSAGES, CHAT, BACKENDS[1])
    assert (known.value.public, known.value.param) == (anew.value.public, anew.value.param)


@pytest.mark.parametrize(
    "more",
    [
        {"type": "web_search_20250305", "name": "web_search"},
        {"type": "code_execution_20250825", "name": "code_execution"},
        {"name": "odd", "input_schema": {"type": "object"}, "surprise": 1},
    ],
    ids=["search", "server tool", "a loss"],
)
def test_a_list_of_which_something_is_told_is_read_each_time(more: dict[str, Any]) -> None:
    body = agents(MESSAGES)
    body["tools"].append(more)
    first, second = asked(MESSAGES, body), asked(MESSAGES, body)
    assert len(MEMORY) == 0
    assert first.read_warnings == second.read_warnings


def test_the_memory_is_bounded_and_forgets_the_least_recently_used() -> None:
    memory: Memory[object, KnownList[Tool]] = Memory(MOST_LISTS, MOST_BYTES)
    keys = [(CHAT, b"%d" % at) for at in range(MOST_LISTS + 5)]
    for key in keys:
        memory.put(key, len(key[1]), KnownList([Tool("t")], key[1]))
        memory.get(keys[:1])
    assert len(memory) == MOST_LISTS
    assert [one is not None for one in memory.get(keys[:2])] == [True, False]
    memory.put("large", MOST_BYTES - 10, KnownList([]))
    memory.put("small", 11, KnownList([]))
    assert memory.bytes <= MOST_BYTES
    assert memory.get(["small"]) == [[]]
    memory.clear()
    assert (len(memory), memory.bytes) == (0, 0)


def test_results_of_one_list_are_bounded() -> None:
    known = KnownList([Tool("t")])
    made = [known.once(at, lambda: [None]) for at in range(MOST_MADE)]
    assert all(known.once(at, lambda: [None]) is made[at] for at in range(MOST_MADE))
    known.once("more", lambda: [None])
    assert known.once(0, lambda: [None]) is not made[0]


def test_large_and_tiny_lists_are_not_kept() -> None:
    body = agents(CHAT)
    body["tools"][0]["function"]["description"] = "x" * tool_memory._LARGEST
    asked(CHAT, body)
    body["tools"] = [{"type": "function", "function": {"name": "t"}}]
    asked(CHAT, body)
    assert len(MEMORY) == 0
