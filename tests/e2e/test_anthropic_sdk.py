"""The official `anthropic` package through the gateway: a scripted upstream and the practice model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import anthropic
import pytest

from .gateway import Gateway
from .replies import CUT, begins, either, fails
from .wires import MESSAGES

if TYPE_CHECKING:
    from pointsman.practice.scripted import ScriptedUpstream

Upstreams = Callable[..., "ScriptedUpstream"]
HI: list[Any] = [{"role": "user", "content": "hi"}]


@pytest.fixture
def client(gateway: Gateway) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=gateway.url, api_key="unused", max_retries=0, timeout=20) as made:
        yield made


def routed(gateway: Gateway, server: ScriptedUpstream) -> str:
    return gateway.route("anthropic", server.url)[0]


def test_lists_models(client: anthropic.Anthropic) -> None:
    assert "practice" in [model.id for model in client.models.list(extra_query={"practice": "1"})]
    assert client.models.retrieve("practice").id == "practice"


def test_messages_complete(gateway: Gateway, client: anthropic.Anthropic, upstream: Upstreams) -> None:
    server = upstream()
    server.always(either(MESSAGES, "hello from upstream"))
    done = client.messages.create(model=routed(gateway, server), max_tokens=50, messages=HI)
    assert done.content[0].type == "text"
    assert done.content[0].text == "hello from upstream"
    assert done.usage.input_tokens == 7


def test_messages_stream(gateway: Gateway, client: anthropic.Anthropic, upstream: Upstreams) -> None:
    server = upstream()
    server.always(either(MESSAGES, "hello from upstream"))
    with client.messages.stream(model=routed(gateway, server), max_tokens=50, messages=HI) as stream:
        assert "".join(stream.text_stream) == "hello from upstream"
        assert stream.get_final_message().stop_reason == "end_turn"


def test_an_auth_token_instead_of_a_key_works_too(gateway: Gateway) -> None:
    with anthropic.Anthropic(
        base_url=gateway.url, auth_token="unused", api_key=None, max_retries=0
    ) as client:
        assert client.messages.create(model="practice", max_tokens=50, messages=HI).content


@pytest.mark.parametrize(
    ("status", "kind", "error"),
    [
        (400, "invalid_request_error", anthropic.BadRequestError),
        (401, "authentication_error", anthropic.AuthenticationError),
        (403, "permission_error", anthropic.PermissionDeniedError),
        (404, "not_found_error", anthropic.NotFoundError),
        (429, "rate_limit_error", anthropic.RateLimitError),
        (500, "api_error", anthropic.InternalServerError),
        (529, "overloaded_error", anthropic.InternalServerError),
    ],
)
def test_an_upstream_error_raises_the_typed_error(
    gateway: Gateway,
    client: anthropic.Anthropic,
    upstream: Upstreams,
    status: int,
    kind: str,
    error: type[anthropic.APIStatusError],
) -> None:
    server = upstream()
    reply = fails(MESSAGES, status, "the reason from upstream")
    server.always(reply)
    with pytest.raises(anthropic.APIStatusError, match="the reason from upstream") as caught:
        client.messages.create(model=routed(gateway, server), max_tokens=50, messages=HI)
    assert caught.value.status_code == status
    if status != 529:  # newer packages have a class of its own
        assert isinstance(caught.value, error)
    assert caught.value.request_id


def test_an_unknown_model_raises_not_found(client: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.NotFoundError):
        client.messages.create(model="nobody-has-this", max_tokens=50, messages=HI)


def test_a_stream_that_breaks_raises(
    gateway: Gateway, client: anthropic.Anthropic, upstream: Upstreams
) -> None:
    server = upstream()
    server.always(begins(MESSAGES, CUT, text="half of"))
    said = ""
    with pytest.raises(anthropic.APIError):
        with client.messages.stream(model=routed(gateway, server), max_tokens=50, messages=HI) as stream:
            for text in stream.text_stream:
                said += text
    assert said == "half of"


def test_count_tokens_reaches_the_upstream(
    gateway: Gateway, client: anthropic.Anthropic, upstream: Upstreams
) -> None:
    from .replies import JSON, Reply

    server = upstream()
    server.always(Reply(200, JSON, body={"input_tokens": 4711}))
    counted = client.messages.count_tokens(model=routed(gateway, server), messages=HI)
    assert counted.input_tokens == 4711
    assert server.requests[0].path == "/v1/messages/count_tokens"


def test_practice_calls_a_tool_and_reads_its_result(client: anthropic.Anthropic) -> None:
    tool: Any = {
        "name": "weather",
        "description": "the weather of a city",
        "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
    }
    asked: list[Any] = [{"role": "user", "content": "use a tool to find the weather in Oslo"}]
    first = client.messages.create(model="practice", max_tokens=200, messages=asked, tools=[tool])
    assert first.stop_reason == "tool_use"
    call = next(block for block in first.content if block.type == "tool_use")
    assert call.name == "weather"
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "seven degrees"}
    turns: list[Any] = [
        *asked,
        {"role": "assistant", "content": first.to_dict()["content"]},
        {"role": "user", "content": [result]},
    ]
    second = client.messages.create(
        model="practice",
        max_tokens=200,
        tools=[tool],
        messages=turns,
    )
    assert "seven degrees" in "".join(block.text for block in second.content if block.type == "text")


def test_practice_thinks_when_asked(client: anthropic.Anthropic) -> None:
    with client.messages.stream(
        model="practice", max_tokens=3000, messages=HI, thinking={"type": "enabled", "budget_tokens": 1024}
    ) as stream:
        message = stream.get_final_message()
    assert [block.type for block in message.content] == ["thinking", "text"]
