"""Real engines behind the gateway, which starts them on demand: asked by the official packages in three protocols, and left
in the middle. Not here: how they come and go (test_on_demand.py)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import anthropic
import openai
import pytest

from tests.e2e.gateway import Gateway

from .engines import ENDLESS, FINE, SUNNY, TOOL, WEATHER, Engine
from .on_demand import KINDS, MODEL, OnDemand

ENGINES = pytest.mark.parametrize("name", KINDS)
STREAMED = pytest.mark.parametrize("streamed", [False, True])
SCHEMA = TOOL["function"]["parameters"]  # type: ignore[index]


@pytest.fixture
def engine(demanded: Callable[[str], OnDemand], name: str) -> OnDemand:
    return demanded(name)


@pytest.fixture
def model(engine: OnDemand) -> str:
    """A model of the gateway that is the engine's."""
    return engine.alias


def openai_client(gateway: Gateway) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="k", max_retries=0, timeout=60)


def anthropic_client(gateway: Gateway) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=gateway.url, api_key="k", max_retries=0, timeout=60)


def chat(client: openai.OpenAI, streamed: bool, **asked: Any) -> tuple[str, list[Any], str, Any]:
    """Text, calls, finish reason, usage. A stream is put together here: the package's own helper drops the usage of
    mlx_lm.server, which calls that chunk `chat.completion`."""
    if not streamed:
        whole = client.chat.completions.create(temperature=0, **asked)
        message = whole.choices[0].message
        return message.content or "", message.tool_calls or [], whole.choices[0].finish_reason, whole.usage
    text, reason, usage, calls = "", "", None, {}
    options: Any = {"include_usage": True}
    for chunk in client.chat.completions.create(temperature=0, stream=True, stream_options=options, **asked):
        usage = chunk.usage or usage
        for choice in chunk.choices:
            text += choice.delta.content or ""
            reason = choice.finish_reason or reason
            for part in choice.delta.tool_calls or []:
                if part.index in calls:
                    calls[part.index].function.arguments += part.function.arguments or ""
                else:
                    calls[part.index] = part
    return text, list(calls.values()), reason, usage


@ENGINES
@STREAMED
def test_chat(gateway: Gateway, model: str, streamed: bool) -> None:
    messages: list[Any] = [{"role": "user", "content": WEATHER}]
    with openai_client(gateway) as client:
        text, _, reason, usage = chat(client, streamed, model=model, messages=messages)
        assert (text, reason, usage.prompt_tokens) == (SUNNY, "stop", 15)
        _, (call,), reason, _ = chat(client, streamed, model=model, messages=messages, tools=[TOOL])
        assert (reason, call.function.name) == ("tool_calls", "get_weather")
        assert json.loads(call.function.arguments) == {"city": "Paris"}
        function = {"name": "get_weather", "arguments": call.function.arguments}
        messages += [
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [{"id": call.id, "type": "function", "function": function}],
            },
            {"role": "tool", "tool_call_id": call.id, "content": "sunny"},
        ]
        text, *_ = chat(client, streamed, model=model, messages=messages, tools=[TOOL])
    assert text == FINE


@ENGINES
@STREAMED
def test_messages(gateway: Gateway, model: str, streamed: bool) -> None:
    tools: list[Any] = [{"name": "get_weather", "description": "Weather of a city", "input_schema": SCHEMA}]

    def ask(client: anthropic.Anthropic, **asked: Any) -> Any:
        asked = {"model": model, "max_tokens": 200, "extra_body": {"temperature": 0}, **asked}
        if not streamed:
            return client.messages.create(**asked)
        with client.messages.stream(**asked) as stream:
            return stream.get_final_message()

    messages: list[Any] = [{"role": "user", "content": WEATHER}]
    with anthropic_client(gateway) as client:
        said = ask(client, messages=messages)
        assert [block.text for block in said.content] == [SUNNY]
        assert (said.stop_reason, said.usage.input_tokens + (said.usage.cache_read_input_tokens or 0)) == (
            "end_turn",
            15,
        )
        called = ask(client, messages=messages, tools=tools)
        (call,) = [block for block in called.content if block.type == "tool_use"]
        assert (called.stop_reason, call.name, call.input) == ("tool_use", "get_weather", {"city": "Paris"})
        result = {"type": "tool_result", "tool_use_id": call.id, "content": "sunny"}
        messages += [{"role": "assistant", "content": called.content}, {"role": "user", "content": [result]}]
        last = ask(client, messages=messages, tools=tools)
    assert [block.text for block in last.content] == [FINE]


@ENGINES
@STREAMED
def test_responses(gateway: Gateway, model: str, streamed: bool) -> None:
    tools: list[Any] = [
        {
            "type": "function",
            "name": "get_weather",
            "description": "Weather of a city",
            "parameters": SCHEMA,
            "strict": False,
        }
    ]

    def ask(client: openai.OpenAI, **asked: Any) -> Any:
        asked = {"model": model, "temperature": 0, "store": False, **asked}
        if not streamed:
            return client.responses.create(**asked)
        with client.responses.stream(**asked) as stream:
            return stream.get_final_response()

    given: list[Any] = [{"role": "user", "content": WEATHER}]
    with openai_client(gateway) as client:
        said = ask(client, input=given)
        assert (said.status, said.output_text, said.usage.input_tokens) == ("completed", SUNNY, 15)
        called = ask(client, input=given, tools=tools)
        (call,) = [item for item in called.output if item.type == "function_call"]
        assert (call.name, json.loads(call.arguments)) == ("get_weather", {"city": "Paris"})
        given += [
            {
                "type": "function_call",
                "call_id": call.call_id,
                "name": call.name,
                "arguments": call.arguments,
            },
            {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"},
        ]
        last = ask(client, input=given, tools=tools)
        cut = client.responses.create(model=model, temperature=0, input="count", max_output_tokens=5)
    assert last.output_text == FINE
    assert (cut.status, cut.incomplete_details.reason) == ("incomplete", "max_output_tokens")


@ENGINES
def test_a_long_input_is_read_to_its_end_and_answered(gateway: Gateway, model: str) -> None:
    """Comments of the engine come while it reads; no client may take them for something else."""
    messages: list[Any] = [{"role": "user", "content": "count " * 900}]
    with openai_client(gateway) as client:
        _, _, reason, usage = chat(client, True, model=model, messages=messages, max_tokens=3)
    assert (reason, usage.completion_tokens) == ("length", 3)
    assert usage.prompt_tokens > 2_000


@ENGINES
def test_what_was_read_before_is_told_as_cached(gateway: Gateway, model: str) -> None:
    system = "You are a helpful assistant. " * 40
    with openai_client(gateway) as client, anthropic_client(gateway) as other:
        for content in (WEATHER, "hello"):
            messages: list[Any] = [
                {"role": "system", "content": system},
                {"role": "user", "content": content},
            ]
            *_, usage = chat(client, True, model=model, messages=messages, max_tokens=4)
        assert usage.prompt_tokens > usage.prompt_tokens_details.cached_tokens > 100
        asked: list[Any] = [{"role": "user", "content": "count"}]
        said = other.messages.create(model=model, max_tokens=4, system=system, messages=asked).usage
        assert (said.cache_read_input_tokens or 0) > 100 > said.input_tokens


@ENGINES
@STREAMED
def test_the_engine_stops_when_the_gateways_client_leaves(
    gateway: Gateway, engine: OnDemand, streamed: bool
) -> None:
    gateway.cli("local", "start", engine.name)
    begun = engine.ticks()
    body = {
        "model": engine.alias,
        "messages": [{"role": "user", "content": "count"}],
        "stream": streamed,
        "max_tokens": 30_000,
        **ENDLESS,
    }
    engine.leave_during(body, lambda _: engine.ticks() - begun > 0.4)
    engine.idle()


@ENGINES
def test_one_that_runs_already_is_added_by_its_url(
    gateway: Gateway, name: str, request: pytest.FixtureRequest
) -> None:
    running: Engine = request.getfixturevalue(name)
    backend, alias = gateway.fresh("e"), gateway.fresh()
    gateway.cli("local", "add", backend, "--url", running.url)
    gateway.rule(alias, f"local/{backend}={MODEL.get(name, 'tiny')}")
    messages: list[Any] = [{"role": "user", "content": WEATHER}]
    with openai_client(gateway) as client:
        assert chat(client, True, model=alias, messages=messages)[0] == SUNNY


@pytest.mark.parametrize("name", ["mlx", "llama"])
def test_an_input_that_is_too_long_is_told_in_the_words_that_clients_recover_from(
    gateway: Gateway, model: str
) -> None:
    with anthropic_client(gateway) as client:
        with pytest.raises(
            anthropic.BadRequestError, match="prompt is too long: 36007 tokens > 32768"
        ) as caught:
            messages: list[Any] = [{"role": "user", "content": "count " * 12_000}]
            client.messages.create(model=model, max_tokens=10, messages=messages)
    assert caught.value.status_code == 400
