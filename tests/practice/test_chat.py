"""Chat Completions, read with the official SDK and its stream accumulator, and frame by frame."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from pointsman.practice import ScriptedUpstream

from .wire import ask

USER = [{"role": "user", "content": "Please use a tool for Oslo"}]
PLAIN = [{"role": "user", "content": "hello there"}]


def tool(name: str = "get_weather") -> dict[str, Any]:
    schema = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}
    return {"type": "function", "function": {"name": name, "parameters": schema}}


def final(oa: openai.OpenAI, **options: Any) -> Any:
    with oa.chat.completions.stream(model=options.pop("model", "practice"), **options) as stream:
        for _ in stream:
            pass
        return stream.get_final_completion()


def test_answers_and_echoes(oa: openai.OpenAI) -> None:
    reply = oa.chat.completions.create(model="practice", messages=PLAIN)
    text = reply.choices[0].message.content
    assert "practice model" in text
    assert '"hello there"' in text
    assert reply.choices[0].finish_reason == "stop"
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens > 20


def test_the_same_question_gets_the_same_bytes(practice: ScriptedUpstream) -> None:
    assert ask(practice, "chat").body == ask(practice, "chat").body


def test_stream_says_what_the_whole_says(oa: openai.OpenAI) -> None:
    whole = oa.chat.completions.create(model="practice", messages=PLAIN)
    streamed = final(oa, messages=PLAIN, stream_options={"include_usage": True})
    assert streamed.choices[0].message.content == whole.choices[0].message.content
    assert streamed.choices[0].finish_reason == "stop"
    assert streamed.usage.model_dump() == whole.usage.model_dump()


def test_frames_follow_the_grammar(practice: ScriptedUpstream) -> None:
    got = ask(practice, "chat", stream=True, stream_options={"include_usage": True})
    assert got.headers["content-type"].startswith("text/event-stream")
    assert got.body.endswith(b"data: [DONE]\n\n")
    assert b"event:" not in got.body
    chunks = got.events()
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert chunks[0]["choices"][0]["delta"]["content"] == ""
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"]["total_tokens"] > 0
    assert chunks[-2]["choices"][0]["finish_reason"] == "stop"
    assert all(chunk["usage"] is None for chunk in chunks[:-1])
    for name in ("id", "created", "model", "object", "system_fingerprint"):
        assert len({chunk[name] for chunk in chunks}) == 1


def test_no_usage_unless_asked(practice: ScriptedUpstream) -> None:
    chunks = ask(practice, "chat", stream=True).events()
    assert all("usage" not in chunk and chunk["choices"] for chunk in chunks)


@pytest.mark.parametrize("stream", [False, True])
def test_calls_the_first_tool_then_quotes_its_result(oa: openai.OpenAI, stream: bool) -> None:
    options: dict[str, Any] = {"messages": USER, "tools": [tool(), tool("other_tool")]}
    reply = final(oa, **options) if stream else oa.chat.completions.create(model="practice", **options)
    message = reply.choices[0].message
    assert reply.choices[0].finish_reason == "tool_calls"
    assert message.content is None or message.content == ""
    (call,) = message.tool_calls
    assert call.function.name == "get_weather"
    assert set(json.loads(call.function.arguments)) == {"city", "days"}
    asked = {"id": call.id, "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
    turns = [
        *USER,
        {"role": "assistant", "tool_calls": [asked]},
        {"role": "tool", "tool_call_id": call.id, "content": "rain, 7 degrees"},
    ]
    after = oa.chat.completions.create(model="practice", messages=turns, tools=[tool()])
    assert '"rain, 7 degrees"' in after.choices[0].message.content
    assert after.choices[0].finish_reason == "stop"


def test_a_stream_names_each_call_once(practice: ScriptedUpstream) -> None:
    extra = {"tools": [tool(), tool("b_tool")], "text": "call all the tools", "stream": True}
    chunks = ask(practice, "chat", **extra).events()
    deltas = [d for c in chunks for ch in c["choices"] for d in ch["delta"].get("tool_calls", [])]
    assert [(d["index"], d["function"]["name"]) for d in deltas if "id" in d] == [
        (0, "get_weather"),
        (1, "b_tool"),
    ]
    assert all("name" not in d["function"] for d in deltas if "id" not in d)
    assert chunks[0]["choices"][0]["delta"]["content"] is None


@pytest.mark.parametrize(
    ("text", "choice", "names"),
    [
        ("hello", "auto", []),
        ("hello", None, []),
        ("hello", "required", ["get_weather"]),
        ("use a tool", "none", []),
        ("hello", {"type": "function", "function": {"name": "search_web"}}, ["search_web"]),
        ("try search_web on this", "auto", ["search_web"]),
        ("do it with all tools", "auto", ["get_weather", "search_web"]),
    ],
)
def test_tool_choice(oa: openai.OpenAI, text: str, choice: Any, names: list[str]) -> None:
    options: dict[str, Any] = {} if choice is None else {"tool_choice": choice}
    messages = [{"role": "user", "content": text}]
    tools = [tool(), tool("search_web")]
    reply = oa.chat.completions.create(model="practice", messages=messages, tools=tools, **options)
    assert [call.function.name for call in reply.choices[0].message.tool_calls or []] == names


def test_parallel_calls_can_be_refused(oa: openai.OpenAI) -> None:
    messages = [{"role": "user", "content": "do it with all tools"}]
    tools = [tool(), tool("search_web")]
    options: dict[str, Any] = {"messages": messages, "tools": tools, "parallel_tool_calls": False}
    reply = oa.chat.completions.create(model="practice", **options)
    assert len(reply.choices[0].message.tool_calls) == 1


def test_a_tool_without_arguments_gets_an_empty_object(oa: openai.OpenAI) -> None:
    bare = {"type": "function", "function": {"name": "now"}}
    reply = oa.chat.completions.create(model="practice", messages=USER, tools=[bare])
    assert reply.choices[0].message.tool_calls[0].function.arguments == "{}"


def test_custom_tools_take_text(oa: openai.OpenAI) -> None:
    custom = {"type": "custom", "custom": {"name": "apply_patch"}}
    reply = oa.chat.completions.create(model="practice", messages=USER, tools=[custom])
    assert reply.choices[0].message.tool_calls[0].custom.name == "apply_patch"


@pytest.mark.parametrize(
    "how",
    [
        {"reasoning_effort": "low"},
        {"extra_body": {"reasoning": {"effort": "high"}}},
        {"extra_body": {"chat_template_kwargs": {"enable_thinking": True}}},
        {"model": "practice:think"},
    ],
)
def test_thinks_when_asked(oa: openai.OpenAI, how: dict[str, Any]) -> None:
    options: dict[str, Any] = {"model": "practice", "messages": PLAIN, **how}
    reply = oa.chat.completions.create(**options)
    assert "pretends to think" in reply.choices[0].message.reasoning_content
    assert reply.usage.completion_tokens_details.reasoning_tokens > 0
    streamed = "".join(
        getattr(chunk.choices[0].delta, "reasoning_content", None) or ""
        for chunk in oa.chat.completions.create(**options, stream=True)
    )
    assert streamed == reply.choices[0].message.reasoning_content


def test_does_not_think_unasked(oa: openai.OpenAI) -> None:
    for options in ({}, {"reasoning_effort": "none"}):
        reply = oa.chat.completions.create(model="practice", messages=PLAIN, **options)
        assert not hasattr(reply.choices[0].message, "reasoning_content")


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_a_token_limit_cuts(oa: openai.OpenAI, name: str) -> None:
    reply = oa.chat.completions.create(model="practice", messages=PLAIN, **{name: 5})
    assert reply.choices[0].finish_reason == "length"
    assert reply.usage.completion_tokens == 5
    called = oa.chat.completions.create(model="practice", messages=USER, tools=[tool()], **{name: 3})
    assert called.choices[0].finish_reason == "length"
    assert not called.choices[0].message.tool_calls


def test_a_stop_sequence_cuts(oa: openai.OpenAI) -> None:
    reply = oa.chat.completions.create(model="practice", messages=PLAIN, stop=["no key", "cost"])
    assert reply.choices[0].message.content == "Hello from Pointsman's practice model: "
    assert reply.choices[0].finish_reason == "stop"


def test_several_choices(oa: openai.OpenAI) -> None:
    assert len(oa.chat.completions.create(model="practice", messages=PLAIN, n=3).choices) == 3
    assert len(final(oa, messages=PLAIN, n=2).choices) == 2


def test_structured_output_parses(oa: openai.OpenAI) -> None:
    class Place(BaseModel):
        city: str

    class Person(BaseModel):
        name: str
        home: Place
        age: int
        tags: list[str]
        boss: bool

    reply = oa.chat.completions.parse(model="practice", messages=PLAIN, response_format=Person)
    said = "hello there"
    expected = Person(name=said, home=Place(city=said), age=1, tags=[said], boss=True)
    assert reply.choices[0].message.parsed == expected


def test_content_parts_are_read(oa: openai.OpenAI) -> None:
    parts = [{"type": "text", "text": "look"}, {"type": "image_url", "image_url": {"url": "data:,"}}]
    reply = oa.chat.completions.create(model="practice", messages=[{"role": "user", "content": parts}])
    assert '"look"' in reply.choices[0].message.content


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"model": "practice"}, "messages"),
        ({"model": "practice", "messages": []}, "messages"),
        ({"model": "practice", "messages": PLAIN, "max_tokens": 0}, "max_tokens"),
        ({"model": "practice", "messages": PLAIN, "max_tokens": "many"}, "max_tokens"),
        ({"messages": PLAIN}, "model"),
    ],
)
def test_a_bad_request_says_which_field(oa: openai.OpenAI, body: dict[str, Any], param: str) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        oa.post("/chat/completions", body=body, cast_to=object)
    assert refused.value.param == param
