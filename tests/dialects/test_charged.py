"""What an answer says of its price beside its tokens: in each protocol, whole and streamed, as its vendor writes it.

Each is an invoice of tests/ledger/test_prices.py: what is read here is what is charged there.
"""

from __future__ import annotations

from typing import Any

import pytest

from pointsman.conversation.usage import TokenUsage
from pointsman.kinds import Protocol
from pointsman.ledger.cost import NO_PRICE
from tests.ledger.test_prices import CASES, cost
from tests.vendor_bodies import chat, messages, responses
from tests.vendor_bodies.wire import encoded, named

from .verdicts import agree, whole

CHAT, RESPONSES, MESSAGES = Protocol.OPENAI_CHAT, Protocol.OPENAI_RESPONSES, Protocol.ANTHROPIC_MESSAGES
SEARCH = {
    "type": "web_search_call",
    "id": "ws_1",
    "status": "completed",
    "action": {"type": "search", "query": "x"},
}
PAGE = {
    "type": "web_search_call",
    "id": "ws_2",
    "status": "completed",
    "action": {"type": "open_page", "url": "u"},
}


def counts(
    prompt: int, made: int, read: dict[str, int] | None = None, wrote: dict[str, int] | None = None
) -> dict[str, Any]:
    return {
        "prompt_tokens": prompt, "completion_tokens": made, "total_tokens": prompt + made,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0} | (read or {}),
        "completion_tokens_details": {
            "reasoning_tokens": 0, "audio_tokens": 0, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0,
        } | (wrote or {}),
    }  # fmt: skip


def claude(**counted: Any) -> dict[str, Any]:
    nothing = {
        "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "service_tier": "standard",
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "inference_geo": "not_available", "speed": "standard",
    }  # fmt: skip
    return nothing | counted


def of_responses(prompt: int, made: int) -> dict[str, Any]:
    return {
        "input_tokens": prompt, "output_tokens": made, "total_tokens": prompt + made,
        "input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0},
    }  # fmt: skip


SAID: dict[str, tuple[Protocol, dict[str, Any], str]] = {
    "chat, part of it cached, reasoning inside the output": (
        CHAT, counts(10_000, 1200, {"cached_tokens": 8000}, {"reasoning_tokens": 800}), "default",
    ),
    "over 272K all is repriced": (CHAT, counts(300_000, 2000, {"cached_tokens": 250_000}), "default"),
    "written to a cache by OpenAI": (
        CHAT, counts(20_000, 1000, {"cached_tokens": 12_000, "cache_write_tokens": 5000}), "default",
    ),
    "written for five minutes and for an hour": (
        MESSAGES,
        claude(
            input_tokens=120, output_tokens=900, cache_creation_input_tokens=6000, cache_read_input_tokens=50_000,
            cache_creation={"ephemeral_5m_input_tokens": 2000, "ephemeral_1h_input_tokens": 4000},
        ),
        "",
    ),
    "three searches": (
        MESSAGES, claude(input_tokens=5000, output_tokens=700, server_tool_use={"web_search_requests": 3}), "",
    ),
    "a batch": (
        MESSAGES,
        claude(input_tokens=1000, output_tokens=1000, cache_read_input_tokens=10_000, service_tier="batch"), "",
    ),
    "sound in and out": (CHAT, counts(1500, 700, {"audio_tokens": 1000}, {"audio_tokens": 600}), "default"),
    "a priority tier": (CHAT, counts(1000, 1000), "priority"),
    "made in the United States": (MESSAGES, claude(input_tokens=1000, output_tokens=1000, inference_geo="us"), ""),
    "a search of Responses": (RESPONSES, of_responses(10_000, 500), "default"),
}  # fmt: skip


def told(usage: TokenUsage | None) -> dict[str, Any]:
    """Nothing and zero cost the same."""
    assert usage is not None
    return {name: one for name in usage.__struct_fields__ if (one := getattr(usage, name))}


@pytest.mark.parametrize("name", SAID)
def test_an_invoice_is_read_from_a_whole_answer(name: str) -> None:
    protocol, usage, tier = SAID[name]
    bodies = {
        CHAT: chat.whole({"content": "hi"}, usage=usage, service_tier=tier),
        MESSAGES: messages.whole([{"type": "text", "text": "hi"}], usage=usage),
        RESPONSES: responses.response(
            [SEARCH, PAGE, responses.message("hi")], usage=usage, service_tier=tier
        ),
    }
    assert told(whole(protocol, encoded(bodies[protocol])).usage) == told(CASES[name][2])


@pytest.mark.parametrize("name", SAID)
def test_an_invoice_is_read_from_a_stream(name: str) -> None:
    protocol, usage, tier = SAID[name]
    body = responses.response([SEARCH, PAGE, responses.message("hi")], usage=usage, service_tier=tier)
    items = [
        {"type": "response.output_item.done", "output_index": at, "item": item}
        for at, item in enumerate(body["output"])
    ]
    streams = {
        CHAT: [
            chat.stream(
                chat.headed(chat.text("hi"), service_tier=tier), chat.headed(chat.delta("stop"), service_tier=tier),
                chat.headed(chat.counted(usage), service_tier=tier),
            )
        ],
        MESSAGES: [
            named(
                messages.started(usage={**usage, "output_tokens": 1}),
                *messages.block(0, {"type": "text", "text": ""}, messages.text_delta("hi")),
                *messages.ended("end_turn", {"output_tokens": usage.get("output_tokens")}),
            )
        ],
        RESPONSES: [named(*items, {"type": "response.completed", "response": body})],
    }  # fmt: skip
    assert told(agree(protocol, streams[protocol]).usage) == told(CASES[name][2])


@pytest.mark.parametrize("word", ["default", "auto", "standard", "on_demand", "", None])
def test_words_for_the_tier_of_the_list(word: Any) -> None:
    for protocol, body in (
        (CHAT, chat.whole({"content": "hi"}, service_tier=word)),
        (RESPONSES, responses.response([responses.message("hi")], service_tier=word)),
        (
            MESSAGES,
            messages.whole(
                [{"type": "text", "text": "hi"}],
                usage=claude(input_tokens=1, output_tokens=1, service_tier=word),
            ),
        ),
    ):
        found = whole(protocol, encoded(body)).usage
        assert found is not None
        assert found.tier is None


def test_fast_mode_is_a_tier_of_its_own() -> None:
    usage = claude(input_tokens=1, output_tokens=1, speed="fast")
    found = whole(MESSAGES, encoded(messages.whole([{"type": "text", "text": "hi"}], usage=usage))).usage
    assert found is not None
    assert found.tier == "fast"


FEES = {
    "files searched": (
        RESPONSES,
        {"type": "file_search_call", "id": "fs_1", "status": "completed", "queries": ["x"], "results": None},
    ),
    "code run by OpenAI": (
        RESPONSES,
        {
            "type": "code_interpreter_call", "id": "ci_1", "status": "completed", "code": "1",
            "container_id": "c", "outputs": None,
        },
    ),
    "a picture made": (
        RESPONSES,
        {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": "AAAA"},
    ),
    "code run by Anthropic": (
        MESSAGES,
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "bash_code_execution", "input": {"command": "ls"}},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FEES)
def test_a_tool_with_a_fee_that_no_list_has_makes_the_cost_unknown_not_that_of_the_tokens(name: str) -> None:
    protocol, call = FEES[name]
    text = {"type": "text", "text": "hi"}
    if protocol is RESPONSES:
        body = responses.response([call, responses.message("hi")])
        stream = named(
            *(
                {"type": "response.output_item.done", "output_index": at, "item": item}
                for at, item in enumerate(body["output"])
            ),
            {"type": "response.completed", "response": body},
        )
    else:
        body = messages.whole([call, text], usage=claude(input_tokens=5, output_tokens=7))
        stream = named(
            messages.started(usage=claude(input_tokens=5, output_tokens=1)),
            *messages.block(0, call),
            *messages.block(1, text | {"text": ""}, messages.text_delta("hi")),
            *messages.ended("end_turn", {"output_tokens": 7}),
        )
    provider, model = {RESPONSES: ("openai", "gpt-5.4"), MESSAGES: ("anthropic", "claude-opus-4-8")}[protocol]
    for seen in (whole(protocol, encoded(body)), agree(protocol, [stream])):
        assert seen.usage is not None
        assert seen.usage.whole
        assert cost(provider, model, seen.usage) == (None, NO_PRICE)
