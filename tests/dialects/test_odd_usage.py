"""Token counts where servers put them, and numbers that cannot be."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.conversation.usage import TokenUsage
from pointsman.dialects.anthropic_messages.usage import Counted, rendered
from pointsman.dialects.openai_usage import common_usage, neutral_usage
from pointsman.kinds import Protocol
from tests.vendor_bodies import chat, messages, responses
from tests.vendor_bodies.wire import encoded, named

from .verdicts import agree, whole

CHAT = Protocol.OPENAI_CHAT
COUNTS: dict[str, tuple[dict[str, Any], tuple[int | None, int | None, int | None, int | None]]] = {
    "cached on the top level": ({"prompt_tokens": 9, "completion_tokens": 2, "cached_tokens": 8}, (9, 2, 8, None)),
    "cached above prompt": ({"prompt_tokens": 9, "completion_tokens": 2, "cached_tokens": 80}, (9, 2, 9, None)),
    "read and written are the same tokens": (
        {"prompt_tokens": 2168, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 2161, "cache_write_tokens": 2161}},
        (2168, 2, 2161, 7),
    ),
    "written above prompt": (
        {"prompt_tokens": 10, "completion_tokens": 2, "prompt_tokens_details": {"cache_write_tokens": 11}}, (10, 2, None, 10),
    ),
    "no prompt beside cached": ({"prompt_tokens": 0, "completion_tokens": 2, "cached_tokens": 8}, (8, 2, 8, None)),
    "as words": ({"prompt_tokens": "9", "completion_tokens": "2", "prompt_tokens_details": {"cached_tokens": "3"}}, (9, 2, 3, None)),
    "as fractions": ({"prompt_tokens": 9.0, "completion_tokens": 2.0, "prompt_tokens_details": {"cached_tokens": 3.0}}, (9, 2, 3, None)),
    "details of another shape": (
        {"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": "x", "completion_tokens_details": []}, (9, 2, None, None),
    ),
    "beyond any context": ({"prompt_tokens": 10**30, "completion_tokens": 2}, (None, 2, None, None)),
    "by the names of Responses": (
        {"input_tokens": 9, "output_tokens": 2, "input_tokens_details": {"cached_tokens": 3}}, (9, 2, 3, None),
    ),
    "by the names of Messages": (
        {"input_tokens": 9, "output_tokens": 2, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 10}, (119, 2, 100, 10),
    ),
    "cached by the names of Messages": (
        {"prompt_tokens": 119, "completion_tokens": 2, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 10}, (119, 2, 100, 10),
    ),
    "written by Qwen's name": (
        {"prompt_tokens": 20, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 0, "cache_creation_input_tokens": 10}}, (20, 2, 0, 10),
    ),
    "both names, one of them empty": ({"prompt_tokens": 0, "completion_tokens": 2, "input_tokens": 9, "output_tokens": 0}, (9, 2, None, None)),
    "cached under one name, none under another": (
        {"prompt_tokens": 9, "completion_tokens": 2, "cached_tokens": 5, "prompt_tokens_details": {"cached_tokens": 0}}, (9, 2, 5, None),
    ),
    "DeepSeek's two halves": (
        {"completion_tokens": 2, "prompt_cache_hit_tokens": 4, "prompt_cache_miss_tokens": 5}, (9, 2, 4, None),
    ),
    "a total and one of two": ({"prompt_tokens": 9, "total_tokens": 11}, (9, 2, None, None)),
    "a total and the other": ({"completion_tokens": 2, "total_tokens": 11}, (9, 2, None, None)),
    "below nothing": (
        {"prompt_tokens": 7, "completion_tokens": -3, "cached_tokens": -1}, (7, 0, 0, None),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", list(COUNTS))
def test_counts_that_servers_put_elsewhere_or_cannot_be(name: str) -> None:
    usage, wanted = COUNTS[name]
    found = agree(
        CHAT, [chat.stream(chat.delta(content="hi"), chat.delta("stop"), chat.counted(usage))]
    ).usage
    assert found is not None
    assert (found.input, found.output, found.cached, found.cache_write) == wanted
    assert whole(CHAT, encoded(chat.whole({"content": "hi"}, usage=usage))).usage == found


@pytest.mark.parametrize("last", [True, False], ids=["with the finish reason", "before it"])
def test_usage_inside_a_choice_is_read(last: bool) -> None:
    chunks = [chat.delta(content="hi"), chat.delta("stop")]
    chunks[last]["choices"][0]["usage"] = {"prompt_tokens": 7, "completion_tokens": 2}
    found = agree(CHAT, [chat.stream(*chunks)]).usage
    assert found is not None
    assert (found.input, found.output) == (7, 2)


@pytest.mark.parametrize("usage", [{"prompt_tokens": "many"}, {"prompt_tokens": 9.5}, [1], "9", False])
def test_a_usage_inside_a_choice_that_is_none_costs_no_answer(usage: Any) -> None:
    body = chat.whole({"content": "hi"})
    del body["usage"]
    body["choices"][0]["usage"] = usage
    assert whole(CHAT, encoded(body)).answered
    last = chat.delta("stop")
    last["choices"][0]["usage"] = usage
    assert agree(CHAT, [chat.stream(chat.delta(content="hi"), last)]).answered


REASONED: dict[str, tuple[dict[str, Any], tuple[int, int]]] = {
    "counted apart, says the total": ({"completion_tokens": 2, "total_tokens": 331}, (319, 317)),
    "counted apart, as it is more": ({"completion_tokens": 2}, (319, 317)),
    "none of it counted": ({"completion_tokens": 0, "total_tokens": 329}, (317, 317)),
    "a part, says the total": ({"completion_tokens": 319, "total_tokens": 331}, (319, 317)),
    "more than its whole, says the total": ({"completion_tokens": 2, "total_tokens": 14}, (2, 2)),
}


@pytest.mark.parametrize("top", [True, False], ids=["on the top level", "in the details"])
@pytest.mark.parametrize("name", REASONED)
def test_reasoning_that_was_counted_apart_is_part_of_the_output(name: str, top: bool) -> None:
    counts, wanted = REASONED[name]
    reasoned = {"reasoning_tokens": 317}
    more = reasoned if top else {"completion_tokens_details": reasoned}
    body = chat.whole({"content": "hi"}, usage={"prompt_tokens": 12, **counts, **more})
    found = whole(CHAT, encoded(body)).usage
    assert found is not None
    assert (found.output, found.reasoning) == wanted


def test_usage_where_groq_tells_it_is_read() -> None:
    last = chat.delta("stop") | {
        "x_groq": {"id": "req_1", "usage": {"prompt_tokens": 7, "completion_tokens": 2}}
    }
    found = agree(CHAT, [chat.stream(chat.delta(content="hi"), last)]).usage
    assert found is not None
    assert (found.input, found.output) == (7, 2)


REPORTS = {
    "each half alone": [{"prompt_tokens": 7}, {"completion_tokens": 2}],
    "a half, and zeros beside the other": [
        {"prompt_tokens": 7, "completion_tokens": 0},
        {"prompt_tokens": 0, "completion_tokens": 2},
    ],
    "on each chunk, growing": [
        {"prompt_tokens": 7, "completion_tokens": 1, "total_tokens": 8},
        {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9},
    ],
}


@pytest.mark.parametrize("name", REPORTS)
def test_several_reports_of_one_answer_are_one_usage(name: str) -> None:
    first, last = REPORTS[name]
    chunks = [chat.delta(content="hi") | {"usage": first}, chat.delta("stop") | {"usage": last}]
    found = agree(CHAT, [chat.stream(*chunks)]).usage
    assert found is not None
    assert (found.input, found.output) == (7, 2)


@pytest.mark.parametrize("value", ["20", 20.0, "20.0"])
@pytest.mark.parametrize("protocol", [Protocol.OPENAI_RESPONSES, Protocol.ANTHROPIC_MESSAGES])
def test_counts_in_other_forms_are_read_in_every_protocol(protocol: Protocol, value: Any) -> None:
    usage = {
        "input_tokens": value,
        "output_tokens": value,
        "input_tokens_details": None,
        "server_tool_use": 1,
    }
    bodies = {
        Protocol.OPENAI_RESPONSES: responses.response([responses.message("hi")], usage=usage),
        Protocol.ANTHROPIC_MESSAGES: messages.whole([{"type": "text", "text": "hi"}], usage=usage),
    }
    found = whole(protocol, encoded(bodies[protocol])).usage
    assert found is not None
    assert (found.input, found.output) == (20, 20)


def test_zeros_in_a_messages_streams_last_report_unread_nothing() -> None:
    usage = {"input_tokens": 10, "output_tokens": 1, "cache_read_input_tokens": 5}
    events = [
        messages.started(usage=usage),
        *messages.block(0, {"type": "text", "text": ""}, messages.text_delta("hi")),
    ]
    last = {"input_tokens": 0, "output_tokens": 7, "cache_read_input_tokens": 0}
    found = agree(Protocol.ANTHROPIC_MESSAGES, [named(*events, *messages.ended(usage=last))]).usage
    assert found is not None
    assert (found.input, found.output, found.cached) == (15, 7, 5)


def test_usage_of_zeros_is_none_told() -> None:
    zeros = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    some = {"prompt_tokens": 7, "completion_tokens": 2}
    found = agree(
        CHAT, [chat.stream(chat.delta(content="hi"), chat.delta("stop"), chat.counted(zeros))]
    ).usage
    assert found == TokenUsage()
    both = chat.stream(chat.delta(content="hi"), chat.counted(some), chat.delta("stop"), chat.counted(zeros))
    found = agree(CHAT, [both]).usage
    assert found is not None
    assert found.input == 7


numbers = st.none() | st.integers(-3, 5000)


@given(st.builds(TokenUsage, numbers, numbers, numbers, numbers, numbers, numbers))
def test_parts_never_sum_to_more_than_their_whole_and_nothing_is_negative(usage: TokenUsage) -> None:
    found = usage.bounded()
    told = rendered(found)
    parts = [
        told[name] for name in ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    ]
    assert all(part >= 0 for part in (*parts, told["output_tokens"]))
    if found.input is not None:
        assert sum(parts) == found.input
    assert found.bounded() == found


BIG = st.none() | st.sampled_from([0, 1, 7, 5000, 2**53 - 1, 2**53, 2**53 + 2, -1]) | st.just("x")


@given(
    st.dictionaries(
        st.sampled_from(["input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"]), BIG
    ),
    st.dictionaries(
        st.sampled_from(["service_tier", "inference_geo", "speed"]), st.sampled_from(["standard", "global", "eu", "fast", None])
    ),
    st.dictionaries(
        st.sampled_from(["cache_creation", "output_tokens_details", "server_tool_use"]),
        st.dictionaries(
            st.sampled_from(["ephemeral_1h_input_tokens", "thinking_tokens", "web_search_requests"]), BIG
        ),
    ),
)  # fmt: skip
def test_a_messages_usage_in_its_common_form_is_read_as_any_other(
    counts: dict[str, Any], words: dict[str, Any], parts: dict[str, Any]
) -> None:
    """The same numbers as texts, which nobody writes, go the careful way."""
    as_text = {name: str(value) if type(value) is int else value for name, value in counts.items()}
    found = []
    for report in (counts, as_text):
        counted = Counted()
        counted.add({**report, **words, **parts})
        found.append(counted.neutral())
    assert found[0] == found[1]


_SOME = st.sampled_from([0, 1, 2, 5, 9, 14, 2**53, 2**60, -1, None, "9", 9.0, True])


@given(_SOME, _SOME, _SOME, _SOME, _SOME, st.none() | _SOME)
def test_the_usage_of_responses_is_the_same_by_its_common_form(
    asked: Any, made: Any, total: Any, cached: Any, reasoning: Any, written: Any
) -> None:
    """What has one more member is read the long way."""
    read = {"cached_tokens": cached} | ({} if written is None else {"cache_write_tokens": written})
    value = {
        "input_tokens": asked,
        "input_tokens_details": read,
        "output_tokens": made,
        "output_tokens_details": {"reasoning_tokens": reasoning},
        "total_tokens": asked + made if total == 14 and type(asked) is int and type(made) is int else total,
    }
    assert neutral_usage(value) == neutral_usage(value | {"beside": 1})
    assert common_usage(value | {"beside": 1}) is None


def test_the_common_form_of_responses_is_read_the_short_way() -> None:
    assert common_usage(responses.USAGE) == TokenUsage(20, 7, 5, 3)
    more = responses.USAGE | {"input_tokens_details": {"cached_tokens": 5, "cache_write_tokens": 0}}
    assert common_usage(more) == TokenUsage(20, 7, 5, 3, cache_write=0)
    assert common_usage(more | {"input_tokens_details": {"cached_tokens": 5, "audio_tokens": 0}}) is None
