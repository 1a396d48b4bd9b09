"""The official `openai` package through the gateway, against a scripted upstream and the practice model."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import openai
import pytest

from .gateway import Gateway
from .replies import CUT, begins, either, fails
from .wires import CHAT, RESPONSES

if TYPE_CHECKING:
    from pointsman.practice.scripted import ScriptedUpstream

Upstreams = Callable[..., "ScriptedUpstream"]
WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
}


@pytest.fixture(params=["/v1", ""], ids=["base-url-with-v1", "base-url-without-v1"])
def client(gateway: Gateway, request: pytest.FixtureRequest) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(
        base_url=gateway.url + request.param, api_key="unused", max_retries=0, timeout=20
    ) as made:
        yield made


def routed(gateway: Gateway, server: ScriptedUpstream) -> str:
    return gateway.route("openai", server.url)[0]


def test_lists_models(client: openai.OpenAI) -> None:
    assert "practice" in [model.id for model in client.models.list(extra_query={"practice": "1"})]
    assert client.models.retrieve("practice").id == "practice"


def test_chat_completes(gateway: Gateway, client: openai.OpenAI, upstream: Upstreams) -> None:
    server = upstream()
    server.always(either(CHAT, "hello from upstream"))
    done = client.chat.completions.create(
        model=routed(gateway, server), messages=[{"role": "user", "content": "hi"}]
    )
    assert done.choices[0].message.content == "hello from upstream"
    assert done.usage is not None
    assert done.usage.total_tokens == 18


def test_chat_streams(gateway: Gateway, client: openai.OpenAI, upstream: Upstreams) -> None:
    server = upstream()
    server.always(either(CHAT, "hello from upstream"))
    with client.chat.completions.create(
        model=routed(gateway, server), messages=[{"role": "user", "content": "hi"}], stream=True
    ) as stream:
        said = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
    assert said == "hello from upstream"


def test_responses_complete_and_stream(gateway: Gateway, client: openai.OpenAI, upstream: Upstreams) -> None:
    server = upstream()
    server.always(either(RESPONSES, "hello from upstream"))
    model = routed(gateway, server)
    assert client.responses.create(model=model, input="hi").output_text == "hello from upstream"
    with client.responses.create(model=model, input="hi", stream=True) as stream:
        kinds = [event.type for event in stream]
    assert kinds[0] == "response.created"
    assert kinds[-1] == "response.completed"


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (403, openai.PermissionDeniedError),
        (404, openai.NotFoundError),
        (409, openai.ConflictError),
        (422, openai.UnprocessableEntityError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
        (503, openai.InternalServerError),
    ],
)
def test_an_upstream_error_raises_the_typed_error(
    gateway: Gateway, upstream: Upstreams, status: int, error: type[openai.APIStatusError]
) -> None:
    server = upstream()
    server.always(fails(CHAT, status, "the reason from upstream"))
    with openai.OpenAI(base_url=gateway.url + "/v1", api_key="unused", max_retries=0) as client:
        with pytest.raises(error, match="the reason from upstream") as caught:
            client.chat.completions.create(
                model=routed(gateway, server), messages=[{"role": "user", "content": "hi"}]
            )
    assert caught.value.status_code == status
    assert caught.value.request_id


def test_an_unknown_model_raises_not_found(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="nobody-has-this", messages=[{"role": "user", "content": "hi"}])
    assert caught.value.code == "model_not_found"


def test_a_chat_stream_that_breaks_raises(
    gateway: Gateway, client: openai.OpenAI, upstream: Upstreams
) -> None:
    server = upstream()
    server.always(begins(CHAT, CUT, text="half of"))
    said = ""
    with pytest.raises(openai.APIError):
        with client.chat.completions.create(
            model=routed(gateway, server), messages=[{"role": "user", "content": "hi"}], stream=True
        ) as stream:
            for chunk in stream:
                said += chunk.choices[0].delta.content or ""
    assert said == "half of"


def test_a_responses_stream_that_breaks_tells_so(
    gateway: Gateway, client: openai.OpenAI, upstream: Upstreams
) -> None:
    server = upstream()
    server.always(begins(RESPONSES, CUT, text="half of"))
    kinds: list[str] = []
    try:
        with client.responses.create(model=routed(gateway, server), input="hi", stream=True) as stream:
            kinds += [event.type for event in stream]
    except openai.APIError:
        kinds.append("error")
    assert kinds[-1] in ("response.failed", "error")
    assert "response.completed" not in kinds


def test_embeddings_and_completions_pass(client: openai.OpenAI) -> None:
    rows = client.embeddings.create(model="practice", input=["a", "b"]).data
    assert len(rows) == 2
    assert rows[0].embedding
    assert client.completions.create(model="practice", prompt="hi").choices[0].text


def test_practice_calls_a_tool_and_reads_its_result(client: openai.OpenAI) -> None:
    function = {"name": "weather", "description": "the weather of a city", "parameters": WEATHER}
    asked = {"role": "user", "content": "use a tool to find the weather in Oslo"}
    first = client.chat.completions.create(
        model="practice",
        messages=[asked],  # type: ignore[list-item]
        tools=[{"type": "function", "function": function}],  # type: ignore[typeddict-item]
    )
    message = first.choices[0].message
    assert first.choices[0].finish_reason == "tool_calls"
    assert message.tool_calls
    call = message.tool_calls[0]
    assert call.type == "function"
    assert call.function.name == "weather"
    assert isinstance(json.loads(call.function.arguments), dict)
    second = client.chat.completions.create(
        model="practice",
        messages=[
            asked,  # type: ignore[list-item]
            message.model_dump(exclude_none=True),  # type: ignore[list-item]
            {"role": "tool", "tool_call_id": call.id, "content": "seven degrees"},
        ],
        tools=[{"type": "function", "function": function}],  # type: ignore[typeddict-item]
    )
    assert "seven degrees" in (second.choices[0].message.content or "")


def test_practice_stream_is_understood_by_the_sdks_accumulator(client: openai.OpenAI) -> None:
    with client.responses.stream(model="practice", input="good evening") as stream:
        for _ in stream:
            pass
        assert "good evening" in stream.get_final_response().output_text


def test_usage_of_a_stream_comes_only_to_who_asks(
    gateway: Gateway, client: openai.OpenAI, upstream: Upstreams
) -> None:
    with client.chat.completions.create(
        model="practice", messages=[{"role": "user", "content": "hi"}], stream=True
    ) as stream:
        assert all(chunk.choices and not chunk.usage for chunk in stream)
    with client.chat.completions.create(
        model="practice",
        messages=[{"role": "user", "content": "hi"}],
        stream=True,
        stream_options={"include_usage": True},
    ) as stream:
        last = list(stream)[-1]
    assert last.usage is not None
    assert last.usage.completion_tokens > 0
