"""Responses by id as a whole program: several processes, a restart, an answer whose process was killed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import openai
import pytest

from pointsman.practice import Received, Reply, ScriptedUpstream
from tests.agents.model import RESPONSES, WHOLE

from .gateway import Gateway

Make = Callable[..., Gateway]


def vendor(got: Received) -> Reply:
    """Makes responses with an id of their own, and knows each of them."""
    name = got.path.rpartition("/")[2] if got.method == "GET" else f"resp_{got.json()['input']}"
    value = {**json.loads(WHOLE[RESPONSES](f"this is {name}")), "id": name}
    return Reply(200, {"content-type": "application/json"}, body=json.dumps(value).encode())


def ask(gateway: Gateway, work: Callable[[openai.OpenAI], Any]) -> Any:
    """On a connection of its own, so that any process may take it."""
    with openai.OpenAI(base_url=gateway.url + "/v1", api_key="k", max_retries=0, timeout=20) as client:
        return work(client)


def test_any_process_finds_a_response_and_so_does_the_next_life(own_gateway: Make, upstream: Any) -> None:
    gateway: Gateway = own_gateway("--workers", "2")
    server: ScriptedUpstream = upstream()
    server.always(vendor)
    name, _ = gateway.route("openai", server.url)
    made = [ask(gateway, lambda c, n=n: c.responses.create(model=name, input=str(n)).id) for n in range(6)]
    for one in made * 2:
        assert ask(gateway, lambda c, one=one: c.responses.retrieve(one).output_text) == f"this is {one}"
    with pytest.raises(openai.NotFoundError, match="Response with id 'resp_none' not found"):
        ask(gateway, lambda c: c.responses.retrieve("resp_none"))
    gateway.stop()
    gateway.start()
    for one in made:
        assert ask(gateway, lambda c, one=one: c.responses.retrieve(one).output_text) == f"this is {one}"
    with pytest.raises(openai.NotFoundError, match="Response with id 'resp_none' not found"):
        ask(gateway, lambda c: c.responses.retrieve("resp_none"))


def test_the_practice_models_own_responses_are_read_again(gateway: Gateway) -> None:
    made = ask(gateway, lambda c: c.responses.create(model="practice", input="hi"))
    again = ask(gateway, lambda c: c.responses.retrieve(made.id))
    assert (again.output_text, again.usage) == (made.output_text, made.usage)
    (item,) = ask(gateway, lambda c: c.responses.input_items.list(made.id)).data
    assert item.content[0].text == "hi"
    ask(gateway, lambda c: c.responses.delete(made.id))
    with pytest.raises(openai.NotFoundError):
        ask(gateway, lambda c: c.responses.retrieve(made.id))
