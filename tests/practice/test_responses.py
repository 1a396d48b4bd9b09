"""Responses, read with the official SDK and its (strict) stream accumulator, and frame by frame."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest

from pointsman.practice import ScriptedUpstream

from .wire import ask

TOOL: dict[str, Any] = {
    "type": "function",
    "name": "get_weather",
    "strict": True,
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}
PATCH: dict[str, Any] = {"type": "custom", "name": "apply_patch"}


def both(oa: openai.OpenAI, **options: Any) -> tuple[Any, Any]:
    """The answer whole, and as the accumulator makes it of the stream."""
    options = {"model": "practice", "input": "hello there", **options}
    with oa.responses.stream(**options) as stream:
        for _ in stream:
            pass
        streamed = stream.get_final_response()
    return oa.responses.create(**options), streamed


def plain(response: Any) -> Any:
    """Without what the SDK's own helpers add, and without ids, which differ as `stream` differs."""

    def clean(value: Any) -> Any:
        if isinstance(value, dict):
            drop = ("id", "call_id", "parsed", "parsed_arguments", "encrypted_content")
            return {
                name: clean(inner) for name, inner in value.items() if name not in drop and inner is not None
            }
        return [clean(item) for item in value] if isinstance(value, list) else value

    return clean(response.to_dict())


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"input": [{"role": "user", "content": [{"type": "input_text", "text": "hello there"}]}]},
        {"reasoning": {"effort": "low"}},
        {"reasoning": {"effort": "low", "summary": "auto"}, "include": ["reasoning.encrypted_content"]},
        {"input": "use a tool", "tools": [TOOL]},
        {"input": "use both tools", "tools": [TOOL, PATCH], "reasoning": {"summary": "auto"}},
    ],
)
def test_stream_says_what_the_whole_says(oa: openai.OpenAI, options: dict[str, Any]) -> None:
    whole, streamed = both(oa, **options)
    assert plain(streamed) == plain(whole)


def test_answers_and_echoes(oa: openai.OpenAI) -> None:
    reply = oa.responses.create(
        model="practice", input="hello there", metadata={"a": "b"}, instructions="Be brief"
    )
    assert '"hello there"' in reply.output_text
    assert reply.status == "completed"
    assert reply.metadata == {"a": "b"}
    assert reply.instructions == "Be brief"
    assert reply.usage.total_tokens == reply.usage.input_tokens + reply.usage.output_tokens > 20


@pytest.mark.parametrize("text", ["hi", "use all the tools"])
def test_frames_follow_the_grammar(practice: ScriptedUpstream, text: str) -> None:
    extra = {"tools": [TOOL, PATCH], "reasoning": {"effort": "high"}, "stream": True, "text": text}
    got = ask(practice, "responses", **extra)
    assert b"[DONE]" not in got.body
    events = got.events()
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert [event["type"] for event in events[:2]] == ["response.created", "response.in_progress"]
    final = events[-1]["response"]
    assert events[-1]["type"] == "response.completed"
    added = [event["item"] for event in events if event["type"] == "response.output_item.added"]
    done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    assert done == final["output"]
    assert [(item["id"], item["type"]) for item in added] == [(item["id"], item["type"]) for item in done]
    assert all(item.get("status", "in_progress") == "in_progress" for item in added)


def test_calls_a_tool_then_quotes_its_result(oa: openai.OpenAI) -> None:
    reply = oa.responses.create(model="practice", input="use a tool", tools=[TOOL])
    (call,) = reply.output
    assert (call.type, call.name) == ("function_call", "get_weather")
    assert json.loads(call.arguments) == {"city": "use a tool"}
    assert call.id.startswith("fc_")
    assert call.call_id.startswith("call_")
    turns = [
        {"role": "user", "content": "use a tool"},
        call.to_dict(),
        {"type": "function_call_output", "call_id": call.call_id, "output": "rain"},
    ]
    after = oa.responses.create(model="practice", input=turns, tools=[TOOL])
    assert '"rain"' in after.output_text


def test_custom_tools_take_text(oa: openai.OpenAI) -> None:
    for reply in both(oa, input="use the tool", tools=[PATCH]):
        assert (reply.output[0].type, reply.output[0].input) == ("custom_tool_call", "use the tool")


@pytest.mark.parametrize(
    ("choice", "names"),
    [
        ("none", []),
        ("required", ["get_weather"]),
        ({"type": "function", "name": "get_weather"}, ["get_weather"]),
        ({"type": "custom", "name": "apply_patch"}, ["apply_patch"]),
    ],
)
def test_tool_choice(oa: openai.OpenAI, choice: Any, names: list[str]) -> None:
    reply = oa.responses.create(model="practice", input="hi", tools=[TOOL, PATCH], tool_choice=choice)
    assert [item.name for item in reply.output if "call" in item.type] == names


def test_thinks_as_asked(oa: openai.OpenAI) -> None:
    text, _ = both(oa, reasoning={"effort": "low"})
    assert "pretends" in text.output[0].content[0].text
    assert text.output[0].summary == []
    options: dict[str, Any] = {"reasoning": {"summary": "auto"}, "include": ["reasoning.encrypted_content"]}
    for reply in both(oa, **options):
        assert "pretends" in reply.output[0].summary[0].text
        assert reply.output[0].encrypted_content
        assert reply.usage.output_tokens_details.reasoning_tokens > 0
    none, _ = both(oa, reasoning={"effort": "none"})
    assert [item.type for item in none.output] == ["message"]


def test_a_token_limit_leaves_it_incomplete(oa: openai.OpenAI) -> None:
    options: dict[str, Any] = {"model": "practice", "input": "hello", "max_output_tokens": 5}
    whole = oa.responses.create(**options)
    # The SDK's accumulator knows only `response.completed`, so the last event is read by itself.
    last = list(oa.responses.create(**options, stream=True))[-1]
    assert last.type == "response.incomplete"
    assert plain(last.response) == plain(whole)
    assert whole.status == whole.output[0].status == "incomplete"
    assert whole.incomplete_details.reason == "max_output_tokens"
    assert whole.usage.output_tokens == 5


def test_structured_output(oa: openai.OpenAI) -> None:
    form = {
        "type": "json_schema",
        "name": "x",
        "schema": {"type": "object", "properties": {"n": {"type": "number"}}},
    }
    reply = oa.responses.create(model="practice", input="hi", text={"format": form})
    assert json.loads(reply.output_text) == {"n": 1.5}


def test_nothing_is_stored(oa: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        oa.responses.create(model="practice", input="hi", previous_response_id="resp_1")
    assert refused.value.code == "previous_response_not_found"


def test_counts_tokens(oa: openai.OpenAI) -> None:
    counted = oa.responses.input_tokens.count(model="practice", input="hello there")
    assert (
        counted.input_tokens == oa.responses.create(model="practice", input="hello there").usage.input_tokens
    )
