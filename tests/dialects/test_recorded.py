"""Watches on recorded answers of real servers: what they say is what plain reading of the JSON says, cut anywhere."""

from __future__ import annotations

import json
import random
from functools import cache
from typing import Any

import pytest

from pointsman.conversation.usage import TokenUsage
from pointsman.dialects.registry import DIALECTS
from pointsman.kinds import Protocol
from pointsman.wire.sse import EventSplitter, data_of, name_of
from tests.conformance.recordings import Recording, recordings

from .reading import cut, read, seen

PROTOCOLS = {
    "/v1/chat/completions": Protocol.OPENAI_CHAT,
    "/v1/responses": Protocol.OPENAI_RESPONSES,
    "/v1/messages": Protocol.ANTHROPIC_MESSAGES,
    "/v1/completions": Protocol.COMPLETIONS,
    "/v1/embeddings": Protocol.EMBEDDINGS,
}


def is_stream(recording: Recording) -> bool:
    return dict(recording.headers).get("content-type", "").startswith("text/event-stream")


def of_kind(stream: bool) -> Any:
    """Parametrizes over the recordings, one test a recording; without any: one test, skipped, that says so."""
    found = [r for r in recordings() if is_stream(r) is stream and r.path.partition("?")[0] in PROTOCOLS]
    absent = pytest.param(None, marks=pytest.mark.skip(reason="NO RECORDINGS: set POINTSMAN_CONFORMANCE"))
    return pytest.mark.parametrize("recording", found or [absent], ids=str)


def protocol_of(recording: Recording) -> Protocol:
    return PROTOCOLS[recording.path.partition("?")[0]]


@cache
def objects(recording: Recording) -> list[dict[str, Any]]:
    """The stream's JSON values, read line by line with nothing of ours."""
    lines = [
        line.removeprefix("data:").strip()
        for line in recording.response.decode().splitlines()
        if line.startswith("data:")
    ]
    return [json.loads(line) for line in lines if line != "[DONE]"]


def usage_of(protocol: Protocol, values: list[dict[str, Any]]) -> TokenUsage | None:
    """Usage by plain reading, each protocol by its own words."""
    if protocol is Protocol.ANTHROPIC_MESSAGES:
        merged: dict[str, Any] = {}
        for value in values:
            said = value.get("usage") or (value.get("message") or {}).get("usage") or {}
            merged |= {name: number for name, number in said.items() if number is not None}
        if not merged:
            return None
        cached = merged.get("cache_read_input_tokens")
        total = merged["input_tokens"] + (cached or 0) + (merged.get("cache_creation_input_tokens") or 0)
        thinking = (merged.get("output_tokens_details") or {}).get("thinking_tokens")
        written = merged.get("cache_creation_input_tokens")
        long = (merged.get("cache_creation") or {}).get("ephemeral_1h_input_tokens")
        searches = (merged.get("server_tool_use") or {}).get("web_search_requests")
        return TokenUsage(total, merged.get("output_tokens"), cached, thinking, written, long, searches)
    found = [value.get("usage") or (value.get("response") or {}).get("usage") for value in values]
    last = next((usage for usage in reversed(found) if usage), None)
    if last is None:
        return None
    names = (
        ("input_tokens", "output_tokens")
        if "input_tokens" in last
        else ("prompt_tokens", "completion_tokens")
    )
    if protocol is Protocol.EMBEDDINGS:
        return TokenUsage(last["prompt_tokens"])
    if protocol is Protocol.COMPLETIONS:
        return TokenUsage(*(last.get(name) for name in names))
    details = [last.get(f"{name}_details") or {} for name in names]
    numbers = [last.get(name) for name in names]
    written = details[0].get("cache_write_tokens")
    whole = [value.get("response") or value for value in values]
    tier = next((one["service_tier"] for one in reversed(whole) if one.get("service_tier")), None)
    ran = [item for item in whole[-1].get("output") or () if item["type"] == "web_search_call"]
    searches = sum(item.get("action", {}).get("type", "search") == "search" for item in ran)
    return TokenUsage(
        *numbers,
        details[0].get("cached_tokens"),
        details[1].get("reasoning_tokens"),
        written,
        web_searches=searches or None,
        tier=None if tier == "default" else tier,
    )


@of_kind(stream=True)
def test_a_recorded_stream_cut_anywhere(recording: Recording) -> None:
    protocol = protocol_of(recording)
    raw = recording.response
    whole = read(protocol, [raw])
    assert (whole.output, whole.finished, whole.error, whole.malformed) == (True, True, None, 0)
    assert whole.usage == usage_of(protocol, objects(recording))
    dice = random.Random(recording.name)
    for pieces in (1, 2, 5, 60):
        assert read(protocol, cut(raw, [dice.randrange(len(raw)) for _ in range(pieces)])) == whole
    assert read(protocol, [raw.replace(b"\n", b"\r\n")]) == whole
    if len(raw) < 20_000:
        assert read(protocol, [raw[i : i + 1] for i in range(len(raw))]) == whole


@of_kind(stream=True)
def test_a_recorded_stream_that_is_cut_off_is_not_finished(recording: Recording) -> None:
    protocol = protocol_of(recording)
    watch = DIALECTS[protocol].seen()
    ends = {b"message_stop", b"response.completed", b"response.incomplete", b"[DONE]"}
    for event in EventSplitter().feed(recording.response):
        if (
            name_of(event) in ends
            or data_of(event) in ends
            or b'"finish_reason":"' in event
            or b'"finish_reason": "' in event
        ):
            break
        watch.event(event)
        assert not watch.finished
    else:
        pytest.fail("no end in the recording")


@of_kind(stream=True)
def test_output_is_seen_at_the_first_event_that_holds_some(recording: Recording) -> None:
    """Never before: a fallback must stay possible. Never later: the client waits for it."""
    protocol = protocol_of(recording)
    watch = DIALECTS[protocol].seen()
    for event, value in zip(EventSplitter().feed(recording.response), objects(recording), strict=False):
        watch.event(event)
        assert watch.output is holds_output(value), event
        if watch.output:
            return
    pytest.fail("no output in the recording")


def holds_output(value: dict[str, Any]) -> bool:
    if "choices" in value:
        return any(
            choice.get("text") or any(v for k, v in (choice.get("delta") or {}).items() if k != "role")
            for choice in value["choices"]
        )
    kind = value["type"]
    if kind == "content_block_start":
        return value["content_block"]["type"] not in ("text", "thinking")
    if kind == "content_block_delta":
        return any(str(v).strip() for k, v in value["delta"].items() if k != "type")
    if kind == "response.output_item.added":
        return value["item"]["type"].endswith("_call")
    return (kind.endswith(".delta") and bool(value["delta"])) or kind == "response.output_item.done"


@of_kind(stream=False)
def test_a_recorded_whole_answer(recording: Recording) -> None:
    protocol = protocol_of(recording)
    watch = DIALECTS[protocol].seen()
    assert watch.whole(recording.response) is True
    said = seen(watch)
    if recording.status == 200:
        assert (said.output, said.finished, said.error) == (True, True, None)
        assert said.usage == usage_of(protocol, [json.loads(recording.response)])
        assert said.usage is not None
    else:
        assert said.error
