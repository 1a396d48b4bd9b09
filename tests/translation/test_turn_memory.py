"""Turns that are remembered: the same request, bytes and losses as when read anew, apart by caller and place, bounded, and
changed by nobody."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.conversation.parts import Opaque, Thinking
from pointsman.conversation.request import Message
from pointsman.dialects import tool_memory, turn_memory
from pointsman.dialects.body_memory import BODIES
from pointsman.dialects.capsule import Capsules
from pointsman.dialects.memory import Memory
from pointsman.dialects.registry import DIALECTS
from pointsman.dialects.turn_memory import MEMORY, MOST_BYTES
from pointsman.errors import PointsmanError
from pointsman.kinds import Protocol
from pointsman.providers.profiles import profile_for
from pointsman.routing.specs import BackendSpec
from pointsman.translation.crossing import Asked, Crossing
from pointsman.translation.reasoning_store import KeptReasoning, ReasoningStore, Thoughts
from pointsman.wire.http1 import parse_head
from pointsman.wire.key_mask import KeyMask
from tests.bench import translated_payloads as payloads

CHAT, MESSAGES, RESPONSES = Protocol.OPENAI_CHAT, Protocol.ANTHROPIC_MESSAGES, Protocol.OPENAI_RESPONSES
PATHS = {CHAT: payloads.CHAT, MESSAGES: payloads.MESSAGES, RESPONSES: payloads.RESPONSES}
OTHERS = {CHAT: (MESSAGES, RESPONSES), MESSAGES: (CHAT, RESPONSES), RESPONSES: (CHAT, MESSAGES)}
BOX = BackendSpec("local/box", "local", "box", "http://127.0.0.1:9001")
HEAD = parse_head(b"POST /v1/x HTTP/1.1\r\nhost: a\r\n\r\n", 100)
AGENT = {client: json.loads(payloads.agent(path, 60_000).bodies[0]) for client, path in PATHS.items()}


@pytest.fixture(autouse=True)
def nothing_known() -> Iterator[None]:
    forget()
    yield
    forget()


def history(client: Protocol) -> str:
    """The member that has the turns."""
    return "input" if client is RESPONSES else "messages"


def forget() -> None:
    MEMORY.clear()
    tool_memory.MEMORY.clear()
    BODIES.clear()


def compact(body: dict[str, Any]) -> bytes:
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()


def asked(client: Protocol, body: bytes, caller: str = "1") -> Asked:
    half = DIALECTS[client].translation
    assert half is not None
    return Asked(half, body, HEAD, "req_1", Capsules(b"k"), caller=caller)


def crossed(client: Protocol, read: Asked, backend: Protocol) -> tuple[bytes, bytes]:
    profile = profile_for(BOX, backend, "m")
    made = Crossing(read, DIALECTS[client], DIALECTS[backend], profile, None, KeyMask(b""))
    return made.body, made.warnings


def said(read: Asked) -> bytes:
    """All but the body that it was read from."""
    return msgspec.json.encode(msgspec.structs.replace(read.request, raw={}))


def told(client: Protocol, body: bytes) -> object:
    """What becomes of it, or the words of the refusal."""
    try:
        read = asked(client, body)
        return said(read), *(crossed(client, read, backend) for backend in OTHERS[client])
    except PointsmanError as error:
        return error.public


def kept() -> list[Message]:
    return MEMORY.values()


@pytest.mark.parametrize("client", PATHS)
def test_a_turn_that_is_known_gives_the_same(client: Protocol) -> None:
    body = compact(AGENT[client])
    first = told(client, body)
    known = kept()
    assert len(known) > 10
    assert told(client, body) == first
    assert [id(one) for one in kept()] == [id(one) for one in known]
    forget()
    assert told(client, json.dumps(AGENT[client]).encode()) == first
    assert not MEMORY  # not as most clients write it


@pytest.mark.parametrize("client", PATHS)
def test_a_longer_history_begins_with_the_bytes_of_the_shorter(client: Protocol) -> None:
    longer, turns = AGENT[client], history(client)
    shorter = longer | {turns: longer[turns][: -4 if client is RESPONSES else -3]}
    for backend in OTHERS[client]:
        forms = []
        for body in (shorter, longer):
            made = json.loads(crossed(client, asked(client, compact(body)), backend)[0])
            forms.append(compact({"turns": made[history(backend)]})[:-2])
        assert forms[1].startswith(forms[0])


@pytest.mark.parametrize("client", PATHS)
def test_nobody_changes_a_turn_that_is_known(client: Protocol) -> None:
    """Not even who puts reasoning, or ids of calls, back into it."""
    body = compact(AGENT[client])
    asked(client, body)
    before = msgspec.json.encode(kept())
    calls = [part.id for turn in kept() for part in turn.parts if type(part).__name__ == "ToolCall"]
    store = ReasoningStore()
    thought = Thinking(
        "Hm.", Opaque("anthropic_messages", {"type": "thinking", "thinking": "Hm.", "signature": "s"})
    )
    store.put("1", calls[:1], Thoughts(((thought, (0, 0)),), 0))
    store.put_id("1", calls[1], "another")
    read = asked(client, body)
    KeptReasoning(store, "1").restore(read.request, ordered=False)
    parts = [part for message in read.request.messages for part in message.parts]
    assert thought in parts
    assert sum(getattr(part, "id", "") == "another" for part in parts) == 1
    assert sum(getattr(part, "call_id", "") == "another" for part in parts) == 1
    for backend in OTHERS[client]:
        crossed(client, read, backend)
    assert msgspec.json.encode(kept()) == before
    assert said(asked(client, body)) == said(asked(client, body, "2"))


def test_another_caller_and_another_place_know_nothing_of_it() -> None:
    body = compact(AGENT[MESSAGES])
    asked(MESSAGES, body)
    size = len(MEMORY)
    asked(MESSAGES, body, "2")
    assert len(MEMORY) == 2 * size
    moved = AGENT[MESSAGES] | {
        "messages": [{"role": "user", "content": "first"}, *AGENT[MESSAGES]["messages"]]
    }
    read = asked(MESSAGES, compact(moved))
    assert read.request.messages[3].parts[0].path == "messages[3].content[0]"


@pytest.mark.parametrize(
    "twin",
    [
        b'{"role":"user","role":"user","content":"a"}',
        b'{"role":"user","content":[{"type":"text","text":"a","text":"b"}]}',
    ],
)
def test_a_key_twice_is_refused_beside_what_is_known(twin: bytes) -> None:
    body = compact(AGENT[MESSAGES])
    asked(MESSAGES, body)
    wrong = body.replace(b'"messages":[', b'"messages":[' + twin + b",")
    with pytest.raises(PointsmanError, match="stands twice"):
        asked(MESSAGES, wrong)
    with pytest.raises(PointsmanError, match="stands twice"):
        asked(MESSAGES, body[:-1] + b',"max_tokens":1}')


def chat_call(call_id: str) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": "f", "arguments": ' {"x": 1}'}}


SAID = {"type": "output_text", "text": "said", "annotations": []}
CITED = {
    **SAID,
    "annotations": [
        {"type": "url_citation", "url": "https://a.example/b", "title": "t", "start_index": 0, "end_index": 2}
    ],
}
CALL = {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"}
ITEMS: list[dict[str, Any]] = [
    {"role": "user", "content": "words"},
    {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "caf\u00e9"}]},
    {
        "type": "message",
        "role": "user",
        "content": [{"type": "input_image", "image_url": "https://a.example/b"}],
    },
    {"type": "message", "role": "user", "content": []},
    {"type": "message", "role": "assistant", "content": [SAID]},
    {"type": "message", "role": "assistant", "content": [SAID, SAID], "id": "msg_1", "status": "completed"},
    {"type": "message", "role": "assistant", "content": [CITED]},
    {"type": "message", "role": "assistant", "content": [{**SAID, "text": ""}]},
    {"type": "message", "role": "assistant", "content": []},
    {"type": "message", "role": "assistant", "content": [SAID], "phase": "commentary"},
    {"type": "message", "role": "assistant", "content": "no", "phase": "final_answer"},
    {"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]},
    {"type": "message", "role": "developer", "content": "rules"},
    {"role": "system", "content": [{"type": "input_text", "text": "more rules"}]},
    {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
    {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "opaque=="},
    CALL,
    {**CALL, "call_id": "b_pmAbCd01", "id": "fc_1", "status": "completed"},
    {**CALL, "arguments": None, "colour": "red"},
    {"type": "custom_tool_call", "call_id": "c", "name": "patch", "input": "*** Begin"},
    {"type": "function_call_output", "call_id": "a", "output": "r"},
    {
        "type": "function_call_output",
        "call_id": "b_pmAbCd01",
        "output": [{"type": "input_text", "text": "r"}],
    },
    {"type": "custom_tool_call_output", "call_id": "c", "output": "done"},
    {
        "type": "local_shell_call",
        "id": "lsh_1",
        "call_id": "s",
        "status": "completed",
        "action": {"type": "exec", "command": ["ls"]},
    },
    {"type": "local_shell_call_output", "id": "lsh_1", "output": "files"},
    {
        "type": "web_search_call",
        "id": "ws_1",
        "status": "completed",
        "action": {"type": "search", "query": "q"},
    },
    {
        "type": "additional_tools",
        "tools": [{"type": "function", "name": "g", "parameters": {}, "strict": False}],
    },
    {"type": "item_reference", "id": "msg_1"},
    {"id": "msg_1"},
    {"type": "message", "role": "wrong", "content": "r"},
    {"role": "user"},
]
TURNS: list[dict[str, Any]] = [
    {"role": "user", "content": "words"},
    {
        "role": "user",
        "content": [{"type": "text", "text": "caf\u00e9", "cache_control": {"type": "ephemeral"}}],
    },
    {"role": "user", "content": ""},
    {"role": "user", "content": [{"type": "text", "text": "odd", "colour": "red"}]},
    {"role": "assistant", "content": "said"},
    {"role": "assistant", "content": [{"type": "thinking", "thinking": "t", "signature": "s"}]},
    {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1.50}}]},
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": "r"}]},
    {"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": "https://a.example/b"}}]},
    {"role": "system", "content": "later"},
    {"role": "tool", "tool_call_id": "a", "content": "r"},
    {"role": "tool", "tool_call_id": "a_pmAbCd01", "content": "r"},
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a_pmAbCd01", "content": "r"}]},
    {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": "a", "content": "r"},
            {"type": "text", "text": "and"},
        ],
    },
    {"role": "assistant", "content": None, "tool_calls": [chat_call("a")]},
    {"role": "assistant", "content": "so", "tool_calls": [chat_call("a_pmAbCd01"), chat_call("a")]},
    {
        "role": "assistant",
        "content": [
            {"type": "tool_use", "id": "a_pmAbCd01", "name": "a tool of too long a name" * 4, "input": {}}
        ],
    },
    {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
    {"role": "function", "name": "f", "content": "r"},
    {"role": "wrong", "content": "r"},
    {"role": "user"},
]


SHELL: list[dict[str, Any]] = [
    {"type": "local_shell"},
    *(
        {"type": "function", "name": f"f{i}", "parameters": {"type": "object"}, "strict": False}
        for i in range(8)
    ),
]


def histories(most: int) -> st.SearchStrategy[tuple[Protocol, list[Any]]]:
    """Of any client."""
    turns = st.tuples(
        st.sampled_from([CHAT, MESSAGES]), st.lists(st.sampled_from(TURNS), min_size=1, max_size=most)
    )
    items = st.tuples(st.just(RESPONSES), st.lists(st.sampled_from(ITEMS), min_size=1, max_size=most))
    return turns | items


def asking(client: Protocol) -> dict[str, Any]:
    """A body without its turns, large enough that those are remembered."""
    if client is RESPONSES:
        return {"model": "m", "store": False, "tools": SHELL, "instructions": "x" * turn_memory.SMALLEST}
    return {"model": "m", "max_tokens": 9, "metadata": {"user_id": "x" * turn_memory.SMALLEST}}


@given(histories(7), st.integers(0, 4))
def test_any_history_gives_what_it_gives_without_memory(found: tuple[Protocol, list[Any]], more: int) -> None:
    """Also one that is refused, or of which something is lost; and after another that begins like it."""
    client, turns = found
    body = asking(client) | {history(client): turns}
    forget()
    first = told(client, compact(body))
    assert told(client, compact(body)) == first
    told(client, compact(body | {history(client): turns[:more]}))
    assert told(client, compact(body)) == first
    assert told(client, json.dumps(body).encode()) == first  # with spaces: read without the memory


@given(histories(9))
def test_a_history_that_grows_gives_what_it_gives_without_memory(found: tuple[Protocol, list[Any]]) -> None:
    """Turn by turn, as an agent's does; and once more with another turn at its end."""
    client, turns = found
    body, name = asking(client), history(client)
    bodies = [compact(body | {name: turns[: at + 1]}) for at in range(len(turns))]
    bodies.append(compact(body | {name: [*turns[:-1], {"role": "user", "content": "else"}]}))
    without = []
    for one in bodies:
        forget()
        without.append(told(client, one))
    forget()
    assert [told(client, one) for one in bodies] == without
    assert [told(client, one) for one in reversed(bodies)] == without[::-1]


def test_bounds() -> None:
    memory: Memory[bytes, str] = Memory(turn_memory.MOST_TURNS, MOST_BYTES)
    half = MOST_BYTES // 2 - 10
    memory.put(b"a", half, "A")
    memory.put(b"b", half, "B")
    assert memory.get([b"a"]) == ["A"]  # now the second is the least recently used
    memory.put(b"c", half, "C")
    assert memory.get([b"a", b"b", b"c"]) == ["A", None, "C"]
    assert memory.bytes == 2 * half
