"""The payloads of translation are what they are named after. No figure is judged here."""

from __future__ import annotations

import json

import pytest

from . import translated_payloads as made

PATHS = (made.CHAT, made.MESSAGES, made.RESPONSES)


@pytest.mark.parametrize("path", PATHS)
def test_an_agents_turn_is_of_its_size_with_the_same_tools_each_time(path: str) -> None:
    bodies = made.agent(path).bodies
    assert len(bodies[0]) == made.SIZE
    assert len(set(bodies)) == len(bodies)
    read = [json.loads(body) for body in bodies]
    assert all(one["tools"] == read[0]["tools"] for one in read)
    assert len(read[0]["tools"]) == 20
    assert len(read[0]["input" if path == made.RESPONSES else "messages"]) > 40


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("stream", [False, True])
def test_a_small_request_is_small(path: str, stream: bool) -> None:
    bodies = made.small(path, stream=stream).bodies
    assert all(100 <= len(body) <= 180 for body in bodies)
    assert all(json.loads(body).get("stream", False) is stream for body in bodies)


def test_both_answers_say_the_same() -> None:
    chat = json.loads(made.called_chat())["choices"][0]["message"]
    text, call = json.loads(made.called_messages())["content"]
    (told,) = chat["tool_calls"]
    assert text["text"] == chat["content"]
    assert (call["name"], call["input"]) == (
        told["function"]["name"],
        json.loads(told["function"]["arguments"]),
    )
