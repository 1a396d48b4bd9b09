"""Reasoning that its maker wants back: what reaches the backend on the next turn, whatever the client could carry."""

from __future__ import annotations

import json
from typing import Any

import pytest
import uvloop

from pointsman.practice import Received, Reply, ScriptedUpstream
from tests.agents.model import CHAT, JSON, MESSAGES, RESPONSES, SSE, WHOLE
from tests.vendor_bodies import chat, messages
from tests.vendor_bodies.wire import encoded, named

from .plane import Plane, plane, rule
from .test_translation import PATHS, ask, spec

CARRIERS = [MESSAGES, RESPONSES]


class Client:
    """One that runs a tool: its history, and what it drops of an answer before it sends it back. drop: keys of a Chat
    message, types of blocks or items."""

    def __init__(self, protocol: str, *drop: str, **more: Any) -> None:
        self.protocol = protocol
        self.drop = drop
        self.more = more
        self.turns: list[Any] = [{"role": "user", "content": "hi"}]
        self.answer: Any = None

    async def ask(self, found: Plane, model: str = "m") -> None:
        key = "input" if self.protocol == RESPONSES else "messages"
        got = await found.ask(
            PATHS[self.protocol], ask(self.protocol, model=model, **{key: self.turns}, **self.more)
        )
        assert got.status == 200, got.body
        self.answer = got.json()
        if self.protocol == CHAT:
            self.turns += self._chat(self.answer["choices"][0]["message"])
        elif self.protocol == RESPONSES:
            self.turns += self._responses(self.answer["output"])
        else:
            self.turns += self._messages(self.answer["content"])

    def _chat(self, message: dict[str, Any]) -> list[Any]:
        kept = {key: value for key, value in message.items() if key not in self.drop}
        called = message.get("tool_calls") or []
        return [kept, *({"role": "tool", "tool_call_id": one["id"], "content": "done"} for one in called)]

    def _responses(self, output: list[Any]) -> list[Any]:
        called = [item["call_id"] for item in output if item["type"] == "function_call"]
        results = [{"type": "function_call_output", "call_id": one, "output": "done"} for one in called]
        return [*(item for item in output if item["type"] not in self.drop), *results]

    def _messages(self, content: list[Any]) -> list[Any]:
        called = [block["id"] for block in content if block["type"] == "tool_use"]
        results = [{"type": "tool_result", "tool_use_id": one, "content": "done"} for one in called]
        kept = [block for block in content if block["type"] not in self.drop]
        return [{"role": "assistant", "content": kept}, {"role": "user", "content": results}]


def last(server: ScriptedUpstream) -> Received:
    """The last that was asked of it; model lists are asked for at any time."""
    return [request for request in server.requests if request.method == "POST"][-1]


def next_turn(
    client: Client, upstream: str, first: Reply, model: str = "m", forgotten: bool = False
) -> Received:
    """What the backend gets when its first answer was replayed. forgotten: this process remembers nothing."""

    async def main() -> Received:
        with ScriptedUpstream() as server:
            async with plane() as found:
                found.rules(rule("*", "local/box"), backends=[spec(server, upstream)])
                server.always(first)
                await client.ask(found, model)
                if forgotten:
                    found.plane.reasoning.__init__()  # type: ignore[misc]
                server.always(Reply(200, JSON, body=WHOLE[upstream]("bye")))
                await client.ask(found, model)
            return last(server)

    return uvloop.run(main())


def streamed(*chunks: dict[str, Any]) -> Reply:
    raw = chat.stream(*map(chat.headed, chunks))
    return Reply(200, SSE, parts=[raw], framing="chunked")


def call(n: int, name: str = "f", **more: Any) -> dict[str, Any]:
    function = {"name": name, "arguments": "{}"}
    return {"index": n, "id": f"call_{n}", "type": "function", "function": function, **more}


def text(words: str, index: int = 0, **more: Any) -> dict[str, Any]:
    return {"type": "reasoning.text", "text": words, "format": "x-v1", "index": index, **more}


def sealed(data: str, index: int) -> dict[str, Any]:
    return {"type": "reasoning.encrypted", "data": data, "id": f"rs_{index}", "index": index}


def whole(message: dict[str, Any], finish: str = "tool_calls") -> Reply:
    return Reply(200, JSON, body=encoded(chat.whole(message, finish)))


# -- reasoning_details

FIRST = text("Let me think.", signature="sig0")
SUMMARY = {"type": "reasoning.summary", "summary": "I thought.", "index": 3}
PIECES: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]]]] = {
    "in pieces": (
        [
            chat.delta(reasoning="Let me ", reasoning_details=[text("Let me ")]),
            chat.delta(reasoning="think.", reasoning_details=[text("think.")]),
            chat.delta(reasoning_details=[{"type": "reasoning.text", "signature": "sig0", "index": 0}]),
        ],
        [FIRST],
    ),
    "without the plain words": (
        [
            chat.delta(reasoning_details=[text("Let me ")]),
            chat.delta(reasoning_details=[text("think.", signature="sig0")]),
        ],
        [FIRST],
    ),
    "several, some encrypted": (
        [
            chat.delta(reasoning="Let me think.", reasoning_details=[text("Let me think.")]),
            chat.delta(reasoning_details=[{"type": "reasoning.text", "signature": "sig0", "index": 0}]),
            chat.delta(reasoning_details=[sealed("AAA", 1), sealed("BBB", 2)]),
            chat.delta(reasoning="I thought.", reasoning_details=[SUMMARY]),
        ],
        [FIRST, sealed("AAA", 1), sealed("BBB", 2), SUMMARY],
    ),
    "after all words": (
        [chat.delta(reasoning="Let me "), chat.delta(reasoning="think."), chat.delta(reasoning_details=[FIRST])],
        [FIRST],
    ),
    "signed after the text began": (
        [
            chat.delta(reasoning_details=[text("Let me think.")]),
            chat.delta(content="Well"),
            chat.delta(reasoning_details=[{"type": "reasoning.text", "signature": "sig0", "index": 0}]),
            chat.delta(reasoning_details=[sealed("AAA", 1)]),
            chat.delta(content=" then."),
        ],
        [FIRST, sealed("AAA", 1)],
    ),
    "signed in every piece": (
        [
            chat.delta(reasoning_details=[text("Let me ", signature="sig0")]),
            chat.delta(reasoning_details=[text("think.", signature="sig0")]),
        ],
        [FIRST],
    ),
    "of a type that only its maker knows": (
        [
            chat.delta(reasoning_details=[text("Let me think.", signature="sig0")]),
            chat.delta(reasoning_details=[{"type": "reasoning.plan", "blob": "xx", "index": 1}]),
        ],
        [FIRST, {"type": "reasoning.plan", "blob": "xx", "index": 1}],
    ),
    "two thoughts under one index": (
        [
            chat.delta(reasoning_details=[text("One.", signature="sig0")]),
            chat.delta(reasoning_details=[text("Two")]),
            chat.delta(reasoning_details=[text(".", signature="sig1")]),
        ],
        [text("One.", signature="sig0"), text("Two.", signature="sig1")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("protocol", CARRIERS)
@pytest.mark.parametrize("name", PIECES)
def test_reasoning_details_told_in_pieces_all_come_back_in_order(protocol: str, name: str) -> None:
    pieces, wanted = PIECES[name]
    reply = streamed(*pieces, chat.delta(tool_calls=[call(0)]), chat.delta("tool_calls"))
    client = Client(protocol)
    sent = next_turn(client, CHAT, reply, forgotten=True).json()["messages"][1]
    assert sent["reasoning_details"] == wanted
    assert "reasoning" not in sent
    assert "reasoning_content" not in sent
    words = "".join(one.get("text") or one.get("summary") or "" for one in wanted)
    assert thoughts(protocol, client.turns) == words


def thoughts(protocol: str, turns: list[Any]) -> str:
    """The words of the first answer's thinking, each once."""
    if protocol == MESSAGES:
        return "".join(block.get("thinking", "") for block in turns[1]["content"])
    items = [item for item in turns if item.get("type") == "reasoning"]
    return "".join(part["text"] for item in items for part in item["summary"])


@pytest.mark.parametrize("protocol", CARRIERS)
@pytest.mark.parametrize("plain", ["Let me think.I thought.", "Let me think.\n\nI thought.", None])
def test_reasoning_details_of_a_whole_answer_come_back(protocol: str, plain: str | None) -> None:
    details = [FIRST, sealed("AAA", 1), SUMMARY]
    message = {"content": "ok", "reasoning": plain, "reasoning_details": details, "tool_calls": [call(0)]}
    sent = next_turn(Client(protocol), CHAT, whole(message), forgotten=True).json()["messages"][1]
    assert sent["reasoning_details"] == details


@pytest.mark.parametrize("protocol", CARRIERS)
def test_a_client_that_leaves_its_thinking_out_loses_none_of_it(protocol: str) -> None:
    message = {"content": "ok", "reasoning_details": [FIRST, sealed("AAA", 1)], "tool_calls": [call(0)]}
    client = Client(protocol, "thinking", "reasoning")
    sent = next_turn(client, CHAT, whole(message)).json()["messages"][1]
    assert sent["reasoning_details"] == [FIRST, sealed("AAA", 1)]


# -- signed calls

SIGNED = {"extra_content": {"google": {"thought_signature": "c2lnbmVk"}}}
DUMMY = {"google": {"thought_signature": "skip_thought_signature_validator"}}


@pytest.mark.parametrize("protocol", CARRIERS)
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("forgotten", [True, False])
def test_geminis_signature_comes_back_with_its_call(protocol: str, stream: bool, forgotten: bool) -> None:
    calls = [call(0, **SIGNED), call(1, "g")]
    if stream:
        reply = streamed(chat.delta(content="ok"), chat.delta(tool_calls=calls), chat.delta("tool_calls"))
    else:
        reply = whole({"content": "ok", "tool_calls": calls})
    drop = () if forgotten else ("thinking", "reasoning")
    sent = next_turn(Client(protocol, *drop), CHAT, reply, forgotten=forgotten).json()["messages"][1]
    first, second = sent["tool_calls"]
    assert first["extra_content"] == SIGNED["extra_content"]
    assert (first["id"], second["id"]) == ("call_0", "call_1")
    assert "extra_content" not in second
    assert "reasoning_details" not in sent


LATER: dict[str, list[list[dict[str, Any]]]] = {
    "with a later piece": [[call(0)], [{"index": 0, **SIGNED}]],
    "with a later piece, another call between": [[call(0)], [call(1, "g")], [{"index": 0, **SIGNED}]],
    "with a later piece, before another call": [[call(0)], [{"index": 0, **SIGNED}], [call(1, "g")]],
}


@pytest.mark.parametrize("protocol", CARRIERS)
@pytest.mark.parametrize("forgotten", [True, False])
@pytest.mark.parametrize("name", LATER)
def test_a_call_that_is_signed_after_it_began_comes_back_signed(
    name: str, protocol: str, forgotten: bool
) -> None:
    reply = streamed(*(chat.delta(tool_calls=piece) for piece in LATER[name]), chat.delta("tool_calls"))
    drop = () if forgotten else ("thinking", "reasoning")
    sent = next_turn(Client(protocol, *drop), CHAT, reply, forgotten=forgotten).json()["messages"][1]
    first, *others = sent["tool_calls"]
    assert first["extra_content"] == SIGNED["extra_content"]
    assert not any("extra_content" in one for one in others)


@pytest.mark.parametrize("protocol", CARRIERS)
def test_a_signature_where_litellm_tells_it_comes_back(protocol: str) -> None:
    signed = {"provider_specific_fields": {"thought_signature": "c2lnbmVk"}}
    reply = whole({"content": None, "tool_calls": [call(0, **signed), call(1, "g")]})
    sent = next_turn(Client(protocol), CHAT, reply, "gemini-3-pro").json()["messages"][1]
    assert [one.get("provider_specific_fields") for one in sent["tool_calls"]] == [*signed.values(), None]
    assert not any("extra_content" in one for one in sent["tool_calls"])


def test_flags_beside_a_thought_are_no_signature() -> None:
    flagged = {"extra_content": {"google": {"thought": True}}}
    reply = streamed(
        chat.delta(content="<thought>Hm.", **flagged),
        chat.delta(content="</thought>"),
        chat.delta(tool_calls=[call(0)]),
        chat.delta("tool_calls"),
    )
    client = Client(MESSAGES)
    sent = next_turn(client, CHAT, reply).json()["messages"][1]
    assert [block["type"] for block in client.turns[1]["content"]] == ["thinking", "tool_use"]
    assert "extra_content" not in sent


def test_geminis_signature_comes_back_though_thinking_is_switched_off() -> None:
    client = Client(MESSAGES, thinking={"type": "disabled"})
    sent = next_turn(client, CHAT, whole({"content": None, "tool_calls": [call(0, **SIGNED)]})).json()
    assert [block["type"] for block in client.turns[1]["content"]] == ["tool_use"]
    assert sent["messages"][1]["tool_calls"][0]["extra_content"] == SIGNED["extra_content"]


@pytest.mark.parametrize("stream", [True, False])
def test_a_signature_beside_a_text_comes_back_with_the_message(stream: bool) -> None:
    if stream:
        reply = streamed(chat.delta(content="ok"), chat.delta(**SIGNED), chat.delta("stop"))
    else:
        reply = whole({"content": "ok", **SIGNED}, "stop")
    client = Client(MESSAGES)

    async def main() -> Received:
        with ScriptedUpstream() as server:
            server.always(reply)
            async with plane() as found:
                found.rules(rule("*", "local/box"), backends=[spec(server, CHAT)])
                await client.ask(found)
                client.turns[-1] = {"role": "user", "content": "go on"}
                await client.ask(found)
            return last(server)

    sent = uvloop.run(main()).json()["messages"][1]
    assert sent["extra_content"] == SIGNED["extra_content"]
    assert sent["content"] == "ok"


@pytest.mark.parametrize("model", ["gemini-3-pro-preview", "google/gemini-3.1-flash"])
def test_calls_that_gemini_did_not_make_carry_its_word_for_that(model: str) -> None:
    reply = whole({"content": None, "tool_calls": [call(0), call(1, "g")]})
    sent = next_turn(Client(MESSAGES), CHAT, reply, model).json()["messages"][1]
    assert [one.get("extra_content") for one in sent["tool_calls"]] == [DUMMY, None]
    reply = whole({"content": None, "tool_calls": [call(0, **SIGNED)]})
    sent = next_turn(Client(MESSAGES), CHAT, reply, model).json()["messages"][1]
    assert sent["tool_calls"][0]["extra_content"] == SIGNED["extra_content"]


# -- backends that refuse a turn without reasoning


@pytest.mark.parametrize("protocol", CARRIERS)
@pytest.mark.parametrize("model", ["deepseek-v4-pro", "moonshotai/kimi-k2.5", "kimi-k2-thinking"])
def test_a_turn_without_reasoning_has_some_where_the_backend_demands_it(protocol: str, model: str) -> None:
    reply = whole({"content": "ok", "tool_calls": [call(0)]})
    sent = next_turn(Client(protocol), CHAT, reply, model).json()["messages"][1]
    assert sent["reasoning_content"] == " "  # Moonshot takes an empty one for none
    reply = whole({"content": "ok", "reasoning_content": "Hm.", "tool_calls": [call(0)]})
    sent = next_turn(Client(protocol), CHAT, reply, model).json()["messages"][1]
    assert sent["reasoning_content"] == "Hm."


def test_a_turn_without_reasoning_stays_so_elsewhere() -> None:
    reply = whole({"content": "ok", "tool_calls": [call(0)]})
    sent = next_turn(Client(MESSAGES), CHAT, reply, "qwen3").json()["messages"][1]
    assert "reasoning_content" not in sent


def test_kimi_gets_the_ids_that_it_counts() -> None:
    own = call(0) | {"id": "functions.f:0"}
    client = Client(MESSAGES)
    sent = next_turn(client, CHAT, whole({"content": None, "tool_calls": [own]}), "kimi-k2.5").json()[
        "messages"
    ]
    assert sent[1]["tool_calls"][0]["id"] == sent[2]["tool_call_id"] == "functions.f:0"
    assert client.turns[1]["content"][0]["id"].replace("_", "").replace("-", "").isalnum()


# -- order, for a client whose protocol has none


def thinking(words: str, signature: str) -> dict[str, Any]:
    return {"type": "thinking", "thinking": words, "signature": signature}


def tool(n: int) -> dict[str, Any]:
    return {"type": "tool_use", "id": f"toolu_{n}", "name": "f", "input": {"n": n}}


def said(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


T1, T2, T3 = thinking("One.", "s1"), thinking("", "s2"), {"type": "redacted_thinking", "data": "xx"}
TURNS = {
    "between calls": [T1, tool(1), T2, tool(2)],
    "around text": [T1, said("Well."), tool(1), T2, tool(2), T3, tool(3)],
    "behind the text": [said("Well."), T1, tool(1)],
    "inside the text": [T1, said("A\n"), T2, said("B"), T3, tool(1)],
    "text behind a call": [T1, tool(1), T2, said("Then."), tool(2)],
}
DROPS = {
    "everything but calls": ("reasoning_content", "reasoning_details"),
    "the details": ("reasoning_details",),
    "the words": ("reasoning_content",),
    "nothing": (),
}


def blocks(content: list[Any]) -> Reply:
    return Reply(200, JSON, body=encoded(messages.whole(content, "tool_use")))


def block_events(content: list[Any]) -> Reply:
    events = [messages.started()]
    for index, block in enumerate(content):
        match block["type"]:
            case "thinking":
                events += messages.block(
                    index,
                    {"type": "thinking", "thinking": "", "signature": ""},
                    {"type": "thinking_delta", "thinking": block["thinking"]},
                    {"type": "signature_delta", "signature": block["signature"]},
                )
            case "text":
                events += messages.block(index, said(""), messages.text_delta(block["text"]))
            case "tool_use":
                delta = messages.json_delta(json.dumps(block["input"]))
                events += messages.block(index, {**block, "input": {}}, delta)
            case _:
                events += messages.block(index, block)
    events += messages.ended("tool_use")
    return Reply(200, SSE, parts=[b"".join(map(named, events))], framing="chunked")


@pytest.mark.parametrize("name", TURNS)
@pytest.mark.parametrize("drop", DROPS)
@pytest.mark.parametrize("stream", [True, False])
def test_interleaved_thinking_keeps_its_order_for_a_chat_client(name: str, drop: str, stream: bool) -> None:
    content = TURNS[name]
    reply = block_events(content) if stream else blocks(content)
    sent = next_turn(Client(CHAT, *DROPS[drop]), MESSAGES, reply).json()["messages"]
    assert without_cache(sent[1]["content"]) == content


@pytest.mark.parametrize("name", TURNS)
@pytest.mark.parametrize("drop", ["the words", "nothing"])
@pytest.mark.parametrize("stream", [True, False])
def test_the_order_comes_back_with_the_details_though_nothing_is_remembered(
    name: str, drop: str, stream: bool
) -> None:
    reply = block_events(TURNS[name]) if stream else blocks(TURNS[name])
    sent = next_turn(Client(CHAT, *DROPS[drop]), MESSAGES, reply, forgotten=True).json()["messages"]
    assert without_cache(sent[1]["content"]) == TURNS[name]


def without_cache(content: list[Any]) -> list[Any]:
    return [{key: value for key, value in block.items() if key != "cache_control"} for block in content]


@pytest.mark.parametrize("trimmed", ["", "Other words.", "A"])
def test_a_text_that_the_client_changed_is_not_cut(trimmed: str) -> None:
    class Changing(Client):
        def _chat(self, message: dict[str, Any]) -> list[Any]:
            return super()._chat({**message, "content": trimmed or None})

    client = Changing(CHAT, "reasoning_content", "reasoning_details")
    sent = next_turn(client, MESSAGES, blocks(TURNS["inside the text"])).json()["messages"][1]["content"]
    texts = [said(trimmed)] if trimmed else []
    assert without_cache(sent) == [T1, *texts, T2, T3, tool(1)]


@pytest.mark.parametrize("name", TURNS)
def test_a_streaming_chat_client_is_told_the_same_places(name: str) -> None:
    async def main() -> list[Any]:
        with ScriptedUpstream() as server:
            server.always(block_events(TURNS[name]))
            async with plane() as found:
                found.rules(rule("*", "local/box"), backends=[spec(server, MESSAGES)])
                got = await found.ask(PATHS[CHAT], ask(CHAT, stream=True))
                lines = [line[6:] for line in got.body.split(b"\n") if line.startswith(b"data: {")]
                deltas = [json.loads(line)["choices"][0]["delta"] for line in lines]
                streamed = [one for delta in deltas for one in delta.get("reasoning_details", ())]
                got = await found.ask(PATHS[CHAT], ask(CHAT))
                return [streamed, got.json()["choices"][0]["message"]["reasoning_details"]]

    streamed, whole = uvloop.run(main())
    assert [one["place"] for one in streamed] == [one["place"] for one in whole]
    assert streamed == whole
