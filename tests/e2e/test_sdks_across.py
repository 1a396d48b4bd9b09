"""The official packages in earnest, each through backends that speak another protocol: tool loops, streaming helpers,
structured output, images, errors by class. The real gateway, started as a user would."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import anthropic
import openai
import pytest
from pydantic import BaseModel

from pointsman.practice import Received, Reply, ScriptedUpstream
from tests.agents.model import CHAT, JSON, MESSAGES, RESPONSES, WHOLE, Call, agent, results

from .gateway import Gateway

Upstreams = Callable[..., ScriptedUpstream]
PICTURE = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(40)).decode()
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}


def plan(done: int, names: list[str]) -> Call | str:
    return Call("weather", {"city": ["Oslo", "Rome"][done]}) if done < 2 else "Oslo is cold, Rome is warm."


def route(gateway: Gateway, upstream: Upstreams, protocol: str, answer: Any) -> tuple[str, ScriptedUpstream]:
    server = upstream()
    server.always(answer)
    name = gateway.fresh()
    backend = gateway.backend("local", server.url, dialects=[protocol])
    gateway.rule(name, f"{backend}=scripted")
    return name, server


def openai_client(gateway: Gateway) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="k", max_retries=0, timeout=20)


def anthropic_client(gateway: Gateway) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=gateway.url, api_key="k", max_retries=0, timeout=20)


@pytest.mark.parametrize("protocol", [CHAT, RESPONSES])
@pytest.mark.parametrize("streamed", [True, False])
def test_an_anthropic_tool_loop(gateway: Gateway, upstream: Upstreams, protocol: str, streamed: bool) -> None:
    name, server = route(gateway, upstream, protocol, agent(protocol, plan))
    messages: list[Any] = [{"role": "user", "content": "Weather in Oslo and Rome?"}]
    tools: list[Any] = [{"name": "weather", "description": "d", "input_schema": SCHEMA}]
    asked = []
    with anthropic_client(gateway) as client:
        for _ in range(4):
            if streamed:
                with client.messages.stream(
                    model=name, max_tokens=500, messages=messages, tools=tools
                ) as stream:
                    answer: Any = stream.get_final_message()
            else:
                answer = client.messages.create(model=name, max_tokens=500, messages=messages, tools=tools)
            messages.append({"role": "assistant", "content": answer.content})
            calls = [block for block in answer.content if block.type == "tool_use"]
            if not calls:
                break
            assert answer.stop_reason == "tool_use"
            asked += [call.input["city"] for call in calls]
            messages.append(
                {
                    "role": "user",
                    "content": [
                        {"type": "tool_result", "tool_use_id": call.id, "content": "fine"} for call in calls
                    ],
                }
            )
    assert asked == ["Oslo", "Rome"]
    assert answer.stop_reason == "end_turn"
    assert answer.content[-1].text == "Oslo is cold, Rome is warm."
    assert results(protocol, server.requests[-1].json()) == ["fine", "fine"]


@pytest.mark.parametrize("protocol", [MESSAGES, RESPONSES])
@pytest.mark.parametrize("streamed", [True, False])
def test_a_chat_tool_loop(gateway: Gateway, upstream: Upstreams, protocol: str, streamed: bool) -> None:
    name, server = route(gateway, upstream, protocol, agent(protocol, plan))
    messages: list[Any] = [{"role": "user", "content": "Weather in Oslo and Rome?"}]
    tools: list[Any] = [
        {"type": "function", "function": {"name": "weather", "parameters": SCHEMA, "strict": True}}
    ]
    asked = []
    with openai_client(gateway) as client:
        for _ in range(4):
            if streamed:
                with client.chat.completions.stream(model=name, messages=messages, tools=tools) as stream:
                    choice: Any = stream.get_final_completion().choices[0]
            else:
                choice = client.chat.completions.create(model=name, messages=messages, tools=tools).choices[0]
            messages.append(choice.message.model_dump(exclude_none=True, exclude={"parsed", "refusal"}))
            if not choice.message.tool_calls:
                break
            assert choice.finish_reason == "tool_calls"
            for call in choice.message.tool_calls:
                asked.append(json.loads(call.function.arguments)["city"])
                messages.append({"role": "tool", "tool_call_id": call.id, "content": "fine"})
    assert asked == ["Oslo", "Rome"]
    assert choice.finish_reason == "stop"
    assert choice.message.content == "Oslo is cold, Rome is warm."
    assert results(protocol, server.requests[-1].json()) == ["fine", "fine"]


@pytest.mark.parametrize("protocol", [CHAT, MESSAGES])
@pytest.mark.parametrize("streamed", [True, False])
def test_a_responses_tool_loop(gateway: Gateway, upstream: Upstreams, protocol: str, streamed: bool) -> None:
    name, _ = route(gateway, upstream, protocol, agent(protocol, plan))
    items: list[Any] = [{"role": "user", "content": "Weather in Oslo and Rome?"}]
    tools: list[Any] = [{"type": "function", "name": "weather", "parameters": SCHEMA, "strict": True}]
    asked = []
    with openai_client(gateway) as client:
        for _ in range(4):
            if streamed:
                with client.responses.stream(model=name, input=items, tools=tools) as stream:
                    answer: Any = stream.get_final_response()
            else:
                answer = client.responses.create(model=name, input=items, tools=tools)
            assert answer.status == "completed"
            items += [
                item.model_dump(exclude_none=True, exclude={"parsed_arguments"}) for item in answer.output
            ]
            calls = [item for item in answer.output if item.type == "function_call"]
            if not calls:
                break
            for call in calls:
                asked.append(json.loads(call.arguments)["city"])
                items.append({"type": "function_call_output", "call_id": call.call_id, "output": "fine"})
    assert asked == ["Oslo", "Rome"]
    assert answer.output_text == "Oslo is cold, Rome is warm."


class City(BaseModel):
    city: str


@pytest.mark.parametrize("protocol", [MESSAGES, RESPONSES])
def test_structured_output_of_chat_is_parsed(gateway: Gateway, upstream: Upstreams, protocol: str) -> None:
    name, server = route(
        gateway, upstream, protocol, Reply(200, JSON, body=WHOLE[protocol]('{"city":"Oslo"}'))
    )
    with openai_client(gateway) as client:
        answer = client.chat.completions.parse(
            model=name, messages=[{"role": "user", "content": "x"}], response_format=City
        )
    assert answer.choices[0].message.parsed == City(city="Oslo")
    assert "city" in server.requests[-1].body.decode()


def test_structured_output_of_messages_is_parsed(gateway: Gateway, upstream: Upstreams) -> None:
    name, server = route(gateway, upstream, CHAT, Reply(200, JSON, body=WHOLE[CHAT]('{"city":"Oslo"}')))
    with anthropic_client(gateway) as client:
        answer = client.messages.parse(
            model=name, max_tokens=100, messages=[{"role": "user", "content": "x"}], output_format=City
        )
    assert answer.parsed_output == City(city="Oslo")
    assert server.requests[-1].json()["response_format"]["json_schema"]["schema"]["properties"].keys() == {
        "city"
    }


def test_an_image_reaches_the_other_vendor_as_it_is(gateway: Gateway, upstream: Upstreams) -> None:
    name, server = route(gateway, upstream, CHAT, Reply(200, JSON, body=WHOLE[CHAT]("a picture")))
    source: Any = {"type": "base64", "media_type": "image/png", "data": PICTURE}
    content: list[Any] = [{"type": "text", "text": "What is it?"}, {"type": "image", "source": source}]
    with anthropic_client(gateway) as client:
        client.messages.create(model=name, max_tokens=100, messages=[{"role": "user", "content": content}])
    parts = server.requests[-1].json()["messages"][0]["content"]
    assert parts[1] == {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PICTURE}"}}


def test_an_image_in_a_tool_result_is_never_lost(gateway: Gateway, upstream: Upstreams) -> None:
    name, server = route(gateway, upstream, CHAT, Reply(200, JSON, body=WHOLE[CHAT]("a picture")))
    image: Any = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PICTURE}}
    messages: list[Any] = [
        {"role": "user", "content": "look"},
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "toolu_1", "name": "shot", "input": {}}],
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": [image]}]},
    ]
    with anthropic_client(gateway) as client:
        client.messages.create(
            model=name,
            max_tokens=100,
            messages=messages,
            tools=[{"name": "shot", "input_schema": {"type": "object"}}],
        )
    sent = server.requests[-1].json()["messages"]
    assert [message["role"] for message in sent] == ["user", "assistant", "tool", "user"]
    assert PICTURE in json.dumps(sent[3])


def errors(status: int, protocol: str) -> Callable[[Received], Reply]:
    inside = (
        {"type": "error", "error": {"type": "x", "message": "the words"}}
        if protocol == MESSAGES
        else {"error": {"message": "the words", "type": "x", "code": None}}
    )
    return lambda received: Reply(status, JSON, body=json.dumps(inside).encode())


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, anthropic.BadRequestError),
        (401, anthropic.AuthenticationError),
        (403, anthropic.PermissionDeniedError),
        (404, anthropic.NotFoundError),
        (429, anthropic.RateLimitError),
        (500, anthropic.InternalServerError),
        (503, anthropic.OverloadedError),
    ],
)
def test_an_openai_error_is_the_anthropic_packages_class(
    gateway: Gateway, upstream: Upstreams, status: int, expected: type[Exception]
) -> None:
    name, _ = route(gateway, upstream, CHAT, errors(status, CHAT))
    with anthropic_client(gateway) as client, pytest.raises(expected, match="the words"):
        client.messages.create(model=name, max_tokens=5, messages=[{"role": "user", "content": "x"}])


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (403, openai.PermissionDeniedError),
        (404, openai.NotFoundError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
        (529, openai.InternalServerError),
    ],
)
def test_an_anthropic_error_is_the_openai_packages_class(
    gateway: Gateway, upstream: Upstreams, status: int, expected: type[Exception]
) -> None:
    name, _ = route(gateway, upstream, MESSAGES, errors(status, MESSAGES))
    with openai_client(gateway) as client, pytest.raises(expected, match="the words"):
        client.chat.completions.create(model=name, messages=[{"role": "user", "content": "x"}])
