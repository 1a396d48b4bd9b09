"""The memory of responses as a whole program: several processes, the official SDK, the switch."""

from __future__ import annotations

from collections.abc import Callable

import openai
import pytest

from .gateway import Gateway

Make = Callable[..., Gateway]


def ask(
    gateway: Gateway, model: str, said: str, previous: str | None = None
) -> openai.types.responses.Response:
    """On a connection of its own, so that any process may take it."""
    with openai.OpenAI(base_url=gateway.url + "/v1", api_key="k", max_retries=0, timeout=20) as client:
        return client.responses.create(model=model, input=said, previous_response_id=previous)


def test_with_several_processes_any_of_them_goes_on_from_a_response(own_gateway: Make) -> None:
    gateway = own_gateway("--workers", "3")
    said = ask(gateway, "practice", "turn 0")
    for turn in range(1, 13):
        before = said.usage.input_tokens if said.usage is not None else 0
        said = ask(gateway, "practice", f"turn {turn}", said.id)
        assert said.usage is not None
        assert said.usage.input_tokens > before, "the whole conversation came with it"


def test_switched_off_it_is_a_400_that_says_what_to_do(own_gateway: Make) -> None:
    gateway = own_gateway(env={"POINTSMAN_RESPONSE_MEMORY_BYTES": "0"})
    said = ask(gateway, "practice", "hi")
    with pytest.raises(openai.BadRequestError, match="store: false") as caught:
        ask(gateway, "practice", "on", said.id)
    assert caught.value.param == "previous_response_id"
