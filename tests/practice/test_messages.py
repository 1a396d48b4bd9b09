"""Messages, read with the official SDK and its stream accumulator, and frame by frame."""

from __future__ import annotations

from typing import Any

import anthropic
import pytest

from pointsman.practice import ScriptedUpstream

from .wire import ask

PLAIN = [{"role": "user", "content": "hello there"}]
USER = [{"role": "user", "content": "Please call the tool for Oslo"}]


def tool(name: str = "get_weather", **schema: Any) -> dict[str, Any]:
    properties = schema or {"city": {"type": "string"}, "unit": {"enum": ["celsius", "kelvin"]}}
    return {"name": name, "input_schema": {"type": "object", "properties": properties}}


def both(an: anthropic.Anthropic, **options: Any) -> tuple[Any, Any]:
    """The answer whole, and as the accumulator makes it of the stream."""
    options = {"model": "practice", "max_tokens": 500, "messages": PLAIN, **options}
    with an.messages.stream(**options) as stream:
        streamed = stream.get_final_message()
    return an.messages.create(**options), streamed


def test_stream_says_what_the_whole_says(an: anthropic.Anthropic) -> None:
    whole, streamed = both(an)
    assert '"hello there"' in whole.content[0].text
    assert streamed.content[0].text == whole.content[0].text
    assert whole.stop_reason == streamed.stop_reason == "end_turn"
    assert streamed.usage.model_dump() == whole.usage.model_dump()
    assert whole.usage.input_tokens > 0
    assert whole.usage.output_tokens > 10


def check_grammar(events: list[dict[str, Any]]) -> None:
    assert events[0]["type"] == "message_start"
    assert events[0]["message"]["content"] == []
    assert events[0]["message"]["stop_reason"] is None
    assert [event["type"] for event in events[-2:]] == ["message_delta", "message_stop"]
    opened: int | None = None
    expected = 0
    for event in (event for event in events[1:-2] if event["type"] != "ping"):
        if event["type"] == "content_block_start":
            assert opened is None
            assert event["index"] == expected
            opened, expected = expected, expected + 1
        elif event["type"] == "content_block_stop":
            assert event["index"] == opened
            opened = None
        else:
            assert event["type"] == "content_block_delta"
            assert event["index"] == opened
    assert opened is None


@pytest.mark.parametrize(
    "extra",
    [
        {},
        {"thinking": {"type": "enabled", "budget_tokens": 1024}},
        {"thinking": {"type": "adaptive"}, "tools": [tool()], "text": "use a tool"},
        {"tools": [tool(), tool("b_tool")], "text": "use all the tools"},
        {"max_tokens": 4},
    ],
)
def test_frames_follow_the_grammar(practice: ScriptedUpstream, extra: dict[str, Any]) -> None:
    check_grammar(ask(practice, "messages", stream=True, **extra).events())
    check_grammar(ask(practice, "messages", "practice:empty", stream=True, **extra).events())


def test_calls_the_first_tool_then_quotes_its_result(an: anthropic.Anthropic) -> None:
    whole, streamed = both(an, messages=USER, tools=[tool(), tool("b_tool")])
    for reply in (whole, streamed):
        (block,) = reply.content
        assert (block.type, block.name) == ("tool_use", "get_weather")
        assert block.input == {"city": "Please call the tool for Oslo", "unit": "celsius"}
        assert reply.stop_reason == "tool_use"
    result = {"type": "tool_result", "tool_use_id": whole.content[0].id, "content": "rain, 7 degrees"}
    used = whole.content[0].model_dump(exclude_none=True)
    turns = [*USER, {"role": "assistant", "content": [used]}, {"role": "user", "content": [result]}]
    after, _ = both(an, messages=turns, tools=[tool()])
    assert '"rain, 7 degrees"' in after.content[0].text


def test_a_tool_without_arguments(an: anthropic.Anthropic) -> None:
    bare = {"name": "now", "input_schema": {"type": "object"}}
    whole, streamed = both(an, messages=USER, tools=[bare])
    assert whole.content[0].input == streamed.content[0].input == {}


@pytest.mark.parametrize(
    ("choice", "names"),
    [
        ({"type": "auto"}, ["get_weather", "b_tool"]),
        ({"type": "auto", "disable_parallel_tool_use": True}, ["get_weather"]),
        ({"type": "none"}, []),
        ({"type": "any"}, ["get_weather", "b_tool"]),
        ({"type": "tool", "name": "b_tool"}, ["b_tool"]),
    ],
)
def test_tool_choice(an: anthropic.Anthropic, choice: dict[str, Any], names: list[str]) -> None:
    messages = [{"role": "user", "content": "use both tools"}]
    whole, _ = both(an, messages=messages, tools=[tool(), tool("b_tool")], tool_choice=choice)
    assert [block.name for block in whole.content if block.type == "tool_use"] == names


def test_server_tools_are_not_called(an: anthropic.Anthropic) -> None:
    search = {"type": "web_search_20250305", "name": "web_search"}
    whole, _ = both(an, messages=USER, tools=[search])
    assert whole.stop_reason == "end_turn"


@pytest.mark.parametrize("kind", [{"type": "enabled", "budget_tokens": 1024}, {"type": "adaptive"}])
def test_thinks_when_asked(an: anthropic.Anthropic, kind: dict[str, Any]) -> None:
    for reply in both(an, thinking=kind):
        thought, text = reply.content
        assert "pretends to think" in thought.thinking
        assert thought.signature
        assert text.type == "text"
        assert reply.usage.output_tokens_details.thinking_tokens > 0
    unasked, _ = both(an)
    assert [block.type for block in unasked.content] == ["text"]


def test_omitted_thinking_keeps_its_signature(an: anthropic.Anthropic) -> None:
    for reply in both(an, thinking={"type": "adaptive", "display": "omitted"}):
        assert reply.content[0].thinking == ""
        assert reply.content[0].signature


def test_a_token_limit_cuts(an: anthropic.Anthropic) -> None:
    for reply in both(an, max_tokens=5):
        assert reply.stop_reason == "max_tokens"
        assert reply.usage.output_tokens == 5


def test_a_stop_sequence_is_named(an: anthropic.Anthropic) -> None:
    for reply in both(an, stop_sequences=["cost", "no key"]):
        assert reply.stop_reason == "stop_sequence"
        assert reply.stop_sequence == "no key"
        assert reply.content[0].text.endswith("model: ")


def test_reminders_are_not_echoed(an: anthropic.Anthropic) -> None:
    parts = [
        {"type": "text", "text": "<system-reminder>x</system-reminder>"},
        {"type": "text", "text": "hey"},
    ]
    whole, _ = both(an, messages=[{"role": "user", "content": parts}])
    assert 'You said: "hey"' in whole.content[0].text


def test_counts_tokens(an: anthropic.Anthropic) -> None:
    few = an.messages.count_tokens(model="practice", messages=PLAIN).input_tokens
    more = an.messages.count_tokens(model="practice", messages=PLAIN, system="Be brief.", tools=[tool()])
    assert 0 < few < more.input_tokens
    whole, _ = both(an)
    assert whole.usage.input_tokens == few


def test_a_missing_limit_is_refused(an: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.BadRequestError, match="max_tokens") as refused:
        an.post("/v1/messages", body={"model": "practice", "messages": PLAIN}, cast_to=object)
    assert refused.value.body["request_id"] == refused.value.response.headers["request-id"]
