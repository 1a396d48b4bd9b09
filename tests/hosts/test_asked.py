"""Requests to a host: what is understood, and that nothing which would change an answer is passed over."""

from __future__ import annotations

from typing import Any

import pytest

from pointsman.hosts.asked import ModelAbilities, chat, completion
from pointsman.hosts.refusal import Refused

ABLE = ModelAbilities(pictures=True, tools=True, chat=True, vocabulary=100)
BARE = ModelAbilities(pictures=False, tools=False, chat=False, vocabulary=100)
HI: list[Any] = [{"role": "user", "content": "hi"}]
TOOL = {"type": "function", "function": {"name": "f"}}
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}


def test_all_that_is_understood() -> None:
    asked = chat(
        {
            "model": "m", "messages": [{"role": "developer", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
                                       {"role": "user", "content": [{"type": "text", "text": "see"}, PICTURE]}],
            "tools": [TOOL], "tool_choice": "auto", "stop": ["x", ""], "max_tokens": 5, "max_completion_tokens": 7, "stream": True,
            "stream_options": {"include_usage": True}, "temperature": 0.5, "top_k": 3, "seed": 1, "logit_bias": {"7": -1},
            "parallel_tool_calls": False, "reasoning_effort": "low", "chat_template_kwargs": {"enable_thinking": False},
            "user": "u", "metadata": {}, "n": 1, "logprobs": False, "response_format": {"type": "text"}, "modalities": ["text"],
        },
        ABLE,
    )  # fmt: skip
    assert asked.messages is not None
    assert asked.messages[0] == {"role": "system", "content": "ab"}
    assert asked.messages[1]["content"] == [{"type": "text", "text": "see"}, PICTURE]
    assert (asked.stops, asked.most, asked.stream, asked.tells_usage, asked.only_one_call) == (
        ("x",),
        7,
        True,
        True,
        True,
    )
    assert (asked.sampling, asked.bias, asked.seed) == ({"temperature": 0.5, "top_k": 3}, {7: -1.0}, 1)
    assert asked.template == {"reasoning_effort": "low", "enable_thinking": False}


def test_no_tools_when_none_are_wanted() -> None:
    assert chat({"messages": HI, "tools": [TOOL], "tool_choice": "none"}, BARE_CHAT).tools is None


BARE_CHAT = ModelAbilities(pictures=False, tools=False, chat=True, vocabulary=100)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": ["hi"]}, "messages"),
        ({"messages": [{"role": "user", "content": 1}]}, "messages"),
        ({"messages": [{"role": "user", "content": [PICTURE]}]}, "messages"),
        ({"messages": [{"role": "user", "content": [{"type": "file", "file": {}}]}]}, "messages"),
        ({"tools": [TOOL]}, "tools"),
        ({"stop": 5}, "stop"),
        ({"stop": ["x"] * 17}, "stop"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": "many"}, "max_tokens"),
        ({"temperature": -1}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"top_p": 1.5}, "top_p"),
        ({"seed": 1.5}, "seed"),
        ({"logit_bias": {"100": 1}}, "logit_bias"),
        ({"logit_bias": {"x": 1}}, "logit_bias"),
        ({"logit_bias": [1]}, "logit_bias"),
        ({"n": 2}, "n"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"audio": {"voice": "x"}}, "audio"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"guided_json": {}, "grammar": "root ::= x"}, "grammar"),
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"adapters": "there"}, "adapters"),
        ({"chat_template_kwargs": 3}, "chat_template_kwargs"),
    ],
)
def test_what_would_change_the_answer_is_refused_by_name(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(Refused) as caught:
        chat({"messages": HI, **fields}, BARE_CHAT)
    assert (caught.value.status, caught.value.param) == (400, param)


@pytest.mark.parametrize(
    "fields",
    [
        {"tool_choice": "required"},
        {"tool_choice": {"type": "function", "function": {"name": "f"}}},
        {"tools": [{"type": "web"}]},
    ],
)
def test_tools_that_cannot_be_forced_or_are_none_of_ours(fields: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="tool"):
        chat({"messages": HI, "tools": [TOOL], **fields}, ABLE)


def test_a_picture_is_never_fetched() -> None:
    part = {"type": "image_url", "image_url": {"url": "http://10.0.0.1/x.png"}}
    with pytest.raises(Refused, match="fetches nothing"):
        chat({"messages": [{"role": "user", "content": [part]}]}, ABLE)


def test_a_model_without_a_template_goes_on_with_texts_only() -> None:
    with pytest.raises(Refused, match="/v1/completions"):
        chat({"messages": HI}, BARE)
    assert completion({"prompt": ["once"]}, BARE).prompt == "once"
    for prompt in (None, "", ["a", "b"], [1, 2]):
        with pytest.raises(Refused, match="one text"):
            completion({"prompt": prompt}, BARE)
    for field in ("suffix", "echo"):
        with pytest.raises(Refused, match=field):
            completion({"prompt": "x", field: "y"}, BARE)
